import { type Epoch, epoch as epochOf, type NodeId } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { defaultRaftLimits, type Message, type RaftLimits, type RaftOptions } from './contract.ts';
import { LogView } from './log-view.ts';
import { Outbox } from './outbox.ts';
import type { Quorum } from './quorum.ts';

/**
 * What a node has whatever its role: its hard state, its log, its clock of this step, and what the step wants done.
 *
 * Invariants:
 * - The epoch never goes back; within an epoch one vote is given, and it stays (§3.4).
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
    const { epoch, votedFor } = options.hardState;
    const last = this.log.epochs.last;
    // A log that is ahead of its votes has lost them, or had one voter that kept none: its vote in that epoch is gone.
    const isBehind = last > epoch;
    this.epoch = isBehind ? last : epoch;
    this.votedFor = isBehind ? this.self : votedFor;
  }

  get quorum(): Quorum {
    return this.log.memberships.current.quorum;
  }

  /** Whether this node stands for election when it hears no leader. */
  get mayStand(): boolean {
    return this.log.memberships.mayNeed(this.self, this.log.highWatermark);
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
    this.outbox.save({ epoch, votedFor });
  }

  get nextEpoch(): Epoch {
    return epochOf(this.epoch + 1);
  }

  send(to: NodeId, message: Message): void {
    this.outbox.send(to, message);
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
