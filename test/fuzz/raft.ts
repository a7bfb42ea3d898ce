import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { mutate, mutations } from './raft-mutations.ts';

/**
 * Runs the model of log/raft on many seeds: `npm run fuzz:raft -- --seeds 50000 --seed 1`; `--trace` shows one seed.
 * `--mutations` puts each mistake of raft-mutations.ts into the code and tells at which seed the model finds it.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    trace: { type: 'boolean', default: false },
    mutations: { type: 'boolean', default: false },
    mutation: { type: 'string' },
  },
});
process.exitCode = values.mutations ? findMutations() : await findViolations();

async function findViolations(): Promise<number> {
  if (values.mutation !== undefined) mutate(values.mutation);
  const { Model } = await import('../../log/raft/model/model.ts');
  const first = Number(values.seed);
  const count = values.trace ? 1 : Number(values.seeds);
  const violationsMax = values.mutation === undefined ? 10 : 1;
  const totals = new Map<string, number>();
  let violations = 0;
  for (let seed = first; seed < first + count && violations < violationsMax; seed++) {
    try {
      const { faults, leaders, commits, reads, steps } = new Model(
        seed,
        values.trace ? console.log : null,
      ).run();
      for (const [name, value] of Object.entries({ steps, leaders, commits, reads, ...faults }))
        totals.set(name, (totals.get(name) ?? 0) + value);
    } catch (thrown) {
      violations++;
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      console.log(`seed ${seed}: ${values.trace ? error.stack : error.message}`);
    }
  }
  if (values.mutation === undefined)
    console.log(`${count} seeds, ${violations} violations`, Object.fromEntries(totals));
  return violations === 0 ? 0 : 1;
}

function findMutations(): number {
  let missed = 0;
  for (const { name } of mutations) {
    const child = spawnSync(
      process.execPath,
      [fileURLToPath(import.meta.url), '--mutation', name, '--seeds', values.seeds, '--seed', values.seed],
      { encoding: 'utf8' },
    );
    const found = child.stdout.trim();
    if (!found.startsWith('seed ')) missed++;
    console.log(`${name}: ${found || child.stderr.split('\n').slice(0, 6).join(' ') || 'NOT FOUND'}`);
  }
  console.log(`${mutations.length} mistakes, ${missed} not found within ${values.seeds} seeds`);
  return missed;
}
