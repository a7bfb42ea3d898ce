import { type NodeId, type Offset, offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { Entry, Membership, Message } from './contract.ts';
import type { RaftCore } from './core.ts';
import { replicasOf } from './memberships.ts';
import { FollowerProgress } from './progress.ts';
import type { Rounds } from './rounds.ts';

const noEntries: readonly Entry[] = [];

type Rejected = Extract<Message, { kind: 'append-rejected' }>;

/** How a leader's log gets to its followers (§3.5). */
export class Replication {
  readonly #core: RaftCore;
  readonly #rounds: Rounds;
  readonly #followers = new Map<NodeId, FollowerProgress>();
  /** Up to where anybody may have what this leader wrote. */
  #sentOffset: Offset;

  constructor(core: RaftCore, rounds: Rounds) {
    this.#core = core;
    this.#rounds = rounds;
    this.#sentOffset = core.log.endOffset;
    this.follow(core.log.memberships.current.membership);
  }

  get followers(): ReadonlyMap<NodeId, FollowerProgress> {
    return this.#followers;
  }
  get sentOffset(): Offset {
    return this.#sentOffset;
  }

  /** The membership that counts now. */
  follow(membership: Membership): void {
    const { limits, log, nowMs, self } = this.#core;
    const replicas = new Set(replicasOf(membership).map(({ id }) => id));
    replicas.delete(self);
    for (const id of this.#followers.keys()) if (!replicas.has(id)) this.#followers.delete(id);
    for (const id of replicas) {
      if (this.#followers.has(id)) continue;
      this.#followers.set(id, new FollowerProgress(id, limits, log.endOffset, nowMs));
    }
  }

  advanceAll(): void {
    for (const follower of this.#followers.values()) this.advance(follower);
  }

  /** Sends what is next, where something is and may be: first it is read. */
  advance(follower: FollowerProgress): void {
    const { log, outbox } = this.#core;
    if (follower.isReading || follower.mode === 'snapshot') return;
    if (follower.next < log.startOffset) {
      this.#sendSnapshot(follower);
      return;
    }
    const window = follower.window;
    if (window === 0) return;
    if (!follower.isAligned) {
      this.#sendEmpty(follower, false);
      follower.isProbing = true;
    } else if (follower.next < log.endOffset) {
      follower.isReading = true;
      outbox.read(follower.id, follower.next, window);
    }
  }

  onRead(id: NodeId, from: Offset, entries: readonly Entry[] | 'trimmed'): void {
    const follower = this.#followers.get(id);
    if (follower === undefined || !follower.isReading) return;
    follower.isReading = false;
    const isStale = follower.isReadStale || follower.mode === 'snapshot' || from !== follower.next;
    follower.isReadStale = false;
    if (isStale) this.advance(follower);
    else if (entries === 'trimmed') this.#sendSnapshot(follower);
    else if (this.#areOfThisLog(from, entries)) {
      this.#sendEntries(follower, entries);
      this.advance(follower);
    }
  }

  /** A message without entries to each: a heartbeat. */
  heartbeat(quiesce: boolean): void {
    for (const follower of this.#followers.values()) this.#sendEmpty(follower, quiesce);
  }

  /** What is committed now is told at once to a follower that hears nothing else soon. */
  announce(follower: FollowerProgress): void {
    const { log } = this.#core;
    const isIdle = follower.mode === 'replicate' && !follower.hasInflight && !follower.isReading;
    if (isIdle && follower.next === log.endOffset && follower.sentHighWatermark < log.highWatermark)
      this.#sendEmpty(follower, false);
  }

  onAccepted(follower: FollowerProgress, match: Offset): void {
    const { log, nowMs } = this.#core;
    invariant(match <= log.endOffset, `a follower has ${match} of a log that ends at ${log.endOffset}`);
    if (follower.mode === 'snapshot') {
      if (match < log.startOffset) {
        this.#resendSnapshot(follower);
        return;
      }
      follower.probe(match, true);
    }
    follower.accept(match, log.endOffset, nowMs);
  }

  onRejected(follower: FollowerProgress, message: Rejected): void {
    const { match, mode, next } = follower;
    const { previousOffset } = message;
    if (mode === 'snapshot') {
      this.#onRejectedSnapshot(follower, message);
      return;
    }
    const isStale =
      mode === 'probe' ? previousOffset !== next : previousOffset > next || previousOffset < match;
    if (isStale) return;
    if (previousOffset <= this.#core.log.startOffset || this.#isBetterCopied(message)) {
      this.#sendSnapshot(follower);
      return;
    }
    const hint = this.#hint(message);
    if (hint.place >= previousOffset) return;
    if (hint.place >= match) follower.probe(hint.place, hint.isAligned);
    else if (mode === 'probe' && next === match) {
      // Asked again, it still has not what it acknowledged.
      follower.forget(hint.place);
      follower.probe(hint.place, hint.isAligned);
    } else follower.probe(match, true);
  }

  onUnreachable(follower: FollowerProgress): void {
    if (follower.mode === 'snapshot') follower.snapshotSentMs = Number.NEGATIVE_INFINITY;
    else if (follower.mode === 'probe') follower.probe(follower.next, follower.isAligned);
    else follower.probe(follower.match, true);
  }

  /** Batches at the log's end were taken back before anybody saw them: what is being read may be one of them. */
  onRefused(): void {
    for (const follower of this.#followers.values()) follower.isReadStale = follower.isReading;
  }

  /** What it has now may be a snapshot, which ends before this log does: the rest is in the log. */
  #onRejectedSnapshot(follower: FollowerProgress, message: Rejected): void {
    const hint = this.#hint(message);
    if (hint.place < this.#core.log.startOffset || this.#isBetterCopied(message)) {
      this.#resendSnapshot(follower);
      return;
    }
    follower.probe(hint.place, hint.isAligned);
  }

  /** §5: its log is empty, and what is committed here is long: files are there sooner than what they are folded from. */
  #isBetterCopied({ hintOffset }: Rejected): boolean {
    const { limits, log } = this.#core;
    return hintOffset === 0 && log.highWatermark >= limits.snapshotRecordsMin;
  }

  /** §3.5's search for where the logs part, an epoch a step: both had this epoch, or they part before it. */
  #hint({ previousOffset, hintEpoch, hintOffset }: Rejected): { place: Offset; isAligned: boolean } {
    const { epochs, endOffset } = this.#core.log;
    const own = epochs.endOf(hintEpoch, endOffset);
    const theirs = hintOffset < previousOffset ? hintOffset : previousOffset;
    if (own.endOffset <= theirs) return { place: own.endOffset, isAligned: true };
    return { place: theirs, isAligned: own.epoch === hintEpoch && theirs === hintOffset };
  }

  #areOfThisLog(from: Offset, entries: readonly Entry[]): boolean {
    let place = from;
    for (const entry of entries) {
      if (entry.baseOffset !== place || !this.#core.log.has(entry)) return false;
      place = entry.endOffset;
    }
    return entries.length > 0;
  }

  #sendEntries(follower: FollowerProgress, entries: readonly Entry[]): void {
    const place = follower.next;
    const end = entries.at(-1)!.endOffset;
    let bytes = 0;
    for (const entry of entries) bytes += entry.sizeBytes;
    this.#send(follower, place, entries, false);
    follower.sent(end, bytes);
    if (end > this.#sentOffset) this.#sentOffset = end;
  }

  #sendEmpty(follower: FollowerProgress, quiesce: boolean): void {
    const { startOffset } = this.#core.log;
    this.#send(follower, offset(Math.max(follower.next, startOffset)), noEntries, quiesce);
  }

  #send(follower: FollowerProgress, place: Offset, entries: readonly Entry[], quiesce: boolean): void {
    const { epoch, log } = this.#core;
    follower.sentHighWatermark = log.highWatermark;
    this.#core.send(follower.id, {
      kind: 'append',
      epoch,
      previousOffset: place,
      previousEpoch: log.epochs.epochAt(place),
      entries,
      highWatermark: log.highWatermark,
      round: this.#rounds.last,
      quiesce,
    });
  }

  #sendSnapshot(follower: FollowerProgress): void {
    const { epoch, log, nowMs } = this.#core;
    follower.awaitSnapshot();
    follower.snapshotSentMs = nowMs;
    const place = log.highWatermark;
    this.#core.send(follower.id, {
      kind: 'snapshot',
      epoch,
      offset: place,
      offsetEpoch: log.epochs.epochAt(place),
      membership: log.memberships.at(place),
    });
  }

  /** It may have been lost, or the fetch of it broken off: a follower that is at it does not begin again. */
  #resendSnapshot(follower: FollowerProgress): void {
    const { limits, nowMs } = this.#core;
    if (nowMs - follower.snapshotSentMs >= limits.electionMs) this.#sendSnapshot(follower);
  }
}
