import type { Clock, Disk, Env, Random } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { Gate } from '../../base/gate.ts';
import { type Epoch, type NodeId, type Offset, offset, type RangeId } from '../../base/ids.ts';
import type { Membership, RaftLimits, RaftStatus } from '../../log/raft/contract.ts';
import type { Liveness } from '../../log/range/liveness.ts';
import { lostDirectory } from '../../log/range/lost.ts';
import { Range } from '../../log/range/range.ts';
import type { GroupStates } from '../../log/range/states.ts';
import type { Ticker } from '../../log/range/ticker.ts';
import { decodeHeader } from '../../log/record/header.ts';
import type { SegmentedLog } from '../../log/segment/log.ts';
import { epochBefore } from '../../log/segment/name.ts';
import { Waits } from '../../log/segment/waits.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import type { Transactions } from '../../query/txn/transactions.ts';
import { loadCatalog, loadSequences } from './load.ts';
import type { Sequences } from './sequences.ts';
import type { CommitToken } from './settings.ts';

/** What a database needs of the node that it is replicated on. */
export type ReplicaOptions = {
  readonly self: NodeId;
  readonly states: GroupStates;
  readonly ticker: Ticker;
  readonly liveness: Liveness;
  send(to: NodeId, range: RangeId, message: Uint8Array): void;
  readonly limits?: Partial<RaftLimits>;
  /** Role, epoch, leader or membership changed; `isPrimary`: this node takes writes. */
  onStatus(status: RaftStatus, isPrimary: boolean): void;
  onLost(files: readonly string[]): void;
  onSnapshotNeeded(leader: NodeId): void;
  onOutranked(by: NodeId): void;
  /** The disk failed. */
  onFailed(error: AlopexError): void;
};

/** The parts of a database that follow a log, or write it. */
export type ReplicatedParts = {
  readonly log: SegmentedLog;
  readonly rows: Rows;
  readonly transactions: Transactions;
  readonly sequences: Sequences;
  /** What a leader does once it leads, beside its sessions. */
  readonly onLeading: () => Promise<void>;
};

type Surroundings = {
  readonly clock: Clock;
  readonly random: Random;
  readonly disk: Disk;
  readonly rarely: Env['rarely'];
  /** The database's directory. */
  readonly path: string;
  readonly onProblem: (problem: AlopexError) => void;
};

type Heard = { readonly highWatermark: Offset; readonly atMs: number };

/** Callers that wait for a place of the log to be applied here. */
const waitersMax = 65_536;
const retryMs = 500;
/** An election would be over: who leads by then has said how much is committed, or nobody does. */
const settleMs = 3_000;
/** How long a statement waits for a node that is catching up since its start. */
const catchUpMsMax = 30_000;

/**
 * One database as one of its replicas: follows what is committed, or leads.
 *
 * A replica applies what lies below the high watermark, in the order of the log, and shows it once all of it is there. To
 * lead, it waits until the first batch of its epoch is committed, and with it everything before: then its rows have the
 * whole log, and from there on its own transactions append and apply in one step.
 */
export class Replica {
  readonly range: Range;
  readonly #options: ReplicaOptions;
  readonly #clock: Clock;
  readonly #rarely: Env['rarely'];
  readonly #onProblem: (problem: AlopexError) => void;
  #parts: ReplicatedParts | null = null;
  /** Appended by the consensus, and perhaps not applied yet. */
  #proposed: Uint8Array[] = [];
  #following: Promise<void> | null = null;
  #catalogSeen = -1;
  /** Below it everything is applied, and shown. */
  #shown: Offset = offset(0);
  readonly #waits = new Waits(waitersMax);
  /** When the leader last said how far it is, while this node shows as much. */
  #freshMs: number | null = null;
  /** Shut from the start until this node shows as much as a leader says, or as it knows itself where nobody leads. */
  readonly #settling = new Gate();
  /** What it said before that is not shown yet. */
  #heard: Heard | null = null;
  #isFull = false;
  /** The epoch that this node leads, or is about to. */
  #leads: Epoch | null = null;
  #isClosed = false;

  constructor(id: RangeId, options: ReplicaOptions, surroundings: Surroundings) {
    const { clock, random, disk, rarely, path, onProblem } = surroundings;
    this.#options = options;
    this.#clock = clock;
    this.#rarely = rarely;
    this.#onProblem = onProblem;
    this.range = new Range({
      id,
      self: options.self,
      clock,
      random,
      disk,
      states: options.states,
      ticker: options.ticker,
      liveness: options.liveness,
      lostDirectory: lostDirectory(path),
      send: (to, message) => options.send(to, id, message),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      rarely,
      handlers: {
        onStatus: (status) => this.#onStatus(status),
        onHeard: (highWatermark) => this.#onHeard(highWatermark),
        onFlushed: (endOffset) => {
          this.#isFull = false;
          this.#attached.transactions.onFlushed(endOffset);
        },
        onProposed: (batch, header) => {
          const { transactions, rows } = this.#attached;
          if (transactions.isLeading) rows.applyCommit(batch, header);
          else this.#proposed.push(batch);
        },
        onTruncate: (from) => {
          this.#proposed = this.#proposed.filter((batch) => decodeHeader(batch).baseOffset < from);
          this.#attached.rows.truncateTo(from);
        },
        onLost: (files) => options.onLost(files),
        onSnapshotNeeded: (leader) => options.onSnapshotNeeded(leader),
        onOutranked: (by) => options.onOutranked(by),
        onFailed: (error) => options.onFailed(error),
      },
    });
  }

  /** `first`: the membership of a database that was not replicated until now, which this node leads. */
  async start(parts: ReplicatedParts, first: Membership | null): Promise<void> {
    this.#parts = parts;
    if (first === null) this.#settle();
    this.#shown = parts.log.highWatermark;
    this.#catalogSeen = parts.rows.layouts.folded;
    parts.transactions.replicateBy((end) => this.range.inSync(end));
    await this.range.start(parts.log, first);
    this.onCommitted();
  }

  /** What it knows of by itself may be less than it showed before it stopped. */
  #settle(): void {
    this.#settling.shut();
    const look = (): void => {
      if (this.isSettled || this.#isClosed) return;
      const { leader } = this.range.status;
      if (leader === null && this.#shown >= this.#attached.log.highWatermark) this.#settling.open();
      else this.#clock.setTimer(retryMs, look);
    };
    this.#clock.setTimer(settleMs, look);
  }

  /** It has shown, since its start, what a leader says is committed; or nobody leads. */
  get isSettled(): boolean {
    return this.#settling.opening === null;
  }

  get #attached(): ReplicatedParts {
    if (this.#parts === null) throw new AlopexError('cannot_connect_now', 'the database is starting up');
    return this.#parts;
  }

  get isPrimary(): boolean {
    return this.#parts?.transactions.isLeading === true && this.#leads !== null;
  }

  /** Everything below is applied here, and shown. */
  get shown(): Offset {
    return this.isPrimary ? this.#attached.log.highWatermark : this.#shown;
  }

  /** How old what this node shows is at most, but for the time that a message takes; null: nobody said. */
  get stalenessMs(): number | null {
    if (this.isPrimary) return 0;
    return this.#freshMs === null ? null : this.#clock.monotonicMs() - this.#freshMs;
  }

  /** It may answer from its rows now, without a word of the others. */
  get isReadable(): boolean {
    if (this.#leads === null) return this.isSettled;
    if (!this.isPrimary || this.#rarely('a lease is not trusted')) return false;
    return this.#clock.monotonicMs() < this.range.status.leaseUntilMs;
  }

  /** Null: this node may answer from its rows now, as of all that was committed before (a replica: that it knows of). */
  readable(): Promise<void> | null {
    if (this.isReadable) return null;
    const settling = this.#leads === null ? this.#settling.opening : null;
    return settling === null ? this.#readIndex() : this.#readableOnce(settling);
  }

  /** 57P03 where that takes too long. */
  async #readableOnce(settling: Promise<void>): Promise<void> {
    const { promise: late, reject } = Promise.withResolvers<never>();
    const timer = this.#clock.setTimer(catchUpMsMax, () => {
      const { applied } = this.#attached.rows;
      const detail = `It has applied the log up to offset ${applied.offset}.`;
      reject(new AlopexError('cannot_connect_now', 'this node is catching up with the primary', { detail }));
    });
    try {
      await Promise.race([settling, late]);
    } finally {
      timer.cancel();
    }
    await this.readable();
  }

  async #readIndex(): Promise<void> {
    const at = await this.range.readIndex();
    await this.appliedPast(at);
  }

  /** Resolves when everything below is shown here. */
  appliedPast(at: Offset): Promise<void> {
    return this.shown >= at ? Promise.resolve() : this.#waits.add(at);
  }

  /** Of a log that was cut, later epochs stand where the commit stood; null: this node is not so far. */
  holds(commit: CommitToken): boolean | null {
    const { segments, highWatermark } = this.#attached.log;
    if (commit.offset <= highWatermark) {
      const epoch = epochBefore(segments, offset(commit.offset));
      return epoch === null ? commit.epoch <= (segments[0]?.epoch ?? 0) : commit.epoch === epoch;
    }
    const isOver = segments.some(
      ({ base, epoch }) => epoch > commit.epoch && base < commit.offset && base < highWatermark,
    );
    return isOver ? false : null;
  }

  /** The disk is full: who leads is told by its clients; of a follower its operator hears, once. */
  onRefused(error: AlopexError): void {
    if (this.#leads === null && !this.#isFull) this.#onProblem(error);
    this.#isFull = true;
  }

  /** The log's high watermark has moved. */
  onCommitted(): void {
    const parts = this.#parts;
    if (parts === null || this.#isClosed) return;
    if (parts.transactions.isLeading) this.#waits.reach(parts.log.highWatermark);
    else this.#follow();
  }

  /** The leader said that everything below is committed. */
  #onHeard(highWatermark: Offset): void {
    const heard = { highWatermark, atMs: this.#clock.monotonicMs() };
    if (this.#shown >= highWatermark) this.#isFresh(heard);
    else this.#heard ??= heard;
  }

  #isFresh({ atMs }: Heard): void {
    this.#freshMs = atMs;
    this.#heard = null;
    this.#settling.open();
  }

  // ---- following

  #follow(): void {
    if (this.#following !== null) return;
    this.#following = this.#followAll()
      .catch((thrown: unknown) => this.#onFollowFailed(asAlopexError(thrown)))
      .finally(() => {
        this.#following = null;
        const { log, transactions } = this.#attached;
        if (this.#shown < log.highWatermark && !transactions.isLeading && !this.#isClosed) this.#follow();
      });
  }

  async #followAll(): Promise<void> {
    const { rows, log, transactions } = this.#attached;
    while (this.#shown < log.highWatermark && !transactions.isLeading && !this.#isClosed) {
      await rows.follow();
      rows.maybeFlush();
      const building = rows.completeIndexes();
      if (building !== null) await building;
      await this.#show();
    }
  }

  async #show(): Promise<void> {
    const { rows, log, transactions } = this.#attached;
    const { folded } = rows.layouts;
    const catalog = folded === this.#catalogSeen ? null : await loadCatalog(rows);
    // Where this node led, its rows are ahead of what is committed.
    this.#catalogSeen = rows.applied.offset > log.highWatermark ? -1 : folded;
    transactions.publish(catalog);
    this.#shown = offset(Math.min(rows.followed, log.highWatermark));
    if (this.#heard !== null && this.#shown >= this.#heard.highWatermark) this.#isFresh(this.#heard);
    this.#waits.reach(this.#shown);
  }

  async #onFollowFailed(problem: AlopexError): Promise<void> {
    if (problem.condition === 'admin_shutdown' || this.#isClosed) return;
    this.#onProblem(problem);
    await new Promise<void>((resolve) => void this.#clock.setTimer(retryMs, resolve));
  }

  // ---- leading

  #onStatus(status: RaftStatus): void {
    const { transactions, log } = this.#attached;
    if (status.role === 'leader' && this.#leads !== status.epoch) {
      this.#leads = status.epoch;
      if (transactions.isLeading) void this.#tell();
      else void this.#takeOver(status.epoch, log.endOffset);
    } else if (status.role !== 'leader' && this.#leads !== null) this.#stopLeading();
    // Commits would keep the next leader from catching up; where the transfer comes to nothing, they go on.
    if (status.transferTo !== null) transactions.gate.shut();
    else if (status.role === 'leader') transactions.gate.open();
    this.#tell();
  }

  #tell(): void {
    this.#options.onStatus(this.range.status, this.isPrimary);
  }

  #stopLeading(): void {
    const { transactions, log } = this.#attached;
    this.#leads = null;
    if (!transactions.isLeading) return;
    transactions.stopLeading();
    this.#shown = log.highWatermark;
    this.#catalogSeen = -1;
    this.onCommitted();
  }

  /** `first`: the end of the epoch's first batch, before which nothing of this node's own stands in the log. */
  async #takeOver(epoch: Epoch, first: Offset): Promise<void> {
    const { log, rows, sequences, transactions, onLeading } = this.#attached;
    try {
      await log.committed(first);
      while (this.#shown < first) await this.appliedPast(first);
      do {
        while (this.#following !== null) await this.#following;
        sequences.clear();
        await loadSequences(rows, sequences);
      } while (this.#following !== null);
      if (this.#leads !== epoch || this.#isClosed) return;
    } catch (thrown) {
      if (this.#leads === epoch) this.#onProblem(asAlopexError(thrown));
      return;
    }
    for (const batch of this.#proposed)
      if (decodeHeader(batch).baseOffset >= rows.applied.offset) rows.applyCommit(batch);
    this.#proposed = [];
    transactions.lead(transactions.catalog);
    this.#settling.open();
    this.#tell();
    await onLeading().catch((error: unknown) => this.#onProblem(asAlopexError(error)));
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#settling.open();
    const stopped = this.range.stop();
    this.#waits.fail(new AlopexError('admin_shutdown', 'the database is closed'));
    await this.#following;
    await stopped;
  }
}
