import { type NodeId, type Offset, offset } from '../../base/ids.ts';
import type { FollowerStatus, RaftLimits } from './contract.ts';

/**
 * A follower as its leader sees it.
 *
 * - `probe`: where its log is the leader's is not known: one message at a time.
 * - `replicate`: what it has not got is sent without waiting for answers (§10.2.1), up to the limits.
 * - `snapshot`: it needs what the log has no more (§5); nothing is sent until it has it.
 *
 * Invariants:
 * - match <= next.
 * - Bytes and messages on their way are within the limits, but for a single message that is larger.
 */
export class FollowerProgress {
  readonly id: NodeId;
  readonly #limits: RaftLimits;
  mode: FollowerStatus['mode'] = 'probe';
  /** Durable there, and equal to the leader's log, up to here. */
  match: Offset = offset(0);
  /** What is sent next. */
  next: Offset;
  /** Whether `next` is known to be a boundary of batches: reading can begin there. */
  isAligned = true;
  /** The driver is reading for it. */
  isReading = false;
  /** What is being read is not what the log holds any more. */
  isReadStale = false;
  /** A probe is on its way. */
  isProbing = false;
  sentHighWatermark: Offset = offset(0);
  snapshotSentMs = Number.NEGATIVE_INFINITY;
  /** Last answer in this epoch. */
  heardMs: number | null = null;
  /** The same for check quorum; before the first answer, since when it could have come. */
  aliveMs: number;
  answeredRound = 0;
  /** When the newest round that it has answered was sent. */
  answeredSentMs = Number.NEGATIVE_INFINITY;
  /** It had all that the leader had at that time. */
  caughtUpMs: number | null = null;
  #markOffset: Offset;
  #markMs: number;
  #inflightBytes = 0;
  readonly #inflight: { readonly endOffset: Offset; readonly bytes: number }[] = [];

  constructor(id: NodeId, limits: RaftLimits, logEnd: Offset, nowMs: number) {
    this.id = id;
    this.#limits = limits;
    this.next = logEnd;
    this.aliveMs = nowMs;
    this.#markOffset = logEnd;
    this.#markMs = nowMs;
  }

  get hasInflight(): boolean {
    return this.#inflight.length > 0;
  }
  /** Bytes that may still be sent to it now; 0: wait. */
  get window(): number {
    const { inflightBytesMax, inflightMessagesMax, messageBytesMax } = this.#limits;
    if (this.mode === 'probe' && this.isProbing) return 0;
    if (this.#inflight.length >= inflightMessagesMax) return 0;
    return Math.min(messageBytesMax, Math.max(0, inflightBytesMax - this.#inflightBytes));
  }

  hear(nowMs: number, round: number, sentMs: number): void {
    this.heardMs = nowMs;
    this.aliveMs = nowMs;
    if (round > this.answeredRound) this.answeredRound = round;
    if (sentMs > this.answeredSentMs) this.answeredSentMs = sentMs;
  }

  sent(end: Offset, bytes: number): void {
    // A probe that is refused is known by its place, which stays until it is answered.
    if (this.mode === 'probe') {
      this.isProbing = true;
      return;
    }
    this.next = end;
    this.#inflight.push({ endOffset: end, bytes });
    this.#inflightBytes += bytes;
  }

  /** It has everything below `match`. */
  accept(match: Offset, logEnd: Offset, nowMs: number): void {
    if (match > this.match) this.match = match;
    while (this.#inflight.length > 0 && this.#inflight[0]!.endOffset <= this.match) {
      this.#inflightBytes -= this.#inflight.shift()!.bytes;
    }
    this.#measure(logEnd, nowMs);
    if (this.mode === 'probe') this.#replicate();
    if (this.next < this.match) this.next = this.match;
  }

  /** From `next` on it is not known what it has. */
  probe(next: Offset, isAligned: boolean): void {
    this.mode = 'probe';
    this.next = next;
    this.isAligned = isAligned;
    this.isProbing = false;
    this.#clear();
  }

  /** What it acknowledged is gone: its disk lost it. */
  forget(match: Offset): void {
    this.match = match;
  }

  awaitSnapshot(): void {
    this.mode = 'snapshot';
    this.#clear();
  }

  isInSync(nowMs: number): boolean {
    return this.caughtUpMs !== null && nowMs - this.caughtUpMs <= this.#limits.inSyncMs;
  }
  isHeard(nowMs: number): boolean {
    return this.heardMs !== null && nowMs - this.heardMs <= this.#limits.electionMs;
  }

  /** §4.2.1: a new voter that is further behind than an election timeout would stop the group. */
  isCaughtUp(nowMs: number): boolean {
    return this.caughtUpMs !== null && nowMs - this.caughtUpMs <= this.#limits.electionMs;
  }

  /** An idle group has no news of it: what was known of it holds on. */
  refresh(nowMs: number): void {
    this.aliveMs = nowMs;
    if (this.caughtUpMs !== null) this.caughtUpMs = nowMs;
  }

  status(nowMs: number): FollowerStatus {
    const { id, match, heardMs, mode } = this;
    return { id, match, isInSync: this.isInSync(nowMs), heardMs, mode };
  }

  #replicate(): void {
    this.mode = 'replicate';
    this.isProbing = false;
    // Its own word is a boundary of batches, a guess may be none.
    if (!this.isAligned) this.next = this.match;
    this.isAligned = true;
  }

  /** As Kafka's replicas: caught up at the time at which the leader's end was what it has now. */
  #measure(logEnd: Offset, nowMs: number): void {
    if (this.match >= logEnd) this.caughtUpMs = nowMs;
    if (this.match < this.#markOffset) return;
    if (this.caughtUpMs === null || this.caughtUpMs < this.#markMs) this.caughtUpMs = this.#markMs;
    this.#markOffset = logEnd;
    this.#markMs = nowMs;
  }

  #clear(): void {
    this.#inflight.length = 0;
    this.#inflightBytes = 0;
  }
}
