import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { type NodeId, type Offset, offset } from '../../base/ids.ts';
import { invariant, unreachable } from '../../base/unreachable.ts';
import type { EntryPlace, FollowerStatus, Generation, Input, MembershipChange, Message } from './contract.ts';
import type { RaftCore } from './core.ts';
import { changedMembership, finalMembership, forcedMembership } from './membership-change.ts';
import { isJoint, memberOf } from './memberships.ts';
import type { FollowerProgress } from './progress.ts';
import { ReadIndex } from './read-index.ts';
import { Replication } from './replication.ts';
import { Rounds } from './rounds.ts';

type Answer = Extract<Message, { kind: 'append-accepted' | 'append-rejected' }>;
/** What is a leader's to do. */
export type LeaderInput = Extract<
  Input,
  { kind: 'appended' | 'read' | 'unreachable' | 'transfer' | 'change-membership' | 'read-index' }
>;
type Transfer = { readonly to: NodeId; readonly untilMs: number; isAsked: boolean };

/**
 * A leader, in one epoch.
 *
 * Invariants:
 * - It writes its log at the end alone, and each offset once as far as anybody may have seen it (§3.5, append-only).
 * - It commits by counting only what its own epoch has written; all before that is committed with it (§3.6.2).
 * - What it commits is durable here too, whatever the others have.
 */
export class Leadership {
  readonly kind = 'leader';
  readonly #core: RaftCore;
  readonly #stepDown: () => void;
  readonly #rounds = new Rounds();
  readonly #reads: ReadIndex;
  readonly #replication: Replication;
  /** Its epoch begins here in the log. */
  readonly #startOffset: Offset;
  #heartbeatMs: number;
  #appendedMs: number;
  #transfer: Transfer | null = null;
  /** Somebody was told to stand for election although this leader lives: no lease protects it any more (§6.4.1). */
  #hasAbdicated = false;
  /** A change was asked of this leader. */
  #isChanging = false;
  isQuiet = false;
  #isOver = false;

  /** `forced`: by an operator's word, and alone in a generation of its own, which its first batch begins. */
  constructor(core: RaftCore, stepDown: () => void, forced: Generation | null) {
    this.#core = core;
    this.#stepDown = stepDown;
    this.#startOffset = core.log.endOffset;
    this.#reads = new ReadIndex(core.outbox);
    this.#replication = new Replication(core, this.#rounds);
    this.#rounds.begin(core.nowMs);
    this.#heartbeatMs = core.nowMs + core.limits.heartbeatMs;
    this.#appendedMs = core.nowMs;
    // §6.4: until something of its own epoch is committed, it does not know what is.
    if (forced === null) this.#proposeLeaderChange();
    else this.#proposeForced(forced);
  }

  get transferTo(): NodeId | null {
    return this.#transfer?.to ?? null;
  }

  get deadlineMs(): number | null {
    if (this.isQuiet) return null;
    const isAlone = this.#replication.followers.size === 0 && this.#transfer === null;
    return isAlone ? null : this.#heartbeatMs;
  }

  /** Clocks may differ in speed by `driftMax`: the followers' promise is counted by theirs, this by ours. */
  get leaseUntilMs(): number {
    if (this.#hasAbdicated || !this.#hasCommitted) return 0;
    const { electionMs, driftMax } = this.#core.limits;
    return Math.max(0, this.#core.quorum.reached(this.#answeredSentMs) + electionMs * (1 - driftMax));
  }

  get inSyncOffset(): Offset {
    const { log, nowMs } = this.#core;
    const { members } = log.memberships.current.membership;
    let inSync = log.highWatermark;
    for (const { id, role } of members) {
      const follower = role === 'witness' ? undefined : this.#replication.followers.get(id);
      if (follower?.isInSync(nowMs) && follower.match < inSync) inSync = follower.match;
    }
    return inSync;
  }

  get followers(): readonly FollowerStatus[] {
    return [...this.#replication.followers.values()].map((follower) => follower.status(this.#core.nowMs));
  }

  take(input: LeaderInput): void {
    switch (input.kind) {
      case 'appended':
        this.#onAppended(input.entries);
        return;
      case 'read':
        this.#replication.onRead(input.to, input.from, input.entries);
        return;
      case 'unreachable':
        this.#onUnreachable(input.peer);
        return;
      case 'transfer':
        this.#onTransfer(input.to);
        return;
      case 'change-membership':
        this.#onChange(input.change);
        return;
      case 'read-index':
        this.#onReadIndex(input.id);
        return;
      default:
        unreachable(input);
    }
  }

  #onAppended(entries: readonly EntryPlace[]): void {
    const { epoch, log, nowMs } = this.#core;
    for (const entry of entries) {
      invariant(entry.epoch === epoch, `a leader of epoch ${epoch} writes in epoch ${entry.epoch}`);
      log.append(entry);
      if (entry.membership !== null) this.#replication.follow(entry.membership);
    }
    this.#appendedMs = nowMs;
    this.wake();
    this.#replication.advanceAll();
  }

  onFlushed(): void {
    this.#commit();
  }

  /** The disk took no more. What nobody has seen is taken back; what somebody may have seen ends this epoch. */
  onRefused(end: Offset): void {
    const { log } = this.#core;
    const isSeen = this.#replication.sentOffset > end;
    log.truncate(end);
    if (isSeen) {
      this.#stepDown();
      return;
    }
    this.#replication.onRefused();
    this.#replication.follow(log.memberships.current.membership);
    if (this.#isChanging && log.memberships.current.endOffset <= log.highWatermark)
      this.#endChange(new AlopexError('disk_full', 'the change of membership could not be written'));
  }

  onAnswer(from: NodeId, message: Answer): void {
    const follower = this.#replication.followers.get(from);
    if (follower === undefined) return;
    follower.hear(this.#core.nowMs, message.round, this.#rounds.sentMs(message.round));
    if (message.kind === 'append-rejected') {
      this.wake();
      this.#replication.onRejected(follower, message);
    } else {
      this.#replication.onAccepted(follower, message.match);
      this.#commit();
      if (this.#isOver) return;
    }
    this.#reads.onRound(this.#core.quorum.reached(this.#answeredRound));
    this.#beginReads();
    this.#handOver();
    this.#replication.advance(follower);
    this.#replication.announce(follower);
  }

  #onUnreachable(peer: NodeId): void {
    const follower = this.#replication.followers.get(peer);
    if (follower === undefined) return;
    this.#replication.onUnreachable(follower);
    this.#replication.advance(follower);
  }

  onTick(): void {
    const { limits, nowMs } = this.#core;
    if (this.isQuiet || nowMs < this.#heartbeatMs) return;
    // §6.2, check quorum: a leader that hears of no quorum may have a successor.
    if (nowMs - this.#core.quorum.reached(this.#aliveMs) >= limits.electionMs) {
      this.#stepDown();
      return;
    }
    if (this.#transfer !== null && nowMs >= this.#transfer.untilMs) this.#transfer = null;
    this.#advanceMembership();
    if (this.#isOver) return;
    this.isQuiet = this.#mayBeQuiet();
    this.#beat(this.isQuiet);
    this.#handOver();
  }

  wake(): void {
    if (!this.isQuiet) return;
    this.isQuiet = false;
    for (const follower of this.#replication.followers.values()) follower.refresh(this.#core.nowMs);
    this.#beat(false);
  }

  #onReadIndex(id: number): void {
    this.wake();
    const { log, nowMs, outbox } = this.#core;
    if (nowMs < this.leaseUntilMs) {
      outbox.readable(id, log.highWatermark);
      return;
    }
    if (log.endOffset === this.#startOffset) this.#proposeLeaderChange();
    this.#reads.ask(id);
    this.#beginReads();
  }

  #onTransfer(to: NodeId): void {
    const { limits, log, nowMs, self } = this.#core;
    const target = memberOf(log.memberships.current.membership, to);
    if (to === self || target?.role !== 'voter') return;
    this.wake();
    this.#transfer = { to, untilMs: nowMs + limits.transferMs, isAsked: false };
    this.#handOver();
  }

  #onChange(change: MembershipChange): void {
    const { log, nowMs, outbox, self } = this.#core;
    const { current } = log.memberships;
    try {
      if (this.#isChanging || current.endOffset > log.highWatermark || isJoint(current.membership))
        throw new AlopexError('object_in_use', 'another change of membership is under way');
      const isCaughtUp = (id: NodeId): boolean =>
        this.#replication.followers.get(id)?.isCaughtUp(nowMs) ?? false;
      const isHeard = (id: NodeId): boolean =>
        id === self || (this.#replication.followers.get(id)?.isHeard(nowMs) ?? false);
      const membership = changedMembership(current.membership, change, { isCaughtUp, isHeard });
      this.#isChanging = true;
      outbox.propose({ kind: 'membership', membership });
    } catch (thrown) {
      outbox.changed(asAlopexError(thrown));
    }
  }

  #proposeForced({ count: generation, node }: Generation): void {
    const { log, outbox } = this.#core;
    const { membership } = log.memberships.current;
    this.#isChanging = true;
    const promotion = { generation, node, offset: this.#startOffset };
    outbox.propose({ kind: 'membership', membership: forcedMembership(membership, promotion) });
  }

  /** Not the leader any more. */
  close(): void {
    this.#isOver = true;
    this.#reads.close();
    if (this.#isChanging) {
      this.#endChange(
        new AlopexError('statement_completion_unknown', 'the leader changed during the change of membership'),
      );
    }
  }

  readonly #matchOf = (id: NodeId): number =>
    id === this.#core.self ? this.#core.log.flushedOffset : (this.#replication.followers.get(id)?.match ?? 0);
  readonly #aliveMs = (id: NodeId): number =>
    id === this.#core.self
      ? Number.POSITIVE_INFINITY
      : (this.#replication.followers.get(id)?.aliveMs ?? Number.NEGATIVE_INFINITY);
  readonly #answeredSentMs = (id: NodeId): number =>
    id === this.#core.self
      ? Number.POSITIVE_INFINITY
      : (this.#replication.followers.get(id)?.answeredSentMs ?? Number.NEGATIVE_INFINITY);
  readonly #answeredRound = (id: NodeId): number =>
    id === this.#core.self
      ? Number.POSITIVE_INFINITY
      : (this.#replication.followers.get(id)?.answeredRound ?? 0);

  get #hasCommitted(): boolean {
    return this.#core.log.highWatermark > this.#startOffset;
  }

  #commit(): void {
    const { log, quorum } = this.#core;
    const reached = Math.min(quorum.reached(this.#matchOf), log.flushedOffset);
    if (reached <= this.#startOffset || !log.commit(offset(reached))) return;
    this.#beginReads();
    this.#advanceMembership();
    if (this.#isOver) return;
    for (const follower of this.#replication.followers.values()) this.#replication.announce(follower);
  }

  /** §4.3: once the joint membership is committed, its end is proposed, by whoever leads then. */
  #advanceMembership(): void {
    const { log, outbox, quorum, self } = this.#core;
    const { endOffset, membership } = log.memberships.current;
    if (endOffset > log.highWatermark) return;
    if (isJoint(membership)) {
      outbox.propose({ kind: 'membership', membership: finalMembership(membership) });
      return;
    }
    if (this.#isChanging && this.#hasCommitted) this.#endChange(null);
    // §4.2.2: a leader that removed itself leads until the others can do without it.
    if (!quorum.has(self)) {
      this.#beat(false);
      this.#abdicate();
      this.#stepDown();
    }
  }

  #endChange(error: Error | null): void {
    this.#isChanging = false;
    this.#core.outbox.changed(error);
  }

  #proposeLeaderChange(): void {
    this.#core.outbox.propose({ kind: 'leader-change', leader: this.#core.self });
  }

  #beat(quiesce: boolean): void {
    const { limits, nowMs } = this.#core;
    this.#rounds.begin(nowMs);
    this.#heartbeatMs = nowMs + limits.heartbeatMs;
    this.#replication.heartbeat(quiesce);
  }

  #beginReads(): void {
    if (!this.#reads.isDue || !this.#hasCommitted) return;
    this.#beat(false);
    this.#reads.begin(this.#rounds.last, this.#core.log.highWatermark);
    this.#reads.onRound(this.#core.quorum.reached(this.#answeredRound));
  }

  /** A witness that leads has the lead to give away: until somebody takes it, it says so again. */
  #mayBeQuiet(): boolean {
    const { limits, log, nowMs } = this.#core;
    if (this.#isWitness) return false;
    if (nowMs - this.#appendedMs < limits.quietAfterMs) return false;
    if (log.highWatermark !== log.endOffset || this.#transfer !== null || !this.#reads.isEmpty) return false;
    for (const follower of this.#replication.followers.values()) {
      if (follower.match !== log.endOffset) return false;
    }
    return true;
  }

  get #isWitness(): boolean {
    const { log, self } = this.#core;
    return memberOf(log.memberships.current.membership, self)?.role === 'witness';
  }

  /** §3.10: whoever is to lead next has the whole log first, and is then told to stand for election at once. */
  #handOver(): void {
    const { log, nowMs, limits } = this.#core;
    if (this.#transfer === null && this.#isWitness && this.#hasCommitted) {
      const successor = this.#mostCaughtUp();
      if (successor !== null)
        this.#transfer = { to: successor.id, untilMs: nowMs + limits.transferMs, isAsked: false };
    }
    const transfer = this.#transfer;
    if (transfer === null || transfer.isAsked) return;
    if (this.#replication.followers.get(transfer.to)?.match !== log.endOffset) return;
    transfer.isAsked = true;
    this.#hasAbdicated = true;
    this.#core.send(transfer.to, { kind: 'timeout-now', epoch: this.#core.epoch });
  }

  /** The others need not wait for their election timeouts. */
  #abdicate(): void {
    const successor = this.#mostCaughtUp();
    if (successor !== null) this.#core.send(successor.id, { kind: 'timeout-now', epoch: this.#core.epoch });
  }

  /** Of the voters that have the whole log. */
  #mostCaughtUp(): FollowerProgress | null {
    const { log } = this.#core;
    for (const { id, role } of log.memberships.current.membership.members) {
      const follower = this.#replication.followers.get(id);
      if (role === 'voter' && follower?.match === log.endOffset) return follower;
    }
    return null;
  }
}
