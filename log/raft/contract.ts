import { type Epoch, epoch, type NodeId, nodeId, type Offset } from '../../base/ids.ts';

/**
 * What the consensus of one range says and hears. `RaftGroup` (group.ts) is a pure state machine: inputs in, a
 * `Ready` out; the driver (`log/range`) does what it says. Sections are those of Ongaro's thesis, "Consensus: Bridging
 * Theory and Practice" (2014). Differences from it:
 *
 * - An entry is a record batch, so places in the log are offsets of records, and logs match at boundaries of batches. A
 *   place is compared as Kafka does it: by the epoch of the batch before it. `EpochHistory`, where each epoch begins, says
 *   it for every place, so that no entry has to be read to answer.
 * - The bytes stay with the driver: the group asks for what it wants to send (`Ready.reads`).
 *
 * What has to be durable before what (the driver holds to it):
 * 1. `save` before any message of the same `Ready`, and before the next input.
 * 2. `truncate`, then `append`, in this order; what is appended is reported by `flushed` when it is durable. A follower's
 *    answer that it has an entry is made by `flushed` and never by `append`.
 * 3. A leader's own log counts towards a quorum up to `flushed` alone.
 */

/** `witness`: votes and keeps the log's tail, and has no rows. `learner`: has everything and no vote. */
export type MemberRole = 'voter' | 'witness' | 'learner';

export type Member = {
  readonly id: NodeId;
  readonly role: MemberRole;
  /** host:port of its mesh. */
  readonly mesh: string;
  /** host:port for clients (Postgres wire); empty for a witness. */
  readonly client: string;
};

/** §4.3: while it is joint, each decision needs a majority of both. */
export type Membership = {
  readonly members: readonly Member[];
  /** Voters and witnesses of the configuration that is left; empty where it is not joint. */
  readonly outgoing: readonly Member[];
  /** Of the log up to there, in its order. */
  readonly forced: readonly ForcedPromotion[];
};

/**
 * An operator's word made one node the whole group: its log from `offset` on is this generation's, whatever other members
 * have there.
 */
export type ForcedPromotion = {
  readonly generation: number;
  readonly node: NodeId;
  readonly offset: Offset;
};

/**
 * Epochs count within a generation alone, and messages of one are heard by nodes of the same alone. A higher `count` outranks a
 * lower one; two nodes that were both made a group of the same count outrank neither: an operator decides again.
 */
export type Generation = { readonly count: number; readonly node: NodeId };

export const firstGeneration: Generation = { count: 0, node: nodeId(0) };

export type EntryPlace = {
  readonly baseOffset: Offset;
  /** The next entry's base offset. */
  readonly endOffset: Offset;
  readonly epoch: Epoch;
  readonly sizeBytes: number;
  /** Of a control batch that changes the membership: it holds from its append on (§4.1). */
  readonly membership: Membership | null;
};
/** One record batch, byte for byte as the leader has it. */
export type Entry = EntryPlace & { readonly bytes: Uint8Array };

/** §3.8: durable before it is acted upon. */
export type HardState = {
  readonly epoch: Epoch;
  readonly votedFor: NodeId | null;
  /** That the log is known to be a part of; one that it has a promotion of may be later. */
  readonly generation: Generation;
  /** Its members are heard no more, nor answered, until the log has been cut where that generation's parts from it. */
  readonly outrankedBy: Generation | null;
};

export const firstHardState: HardState = {
  epoch: epoch(0),
  votedFor: null,
  generation: firstGeneration,
  outrankedBy: null,
};

/** Where each epoch of a log begins; ascending, without gaps to the log's end. */
export type EpochStart = { readonly epoch: Epoch; readonly startOffset: Offset };

export type Message =
  /** §3.5, with no entries a heartbeat. `round` is given back by the answer: for leases and read index (§6.4). */
  | {
      readonly kind: 'append';
      readonly epoch: Epoch;
      /** The place before the entries, and the epoch of the batch that ends there. */
      readonly previousOffset: Offset;
      readonly previousEpoch: Epoch;
      readonly entries: readonly Entry[];
      readonly highWatermark: Offset;
      readonly round: number;
      /** Nothing is on its way: the follower may stop its election timer until it is woken. */
      readonly quiesce: boolean;
    }
  | {
      readonly kind: 'append-accepted';
      readonly epoch: Epoch;
      /** Durable there, and equal to the leader's log, up to here. */
      readonly match: Offset;
      readonly round: number;
    }
  | {
      readonly kind: 'append-rejected';
      readonly epoch: Epoch;
      readonly previousOffset: Offset;
      /** Its last epoch that is not above the leader's previous one, and where that ends in its log. */
      readonly hintEpoch: Epoch;
      readonly hintOffset: Offset;
      readonly round: number;
    }
  /** §3.4, §9.6 (pre-vote), §4.2.3; `isTransfer` (§3.10) is heard although a leader is alive. */
  | {
      readonly kind: 'vote-request';
      readonly epoch: Epoch;
      readonly isPreVote: boolean;
      readonly lastEpoch: Epoch;
      readonly endOffset: Offset;
      readonly isTransfer: boolean;
    }
  | {
      readonly kind: 'vote';
      readonly epoch: Epoch;
      readonly isPreVote: boolean;
      readonly isGranted: boolean;
    }
  /** §3.10: stand for election at once. */
  | { readonly kind: 'timeout-now'; readonly epoch: Epoch }
  /** To a node of a generation that this one's outranks. */
  | { readonly kind: 'outranked'; readonly epoch: Epoch }
  /** §5: what the follower needs is no longer in the leader's log. The driver fetches the snapshot from the leader. */
  | {
      readonly kind: 'snapshot';
      readonly epoch: Epoch;
      readonly offset: Offset;
      readonly offsetEpoch: Epoch;
      readonly membership: Membership;
    };

export type MembershipChange =
  | { readonly kind: 'add'; readonly member: Member }
  /** Its role, or its addresses. A learner becomes a voter once it has caught up (§4.2.1), else 55000. */
  | { readonly kind: 'change'; readonly member: Member }
  | { readonly kind: 'remove'; readonly id: NodeId }
  /** One takes another's place, in one change: a machine that came back without its disk. */
  | { readonly kind: 'replace'; readonly id: NodeId; readonly member: Member };

/** The driver passes the monotonic time, in milliseconds, with each. */
export type Input =
  | { readonly kind: 'tick' }
  | {
      readonly kind: 'message';
      readonly from: NodeId;
      /** The sender's. */
      readonly generation: Generation;
      readonly message: Message;
    }
  /** The leader's own batches have their place in its log; they are not durable yet. */
  | { readonly kind: 'appended'; readonly entries: readonly EntryPlace[] }
  /** Everything below is durable here. */
  | { readonly kind: 'flushed'; readonly endOffset: Offset }
  /** The disk is full: the log ends here again. A leader that may have sent what is lost gives up its epoch. */
  | { readonly kind: 'refused'; readonly endOffset: Offset }
  /** What `Ready.reads` asked for. `trimmed`: the log begins later. */
  | {
      readonly kind: 'read';
      readonly to: NodeId;
      readonly from: Offset;
      readonly entries: readonly Entry[] | 'trimmed';
    }
  /** The link to a node broke: what was on its way is lost, and a leader there may be gone. */
  | { readonly kind: 'unreachable'; readonly peer: NodeId }
  /** Of a group that is quiet: its leader's node is not heard of, or there is something to do. */
  | { readonly kind: 'wake' }
  | { readonly kind: 'change-membership'; readonly change: MembershipChange }
  | { readonly kind: 'transfer'; readonly to: NodeId }
  /** §6.4: when `Ready.readable` names it, what was committed before is at its offset at the latest. */
  | { readonly kind: 'read-index'; readonly id: number }
  /** The log begins at a snapshot now, and ends there; just before it was replaced, `RaftGroup.needsSnapshot` said so. */
  | {
      readonly kind: 'restored';
      readonly offset: Offset;
      readonly offsetEpoch: Epoch;
      readonly membership: Membership;
    }
  /** The log begins here now: what was before is in a snapshot alone. */
  | { readonly kind: 'trimmed'; readonly startOffset: Offset }
  /**
   * An operator's word that a quorum is gone: this node alone is the group from now on, and the others are its learners. What
   * only they have is lost.
   */
  | { readonly kind: 'force' }
  /** The lead is given up: before a promotion by force of the node that has it. */
  | { readonly kind: 'resign' }
  /** Of a node that is outranked: above `to`, which is not below its high watermark, its log is not the other generation's. */
  | { readonly kind: 'rewind'; readonly to: Offset }
  /** The log is a part of the generation's by which it is outranked, and durable as such. */
  | { readonly kind: 'adopt' };

export type Ready = {
  /** 1. Durable before all else. */
  readonly save: HardState | null;
  /** 2. The log loses everything from here on. */
  readonly truncate: Offset | null;
  /** 3. A follower's log takes these, in order. */
  readonly append: readonly Entry[];
  /** 4. The leader's log takes control batches: each is reported by `appended`, in this order, before any other input. */
  readonly propose: readonly Proposal[];
  /** 5. */
  readonly messages: readonly Outgoing[];
  /** 6. What is to be sent: the driver reads it and answers with `read`; at once, where it is in memory. */
  readonly reads: readonly { readonly to: NodeId; readonly from: Offset; readonly bytesMax: number }[];
  /** The leader's log no longer reaches back to this one's end: a snapshot is fetched from it, and `restored` reported; said again until then. */
  readonly restore: { readonly from: NodeId; readonly offset: Offset } | null;
  /** That node's generation outranks this one's: its log says where the two part. Said again until then. */
  readonly outranked: NodeId | null;
  /** Read-index requests that are answered; `offset` null: not the leader any more. */
  readonly readable: readonly { readonly id: number; readonly offset: Offset | null }[];
  /** A change of membership is refused, or its last step is committed (null). */
  readonly changed: readonly { readonly error: Error | null }[];
};

export type Outgoing = {
  readonly to: NodeId;
  readonly generation: Generation;
  readonly message: Message;
};

export type Proposal =
  | { readonly kind: 'leader-change'; readonly leader: NodeId }
  | { readonly kind: 'membership'; readonly membership: Membership };

export type RaftRole = 'leader' | 'candidate' | 'follower';

/** A view of the group after a step. */
export type RaftStatus = {
  readonly role: RaftRole;
  readonly epoch: Epoch;
  readonly leader: NodeId | null;
  /** Committed, and durable here (leader: its own flush is always asked for too). Never goes back. */
  readonly highWatermark: Offset;
  /** Of a leader: every replica that is in sync has everything below; at most the high watermark. */
  readonly inSyncOffset: Offset;
  readonly membership: Membership;
  readonly generation: Generation;
  readonly outrankedBy: Generation | null;
  /** It was made the whole of a group as this one's leader was, and neither outranks the other. */
  readonly rival: NodeId | null;
  /**
   * Of a leader: until then no other can have been elected, and the high watermark is as high as any leader has had it
   * (§6.4.1), so that a read there is current. Infinity: it is the only voter. 0: no lease, and of all others.
   */
  readonly leaseUntilMs: number;
  /** Of a leader: who shall lead next. It takes no commits meanwhile, so that the other can catch up. */
  readonly transferTo: NodeId | null;
  readonly isQuiet: boolean;
  /** Of a leader. */
  readonly followers: readonly FollowerStatus[];
};
export type FollowerStatus = {
  readonly id: NodeId;
  readonly match: Offset;
  readonly isInSync: boolean;
  /** Monotonic time of its last answer; null: none in this epoch. */
  readonly heardMs: number | null;
  readonly mode: 'probe' | 'replicate' | 'snapshot';
};

export type RaftOptions = {
  readonly self: NodeId;
  readonly hardState: HardState;
  /** Of the log as it is on disk. */
  readonly epochs: readonly EpochStart[];
  readonly startOffset: Offset;
  /** The epoch of the batch before `startOffset`; 0 where the log begins at 0. */
  readonly startEpoch: Epoch;
  readonly endOffset: Offset;
  /** Known committed: what a snapshot covers. */
  readonly highWatermark: Offset;
  /** At the snapshot, then each change that the log has after it, with its end offset. */
  readonly memberships: readonly { readonly endOffset: Offset; readonly membership: Membership }[];
  /**
   * The log was this node's alone until now: `hardState` has its vote for itself in an epoch of its own, and it leads from
   * the first step on.
   */
  readonly founds?: boolean;
  /** Whole numbers in [0, 2^32), for election timeouts. */
  readonly random: () => number;
  readonly nowMs: number;
  readonly limits?: Partial<RaftLimits>;
};

export type RaftLimits = {
  readonly heartbeatMs: number;
  /** An election begins after a silence of [electionMs, 2 × electionMs). */
  readonly electionMs: number;
  /** A lease is shorter than `electionMs` by this part, for clocks that run at different speeds. */
  readonly driftMax: number;
  readonly messageBytesMax: number;
  /** Bytes on their way to one follower. */
  readonly inflightBytesMax: number;
  readonly inflightMessagesMax: number;
  /** A follower that has not had the log's end for so long is not in sync (Kafka's replica.lag.time.max.ms). */
  readonly inSyncMs: number;
  /** Without appends for so long, a leader whose followers have everything lets the group be quiet. */
  readonly quietAfterMs: number;
  /** A transfer that has not happened by then is given up. */
  readonly transferMs: number;
  /** A follower that has nothing gets a snapshot where the log has so many records, however far back it reaches. */
  readonly snapshotRecordsMin: number;
};

export const defaultRaftLimits: RaftLimits = {
  heartbeatMs: 100,
  electionMs: 500,
  driftMax: 0.2,
  messageBytesMax: 1024 * 1024,
  inflightBytesMax: 8 * 1024 * 1024,
  inflightMessagesMax: 64,
  inSyncMs: 10_000,
  quietAfterMs: 3000,
  transferMs: 2000,
  // To fold them anew takes a second, and longer than their files take.
  snapshotRecordsMin: 100_000,
};
