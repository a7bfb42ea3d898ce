import { parseArgs } from 'node:util';
import { Model } from '../../log/raft/model/model.ts';

/** Runs the model of log/raft on many seeds: `npm run fuzz:raft -- --seeds 50000 --seed 1`; `--trace` shows one seed. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
  },
});
const first = Number(values.seed);
const count = values.trace ? 1 : Number(values.seeds);
const totals = new Map<string, number>();
let violations = 0;
for (let seed = first; seed < first + count && violations < 10; seed++) {
  try {
    const { faults, leaders, commits, reads, steps } = new Model(
      seed,
      values.trace ? console.log : null,
    ).run();
    for (const [name, value] of Object.entries({ steps, leaders, commits, reads, ...faults }))
      totals.set(name, (totals.get(name) ?? 0) + value);
  } catch (thrown) {
    violations++;
    console.log(
      `seed ${seed}: ${thrown instanceof Error ? (values.trace ? thrown.stack : thrown.message) : thrown}`,
    );
  }
}
console.log(`${count} seeds, ${violations} violations`, Object.fromEntries(totals));
process.exitCode = violations === 0 ? 0 : 1;
