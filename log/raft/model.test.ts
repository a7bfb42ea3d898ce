import { expect } from 'chai';
import { type FaultKind, Model } from './model/model.ts';

const seeds = 1000;

describe('log/raft model', () => {
  it(`what_raft_promises_holds_on_${seeds}_seeds_of_faults`, () => {
    const totals = new Map<string, number>();
    for (let seed = 1; seed <= seeds; seed++) {
      const report = run(seed);
      const { leaders, commits, reads } = report;
      for (const [name, count] of Object.entries({ leaders, commits, reads, ...report.faults }))
        totals.set(name, (totals.get(name) ?? 0) + count);
    }
    // A model in which nothing happens would hold too.
    for (const [name, count] of totals) expect(count, name).to.be.greaterThan(seeds);
  }).timeout(120_000);

  it('a_seed_gives_the_same_run_again', () => {
    const trace = (seed: number): string[] => {
      const lines: string[] = [];
      new Model(seed, (line) => lines.push(line)).run();
      return lines;
    };
    expect(trace(7)).to.deep.equal(trace(7));
    expect(trace(7)).not.to.deep.equal(trace(8));
  });
});

function run(seed: number): {
  leaders: number;
  commits: number;
  reads: number;
  faults: Record<FaultKind, number>;
} {
  try {
    return new Model(seed).run();
  } catch (thrown) {
    throw new Error(`seed ${seed}: npm run fuzz:raft -- --seed ${seed} --trace`, { cause: thrown });
  }
}
