import { type NodeId, type Offset, offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { Message } from './contract.ts';
import type { RaftCore } from './core.ts';

type Append = Extract<Message, { kind: 'append' }>;
type Snapshot = Extract<Message, { kind: 'snapshot' }>;

/**
 * Of an election timeout. Followers that lost their link to the leader at the same time stand one after the other: the first once
 * the others' promises are over too, each next one when the one before has failed.
 */
const doubtShare = 0.04;
const placeShare = 0.16;

/**
 * A follower (§3.5), in one epoch.
 *
 * Invariants:
 * - `#verified` is at most the log's end, and below it the log is equal to the leader's.
 * - What it acknowledges is both verified and durable.
 */
export class Following {
  readonly kind = 'follower';
  readonly #core: RaftCore;
  leader: NodeId | null;
  /** When it stands for election; an idle group's followers do not. */
  deadlineMs: number;
  isQuiet = false;
  readonly #timeoutMs: number;
  #verified: Offset;
  #acknowledged: Offset;
  #leaderHighWatermark: Offset;
  #round = 0;

  constructor(core: RaftCore, leader: NodeId | null) {
    this.#core = core;
    this.leader = leader;
    this.#timeoutMs = core.electionTimeoutMs();
    this.deadlineMs = core.nowMs + this.#timeoutMs;
    // What is committed is in the log of every leader to come (§3.6.3, leader completeness).
    this.#verified = core.log.highWatermark;
    this.#acknowledged = core.log.highWatermark;
    this.#leaderHighWatermark = core.log.highWatermark;
  }

  onAppend(from: NodeId, message: Append): void {
    const { log } = this.#core;
    this.#hear(from, message.round);
    if (!log.matches(message.previousOffset, message.previousEpoch)) {
      this.#reject(from, message);
      return;
    }
    const endBefore = log.endOffset;
    const verified = this.#take(message);
    this.#learn(verified, message.highWatermark);
    this.isQuiet = message.quiesce && this.#hasEverything(message);
    // Entries that are new are acknowledged by their flush.
    if (message.entries.length === 0 || log.endOffset === endBefore) this.#acknowledge(from);
  }

  onSnapshot(from: NodeId, message: Snapshot): void {
    const { log, outbox } = this.#core;
    this.#hear(from, this.#round);
    if (!log.matches(message.offset, message.offsetEpoch)) {
      outbox.restore(from, message.offset);
      return;
    }
    this.#learn(message.offset, message.offset);
    this.#acknowledge(from);
  }

  onFlushed(): void {
    this.#commit();
    const { leader } = this;
    if (leader !== null && this.#durable() > this.#acknowledged) this.#acknowledge(leader);
  }

  /** The disk was full: what is lost was never acknowledged, and the leader sends it again. */
  onRefused(end: Offset): void {
    invariant(end >= this.#acknowledged, 'what was acknowledged is durable');
    this.#core.log.truncate(end);
    if (this.#verified > end) this.#verified = end;
  }

  onRestored(place: Offset): void {
    this.#verified = place;
    if (this.leader !== null) this.#acknowledge(this.leader);
  }

  /** Somebody doubts that the leader of an idle group lives. What was promised to it holds (§6.4.1). */
  wake(): void {
    if (!this.isQuiet) return;
    const { heardMs, limits, nowMs } = this.#core;
    this.isQuiet = false;
    this.deadlineMs = Math.max(nowMs, heardMs + limits.electionMs) + this.#core.spreadMs();
  }

  /**
   * The link to a node broke. Where that was the leader's, an election needs no longer wait than what was promised to it
   * (§6.4.1): the others' links broke too.
   */
  onUnreachable(peer: NodeId): void {
    if (peer !== this.leader) return;
    const { heardMs, limits, nowMs, quorum, self } = this.#core;
    const place = quorum.voters.filter((voter) => voter < self && voter !== peer).length;
    const afterMs =
      (doubtShare + place * placeShare) * limits.electionMs + doubtShare * this.#core.spreadMs();
    const standsMs = Math.max(nowMs, heardMs + limits.electionMs) + afterMs;
    if (this.isQuiet || standsMs < this.deadlineMs) this.deadlineMs = standsMs;
    this.isQuiet = false;
  }

  #hear(from: NodeId, round: number): void {
    const core = this.#core;
    invariant(this.leader === null || this.leader === from, `two leaders in epoch ${core.epoch} (§3.4)`);
    this.leader = from;
    this.isQuiet = false;
    core.heardMs = core.nowMs;
    this.deadlineMs = core.nowMs + this.#timeoutMs;
    if (round > this.#round) this.#round = round;
  }

  /** Takes what is new, cuts what contradicts it (§3.5), and returns up to where this log is the leader's. */
  #take(message: Append): Offset {
    const { log, outbox } = this.#core;
    let verified = message.previousOffset;
    for (const entry of message.entries) {
      verified = entry.endOffset;
      if (entry.endOffset <= log.highWatermark || log.has(entry)) continue;
      if (entry.baseOffset < log.endOffset) {
        log.truncate(entry.baseOffset);
        outbox.truncate(entry.baseOffset);
        if (this.#verified > entry.baseOffset) invariant(false, 'a leader contradicts what it said (§3.4)');
      }
      log.append(entry);
      outbox.append(entry);
    }
    return verified;
  }

  #durable(): Offset {
    const { flushedOffset } = this.#core.log;
    return offset(Math.min(this.#verified, flushedOffset));
  }

  #learn(verified: Offset, highWatermark: Offset): void {
    if (verified > this.#verified) this.#verified = verified;
    if (highWatermark > this.#leaderHighWatermark) this.#leaderHighWatermark = highWatermark;
    this.#commit();
  }

  #commit(): void {
    this.#core.log.commit(offset(Math.min(this.#leaderHighWatermark, this.#durable())));
  }

  #hasEverything({ highWatermark }: Append): boolean {
    const { log } = this.#core;
    return log.highWatermark === highWatermark && log.endOffset === highWatermark;
  }

  #acknowledge(to: NodeId): void {
    const match = this.#durable();
    if (match > this.#acknowledged) this.#acknowledged = match;
    this.#core.send(to, { kind: 'append-accepted', epoch: this.#core.epoch, match, round: this.#round });
  }

  #reject(to: NodeId, { previousOffset, previousEpoch, round }: Append): void {
    const { epoch, log } = this.#core;
    const hint = log.epochs.endOf(previousEpoch, log.endOffset);
    this.#core.send(to, {
      kind: 'append-rejected',
      epoch,
      previousOffset,
      hintEpoch: hint.epoch,
      hintOffset: hint.endOffset,
      round,
    });
  }
}
