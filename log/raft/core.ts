import { type Epoch, epoch as epochOf, type NodeId } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import {
  defaultRaftLimits,
  type Generation,
  type HardState,
  type Message,
  type RaftLimits,
  type RaftOptions,
} from './contract.ts';
import { LogView } from './log-view.ts';
import { generationOf, isSameGeneration } from './memberships.ts';
import { Outbox } from './outbox.ts';
import type { Quorum } from './quorum.ts';

/**
 * What a node has whatever its role: its hard state, its log, its clock of this step, and what the step wants done.
 *
 * Invariants:
 * - The epoch never goes back; within an epoch one vote is given, and it stays (§3.4).
 * - The generation never goes back, and what outranks it is durable before it is acted upon.
 */
export class RaftCore {
  readonly self: NodeId;
  readonly limits: RaftLimits;
  readonly log: LogView;
  readonly outbox = new Outbox();
  readonly #random: () => number;
  nowMs: number;
  epoch: Epoch;
  votedFor: NodeId | null;
  /** As it was saved; the log may have a later one. */
  #generation: Generation;
  outrankedBy: Generation | null;
  /** Another node's generation that this one's does not outrank, nor is outranked by. */
  rival: Generation | null = null;
  /**
   * When a leader was last heard. A node that has just started may have heard one the moment before: the lease that it
   * then promised holds (§6.4.1).
   */
  heardMs: number;

  constructor(options: RaftOptions) {
    this.self = options.self;
    this.limits = { ...defaultRaftLimits, ...options.limits };
    this.log = new LogView(options);
    this.#random = options.random;
    this.nowMs = options.nowMs;
    this.heardMs = options.nowMs;
    const { epoch, votedFor, generation, outrankedBy } = options.hardState;
    this.#generation = generation;
    this.outrankedBy = outrankedBy;
    const last = this.log.epochs.last;
    // A log that is ahead of its votes has lost them, or had one voter that kept none: its vote in that epoch is gone.
    const isBehind = last > epoch;
    this.epoch = isBehind ? last : epoch;
    this.votedFor = isBehind ? this.self : votedFor;
  }

  get quorum(): Quorum {
    return this.log.memberships.current.quorum;
  }

  get generation(): Generation {
    const ofLog = this.#ofLog;
    return ofLog.count > this.#generation.count ? ofLog : this.#generation;
  }

  get #ofLog(): Generation {
    return generationOf(this.log.memberships.current.membership);
  }

  /**
   * Whether this node has a say in its generation. Until its log has what made that one, it does not know who votes in it: those
   * that its log names may make no quorum there.
   */
  get hasVoice(): boolean {
    return this.outrankedBy === null && isSameGeneration(this.#ofLog, this.generation);
  }

  /** Whether this node stands for election when it hears no leader. */
  get mayStand(): boolean {
    return this.hasVoice && this.log.memberships.mayNeed(this.self, this.log.highWatermark);
  }

  /** It has promised nothing to anybody yet. */
  get isBlank(): boolean {
    const { startOffset, endOffset, memberships } = this.log;
    return endOffset === startOffset && memberships.current.membership.members.length === 0;
  }

  /** A promotion by force is said to nobody before it is durable: nobody follows what a crash may take back. */
  get #isBeingForced(): boolean {
    const { memberships, flushedOffset } = this.log;
    const { endOffset, membership } = memberships.current;
    if (endOffset <= flushedOffset) return false;
    return generationOf(membership).count > generationOf(memberships.at(flushedOffset)).count;
  }

  /** That no generation that this node knows of outranks. */
  get nextGeneration(): Generation {
    const known = [this.generation, this.outrankedBy, this.rival].map((each) => each?.count ?? 0);
    return { count: Math.max(...known) + 1, node: this.self };
  }

  /** Goes to the disk before anything else is heard or said. */
  beOutranked(by: Generation): void {
    invariant(by.count > this.generation.count, 'a later generation outranks an earlier one');
    this.outrankedBy = by;
    this.#save();
  }

  /** The log is a part of the one of that generation. */
  adopt(generation: Generation): void {
    invariant(generation.count >= this.generation.count, 'the generation never goes back');
    this.#generation = generation;
    this.outrankedBy = null;
    this.rival = null;
    this.#save();
  }

  /** §3.8: goes to the disk before anything that is said because of it. */
  setVote(epoch: Epoch, votedFor: NodeId | null): void {
    invariant(epoch >= this.epoch, `epoch ${epoch} after ${this.epoch}`);
    invariant(
      epoch > this.epoch || this.votedFor === null || this.votedFor === votedFor,
      `a second vote in epoch ${epoch}`,
    );
    if (epoch === this.epoch && votedFor === this.votedFor) return;
    this.epoch = epoch;
    this.votedFor = votedFor;
    this.#save();
  }

  #save(): void {
    this.outbox.save(this.#hardState);
  }

  get #hardState(): HardState {
    const { epoch, votedFor, outrankedBy } = this;
    return { epoch, votedFor, generation: this.#generation, outrankedBy };
  }

  get nextEpoch(): Epoch {
    return epochOf(this.epoch + 1);
  }

  send(to: NodeId, message: Message): void {
    if (this.#isBeingForced) return;
    this.outbox.send(to, this.generation, message);
  }

  /** §3.4: within [electionMs, 2 × electionMs), so that votes are rarely split. */
  electionTimeoutMs(): number {
    return this.limits.electionMs + this.spreadMs();
  }

  /** Within [0, electionMs). */
  spreadMs(): number {
    return (this.#random() / 4_294_967_296) * this.limits.electionMs;
  }
}
