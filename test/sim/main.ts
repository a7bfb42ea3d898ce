import { parseArgs } from 'node:util';
import { loadParser } from '../../query/sql/parse.ts';
import { type CrashPoint, runSeed, SeedFailure, type SeedReport } from './run.ts';

/** `npm run sim -- --seeds 1000 --seed 1`: runs seeds one after another, and says what they covered.
 * `--timeline 10000` shows more of what came before a failure. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      seeds: { type: 'string', default: '1000' },
      seed: { type: 'string', default: '1' },
      timeline: { type: 'string', default: '60' },
    },
  });
  const [count, first] = [Number(values.seeds), Number(values.seed)];
  await loadParser();
  const startMs = performance.now();
  const reports: SeedReport[] = [];
  const failures: SeedFailure[] = [];
  for (let seed = first; seed < first + count; seed++) {
    try {
      reports.push(await runSeed(seed, Number(values.timeline)));
    } catch (error) {
      if (!(error instanceof SeedFailure)) throw error;
      failures.push(error);
      console.error(`\n${error.message}\n`);
    }
    if ((seed - first + 1) % 500 === 0) console.log(`${seed - first + 1} seeds`);
  }
  print(reports, (performance.now() - startMs) / 1000);
  if (failures.length > 0) {
    console.error(`failed: seeds ${failures.map(({ seed }) => seed).join(', ')}`);
    process.exitCode = 1;
  }
}

function print(reports: readonly SeedReport[], seconds: number): void {
  const crashes = reports.flatMap((report) =>
    report.crashes.map((crash) => ({ ...crash, boundary: `${report.seed}.${crash.boundary}` })),
  );
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);
  console.log(
    `${reports.length} seeds in ${seconds.toFixed(0)} s (${(reports.length / seconds).toFixed(1)} a second), ` +
      `${(sum(reports.map(({ simulatedMs }) => simulatedMs)) / 1000).toFixed(1)} s simulated`,
  );
  console.log(
    `${sum(reports.map(({ boundaries }) => boundaries))} I/O boundaries passed, crashes at ` +
      `${new Set(crashes.map(({ boundary }) => boundary)).size} distinct ones ` +
      `(${crashes.filter(({ isInRecovery }) => isInRecovery).length} in recovery), ` +
      `${sum(reports.map(({ acknowledged }) => acknowledged))} transactions acknowledged`,
  );
  console.log(`troubles: ${counts(reports.flatMap(({ troubles }) => troubles))}`);
  console.log(`moments:  ${counts(crashes.map(({ moment }) => moment))}`);
  console.log(`files of large transactions: ${counts(crashes.flatMap(({ runs }) => runs))}`);
  console.log(`crashes:  ${counts(crashes.map((crash: CrashPoint) => crash.operation))}`);
}

function counts(names: readonly string[]): string {
  const found = new Map<string, number>();
  for (const name of names) found.set(name, (found.get(name) ?? 0) + 1);
  return [...found]
    .sort(([, left], [, right]) => right - left)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ');
}

await main();
