import { fork } from 'node:child_process';
import { parseArgs } from 'node:util';
import { loadParser } from '../../../query/sql/parse.ts';
import { textOfFault } from './faults.ts';
import { type ClusterPlan, planOf } from './plan.ts';
import { ClusterFailure, type ClusterReport, framesShown, runClusterPlan } from './run.ts';
import { shapes } from './shapes.ts';
import { shrink } from './shrink.ts';
import { Totals } from './totals.ts';

/**
 * `npm run sim:cluster -- --seeds 1000 --seed 1 --jobs 2`: runs seeds, and says what they covered. A seed that fails is
 * made smaller, and what happened in it is printed; `--whole` leaves it as it is, `--stop` ends with the first one.
 * `--repeat 1000` runs each so often, and fails where two runs of one seed differ.
 */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '1000' },
    seed: { type: 'string', default: '1' },
    jobs: { type: 'string', default: '1' },
    /** Of a job: every so many seeds. */
    step: { type: 'string', default: '1' },
    /** Each of them again and again: one trace is expected of a seed, in whichever process it runs. */
    repeat: { type: 'string', default: '1' },
    timeline: { type: 'string', default: '120' },
    whole: { type: 'boolean', default: false },
    stop: { type: 'boolean', default: false },
    /** Of all runs; default: as the seeds have it. */
    shape: { type: 'string' },
  },
});

/** What a job tells. */
type Told = { readonly report: ClusterReport } | { readonly failed: number; readonly text: string };

async function runJob(tell: (told: Told) => void): Promise<void> {
  await loadParser();
  const shape = shapes.find((each) => each === values.shape);
  if (values.shape !== undefined && shape === undefined) throw new Error(`a shape is one of ${shapes}`);
  const [first, count, step] = [Number(values.seed), Number(values.seeds), Number(values.step)];
  for (let seed = first; seed < first + count; seed += step) {
    let failure: ClusterFailure | null = null;
    for (let left = Number(values.repeat); left > 0 && failure === null; left--) {
      failure = await failureOf(planOf(seed, shape), (report) => tell({ report }));
    }
    if (failure === null) continue;
    const smallest = values.whole ? failure : await shrink(failure, (plan) => failureOf(plan, () => {}));
    const shown = await failureOf(smallest.plan, () => {}, framesShown);
    tell({ failed: seed, text: textOf(shown ?? smallest) });
    if (values.stop) return;
  }
}

async function failureOf(
  plan: ClusterPlan,
  succeed: (report: ClusterReport) => void,
  frames = 0,
): Promise<ClusterFailure | null> {
  try {
    succeed(await runClusterPlan(plan, frames));
    return null;
  } catch (error) {
    if (error instanceof ClusterFailure) return error;
    throw error;
  }
}

function textOf({ plan, message, timeline }: ClusterFailure): string {
  const { seed, voters, hasWitness, mode, isolation, clients, faults } = plan;
  return [
    '',
    message,
    '',
    ...timeline
      .slice(Math.max(0, timeline.length - Number(values.timeline)))
      .map((line) => line.slice(0, 220)),
    '',
    `${voters} nodes${hasWitness ? ' and a witness' : ''}, ${mode}, ${isolation}; ${clients.length} clients, ${clients[0]?.operations} operations each`,
    ...faults.map((fault) => `  ${fault.atMs} ms: ${textOfFault(fault)}`),
    `replay: npm run sim:cluster -- --seeds 1 --seed ${seed}`,
    '',
  ].join('\n');
}

async function main(): Promise<void> {
  const totals = new Totals();
  const hear = (told: Told) => {
    if ('report' in told) totals.add(told.report);
    else {
      console.error(told.text);
      totals.failed.push(told.failed);
    }
    if (totals.seeds % 500 === 0) console.log(`${totals.seeds} seeds`);
  };
  const jobs = Number(values.jobs);
  if (jobs === 1) await runJob(hear);
  else await Promise.all(Array.from({ length: jobs }, (_, index) => startJob(shareOf(index, jobs), hear)));
  console.log(totals.text());
  if (totals.failed.length > 0 || totals.unequal.length > 0) process.exitCode = 1;
}

/** Every so many of the seeds; or, where each is run again and again, every so many of its runs. */
function shareOf(
  index: number,
  jobs: number,
): Readonly<Record<'seed' | 'seeds' | 'step' | 'repeat', number>> {
  const [seed, seeds, repeat] = [Number(values.seed), Number(values.seeds), Number(values.repeat)];
  return repeat === 1
    ? { seed: seed + index, seeds: seeds - index, step: jobs, repeat }
    : { seed, seeds, step: 1, repeat: Math.ceil((repeat - index) / jobs) };
}

function startJob(share: ReturnType<typeof shareOf>, hear: (told: Told) => void): Promise<void> {
  const own = Object.entries({ ...share, timeline: values.timeline }).flatMap(([name, value]) => [
    `--${name}`,
    `${value}`,
  ]);
  const shape = values.shape === undefined ? [] : ['--shape', values.shape];
  const flags = [values.whole ? '--whole' : [], values.stop ? '--stop' : [], shape].flat();
  const job = fork(import.meta.filename, [...own, ...flags], { serialization: 'advanced' });
  job.on('message', hear);
  return new Promise((resolve, reject) => {
    job.on('error', reject);
    job.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`a job ended with ${code}`))));
  });
}

const tellParent = process.send?.bind(process);
if (tellParent === undefined) await main();
else await runJob((told) => void tellParent(told));
