import { loadavg } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../../api/index.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { checkAcknowledged } from '../sim/checkers/acknowledged.ts';
import type { Anomaly } from '../sim/checkers/anomaly.ts';
import { checkBank } from '../sim/checkers/bank.ts';
import { checkListAppend } from '../sim/checkers/list-append.ts';
import { checkRegisters } from '../sim/checkers/registers.ts';
import { History } from '../sim/cluster/history.ts';
import { ProcessCluster } from './cluster.ts';
import { type FaultKind, isOfPrimary, pickFault, strike } from './faults.ts';
import { LoadClient, type Seen } from './load-client.ts';
import type { Network } from './network.ts';
import type { Complaint } from './server-process.ts';
import { accountCount, balanceTotal, outcomeOfAll, probe, runClient, schemaScript } from './workload.ts';

export type SoakPlan = {
  readonly network: Network;
  /** Goes on for so long, and until the primary was struck so often. */
  readonly minutes: number;
  readonly failovers: number;
  readonly seed: number;
  readonly faults?: readonly FaultKind[];
  readonly note?: (happening: string) => void;
};

/** A fault, and how long nobody, or no client that looks for the primary, had a write accepted. */
export type Strike = {
  readonly kind: FaultKind;
  readonly gapMs: number;
  readonly clientGapMs: number;
  readonly settledMs: number;
  readonly load: number;
};

export type SoakReport = {
  readonly strikes: readonly Strike[];
  readonly seen: Seen;
  readonly anomalies: readonly Anomaly[];
  readonly differences: readonly string[];
  readonly complaints: readonly Complaint[];
};

const clientCount = 8;
/** Between two faults. */
const [calmMsMin, calmMsMax] = [500, 2500];

const outageMsMax = 30_000;
/** What was under way when it happened is answered within it. */
const inFlightMsMax = 100;
const acceptedEnough = 20;
const lookMs = 20;

/** A cluster of processes under load, to which one thing after the other happens; all that it says is checked. */
export async function soak(plan: SoakPlan): Promise<SoakReport> {
  const cluster = await ProcessCluster.start(plan.network);
  const seen: Seen = {
    history: new History(),
    accepted: [],
    errors: new Map(),
    unexplained: [],
    stale: [],
    awaited: 0,
    givenUp: 0,
  };
  try {
    await cluster.ask(schemaScript);
    await cluster.settled();
    const clients = clientsOf(cluster, plan.seed, seen);
    const probes = probesOf(cluster, plan.seed, seen);
    const running = [...clients.map(runClient), ...probes.map(probe)];
    const strikes = await strikeOften(cluster, plan, seen);
    for (const client of [...clients, ...probes]) client.isStopping = true;
    await Promise.all(running);
    await cluster.settled();
    return { strikes, seen, ...(await judged(cluster, seen)) };
  } finally {
    await cluster.close();
  }
}

/** Half of them look for the primary; the others take any node, each another one, and are forwarded. */
function clientsOf(cluster: ProcessCluster, seed: number, seen: Seen): readonly LoadClient[] {
  const { nodes } = cluster;
  return Array.from({ length: clientCount }, (_, index) => {
    const looks = index % 2 === 0;
    const first = index % nodes.length;
    const rotated = [...nodes.slice(first), ...nodes.slice(0, first)];
    const url = cluster.url(
      looks ? 'read-write' : 'any',
      rotated,
      '&options=-c%20alopex.read_from%3Dprimary',
    );
    const name = `${looks ? 'looking' : 'forwarded'}${index}`;
    return new LoadClient(name, url, new SeededRandom(seed + 1 + index), seen);
  });
}

function probesOf(cluster: ProcessCluster, seed: number, seen: Seen): readonly LoadClient[] {
  return cluster.nodes.map(
    (node) => new LoadClient(`probe${node.index}`, cluster.url('any', [node]), new SeededRandom(seed), seen),
  );
}

async function strikeOften(
  cluster: ProcessCluster,
  { minutes, failovers, seed, faults, note }: SoakPlan,
  seen: Seen,
): Promise<readonly Strike[]> {
  const random = new SeededRandom(seed);
  const untilMs = performance.now() + minutes * 60_000;
  const strikes: Strike[] = [];
  let ofPrimary = 0;
  await setTimeout(calmMsMin);
  while (performance.now() < untilMs || ofPrimary < failovers) {
    const kind = faults?.[strikes.length] ?? pickFault(random, cluster.network.cut !== null);
    const one = await strikeOnce(cluster, kind, random, seen);
    strikes.push(one);
    if (isOfPrimary(kind)) ofPrimary += 1;
    note?.(
      `${strikes.length}. ${kind}: ${one.gapMs} ms without a write, ${one.clientGapMs} ms for clients that look for the primary, settled after ${one.settledMs} ms, load ${one.load}`,
    );
    await setTimeout(random.between(calmMsMin, calmMsMax));
  }
  return strikes;
}

async function strikeOnce(
  cluster: ProcessCluster,
  kind: FaultKind,
  random: SeededRandom,
  seen: Seen,
): Promise<Strike> {
  const primary = await cluster.primary();
  const replicas = cluster.nodes.filter((node) => node !== primary);
  const node = isOfPrimary(kind) ? primary : random.pick(replicas as [(typeof replicas)[0]]);
  seen.accepted.length = 0;
  const startMs = performance.now();
  const mend = await strike(cluster, kind, node, random);
  await writesAccepted(seen, performance.now());
  await mend();
  await cluster.settled();
  const settledMs = Math.round(performance.now() - startMs);
  const looking = seen.accepted.filter(({ by }) => by.startsWith('looking'));
  const [load] = loadavg();
  return {
    kind,
    gapMs: longestGap(startMs, startMs + settledMs, seen.accepted),
    clientGapMs: longestGap(startMs, startMs + settledMs, looking),
    settledMs,
    load: Number(load!.toFixed(1)),
  };
}

/** Writes are accepted again, or nobody waits for that any longer: it is mended, and the time speaks for itself. */
async function writesAccepted(seen: Seen, afterMs: number): Promise<void> {
  while (performance.now() < afterMs + outageMsMax) {
    const late = seen.accepted.filter(({ answeredMs }) => answeredMs > afterMs + inFlightMsMax);
    if (late.length >= acceptedEnough) return;
    await setTimeout(lookMs);
  }
}

function longestGap(
  startMs: number,
  endMs: number,
  accepted: readonly { readonly answeredMs: number }[],
): number {
  let [gapMs, lastMs] = [0, startMs];
  for (const { answeredMs } of accepted) {
    gapMs = Math.max(gapMs, answeredMs - lastMs);
    lastMs = Math.max(lastMs, answeredMs);
  }
  return Math.round(Math.max(gapMs, endMs - lastMs));
}

async function judged(
  cluster: ProcessCluster,
  { history }: Seen,
): Promise<Omit<SoakReport, 'strikes' | 'seen'>> {
  await using database = await Database.open({ url: cluster.url('read-write') });
  const outcome = await outcomeOfAll(database);
  const lists = { transactions: history.lists, final: outcome.lists };
  const anomalies = [
    ...checkAcknowledged(history.marked, outcome.marks),
    ...checkBank(history.bankReads, accountCount, balanceTotal),
    ...checkRegisters(history.registers),
    ...checkListAppend(lists, { isolation: 'serializable', isStrict: true }),
  ];
  const differences = await cluster.differences();
  return { anomalies, differences, complaints: cluster.nodes.flatMap((node) => node.complaints) };
}
