import type { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import type { ReplicationMode } from '../../../api/database/replication.ts';
import type { Env } from '../../../base/env/env.ts';
import { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { SimulatedMachine } from '../../../base/env/simulated/simulation.ts';
import { AlopexError, type Condition } from '../../../base/errors.ts';
import { Violation } from '../check.ts';
import type { Isolation } from '../checkers/list-append.ts';
import type { Cluster } from './cluster.ts';
import type { History } from './history.ts';
import type { ClientPlan, Work } from './plan.ts';

/** What a client was told. `unknown`: it may have happened, or still happen. */
export type Told<Value> =
  | { readonly kind: 'done'; readonly value: Value }
  | { readonly kind: 'refused'; readonly condition: Condition }
  | { readonly kind: 'unknown' };

/** What runs on the node, in its own time; `by` says which life of which node, and of which epoch. */
export type Task<Value> = (there: {
  readonly database: EmbeddedDatabase;
  readonly by: string;
  readonly byNow: () => string;
  readonly cluster: Cluster;
  readonly pause: (delayMs: number) => Promise<void>;
}) => Promise<Value>;

export type ClientOptions = {
  readonly plan: ClientPlan;
  readonly machine: SimulatedMachine;
  readonly cluster: Cluster;
  readonly history: History;
  readonly mode: ReplicationMode;
  readonly isolation: Isolation;
  /** Of writes that a replica is asked for. */
  readonly forwardsWrites: boolean;
  readonly lingerProbability: number;
  readonly note: (happening: string) => void;
};

/** Clients give up waiting for an answer after it. */
const timeoutMs = 5000;

/** Nodes that are asked for one operation, and how long to wait between two. */
const triesMax = 12;
const retryMsMax = 200;

/** Another node may take it. */
const elsewhere: ReadonlySet<Condition> = new Set<Condition>([
  'read_only_sql_transaction',
  'cannot_connect_now',
]);

/** Nothing of it has happened, nor will. */
const refusals: ReadonlySet<Condition> = new Set<Condition>([
  'serialization_failure',
  'deadlock_detected',
  'read_only_sql_transaction',
  'in_failed_sql_transaction',
  'insufficient_resources',
  'disk_full',
  'cannot_connect_now',
  'snapshot_too_old',
  // Of a replica that comes from far behind.
  'undefined_table',
  // Of one that may be older than the session takes.
  'object_not_in_prerequisite_state',
]);

/** Nobody can say: the node went, or is going, or its disk is. */
const uncertainties: ReadonlySet<Condition> = new Set<Condition>([
  'statement_completion_unknown',
  'connection_failure',
  'connection_does_not_exist',
  'admin_shutdown',
  'io_error',
  'data_corrupted',
]);

/** One client: a connection's worth of questions, to the node that it takes for the primary, or to any. */
export class Client {
  readonly name: string;
  readonly random: SeededRandom;
  readonly #options: ClientOptions;
  #primary: SimulatedMachine;
  #serial = 0;

  constructor(options: ClientOptions) {
    this.#options = options;
    this.name = options.plan.name;
    this.random = new SeededRandom(options.plan.seed);
    this.#primary = this.#anyNode();
  }

  get history(): History {
    return this.#options.history;
  }
  get mode(): ReplicationMode {
    return this.#options.mode;
  }
  get isolation(): Isolation {
    return this.#options.isolation;
  }
  get forwardsWrites(): boolean {
    return this.#options.forwardsWrites;
  }
  get work(): Work {
    return this.#options.plan.work;
  }
  get lingers(): boolean {
    const { lingerProbability } = this.#options;
    return lingerProbability > 0 && this.random.chance(lingerProbability);
  }
  get nowMs(): number {
    return this.#options.machine.env.clock.monotonicMs();
  }

  /** Of a transaction: nobody else has it. */
  nextId(): string {
    this.#serial += 1;
    return `${this.name}.${this.#serial}`;
  }

  pause(delayMs: number): Promise<void> {
    return pauseOn(this.#options.machine.env)(delayMs);
  }

  /** On the primary: nodes that are not it say so, and another one is asked. */
  async onPrimary<Value>(what: string, task: Task<Value>): Promise<Told<Value>> {
    for (let tries = 1; ; tries++) {
      const told = await this.#ask(what, this.#primary, true, task);
      if (told.kind !== 'refused' || !elsewhere.has(told.condition) || tries >= triesMax) {
        this.history.operations += 1;
        return told;
      }
      await this.pause(this.random.between(0, retryMsMax));
    }
  }

  /** On any node, which answers as of what it has applied. */
  onAny<Value>(what: string, task: Task<Value>): Promise<Told<Value>> {
    this.history.operations += 1;
    return this.#ask(what, this.#anyNode(), false, task);
  }

  async #ask<Value>(
    what: string,
    node: SimulatedMachine,
    isForPrimary: boolean,
    task: Task<Value>,
  ): Promise<Told<Value>> {
    const { machine, cluster, note } = this.#options;
    const timedOut = Symbol('timed out');
    const { promise, resolve, reject } = Promise.withResolvers<Value | typeof timedOut>();
    const timer = machine.env.clock.setTimer(timeoutMs, () => resolve(timedOut));
    machine
      .ask(node, async () => {
        const running = cluster.nodeOn(node.name);
        if (running === null) throw new AlopexError('cannot_connect_now', 'the server is starting up');
        if (isForPrimary && !running.isPrimary) throw notPrimary();
        if (running.database === null) throw new AlopexError('cannot_connect_now', 'a witness has no rows');
        return task({
          database: running.database,
          by: cluster.nameOf(node.name),
          byNow: () => cluster.nameOf(node.name),
          cluster,
          pause: pauseOn(running.env),
        });
      })
      .then(resolve, reject);
    try {
      const value = await promise;
      if (value !== timedOut) {
        return { kind: 'done', value };
      }
      note(`${what} on ${node.name}: no answer`);
      this.#primary = this.#anyNode();
      return { kind: 'unknown' };
    } catch (error) {
      return this.#told(what, node, error);
    } finally {
      timer.cancel();
    }
  }

  #told(what: string, node: SimulatedMachine, error: unknown): Told<never> {
    if (!(error instanceof AlopexError)) throw error;
    const { condition, message } = error;
    const isExplained = condition !== 'data_corrupted' || this.#options.cluster.damaged !== null;
    const isConflict = condition === 'serialization_failure' || condition === 'deadlock_detected';
    if (!isConflict) this.#primary = this.#anyNode();
    if (!elsewhere.has(condition)) this.#options.note(`${what} on ${node.name}: ${condition}: ${message}`);
    if (refusals.has(condition)) return { kind: 'refused', condition };
    if (uncertainties.has(condition) && isExplained) return { kind: 'unknown' };
    throw new Violation(`${what} on ${node.name} fails with ${condition}: ${error.stack}`);
  }

  #anyNode(): SimulatedMachine {
    const { machines } = this.#options.cluster;
    return machines[this.random.below(machines.length)]!;
  }
}

function notPrimary(): AlopexError {
  return new AlopexError('read_only_sql_transaction', 'this node is not the primary');
}

function pauseOn({ clock }: Env): (delayMs: number) => Promise<void> {
  return (delayMs) => new Promise((resolve) => void clock.setTimer(delayMs, resolve));
}
