import { SeededRandom } from '../../../base/env/simulated/random.ts';
import { Simulation } from '../../../base/env/simulated/simulation.ts';
import { Violation } from '../check.ts';
import type { Anomaly } from '../checkers/anomaly.ts';
import { Chaos } from './chaos.ts';
import { checkHistory, checkReplicas, outcomeOf } from './checks.ts';
import { Client } from './client.ts';
import { Cluster, type RunningNode } from './cluster.ts';
import type { FaultKind } from './faults.ts';
import { History } from './history.ts';
import { openNode } from './node.ts';
import { type ClusterPlan, planOf, runMs } from './plan.ts';
import { Consumer, checkConsumers } from './tails.ts';
import { Watch } from './watch.ts';
import { Wires } from './wires.ts';
import { runClient, schemaScript } from './workload.ts';

export type ClusterReport = {
  readonly seed: number;
  readonly traceHash: number;
  readonly simulatedMs: number;
  readonly operations: number;
  readonly acknowledged: number;
  readonly epochs: number;
  readonly faults: ReadonlyMap<FaultKind, number>;
  readonly rareBranches: ReadonlyMap<string, number>;
};

/** A plan that shows a defect: why, and what happened before. */
export class ClusterFailure extends Error {
  override readonly name = 'ClusterFailure';
  readonly plan: ClusterPlan;
  /** What two failures have in common that are of one cause. */
  readonly reason: string;
  readonly timeline: readonly string[];

  constructor(plan: ClusterPlan, cause: unknown, timeline: readonly string[]) {
    super(`seed ${plan.seed}: ${cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)}`, {
      cause,
    });
    this.plan = plan;
    this.reason = cause instanceof AnomaliesFound ? cause.anomalies[0]!.kind : firstLine(cause);
    this.timeline = timeline;
  }
}

class AnomaliesFound extends Error {
  override readonly name = 'AnomaliesFound';
  readonly anomalies: readonly Anomaly[];

  constructor(anomalies: readonly Anomaly[]) {
    super(anomalies.map(({ kind, description }) => `${kind}: ${description}`).join('\n'));
    this.anomalies = anomalies;
  }
}

function firstLine(cause: unknown): string {
  return String(cause instanceof Error ? cause.message : cause)
    .split('\n', 1)[0]!
    .replaceAll(/\d+/g, '0');
}

export async function runClusterSeed(seed: number): Promise<ClusterReport> {
  const plan = planOf(seed);
  try {
    return await runClusterPlan(plan);
  } catch {
    return runClusterPlan(plan, framesShown);
  }
}

/** Of an error's stack. They cost an eighth of a run's time, and who fails runs again to show them. */
export const framesShown = 20;

export async function runClusterPlan(plan: ClusterPlan, frames = 0): Promise<ClusterReport> {
  const run = new ClusterRun(plan);
  const framesBefore = Error.stackTraceLimit;
  Error.stackTraceLimit = frames;
  // A promise that nobody looks after would end a server.
  const unhandled: unknown[] = [];
  const note = (error: unknown) => unhandled.push(error);
  process.on('unhandledRejection', note);
  try {
    const report = await run.run();
    await new Promise(setImmediate);
    if (unhandled.length > 0) throw unhandled[0];
    return report;
  } catch (error) {
    throw new ClusterFailure(plan, error, run.timeline);
  } finally {
    process.off('unhandledRejection', note);
    Error.stackTraceLimit = framesBefore;
  }
}

/** After the faults: a write has to be taken within it. */
const progressMsMax = 60_000;
const sampleMs = 100;
/** Until a group that may be quiet is. */
const quietMs = 1500;
const maintenanceMsMax = 15_000;
/** Within it, whoever follows a leader that is gone doubts: an election timeout, and a heartbeat. */
const doubtMsMax = 800;

class ClusterRun {
  readonly timeline: string[] = [];
  readonly #plan: ClusterPlan;
  readonly #simulation: Simulation;
  readonly #cluster: Cluster;
  readonly #history = new History();
  readonly #chaos: Chaos;
  readonly #watch: Watch;
  readonly #consumers: readonly Consumer[];
  readonly #random: SeededRandom;
  #isOver = false;

  constructor(plan: ClusterPlan) {
    const { seed } = plan;
    this.#plan = plan;
    this.#simulation = new Simulation(seed);
    this.#simulation.rareBranches.probability = plan.rareBranchProbability;
    this.#random = new SeededRandom(seed ^ 0x0dd5eed);
    const note = (happening: string) => this.#note(happening);
    const wires = new Wires(this.#simulation);
    const surroundings = { plan, wires, note, cluster: () => this.#cluster };
    this.#cluster = new Cluster({
      simulation: this.#simulation,
      names: Array.from({ length: plan.voters + (plan.hasWitness ? 1 : 0) }, (_, index) => `n${index + 1}`),
      open: (env, machine) => openNode(env, machine, surroundings),
      random: new SeededRandom(seed ^ 0xc105e),
      note,
    });
    this.#chaos = new Chaos(this.#cluster, note);
    this.#watch = new Watch(this.#cluster, new SeededRandom(seed ^ 0x3a7c4));
    this.#consumers = Array.from(
      { length: plan.consumers },
      (_, index) =>
        new Consumer(this.#cluster, `consumer${index + 1}`, new SeededRandom(seed ^ (0x7a11 + index))),
    );
  }

  #note(happening: string): void {
    this.timeline.push(`${(this.#simulation.scheduler.nowMs / 1000).toFixed(3).padStart(8)}  ${happening}`);
  }

  run(): Promise<ClusterReport> {
    return this.#simulation.run(() => this.#run());
  }

  async #run(): Promise<ClusterReport> {
    // Whatever a node throws that no fault explains ends the run.
    const nodes = this.#cluster.run();
    const work = this.#work();
    await Promise.race([work, nodes]);
    await work;
    this.#cluster.end();
    await nodes;
    return {
      seed: this.#plan.seed,
      traceHash: this.#simulation.traceHash,
      simulatedMs: this.#simulation.scheduler.nowMs,
      operations: this.#history.operations,
      acknowledged: this.#history.marked.filter(({ outcome }) => outcome === 'acknowledged').length,
      epochs: new Set(
        this.#history.elections.flatMap((event) => (event.kind === 'leader' ? event.epoch : [])),
      ).size,
      faults: this.#chaos.counts,
      rareBranches: this.#simulation.rareBranches.taken,
    };
  }

  async #work(): Promise<void> {
    const { clients, faults, mode, isolation, forwardsWrites, lingerProbability } = this.#plan;
    await this.#untilTaken('the schema', schemaScript);
    await this.#untilEqual();
    const startMs = this.#simulation.scheduler.nowMs;
    const endMs = startMs + runMs;
    const note = (happening: string) => this.#note(happening);
    const isOver = () => this.#isOver;
    const observing = Promise.all([
      this.#observe(),
      this.#maintain(),
      this.#watch.compareRows(isOver),
      ...this.#consumers.map((consumer) => consumer.run(isOver)),
    ]);
    const working = clients.map((plan) =>
      runClient(
        new Client({
          plan,
          machine: this.#simulation.machine(plan.name),
          cluster: this.#cluster,
          history: this.#history,
          mode,
          isolation,
          forwardsWrites,
          lingerProbability,
          note,
        }),
        plan,
      ),
    );
    await Promise.all([
      ...working,
      ...faults.map((fault) => this.#chaos.strike(fault, endMs)),
      this.#simulation.sleep(runMs),
    ]);
    this.#chaos.end();
    this.#note('all faults are over');
    await this.#untilTaken('a write after the faults', `INSERT INTO registers VALUES (0, 1)`);
    await this.#untilEqual();
    const isLast = ({ text }: { readonly text: string }) => text.startsWith('c registers null {"key":0,');
    await Promise.all(this.#consumers.map((consumer) => consumer.untilTold(isLast)));
    if (this.#plan.seed % 4 === 0) await this.#untilTakenWithoutPrimary();
    this.#isOver = true;
    await observing;
    await this.#check();
  }

  /** A cluster that has become quiet notices that its primary is gone. */
  async #untilTakenWithoutPrimary(): Promise<void> {
    await this.#simulation.sleep(this.#plan.limits.quietAfterMs + quietMs);
    const { primary } = this.#cluster;
    if (primary === null) return;
    this.#note(`${primary.name} goes away`);
    this.#cluster.hold(primary.name, 2 * progressMsMax);
    primary.crash();
    await this.#simulation.sleep(doubtMsMax);
    // By their nodes' heartbeat, not only once the link is known to be down.
    for (const { name, node } of this.#cluster.running) {
      if (node.database?.engine.replica?.range.status.isQuiet !== true) continue;
      throw new Violation(`${name} is quiet ${doubtMsMax} ms after ${primary.name} went away`);
    }
    await this.#untilTaken('a write without the last primary', `INSERT INTO registers VALUES (-1, 1)`);
    this.#cluster.hold(primary.name, 0);
    await this.#untilEqual();
  }

  /** Who leads, and what is committed, as of now and then. */
  async #observe(): Promise<void> {
    const led = new Set<string>();
    while (!this.#isOver) {
      for (const { name, node } of this.#cluster.running) {
        if (this.#simulation.machine(name).paused) continue;
        const { role, epoch, hasLease, keptEpoch, shape, highWatermark, id } = node;
        if (keptEpoch !== null) this.#history.elections.push({ kind: 'epoch', member: id, epoch: keptEpoch });
        const last = shape.epochs.findLast(({ startOffset }) => startOffset < highWatermark);
        if (last !== undefined) {
          const committed = {
            kind: 'committed',
            node: name,
            offset: highWatermark,
            epoch: last.epoch,
          } as const;
          this.#history.elections.push(committed);
        }
        if (role !== 'leader') continue;
        this.#history.elections.push({ kind: 'leader', node: name, epoch, hasLease, log: shape });
        if (!led.has(`${name} ${epoch}`)) this.#note(`${name} leads epoch ${epoch}, from ${shape.endOffset}`);
        led.add(`${name} ${epoch}`);
      }
      this.#watch.look();
      this.#cluster.retireRemoved();
      await this.#simulation.sleep(sampleMs);
    }
  }

  /** Snapshots, so that logs are trimmed. */
  async #maintain(): Promise<void> {
    while (!this.#isOver) {
      await this.#simulation.sleep(this.#random.between(0, maintenanceMsMax));
      const { running } = this.#cluster;
      const chosen = running[this.#random.below(running.length)];
      if (chosen === undefined || this.#simulation.machine(chosen.name).paused) continue;
      await this.#simulation
        .machine(chosen.name)
        .start(() => chosen.node.checkpoint())
        .catch(() => {});
    }
  }

  /** Progress: somebody takes it, within a time in which no fault is left. */
  async #untilTaken(what: string, sql: string): Promise<void> {
    const deadlineMs = this.#simulation.scheduler.nowMs + progressMsMax;
    let last: unknown = 'there is no primary';
    while (this.#simulation.scheduler.nowMs < deadlineMs) {
      const { primary } = this.#cluster;
      const database = primary === null ? null : (this.#cluster.nodeOn(primary.name)?.database ?? null);
      if (primary !== null && database !== null) {
        try {
          await primary.start(() => database.query(sql));
          return;
        } catch (error) {
          last = error;
          // An earlier try may have been taken, unanswered.
          if (/already exists|duplicate key/.test(String(error))) return;
        }
      }
      await this.#simulation.sleep(sampleMs);
    }
    throw new Violation(`no progress: ${what} is not taken: ${last}`);
  }

  async #untilEqual(): Promise<void> {
    const deadlineMs = this.#simulation.scheduler.nowMs + progressMsMax;
    for (;;) {
      const { running, machines } = this.#cluster;
      const ends = new Set(
        running.flatMap(({ node }) => [node.log.endOffset, node.highWatermark, node.applied]),
      );
      const isWhole = running.every(({ node }) => node.voters === machines.length);
      if (running.length === machines.length && isWhole && ends.size === 1) return;
      if (this.#simulation.scheduler.nowMs > deadlineMs) {
        throw new Violation(`no progress: replicas do not catch up: ${this.#states(running)}`);
      }
      await this.#simulation.sleep(sampleMs);
    }
  }

  #states(running: readonly { readonly name: string; readonly node: RunningNode }[]): string {
    return running
      .map(
        ({ name, node }) =>
          `${name} (node ${node.id} of ${node.members}) ${node.role} ends ${node.log.endOffset}, committed ${node.highWatermark}, applied ${node.applied}, ${node.voters} voters`,
      )
      .join('; ');
  }

  async #check(): Promise<void> {
    const { running, damaged } = this.#cluster;
    const sound = running.find(({ name, node }) => name !== damaged && node.database !== null);
    const database = sound?.node.database ?? null;
    if (database === null) throw new Violation('no node has rows in the end');
    const outcome = await outcomeOf(database);
    const anomalies = [
      ...checkHistory(this.#history, outcome, this.#plan),
      ...checkConsumers(this.#consumers, outcome.marks),
      ...this.#watch.anomalies,
      ...(await checkReplicas(running)),
    ];
    if (anomalies.length > 0) throw new AnomaliesFound(anomalies);
  }
}
