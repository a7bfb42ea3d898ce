import { expect } from 'chai';
import { loadParser } from '../../query/sql/parse.ts';
import { Flipper, flipRandom } from './flip.ts';

describe('flipped bits', () => {
  it('are found and named, or change nothing: 1,500 over all kinds of files', async () => {
    await loadParser();
    const flipper = await Flipper.create();
    expect(flipper.kinds).to.have.members(['segment', 'index', 'mark', 'sstable', 'manifest']);
    const random = flipRandom(1);
    const outcomes = new Set<string>();
    for (let count = 0; count < 1500; count++) outcomes.add(await flipper.outcomeOf(flipper.pick(random)));
    expect(outcomes).to.have.all.keys('detected', 'harmless');
  }).timeout(120_000);
});
