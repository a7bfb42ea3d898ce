import { expect } from 'chai';
import { loadParser } from '../../../query/sql/parse.ts';
import { type ClusterPlan, planOf } from './plan.ts';
import { ClusterFailure, runClusterSeed } from './run.ts';
import { shrink } from './shrink.ts';

const seeds = 300;
const seedsAtOnce = 10;

describe('simulated cluster', () => {
  before(() => loadParser());

  it('runs equal seeds equally', async () => {
    const traces = new Set<number>();
    for (const seed of [7, 8]) {
      const first = await runClusterSeed(seed);
      for (let again = 0; again < 4; again++) expect(await runClusterSeed(seed)).to.deep.equal(first);
      traces.add(first.traceHash);
    }
    expect(traces.size).to.equal(2);
  }).timeout(120_000);

  // A machine that joined anew, in the place of the node that it was, never got its vote.
  it('keeps what it promises where seed 113 once did not', () => runClusterSeed(113)).timeout(60_000);

  for (let first = 1; first <= seeds; first += seedsAtOnce) {
    it(`keeps what it promises: seeds ${first} to ${first + seedsAtOnce - 1}`, async () => {
      for (let seed = first; seed < first + seedsAtOnce; seed++) {
        const { operations, simulatedMs, faults } = await runClusterSeed(seed);
        expect([...faults.values()].reduce((sum, count) => sum + count, 0)).to.be.at.least(5);
        expect(operations).to.be.at.least(500);
        expect(simulatedMs).to.be.at.least(60_000);
      }
    }).timeout(120_000);
  }
});

describe('a failing plan', () => {
  it('is cut down to the faults and clients that it needs', async () => {
    const plan = planOf(3);
    const needed = [plan.faults[1]!, plan.faults[4]!];
    const failureOf = async (tried: ClusterPlan) => {
      const fails = needed.every((fault) => tried.faults.includes(fault)) && tried.clients.length > 0;
      return fails ? new ClusterFailure(tried, new Error('as before'), []) : null;
    };
    const smallest = await shrink((await failureOf(plan))!, failureOf);
    expect(smallest.plan.faults).to.deep.equal(needed);
    expect(smallest.plan.clients).to.have.length(1);
    expect(smallest.plan.clients[0]!.operations).to.equal(1);
  });

  it('is not cut down to one that fails for another reason', async () => {
    const plan = planOf(4);
    const failureOf = async (tried: ClusterPlan) =>
      new ClusterFailure(tried, new Error(tried.faults.length < plan.faults.length ? 'another' : 'this'), []);
    const smallest = await shrink(await failureOf(plan), failureOf);
    expect(smallest.plan.faults).to.have.length(plan.faults.length);
  });
});
