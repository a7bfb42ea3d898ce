import type { Clock, Disk, Env, Random } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import {
  type Epoch,
  epoch as epochOf,
  type NodeId,
  type Offset,
  offset,
  type RangeId,
} from '../../base/ids.ts';
import type { LogReplication } from '../log.ts';
import { decodeMessage, encodeMessage, entryOf } from '../raft/codec.ts';
import {
  type EntryPlace,
  firstHardState,
  type Input,
  type Membership,
  type MembershipChange,
  type Proposal,
  type RaftLimits,
  type RaftStatus,
  type Ready,
} from '../raft/contract.ts';
import { RaftGroup } from '../raft/group.ts';
import { isSameGeneration } from '../raft/memberships.ts';
import { encodeControlBatch } from '../record/control.ts';
import type { BatchHeader } from '../record/record.ts';
import type { SegmentedLog } from '../segment/log.ts';
import {
  entriesFrom,
  epochStarts,
  keptMemberships,
  membershipsAbove,
  placeIn,
  startsUpTo,
} from './history.ts';
import { KeptState } from './kept-state.ts';
import { committedLineage, type Lineage, lineageOf, partingOf } from './lineage.ts';
import type { Liveness, Sleeper } from './liveness.ts';
import { keepLost } from './lost.ts';
import { RecentEntries } from './recent-entries.ts';
import { Requests, stopping } from './requests.ts';
import type { GroupStates } from './states.ts';
import type { Ticker, Ticking } from './ticker.ts';

export type RangeHandlers = {
  /** The role, the epoch, the leader, the one that it hands over to, or the membership is another one. */
  onStatus(status: RaftStatus): void;
  /** The leader said, now, how much is committed, and knew all of it. */
  onHeard(highWatermark: Offset): void;
  /** Durable here. */
  onFlushed(endOffset: Offset): void;
  /** The consensus appended a batch of its own. */
  onProposed(batch: Uint8Array, header: BatchHeader): void;
  /** The log is about to lose everything from an offset on: what was folded of it is to be forgotten. */
  onTruncate(from: Offset): void;
  /** What it has lost is in these. */
  onLost(files: readonly string[]): void;
  /** What this node needs is in no log any more: only a snapshot of the leader helps. */
  onSnapshotNeeded(leader: NodeId): void;
  /** A promotion by force that this node does not follow yet: `rewind`, by that node's lineage. Said again until then. */
  onOutranked(by: NodeId): void;
  /** The disk failed: this node takes no part any more. */
  onFailed(error: AlopexError): void;
};

export type RangeOptions = {
  readonly id: RangeId;
  readonly self: NodeId;
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly states: GroupStates;
  readonly ticker: Ticker;
  readonly liveness: Liveness;
  /** Where batches go that another leader's log does not have. */
  readonly lostDirectory: string;
  readonly handlers: RangeHandlers;
  send(to: NodeId, message: Uint8Array): void;
  readonly limits?: Partial<RaftLimits>;
  readonly rarely: Env['rarely'];
};

/** Of the log's end, kept for followers. */
const recentBytesMax = 16 * 1024 * 1024;

/**
 * Drives the consensus of one range: does what `RaftGroup` says with the log, the file of votes and the mesh, in the
 * order that log/raft/contract.ts asks for, and tells it what came of that.
 *
 * Invariants:
 * - inputs are taken one after another; while a vote is saved or the log is truncated, they wait;
 * - a flush is reported once the memberships that it has are in the file of votes.
 */
export class Range implements LogReplication, Ticking, Sleeper {
  readonly #options: RangeOptions;
  readonly #recent = new RecentEntries(recentBytesMax);
  #log!: SegmentedLog;
  #group!: RaftGroup;
  #isStarted = false;
  readonly #kept: KeptState;
  readonly #inbox: Input[] = [];
  #isWorking = false;
  /** Appended here, and not yet told to the group. */
  #appended: EntryPlace[] = [];
  #isAnnounced = false;
  /** How often a full disk has cut the log. */
  #cuts = 0;
  #saving: Promise<void> | null = null;
  #told: RaftStatus | null = null;
  #isClosed = false;
  readonly #requests = new Requests();

  constructor(options: RangeOptions) {
    this.#options = options;
    this.#kept = new KeptState(options, this.#fail);
  }

  /**
   * The log is open, and everything that it calls here for comes from now on. `first`: the membership of a range that is
   * replicated from now on; nothing is appended any more until this resolves.
   */
  async start(log: SegmentedLog, first: Membership | null): Promise<void> {
    const { self, clock, random, ticker, limits } = this.#options;
    this.#log = log;
    let memberships = keptMemberships(this.#kept.current.memberships, log, epochStarts(log));
    if (first !== null) {
      const { startOffset } = log;
      const { epoch } = log.segments[0]!;
      memberships = [{ endOffset: startOffset, epoch, membership: first }];
      const hardState = { ...firstHardState, epoch: epochOf(log.epoch + 1), votedFor: self };
      // What was trimmed before nobody else has ever seen.
      this.#kept.set({ hardState, memberships, starts: [{ offset: startOffset, epoch }] });
      await this.#kept.save();
      while (log.flushedOffset < log.endOffset) await log.committed(log.endOffset);
      // From here to the first step nothing is waited for: whatever is appended belongs to the range.
      log.replicate(this);
    } else memberships = [...memberships, ...(await membershipsAbove(log, memberships))];
    this.#kept.set({ memberships });
    const { hardState, starts } = this.#kept.current;
    const start = starts.find((each) => each.offset === log.startOffset);
    const nowMs = clock.monotonicMs();
    this.#group = new RaftGroup({
      self,
      hardState,
      epochs: epochStarts(log),
      startOffset: log.startOffset,
      startEpoch: start?.epoch ?? (0 as Epoch),
      endOffset: log.flushedOffset,
      highWatermark: this.#kept.open(log),
      memberships,
      founds: first !== null,
      random: () => random.uint32(),
      nowMs,
      ...(limits === undefined ? {} : { limits }),
    });
    this.#isStarted = true;
    this.step({ kind: 'tick' });
    ticker.add(this);
  }

  /** 57P03 until it has started. */
  get status(): RaftStatus {
    if (this.#isStarted) return this.#group.status;
    throw new AlopexError('cannot_connect_now', 'this node is starting up');
  }
  get deadlineMs(): number | null {
    return this.#isWorking || this.#isClosed ? null : this.#group.nextDeadlineMs();
  }

  tick(): void {
    this.step({ kind: 'tick' });
  }

  /** A message of another node, as `send` of its range gave it. What is no message is dropped, with its error. */
  receive(from: NodeId, bytes: Uint8Array): void {
    const { generation, message } = decodeMessage(bytes);
    this.step({ kind: 'message', from, generation, message });
    if (message.kind !== 'append' || this.#isClosed || this.#group.status.leader !== from) return;
    // §6.4: until something of its epoch is committed, a leader knows of less than is.
    if (this.placeAt(message.highWatermark)?.epoch === message.epoch)
      this.#options.handlers.onHeard(message.highWatermark);
  }

  onUnreachable(peer: NodeId): void {
    this.step({ kind: 'unreachable', peer });
  }

  /** The leader's node is not heard of: a range that is quiet would not notice by itself. */
  wake(): void {
    this.step({ kind: 'wake' });
  }

  // ---- what the log says

  onAppended(batch: Uint8Array, header: BatchHeader): void {
    const entry = entryOf(batch, header);
    this.#recent.add(entry);
    if (entry.membership !== null) this.#keepMembership(entry, entry.membership);
    if (this.#group.status.role === 'leader') this.#appended.push(entry);
  }

  onFlushing(): void {
    this.#announce();
  }

  onFlushed(endOffset: Offset): void {
    this.#options.handlers.onFlushed(endOffset);
    this.#announce();
    if (this.#saving === null) this.step({ kind: 'flushed', endOffset });
    else this.#saving.then(() => this.step({ kind: 'flushed', endOffset }), this.#fail);
  }

  onCut(endOffset: Offset): void {
    this.#cuts += 1;
    this.#recent.truncate(endOffset);
    this.#appended = this.#appended.filter((entry) => entry.endOffset <= endOffset);
    if (this.#isClosed) return;
    // Before all that waits: whatever it is, it meets the log as it is now.
    this.#inbox.unshift({ kind: 'refused', endOffset });
    if (!this.#isWorking) this.#work();
  }

  #announce(): void {
    if (this.#appended.length === 0 || this.#isClosed) return;
    this.#isAnnounced = true;
    if (!this.#isWorking) this.#work();
  }

  #keepMembership({ endOffset, epoch }: EntryPlace, membership: Membership): void {
    const before = this.#kept.current.memberships.filter((each) => each.endOffset < endOffset);
    this.#kept.set({ memberships: [...before, { endOffset, epoch, membership }] });
    const saving = this.#kept.save().finally(() => {
      if (this.#saving === saving) this.#saving = null;
    });
    saving.catch(this.#fail);
    this.#saving = saving;
  }

  // ---- steps

  step(input: Input): void {
    if (this.#isClosed) return;
    this.#inbox.push(input);
    if (!this.#isWorking) this.#work();
  }

  #work(): void {
    this.#isWorking = true;
    try {
      for (let input = this.#nextInput(); input !== undefined; input = this.#nextInput()) {
        const ready = this.#group.step(input, this.#options.clock.monotonicMs());
        if (ready.save !== null || ready.truncate !== null || this.#isOfEarlierEpoch(ready)) {
          // Whoever led knows it before the log changes under it; who leads does once its epoch has begun there.
          if (this.#group.status.role !== 'leader') this.#tell();
          this.#workLater(ready);
          return;
        }
        this.#do(ready);
      }
      this.#isWorking = false;
    } catch (thrown) {
      this.#fail(thrown);
      return;
    }
    if (!this.#isClosed) this.#options.ticker.note(this);
  }

  /** What this node has written comes before all that may end its lead: then the group knows the whole log. */
  #nextInput(): Input | undefined {
    const [next] = this.#inbox;
    const isDue = this.#isAnnounced || (next !== undefined && this.#mayEndLead(next));
    if (this.#appended.length === 0 || !isDue) return this.#inbox.shift();
    const entries = this.#appended;
    this.#appended = [];
    this.#isAnnounced = false;
    return { kind: 'appended', entries };
  }

  /** Not those that come often, and leave the lead as it is while the membership stays. */
  #mayEndLead(input: Input): boolean {
    if (this.#requests.isChanging) return true;
    if (input.kind === 'message') {
      const { epoch, generation } = this.#group.status;
      return input.message.epoch !== epoch || !isSameGeneration(input.generation, generation);
    }
    return input.kind !== 'flushed';
  }

  /** Inputs wait until the vote is kept and the log is truncated. What a full disk has cut meanwhile has no successors. */
  #workLater(ready: Ready): void {
    const cuts = this.#cuts;
    this.#prepare(ready)
      .then(() => {
        if (this.#isClosed) return;
        this.#do(cuts === this.#cuts ? ready : { ...ready, append: [] });
        this.#work();
      })
      .catch(this.#fail);
  }

  /** This node began an epoch of which nothing came to be, and gets batches from before it. */
  #isOfEarlierEpoch({ append }: Ready): boolean {
    const [first] = append;
    return first !== undefined && first.epoch < this.#log.epoch;
  }

  async #prepare(ready: Ready): Promise<void> {
    const { save, truncate } = ready;
    if (save !== null) {
      this.#kept.set({ hardState: save });
      await this.#kept.save();
    }
    if (this.#isClosed) return;
    if (truncate === null) {
      if (this.#isOfEarlierEpoch(ready)) await this.#log.truncate(this.#log.endOffset);
      return;
    }
    const { handlers, disk, lostDirectory } = this.#options;
    handlers.onTruncate(truncate);
    this.#appended = [];
    this.#isAnnounced = false;
    const memberships = this.#kept.current.memberships.filter(({ endOffset }) => endOffset <= truncate);
    this.#kept.set({ memberships });
    const files = await keepLost(disk, lostDirectory, this.#log, truncate);
    if (files.length > 0) handlers.onLost(files);
    this.#recent.truncate(truncate);
    await this.#log.truncate(truncate);
  }

  #do(ready: Ready): void {
    for (const { bytes, epoch } of ready.append) {
      if (epoch > this.#log.epoch) this.#log.startEpoch(epoch);
      this.#log.append(bytes);
    }
    for (const { to, generation, message } of ready.messages)
      this.#options.send(to, encodeMessage(message, generation));
    if (ready.propose.length > 0) this.#propose(ready.propose);
    for (const { to, from, bytesMax } of ready.reads) this.#read(to, from, bytesMax);
    if (ready.restore !== null) this.#options.handlers.onSnapshotNeeded(ready.restore.from);
    if (ready.outranked !== null) this.#options.handlers.onOutranked(ready.outranked);
    for (const { id, offset: at } of ready.readable) this.#requests.answerRead(id, at);
    for (const { error } of ready.changed) this.#requests.endChange(error);
    this.#tell();
  }

  #propose(proposals: readonly Proposal[]): void {
    const { clock, handlers } = this.#options;
    const { epoch } = this.#group.status;
    if (epoch > this.#log.epoch) this.#log.startEpoch(epoch);
    for (const proposal of proposals) {
      const place = { baseOffset: this.#log.endOffset, epoch, timestampMs: Math.floor(clock.wallMs()) };
      const batch = encodeControlBatch(proposal, place);
      handlers.onProposed(batch, this.#log.append(batch));
    }
    this.#isAnnounced = true;
  }

  #read(to: NodeId, from: Offset, bytesMax: number): void {
    const { rarely } = this.#options;
    if (from < this.#log.flushedOffset && rarely('a follower is sent one batch of a file')) {
      this.#readFile(to, from, 1).catch(this.#fail);
      return;
    }
    const entries = this.#recent.from(from, bytesMax);
    if (entries !== null) this.#inbox.push({ kind: 'read', to, from, entries });
    else this.#readFile(to, from, bytesMax).catch(this.#fail);
  }

  async #readFile(to: NodeId, from: Offset, bytesMax: number): Promise<void> {
    const isTrimmed = this.#options.rarely('a follower is sent a snapshot');
    const entries = isTrimmed ? 'trimmed' : await entriesFrom(this.#log, from, bytesMax);
    this.step({ kind: 'read', to, from, entries });
  }

  #tell(): void {
    const { status } = this.#group;
    this.#options.liveness.note(this, status);
    if (this.#log.advance(offset(Math.min(status.highWatermark, this.#log.flushedOffset))))
      this.#kept.onCommitted();
    if (status.role === 'leader') this.#requests.reachInSync(status.inSyncOffset);
    else this.#requests.endLead();
    const told = this.#told;
    if (
      told !== null &&
      told.role === status.role &&
      told.epoch === status.epoch &&
      told.leader === status.leader &&
      told.transferTo === status.transferTo &&
      told.outrankedBy === status.outrankedBy &&
      told.rival === status.rival &&
      told.membership === status.membership
    )
      return;
    this.#told = status;
    this.#options.handlers.onStatus(status);
  }

  readonly #fail = (thrown: unknown): void => {
    if (this.#isClosed) return;
    const error = asAlopexError(thrown);
    this.close();
    this.#options.handlers.onFailed(error);
  };

  // ---- what others ask for

  /** Batches of the log's end, from a boundary on and committed, where they are still in memory; null: read the files. */
  recent(from: Offset, bytesMax: number): readonly Uint8Array[] | null {
    const entries = this.#recent.from(from, bytesMax);
    if (entries === null) return null;
    const committed = entries.filter(({ endOffset }) => endOffset <= this.#log.highWatermark);
    return committed.length === 0 ? null : committed.map(({ bytes }) => bytes);
  }

  /** §6.4: resolves with an offset at or above all that was committed when it was asked; 40001 where this node does not lead, 57P01 where it stops. */
  async readIndex(): Promise<Offset> {
    if (this.#isClosed) throw stopping();
    const { id, answered } = this.#requests.addRead();
    this.step({ kind: 'read-index', id });
    return answered;
  }

  /** Of what is committed: until every replica that is in sync has it. Null: they have. 40003 where this node leads no more. */
  inSync(end: Offset): Promise<void> | null {
    return this.#group.status.inSyncOffset >= end ? null : this.#requests.addInSync(end);
  }

  /** One at a time. Resolves when its last step is committed. 55000 where it cannot be, 57P01 where the node stops. */
  async changeMembership(change: MembershipChange): Promise<void> {
    if (this.#isClosed) throw stopping();
    const changed = this.#requests.addChange();
    this.step({ kind: 'change-membership', change });
    return changed;
  }

  /** Of a place in the log: the epoch of the batch before, and the membership there. Null: they are not known here. */
  placeAt(at: Offset): { readonly epoch: Epoch; readonly membership: Membership } | null {
    return placeIn(this.#log, this.#kept.current, at);
  }

  /** 57P03 while what made this node's generation is not committed here, or another one outranks it. */
  get lineage(): Lineage {
    return committedLineage(this.#log, this.#kept.current, this.status);
  }

  /**
   * By the lineage of a node that outranks this one: cuts the log where the two part, and follows from then on. Where that is not
   * known, or is below what was shown here, the log has to be replaced: returns from where on it may hold what the other has not.
   */
  rewind(other: Lineage): Offset | null {
    const { highWatermark, outrankedBy } = this.status;
    if (this.#isClosed || outrankedBy === null) return null;
    if (!isSameGeneration(outrankedBy, other.generation))
      throw new AlopexError('cannot_connect_now', 'this node has heard of a later generation');
    const own = lineageOf(this.#log, this.#kept.current, this.#group.status, this.#log.flushedOffset);
    const parting = partingOf(own, other);
    if (!parting.isKnown || parting.offset < highWatermark)
      return offset(Math.max(this.#log.startOffset, Math.min(parting.offset, highWatermark)));
    this.step({ kind: 'rewind', to: parting.offset });
    this.step({ kind: 'adopt' });
    return null;
  }

  /** Drops segments below an offset, once it is known which epoch each of them ended with. */
  async trim(wanted: Offset): Promise<void> {
    const log = this.#log;
    this.#kept.set({ starts: startsUpTo(log, this.#kept.current.starts, wanted) });
    await this.#kept.save();
    await log.trim(wanted);
    this.step({ kind: 'trimmed', startOffset: log.startOffset });
  }

  /**
   * Before the log is replaced by a snapshot that ends at a place: from then on this node answers for nothing that it has. False:
   * the log reaches there meanwhile, and what it has beyond may be what a quorum needs.
   */
  giveWay({ offset: place, epoch }: { readonly offset: Offset; readonly epoch: Epoch }): boolean {
    if (this.#isClosed || !this.#group.needsSnapshot(place, epoch)) return false;
    this.close();
    return true;
  }

  /** Closes it. Resolves once it is kept how much of the log is committed. */
  async stop(): Promise<void> {
    const kept = this.#kept.settle();
    this.close();
    await kept;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#inbox.length = 0;
    this.#kept.close();
    this.#options.ticker.remove(this);
    this.#options.liveness.note(this, null);
    this.#requests.close();
  }
}
