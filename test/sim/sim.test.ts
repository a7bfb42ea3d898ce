import { expect } from 'chai';
import { loadParser } from '../../query/sql/parse.ts';
import { runSeed } from './run.ts';

const seeds = 300;
const seedsAtOnce = 10;

describe('simulation', () => {
  before(() => loadParser());

  it('runs equal seeds equally', async () => {
    const first = await runSeed(7);
    expect(await runSeed(7)).to.deep.equal(first);
    expect((await runSeed(8)).traceHash).to.not.equal(first.traceHash);
  }).timeout(60_000);

  // A transaction of many batches ended before the flush point, behind one that had not: replayed under later layouts.
  for (const seed of [1222, 1366]) {
    it(`recovers where seed ${seed} once did not`, () => runSeed(seed)).timeout(60_000);
  }

  for (let first = 1; first <= seeds; first += seedsAtOnce) {
    it(`loses nothing and shows nothing by half: seeds ${first} to ${first + seedsAtOnce - 1}`, async () => {
      for (let seed = first; seed < first + seedsAtOnce; seed++) await runSeed(seed);
    }).timeout(60_000);
  }
});
