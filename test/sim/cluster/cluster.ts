import type { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import type { ClusterAdmin } from '../../../api/database/replication.ts';
import type { Env } from '../../../base/env/env.ts';
import { SimulatedCrash } from '../../../base/env/simulated/incarnation.ts';
import type { SeededRandom } from '../../../base/env/simulated/random.ts';
import type { SimulatedMachine, Simulation } from '../../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { Offset } from '../../../base/ids.ts';
import type { Membership } from '../../../log/raft/contract.ts';
import type { SegmentedLog } from '../../../log/segment/log.ts';
import type { LogShape } from '../checkers/elections.ts';

/** A node's database in one life of its machine. */
export type RunningNode = {
  readonly env: Env;
  /** Null: a witness, which nobody asks. */
  readonly admin: ClusterAdmin | null;
  readonly id: number;
  /** Those that it knows, by their ids. */
  readonly members: readonly number[];
  /** Null: a witness. */
  readonly database: EmbeddedDatabase | null;
  readonly log: SegmentedLog;
  /** It takes writes, and its reads are current. */
  readonly isPrimary: boolean;
  readonly role: 'leader' | 'candidate' | 'follower';
  readonly epoch: number;
  /** It leads, and answers reads without asking the others. */
  readonly hasLease: boolean;
  /** On its disk. Null: nothing is known of it now, for one is being kept. */
  readonly keptEpoch: number | null;
  /** As far as it knows. */
  readonly membership: Membership;
  /** Members that have a vote, as far as it knows. */
  readonly voters: number;
  readonly highWatermark: number;
  /** Up to which its rows have folded the log. */
  readonly applied: number;
  readonly shape: LogShape;
  /** Of the log, from a boundary of batches on: what is committed, where it is in memory. */
  recent(from: Offset): readonly Uint8Array[] | null;
  /** Resolves when the node gives up: its disk failed. */
  readonly failed: Promise<AlopexError>;
  /** Gives the lead to another one, if it has it. */
  transfer(): Promise<void>;
  checkpoint(): Promise<void>;
  close(): Promise<void>;
};

/** Opens what is in a machine's directory, or joins the cluster with an empty one. */
export type NodeOpener = (env: Env, machine: SimulatedMachine) => Promise<RunningNode>;

type Member = {
  readonly machine: SimulatedMachine;
  node: RunningNode | null;
  life: number;
  /** Asked to stop, in order: resolves it. */
  stop: (() => void) | null;
  isCorrupt: boolean;
  /** It stays off until then. */
  heldUntilMs: number;
};

/** How long a machine takes to come back by itself. */
const [restartMsMin, restartMsMax] = [20, 800];

/**
 * The machines of a run and what runs on them: each is started again, by somebody who looks after it, whenever it ends
 * for whatever reason, until `end`.
 */
export class Cluster {
  /** The machine whose disk was damaged in this run. */
  damaged: string | null = null;
  /** Nobody may have come across the damage yet. */
  isDamageHidden = false;
  /** Nodes that were asked to be taken out. */
  readonly removed = new Set<number>();
  /** Its first node has founded it. */
  isFounded = false;
  readonly simulation: Simulation;
  readonly machines: readonly SimulatedMachine[];
  readonly #members: ReadonlyMap<string, Member>;
  readonly #open: NodeOpener;
  readonly #random: SeededRandom;
  readonly #note: (happening: string) => void;
  #isEnding = false;

  constructor(options: {
    readonly simulation: Simulation;
    readonly names: readonly string[];
    readonly open: NodeOpener;
    readonly random: SeededRandom;
    readonly note: (happening: string) => void;
  }) {
    this.simulation = options.simulation;
    this.machines = options.names.map((name) => options.simulation.machine(name));
    this.#members = new Map(
      this.machines.map((machine) => [
        machine.name,
        { machine, node: null, life: 0, stop: null, isCorrupt: false, heldUntilMs: 0 },
      ]),
    );
    this.#open = options.open;
    this.#random = options.random;
    this.#note = options.note;
  }

  nodeOn(name: string): RunningNode | null {
    return this.#members.get(name)?.node ?? null;
  }

  get running(): readonly { readonly name: string; readonly node: RunningNode }[] {
    return [...this.#members].flatMap(([name, { node }]) => (node === null ? [] : { name, node }));
  }

  /** Of those that think so, the one of the highest epoch. */
  get primary(): SimulatedMachine | null {
    const leaders = this.running.filter(({ node }) => node.role === 'leader');
    const newest = leaders.sort((left, right) => right.node.epoch - left.node.epoch)[0];
    return newest === undefined ? null : this.simulation.machine(newest.name);
  }

  /** Each machine has a vote, and all that run know it. */
  get isWhole(): boolean {
    const count = this.machines.length;
    return this.running.every(
      ({ node: { voters, membership } }) => voters === count && membership.outgoing.length === 0,
    );
  }

  /** Says which life of which node answers, and as whose primary. */
  nameOf(name: string): string {
    const member = this.#members.get(name)!;
    return `${name}, life ${member.life}, epoch ${member.node?.epoch}`;
  }

  /** Starts them; ends with `end`, and throws what a node does that no fault explains. */
  run(): Promise<void> {
    return Promise.all([...this.#members.values()].map((member) => this.#lookAfter(member))).then(() => {});
  }

  /** Whoever is down stays down for so long. */
  hold(name: string, forMs: number): void {
    this.#members.get(name)!.heldUntilMs = this.simulation.scheduler.nowMs + forMs;
  }

  /**
   * A machine whose node was taken out of the cluster, and it is known that it was, gets a new disk: it may come back as
   * another node.
   */
  retireRemoved(): void {
    const primary = this.running.find(
      ({ node }) => node.isPrimary && node.highWatermark === node.log.endOffset,
    );
    if (primary === undefined) return;
    for (const { node, name } of this.running) {
      if (!this.removed.has(node.id) || primary.node.members.includes(node.id)) continue;
      this.#note(`${name} was removed`);
      this.#replaceSoon(name);
    }
  }

  /** A clean stop; it is started again. */
  stop(name: string): void {
    this.#members.get(name)!.stop?.();
  }

  end(): void {
    this.#isEnding = true;
    for (const { stop } of this.#members.values()) stop?.();
  }

  async #lookAfter(member: Member): Promise<void> {
    const { machine } = member;
    const { simulation } = this;
    while (!this.#isEnding) {
      member.life += 1;
      try {
        await machine.start((env) => this.#live(member, env));
      } catch (error) {
        this.#noteEnd(member, error);
      }
      member.node = null;
      member.stop = null;
      if (this.#isEnding) return;
      // Whatever of it still runs is killed; what it wrote is there.
      if (machine.alive) kill(machine);
      if (member.isCorrupt) this.#replaceDisk(member);
      await simulation.sleep(this.#random.between(restartMsMin, restartMsMax));
      while (member.heldUntilMs > simulation.scheduler.nowMs) await simulation.sleep(restartMsMin);
      machine.restart();
    }
  }

  /** What its operator does with a node that holds a damaged block: it joins anew, with nothing. */
  #replaceDisk(member: Member): void {
    this.#note(`${member.machine.name} gets a new disk`);
    member.isCorrupt = false;
    member.machine.disk.replace();
  }

  /** Throws what no fault explains. */
  #noteEnd(member: Member, error: unknown): void {
    const { name } = member.machine;
    if (!(error instanceof SimulatedCrash)) {
      if (!(error instanceof AlopexError) || error.condition === 'internal_error') throw error;
      if (error.condition === 'data_corrupted') {
        if (name !== this.damaged) throw error;
        member.isCorrupt = true;
      }
    }
    this.#note(`${name} ends: ${error.message}`);
  }

  #replaceSoon(name: string): void {
    const member = this.#members.get(name)!;
    member.isCorrupt = true;
    member.stop?.();
  }

  async #live(member: Member, env: Env): Promise<void> {
    const node = await this.#open(env, member.machine);
    const stopped = Promise.withResolvers<null>();
    member.stop = () => stopped.resolve(null);
    member.node = node;
    this.#note(`${member.machine.name} is up, at ${node.applied}, epoch ${node.epoch}`);
    const failure = this.#isEnding ? null : await Promise.race([node.failed, stopped.promise]);
    if (failure !== null) throw failure;
    await node.close();
    this.#note(`${member.machine.name} is stopped`);
  }
}

/** SIGKILL: what was written stays written. */
export function kill(machine: SimulatedMachine): void {
  const { loss } = machine.disk;
  machine.disk.loss = 'everything';
  machine.crash();
  machine.disk.loss = loss;
}
