import type { Clock, Env } from '../../base/env/env.ts';
import { AlopexError, leaderChanged } from '../../base/errors.ts';
import { Gate } from '../../base/gate.ts';
import { nextTimestamp } from '../../base/hlc.ts';
import { type Offset, offset, type Timestamp, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { SegmentedLog } from '../../log/segment/log.ts';
import type { ReadView, RowReader } from '../../materializers/rows/contract.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import type { CatalogSnapshot } from '../catalog/definition.ts';
import { encodeCommit, writtenKeys } from './commit.ts';
import { type PlacedCommit, PlacedCommits } from './placed-commits.ts';
import { recordingReader } from './recording-reader.ts';
import { RecentWrites, type WrittenKeys } from './spans.ts';
import { type Catalogs, type CommitLimits, defaultCommitLimits, type Leads, Spill } from './spill.ts';
import {
  abortFollowers,
  type Durability,
  type Isolation,
  newTransaction,
  readView,
  type Savepoint,
  type Transaction,
} from './transaction.ts';
import { TransactionLocks } from './transaction-locks.ts';

const ended = Promise.resolve();

/**
 * The transactions of one range's leader.
 *
 * A commit is one synchronous step: validate, take the next timestamp, append to the log, apply to the memtable.
 * It becomes visible, frees its locks and is answered when the log says that it is committed.
 *
 * Invariants:
 * - timestamps rise in the order of the log; `visible` <= `answered` <= `assigned`;
 * - every row version at or below `visible` is durable, and on a quorum where there are replicas; `answered` is that too but
 *   for commits that asked for this node's disk alone;
 * - `catalog` is the catalog at `visible`;
 * - nothing is appended while this node does not lead.
 */
export class Transactions {
  readonly #rows: Rows;
  readonly #log: SegmentedLog;
  readonly #clock: Clock;
  readonly #limits: CommitLimits;
  readonly #rarely: Env['rarely'];
  readonly #spill: Spill;
  readonly locks: TransactionLocks;
  readonly #recent = new RecentWrites();
  readonly #active = new Set<Transaction>();
  readonly #placed = new PlacedCommits();
  #assigned: Timestamp;
  #visible: Timestamp;
  /** Newest commit that was answered: above `visible` where it asked for no quorum. */
  #answered: Timestamp;
  /** Where other nodes have the log too. */
  #isLeading: boolean;
  /** Commits wait for it: leadership is about to move. */
  /** While it is shut commits wait; those that have their place are answered as always. */
  readonly gate = new Gate();
  /** Beyond the quorum, for a commit that ends at an offset; null where nothing else has to be waited for. */
  #awaitReplicas: ((end: Offset) => Promise<void> | null) | null = null;
  #catalog: CatalogSnapshot;
  /** Transaction ids start where the clock stands, so that no two runs of a database share one. */
  #nextId: Timestamp;
  #generation = 1;

  constructor(options: {
    readonly rows: Rows;
    readonly log: SegmentedLog;
    readonly clock: Clock;
    readonly catalog: CatalogSnapshot;
    readonly limits?: Partial<CommitLimits>;
    /** Default: it does. */
    readonly isLeading?: boolean;
    readonly rarely?: Env['rarely'];
  }) {
    const { rarely = () => false } = options;
    this.#rarely = rarely;
    this.#isLeading = options.isLeading ?? true;
    this.#limits = { ...defaultCommitLimits, ...options.limits };
    const leads: Leads = {
      isLeading: () => this.#isLeading,
      isOfLead: ({ generation }) => generation === this.#generation,
    };
    this.#spill = new Spill(options.log, options.rows, options.clock, this.#limits, leads, rarely);
    this.#rows = options.rows;
    this.#log = options.log;
    this.#clock = options.clock;
    this.locks = new TransactionLocks(options.clock);
    this.#catalog = options.catalog;
    this.#visible = options.rows.applied.timestamp;
    this.#answered = this.#visible;
    this.#assigned = this.#visible;
    this.#nextId = nextTimestamp(this.#visible, options.clock.wallMs());
  }

  /** Everything at or below it is committed and durable: what a new statement reads at. */
  get visible(): Timestamp {
    return this.#visible;
  }
  /** What a session reads that asks for no more than this node's disk. */
  get answered(): Timestamp {
    return this.#answered;
  }
  get catalog(): CatalogSnapshot {
    return this.#catalog;
  }
  /** Transactions of another one have lost their locks, and cannot commit. */
  get generation(): number {
    return this.#generation;
  }
  get isLeading(): boolean {
    return this.#isLeading;
  }
  /** Of the transaction that began last. */
  get newestId(): number {
    return this.#nextId - 1;
  }

  /** Whether it may still be committed, or is not by all nodes that have to have it. */
  isUndecided(id: number): boolean {
    for (const transaction of this.#active) if (transaction.id === id) return true;
    return this.#placed.has(id);
  }

  get active(): ReadonlySet<Transaction> {
    return this.#active;
  }

  /** The oldest snapshot that a transaction reads at, or null. */
  get oldestView(): Timestamp | null {
    let oldest: Timestamp | null = null;
    for (const { snapshot } of this.#active) {
      if (snapshot !== null && (oldest === null || snapshot < oldest)) oldest = snapshot;
    }
    return oldest;
  }

  /** On a node that does not lead, it is read-only. */
  begin(isolation: Isolation, isReadOnly: boolean, durability: Durability = 'semi-sync'): Transaction {
    const wallMs = this.#clock.wallMs();
    const id = this.#nextId;
    this.#nextId = nextTimestamp(id, wallMs);
    const transaction = newTransaction({
      id,
      isolation,
      isReadOnly: isReadOnly || !this.#isLeading,
      durability,
      startedMicros: Math.round(wallMs * 1000),
      generation: this.#generation,
      snapshotCatalog: this.#catalog.version,
    });
    this.#active.add(transaction);
    return transaction;
  }

  /** Begins a statement: its snapshot, which read committed takes anew each time. */
  snapshot(transaction: Transaction): Timestamp {
    if (transaction.snapshot === null) {
      transaction.snapshot = transaction.durability === 'async' ? this.#answered : this.#visible;
      transaction.snapshotCatalog = this.#catalog.version;
      if (transaction.spans !== null) this.#recent.begin(transaction.id, this.#visible);
    }
    return transaction.snapshot;
  }

  /** Ends a statement: what it wrote is seen by the next one. */
  endStatement(transaction: Transaction): void {
    transaction.command++;
    if (transaction.isolation === 'read committed') transaction.snapshot = null;
  }

  catalogOf(transaction: Transaction): CatalogSnapshot {
    return transaction.catalog ?? this.#catalog;
  }

  view(transaction: Transaction): ReadView {
    return readView(transaction, this.snapshot(transaction));
  }

  /** All that is committed now, and all that the transaction itself wrote, this command included. */
  newestView(transaction: Transaction): ReadView {
    return { at: this.#answered, pending: { rows: transaction.pending, command: transaction.command + 1 } };
  }

  /** Reads of a statement; a serializable transaction's are remembered. */
  reader(transaction: Transaction): RowReader {
    return transaction.spans === null
      ? this.#rows.reader
      : recordingReader(this.#rows.reader, transaction.spans);
  }

  indexName(transaction: Transaction, index: number): string | null {
    const object = this.catalogOf(transaction).byId(index);
    return object?.kind === 'index' ? object.name : null;
  }

  /** A hidden row id: larger than every one before it, also across restarts, for a commit's timestamp is larger still. */
  nextRowId(): number {
    this.#assigned = nextTimestamp(this.#assigned, this.#clock.wallMs());
    return this.#assigned;
  }

  /** Between rows of a statement: moves many pending rows into the log. Null: they are few. */
  spillWhereDue(transaction: Transaction): Promise<void> | null {
    if (!this.#spill.isDue(transaction)) return null;
    return this.#spill.spill(transaction, this.#catalogs(transaction));
  }

  /** Takes back what was spilled after a savepoint. */
  rollBackSpilled(transaction: Transaction, savepoint: Savepoint): Promise<void> {
    return this.#spill.rollBackTo(transaction, savepoint.command);
  }

  #catalogs(transaction: Transaction): Catalogs {
    return { catalog: this.catalogOf(transaction), committed: this.#catalog };
  }

  /** At the start: what was not decided when the database ended never will be. */
  abortUndecided(): void {
    for (const producer of this.#rows.undecidedProducers) this.#spill.abort(producer);
  }

  // ---- catalog changes

  /** Before the first change: one transaction at a time changes the catalog. Then the catalog is current. */
  async lockCatalog(transaction: Transaction, nowait = false): Promise<void> {
    const waited = this.locks.lock(transaction, 'catalog', 'access exclusive', nowait);
    if (waited !== null) await waited;
    transaction.catalog ??= this.#catalog;
  }

  // ---- the end

  rollback(transaction: Transaction): void {
    if (transaction.state !== 'active') return;
    this.#abort(transaction);
  }

  #abort(transaction: Transaction): void {
    this.#end(transaction, 'aborted');
    const isOwn = transaction.generation === this.#generation;
    if (isOwn && transaction.recordsLogged > 0) this.#spill.abort(transaction.id);
  }

  /** Ends a transaction that wrote nothing. False: there is something to commit. */
  commitRead(transaction: Transaction): boolean {
    invariant(transaction.state === 'active', 'a transaction ends once');
    if (!transaction.pending.isEmpty || transaction.recordsLogged > 0) return false;
    this.#end(transaction, 'committed');
    return true;
  }

  /** Resolves when the commit is durable and visible. A failure has rolled back, except for 40003. */
  commit(transaction: Transaction): Promise<void> {
    if (this.commitRead(transaction)) return ended;
    const { opening } = this.gate;
    if (opening !== null) return this.#commitLater(transaction, opening);
    if (this.#isLarge(transaction)) return this.#commitLarge(transaction);
    try {
      return this.#append(transaction);
    } catch (error) {
      this.#abort(transaction);
      return Promise.reject(error);
    }
  }

  #isLarge({ recordsLogged, pending }: Transaction): boolean {
    if (recordsLogged > 0 || pending.heldBytes > this.#limits.largeCommitBytes) return true;
    return this.#rarely('a commit is several batches');
  }

  async #commitLater(transaction: Transaction, held: Promise<void>): Promise<void> {
    await held;
    if (transaction.state === 'active') return this.commit(transaction);
    throw new AlopexError('query_canceled', 'the transaction has ended');
  }

  async #commitLarge(transaction: Transaction): Promise<void> {
    let appended: { readonly flushed: Promise<void> };
    try {
      appended = await this.#appendLarge(transaction);
    } catch (error) {
      this.#abort(transaction);
      throw error;
    }
    await appended.flushed;
  }

  /** One batch: validated, placed, applied, all in this turn of the loop. */
  #append(transaction: Transaction): Promise<void> {
    this.#validate(transaction);
    this.#spill.requireRoom();
    const wallMs = this.#clock.wallMs();
    const commit = this.#timestampOf(transaction, wallMs);
    const catalog = this.catalogOf(transaction);
    const batch = encodeCommit({
      log: this.#log,
      transaction,
      catalog,
      committed: this.#catalog,
      timestamp: commit,
      wallMs,
    });
    if (batch === null) {
      this.#end(transaction, 'committed');
      return ended;
    }
    const written = this.#written(transaction);
    if (transaction.catalog !== null) this.#spill.place(batch);
    else this.#rows.applyOwn(this.#log.append(batch), transaction.pending, commit);
    return this.#decideAt(transaction, commit, written);
  }

  /**
   * Batches of one producer, as fast as the disk takes them, then the marker that decides. The promise within is
   * the marker's flush.
   */
  async #appendLarge(transaction: Transaction): Promise<{ readonly flushed: Promise<void> }> {
    await this.#spill.appendRest(transaction, this.#catalogs(transaction));
    this.#validate(transaction);
    const wallMs = this.#clock.wallMs();
    const commit = this.#timestampOf(transaction, wallMs);
    const written = this.#written(transaction);
    this.#spill.commit(transaction, wallMs, commit);
    return { flushed: this.#decideAt(transaction, commit, written) };
  }

  /** 40001 where the commit cannot stand in the order of the log. */
  #validate(transaction: Transaction): void {
    if (transaction.generation !== this.#generation) throw leaderChanged();
    if (!this.#isLeading) throw new AlopexError('read_only_sql_transaction', 'this node is not the primary');
    if (transaction.spans !== null) {
      this.#recent.validate(transaction.spans, this.snapshot(transaction));
      // Only now: without a reader left, what was written meanwhile is forgotten.
      this.#recent.end(transaction.id, this.#visible);
    }
  }

  /** What serializable transactions are checked against: those that run, and those that begin before this is visible. */
  #written({ pending, spans }: Transaction): readonly WrittenKeys[] | null {
    return spans !== null || this.#recent.isWatched ? writtenKeys(pending) : null;
  }

  /** Later than its id, which is the time at which it began. */
  #timestampOf({ id }: Transaction, wallMs: number): Timestamp {
    return nextTimestamp(id > this.#assigned ? timestamp(id) : this.#assigned, wallMs);
  }

  #decideAt(
    transaction: Transaction,
    commit: Timestamp,
    written: readonly WrittenKeys[] | null,
  ): Promise<void> {
    this.#assigned = commit;
    if (written !== null) this.#recent.add(commit, written);
    const end = this.#log.endOffset;
    transaction.commitEnd = end;
    return new Promise((resolve, reject) => {
      this.#placed.add({ transaction, end, timestamp: commit, resolve, reject, isAnswered: false });
    });
  }

  #end(transaction: Transaction, state: 'committed' | 'aborted'): void {
    transaction.state = state;
    if (state === 'aborted') abortFollowers(transaction, 0);
    this.#active.delete(transaction);
    if (transaction.spans !== null) this.#recent.end(transaction.id, this.#visible);
    this.locks.end(transaction.owner);
  }

  // ---- what the log says

  onCommitted(highWatermark: Offset): void {
    const commits = this.#placed.takeTo(highWatermark);
    for (const { timestamp: at, transaction } of commits) {
      this.#visible = at;
      if (transaction.catalog !== null) this.#catalog = transaction.catalog;
    }
    if (this.#visible > this.#answered) this.#answered = this.#visible;
    for (const commit of commits) if (!commit.isAnswered) this.#answer(commit);
    this.#spill.onCommitted(highWatermark);
  }

  /** Where there are replicas: this node's disk has it. */
  onFlushed(flushed: Offset): void {
    for (const commit of this.#placed.answerableAt(flushed)) {
      this.#answered = commit.timestamp;
      this.#answer(commit);
    }
  }

  #answer({ transaction, end, resolve, reject }: PlacedCommit): void {
    const { followers } = transaction;
    if (followers.length > 0) for (const follower of followers.splice(0)) follower.commit();
    this.#end(transaction, 'committed');
    const others = transaction.durability === 'sync' ? (this.#awaitReplicas?.(end) ?? null) : null;
    if (others === null) resolve();
    else others.then(resolve, reject);
  }

  /** The disk was full: these commits are not in the log, and nothing of them stays. */
  onRefused(offset: Offset, error: Error): void {
    this.#rows.truncateTo(offset);
    const lost = this.#placed.takeAbove(offset);
    this.#spill.onRefused(
      offset,
      lost.map(({ transaction }) => transaction),
    );
    // Other nodes may have what this one has no room for.
    const condition = this.#awaitReplicas === null ? 'disk_full' : 'statement_completion_unknown';
    this.#fail(
      lost,
      () => new AlopexError(condition, `could not write the log: ${error.message}`, { cause: error }),
    );
  }

  /** A failed fsync: whether these commits are durable is unknown. */
  onPoisoned(error: Error): void {
    this.#generation++;
    this.#fail(
      this.#placed.takeAbove(nowhere),
      () =>
        new AlopexError(
          'statement_completion_unknown',
          `the log failed while it was flushed: ${error.message}`,
          { cause: error },
        ),
    );
  }

  #fail(lost: readonly PlacedCommit[], reason: () => AlopexError): void {
    for (const commit of lost) {
      if (commit.isAnswered) continue;
      this.#end(commit.transaction, 'aborted');
      commit.reject(reason());
    }
  }

  // ---- where there are replicas

  /** From now on other nodes have the log too. */
  replicateBy(awaitReplicas: (end: Offset) => Promise<void> | null): void {
    this.#awaitReplicas = awaitReplicas;
  }

  /** This node writes the log from now on: the rows have all of it. */
  lead(catalog: CatalogSnapshot): void {
    this.#generation++;
    this.#isLeading = true;
    this.#rows.lead(true);
    this.publish(catalog);
    const first = nextTimestamp(this.#visible, this.#clock.wallMs());
    if (first > this.#nextId) this.#nextId = first;
    this.abortUndecided();
  }

  /** Another node writes it: what waits here may be committed there, or lost. */
  stopLeading(): void {
    this.#generation++;
    this.#isLeading = false;
    this.#rows.lead(false);
    this.#spill.forget();
    for (const transaction of this.#active) this.locks.cancelWait(transaction, leaderChanged());
    this.#fail(
      this.#placed.takeAbove(nowhere),
      () =>
        new AlopexError(
          'statement_completion_unknown',
          'the primary changed before the commit was answered',
          {
            hint: 'txid_status tells whether it was committed.',
          },
        ),
    );
    this.#answered = this.#visible;
    this.gate.open();
  }

  /** The rows have come further. `catalog`: null where it is the same. */
  publish(catalog: CatalogSnapshot | null): void {
    this.#visible = this.#rows.committed.timestamp;
    this.#answered = this.#visible;
    this.#assigned = timestamp(Math.max(this.#assigned, this.#rows.applied.timestamp));
    if (catalog !== null) this.#catalog = catalog;
  }
}

/** Below every place in a log. */
const nowhere = offset(0);
