import { AlopexError } from '../../base/errors.ts';
import type { Epoch, NodeId, Offset } from '../../base/ids.ts';
import { invariant, unreachable } from '../../base/unreachable.ts';
import { forcedMax } from '../record/membership.ts';
import { Campaign } from './campaign.ts';
import type {
  FollowerStatus,
  Generation,
  Input,
  Message,
  RaftOptions,
  RaftStatus,
  Ready,
} from './contract.ts';
import { RaftCore } from './core.ts';
import { Following } from './following.ts';
import { type LeaderInput, Leadership } from './leadership.ts';
import { isSameGeneration, memberOf } from './memberships.ts';

type VoteRequest = Extract<Message, { kind: 'vote-request' }>;
type Vote = Extract<Message, { kind: 'vote' }>;
type Heard = Extract<Input, { kind: 'message' }>;

const noFollowers: readonly FollowerStatus[] = [];

/**
 * The consensus of one range, on one node: contract.ts says what goes in and what comes out. It is always one of three
 * roles (following.ts, campaign.ts, leadership.ts); here are the ways from one to another, and the votes.
 *
 * Invariants:
 * - §3.4, election safety: one leader an epoch. A vote is given once an epoch, and kept before it is said.
 * - §6.4.1: who heard a leader votes for nobody for an election timeout, unless that leader wants it (§3.10).
 * - Who has no vote in what is committed, nor in what its log has after it, never stands for election.
 * - A message of another generation has no effect but that the earlier generation ends on this node.
 */
export class RaftGroup {
  readonly #core: RaftCore;
  #role: Following | Campaign | Leadership;

  constructor(options: RaftOptions) {
    this.#core = new RaftCore(options);
    const following = new Following(this.#core, null);
    const { log } = this.#core;
    // Nobody else can have been elected, nor have had a promise: there is nothing to wait for.
    if (log.memberships.isOnly(options.self, log.highWatermark)) following.deadlineMs = options.nowMs;
    this.#role = following;
    if (options.founds === true) this.#role = this.#found();
  }

  #found(): Leadership {
    const { quorum, self, votedFor, epoch, log } = this.#core;
    invariant(
      quorum.isOnly(self) && votedFor === self,
      'who founds a group is its only voter, and has its vote',
    );
    invariant(epoch > log.epochs.last, 'an epoch has one leader');
    return this.#lead();
  }

  step(input: Input, nowMs: number): Ready {
    this.#core.nowMs = nowMs;
    this.#take(input);
    return this.#core.outbox.take();
  }

  /** When a tick is due; null: never, until something else happens. */
  nextDeadlineMs(): number | null {
    const role = this.#role;
    if (role.kind === 'leader' || role.kind === 'candidate') return role.deadlineMs;
    return role.isQuiet || !this.#core.mayStand ? null : role.deadlineMs;
  }

  /**
   * Whether a snapshot there is to replace this log. It may have come to have that place itself since the snapshot was asked
   * for: then what follows is kept, for it may be committed, and its leader counts on this copy (§5).
   */
  needsSnapshot(place: Offset, placeEpoch: Epoch): boolean {
    return this.#role.kind !== 'leader' && !this.#core.log.matches(place, placeEpoch);
  }

  get #isQuiet(): boolean {
    return this.#role.kind !== 'candidate' && this.#role.isQuiet;
  }

  get status(): RaftStatus {
    const { epoch, generation, log, outrankedBy, rival, self } = this.#core;
    const role = this.#role;
    const leads = role.kind === 'leader';
    return {
      role: role.kind,
      epoch,
      leader: leads ? self : role.kind === 'follower' ? role.leader : null,
      highWatermark: log.highWatermark,
      inSyncOffset: leads ? role.inSyncOffset : log.highWatermark,
      membership: log.memberships.current.membership,
      generation,
      outrankedBy,
      rival: rival?.node ?? null,
      leaseUntilMs: leads ? role.leaseUntilMs : 0,
      transferTo: leads ? role.transferTo : null,
      isQuiet: this.#isQuiet,
      followers: leads ? role.followers : noFollowers,
    };
  }

  #take(input: Input): void {
    switch (input.kind) {
      case 'tick':
        this.#onTick();
        return;
      case 'message':
        if (this.#hears(input)) this.#onMessage(input.from, input.message);
        return;
      case 'flushed':
        this.#onFlushed(input.endOffset);
        return;
      case 'refused':
        this.#onRefused(input.endOffset);
        return;
      case 'wake':
        this.#wake();
        return;
      case 'restored':
        this.#onRestored(input);
        return;
      case 'trimmed':
        this.#core.log.trim(input.startOffset);
        return;
      case 'force':
        this.#onForce();
        return;
      case 'resign':
        if (this.#role.kind === 'leader') this.#follow(this.#core.epoch, null);
        return;
      case 'rewind':
        this.#onRewind(input.to);
        return;
      case 'adopt':
        this.#onAdopt();
        return;
      default:
        if (this.#role.kind === 'leader') this.#role.take(input);
        else this.#refuse(input);
    }
  }

  /** What is a leader's to do, where this node does not lead. */
  #refuse(input: LeaderInput): void {
    switch (input.kind) {
      case 'change-membership':
        this.#core.outbox.changed(notLeader());
        return;
      case 'read-index':
        this.#core.outbox.readable(input.id, null);
        return;
      case 'unreachable':
        if (this.#role.kind === 'follower') this.#role.onUnreachable(input.peer);
        return;
      case 'read':
      case 'transfer':
        return;
      case 'appended':
        invariant(false, 'only a leader writes');
        return;
      default:
        unreachable(input);
    }
  }

  #onTick(): void {
    const { mayStand, nowMs } = this.#core;
    const role = this.#role;
    if (role.kind === 'leader') role.onTick();
    else if (nowMs < role.deadlineMs || (role.kind === 'follower' && role.isQuiet)) return;
    else if (mayStand) this.#campaign(true, false);
    else if (role.kind === 'candidate') this.#follow(this.#core.epoch, null);
  }

  /**
   * Whether a message is of this node's generation. Of an earlier one it is answered with this one's name; a later one ends what
   * this node does in its own.
   */
  #hears({ from, generation, message }: Heard): boolean {
    const core = this.#core;
    const own = core.generation;
    if (isSameGeneration(generation, own)) return core.outrankedBy === null && message.kind !== 'outranked';
    if (generation.count < own.count) {
      if (message.kind !== 'outranked') core.send(from, { kind: 'outranked', epoch: core.epoch });
      return false;
    }
    if (generation.count === own.count) {
      core.rival = generation;
      return false;
    }
    if (core.isBlank && core.outrankedBy === null) {
      core.adopt(generation);
      return true;
    }
    this.#beOutranked(from, generation);
    return false;
  }

  #beOutranked(from: NodeId, by: Generation): void {
    const core = this.#core;
    const known = core.outrankedBy;
    if (known === null || by.count > known.count) {
      core.beOutranked(by);
      this.#follow(core.epoch, null);
    } else if (!isSameGeneration(by, known)) return;
    core.outbox.outranked(from);
  }

  #onRewind(to: Offset): void {
    const { log, outbox, outrankedBy } = this.#core;
    invariant(outrankedBy !== null, 'only what is outranked is rewound');
    if (to >= log.endOffset) return;
    log.truncate(to);
    outbox.truncate(to);
  }

  /** What it was told of a high watermark was told by another generation. */
  #onAdopt(): void {
    const core = this.#core;
    if (core.outrankedBy === null) return;
    core.adopt(core.outrankedBy);
    this.#follow(core.epoch, null);
  }

  #onMessage(from: NodeId, message: Message): void {
    if (message.kind === 'vote-request') {
      this.#onVoteRequest(from, message);
      return;
    }
    const { epoch } = this.#core;
    if (message.epoch < epoch) this.#onStale(from, message);
    else if (message.kind === 'vote') this.#onVote(from, message);
    else this.#onCurrent(from, message);
  }

  /** Of this epoch, or of a later one that is this node's from now on. */
  #onCurrent(from: NodeId, message: Exclude<Message, { kind: 'vote-request' | 'vote' }>): void {
    const core = this.#core;
    switch (message.kind) {
      case 'append':
        this.#followerOf(from, message.epoch).onAppend(from, message);
        return;
      case 'snapshot':
        this.#followerOf(from, message.epoch).onSnapshot(from, message);
        return;
      case 'append-accepted':
      case 'append-rejected':
        if (message.epoch > core.epoch) this.#follow(message.epoch, null);
        else if (this.#role.kind === 'leader') this.#role.onAnswer(from, message);
        return;
      case 'outranked':
        return;
      case 'timeout-now':
        if (message.epoch > core.epoch) this.#follow(message.epoch, from);
        if (this.#role.kind !== 'leader' && core.mayStand) this.#campaign(false, true);
        return;
      default:
        unreachable(message);
    }
  }

  /** A leader that has been replaced is told so; with check quorum it would not hear of it by votes. */
  #onStale(from: NodeId, message: Message): void {
    if (message.kind !== 'append' && message.kind !== 'snapshot') return;
    const { epoch, log } = this.#core;
    const place = message.kind === 'append' ? message.previousOffset : message.offset;
    this.#core.send(from, {
      kind: 'append-rejected',
      epoch,
      previousOffset: place,
      hintEpoch: log.epochs.epochAt(log.highWatermark),
      hintOffset: log.highWatermark,
      round: 0,
    });
  }

  #onVoteRequest(from: NodeId, message: VoteRequest): void {
    const core = this.#core;
    // While all is quiet all have the newest membership: a member that was removed wakes nobody.
    if (this.#isQuiet && !core.quorum.has(from)) {
      this.#answerVote(from, message, false);
      return;
    }
    const isProtected = this.#hasLiveLeader && !message.isTransfer;
    this.#doubt();
    if (message.epoch < core.epoch || isProtected || !core.hasVoice) {
      this.#answerVote(from, message, false);
      return;
    }
    const isCovered = core.log.isCoveredBy(message.lastEpoch, message.endOffset);
    if (message.isPreVote) {
      this.#answerVote(from, message, message.epoch > core.epoch && isCovered);
      return;
    }
    if (message.epoch > core.epoch) this.#follow(message.epoch, null);
    const isGranted = isCovered && (core.votedFor === null || core.votedFor === from);
    if (isGranted) {
      core.setVote(core.epoch, from);
      if (this.#role.kind === 'follower') this.#role.deadlineMs = core.nowMs + core.electionTimeoutMs();
    }
    this.#answerVote(from, message, isGranted);
  }

  #answerVote(to: NodeId, { isPreVote, epoch }: VoteRequest, isGranted: boolean): void {
    const answer = isPreVote && isGranted ? epoch : this.#core.epoch;
    this.#core.send(to, { kind: 'vote', epoch: answer, isPreVote, isGranted });
  }

  /** What a lease rests on (§6.4.1), and what keeps a removed or cut-off node from disturbing (§4.2.3). */
  get #hasLiveLeader(): boolean {
    const { heardMs, limits, nowMs } = this.#core;
    if (this.#role.kind === 'leader' || this.#isQuiet) return true;
    return nowMs - heardMs < limits.electionMs;
  }

  #onVote(from: NodeId, vote: Vote): void {
    const core = this.#core;
    const role = this.#role;
    if (!vote.isGranted) {
      if (vote.epoch > core.epoch) this.#follow(vote.epoch, null);
      return;
    }
    if (role.kind !== 'candidate' || role.isPreVote !== vote.isPreVote || role.epoch !== vote.epoch) return;
    role.grant(from);
    this.#advance(role);
  }

  #campaign(isPreVote: boolean, isTransfer: boolean): void {
    const campaign = new Campaign(this.#core, isPreVote);
    this.#role = campaign;
    if (!campaign.isWon) campaign.ask(isTransfer);
    else this.#advance(campaign);
  }

  #advance(campaign: Campaign): void {
    if (!campaign.isWon) return;
    if (campaign.isPreVote) this.#campaign(false, false);
    else this.#role = this.#lead();
  }

  #lead(forced: Generation | null = null): Leadership {
    return new Leadership(this.#core, () => this.#follow(this.#core.epoch, null), forced);
  }

  #follow(epoch: Epoch, leader: NodeId | null): Following {
    if (this.#role.kind === 'leader') this.#role.close();
    if (epoch > this.#core.epoch) this.#core.setVote(epoch, null);
    const following = new Following(this.#core, leader);
    this.#role = following;
    return following;
  }

  #followerOf(leader: NodeId, epoch: Epoch): Following {
    const role = this.#role;
    if (role.kind === 'follower' && epoch === this.#core.epoch) return role;
    invariant(role.kind !== 'leader' || epoch > this.#core.epoch, `two leaders in epoch ${epoch} (§3.4)`);
    return this.#follow(epoch, leader);
  }

  #onFlushed(end: Offset): void {
    this.#core.log.flush(end);
    if (this.#role.kind !== 'candidate') this.#role.onFlushed();
  }

  #onRefused(end: Offset): void {
    if (this.#role.kind === 'candidate') this.#core.log.truncate(end);
    else this.#role.onRefused(end);
  }

  #onRestored(input: Extract<Input, { kind: 'restored' }>): void {
    const core = this.#core;
    invariant(this.#role.kind !== 'leader', 'a leader has its log');
    core.log.restore(input.offset, input.offsetEpoch, input.membership);
    if (input.offsetEpoch > core.epoch) this.#follow(input.offsetEpoch, null);
    else if (this.#role.kind === 'follower') this.#role.onRestored(input.offset);
  }

  #wake(): void {
    const role = this.#role;
    if (role.kind === 'leader') role.wake();
    else if (role.kind === 'follower') role.wake();
  }

  /** Another member of a quiet group stands for election: the leader, which hears it too, has a timeout's time to speak. */
  #doubt(): void {
    const core = this.#core;
    if (!this.#isQuiet) return;
    if (this.#role.kind === 'follower') core.heardMs = core.nowMs;
    this.#wake();
  }

  #onForce(): void {
    const core = this.#core;
    const { membership } = core.log.memberships.current;
    const member = memberOf(membership, core.self);
    if (member === null || member.role === 'witness') {
      core.outbox.changed(
        new AlopexError('object_not_in_prerequisite_state', 'a node without rows cannot be all of a range'),
      );
      return;
    }
    if (membership.forced.length === forcedMax) {
      core.outbox.changed(
        new AlopexError('configuration_limit_exceeded', `a range was promoted by force ${forcedMax} times`),
      );
      return;
    }
    invariant(this.#role.kind !== 'leader', 'a leader resigns before it is promoted by force');
    const generation = core.nextGeneration;
    core.outrankedBy = null;
    core.rival = null;
    core.setVote(core.nextEpoch, core.self);
    this.#role = this.#lead(generation);
  }
}

function notLeader(): AlopexError {
  return new AlopexError('object_not_in_prerequisite_state', 'this node does not lead the range');
}
