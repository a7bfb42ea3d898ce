import type { Clock } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import { nextTimestamp } from '../../base/hlc.ts';
import type { Offset, Timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { narrow } from '../../base/values/numeric.ts';
import { objectsLayout, sequencesLayout } from '../../log/events/system.ts';
import type { Log } from '../../log/log.ts';
import type { ReadView, RowReader } from '../../materializers/rows/contract.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import { primaryKeyTextOf } from '../../materializers/rows/key.ts';
import { Overlay } from '../../materializers/rows/overlay.ts';
import type { CatalogChange, CatalogSnapshot } from '../catalog/definition.ts';
import { applyChanges, toRow } from '../catalog/snapshot.ts';
import { wellKnown } from '../catalog/well-known.ts';
import { encodeCommit, writtenKeys } from './commit.ts';
import { lockOwner } from './locks.ts';
import { recordingReader } from './recording-reader.ts';
import { ReadSpans, RecentWrites, type WrittenKeys } from './spans.ts';
import { type Catalogs, type CommitLimits, defaultCommitLimits, Spill } from './spill.ts';
import { abortFollowers, type Isolation, readView, type Savepoint, type Transaction } from './transaction.ts';
import { TransactionLocks } from './transaction-locks.ts';

/** A commit that stands in the log, and waits for its flush. */
type Undecided = {
  readonly transaction: Transaction;
  readonly end: Offset;
  readonly timestamp: Timestamp;
  readonly resolve: () => void;
  readonly reject: (error: AlopexError) => void;
};

const ended = Promise.resolve();

/** Bytes of pending rows that a transaction may hold in memory. */
export const pendingBytesMax = 1024 * 1024 * 1024;

/**
 * The transactions of one range's leader.
 *
 * A commit is one synchronous step: validate, take the next timestamp, append to the log, apply to the memtable.
 * It becomes visible, frees its locks and is answered when the log says that it is committed.
 *
 * Invariants:
 * - timestamps rise in the order of the log; `visible` <= `assigned`;
 * - every row version at or below `visible` is durable;
 * - `catalog` is the catalog at `visible`.
 */
export class Transactions {
  readonly #rows: Rows;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #limits: CommitLimits;
  readonly #spill: Spill;
  readonly locks: TransactionLocks;
  readonly #recent = new RecentWrites();
  readonly #active = new Set<Transaction>();
  readonly #undecided: Undecided[] = [];
  #assigned: Timestamp;
  #visible: Timestamp;
  #catalog: CatalogSnapshot;
  /** Transaction ids start where the clock stands, so that no two runs of a database share one. */
  #nextId: number;
  #generation = 1;

  constructor(options: {
    readonly rows: Rows;
    readonly log: Log;
    readonly clock: Clock;
    readonly catalog: CatalogSnapshot;
    readonly limits?: Partial<CommitLimits>;
  }) {
    this.#limits = { ...defaultCommitLimits, ...options.limits };
    this.#spill = new Spill(options.log, options.rows, options.clock, this.#limits);
    this.#rows = options.rows;
    this.#log = options.log;
    this.#clock = options.clock;
    this.locks = new TransactionLocks(options.clock);
    this.#catalog = options.catalog;
    this.#visible = options.rows.applied.timestamp;
    this.#assigned = this.#visible;
    this.#nextId = nextTimestamp(this.#visible, options.clock.wallMs());
  }

  /** Everything at or below it is committed and durable: what a new statement reads at. */
  get visible(): Timestamp {
    return this.#visible;
  }
  get catalog(): CatalogSnapshot {
    return this.#catalog;
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

  begin(isolation: Isolation, isReadOnly: boolean): Transaction {
    const id = this.#nextId++;
    const transaction: Transaction = {
      id,
      isolation,
      isReadOnly,
      startedMicros: Math.round(this.#clock.wallMs() * 1000),
      owner: lockOwner(id),
      pending: new Overlay(),
      generation: this.#generation,
      command: 1,
      snapshot: null,
      catalog: null,
      snapshotCatalog: this.#catalog.version,
      savepoints: [],
      lockTimeoutMs: 0,
      followers: [],
      spans: isolation === 'serializable' ? new ReadSpans() : null,
      recordsLogged: 0,
      isLost: false,
      pausedPortals: 0,
      state: 'active',
    };
    this.#active.add(transaction);
    return transaction;
  }

  /** Begins a statement: its snapshot, which read committed takes anew each time. */
  snapshot(transaction: Transaction): Timestamp {
    if (transaction.snapshot === null) {
      transaction.snapshot = this.#visible;
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

  /** 25001 once a statement has run: its snapshot was taken under the other level. */
  setIsolation(transaction: Transaction, isolation: Isolation): void {
    if (transaction.isolation === isolation) return;
    if (transaction.command > 1 || transaction.snapshot !== null) {
      throw new AlopexError(
        'active_sql_transaction',
        'SET TRANSACTION ISOLATION LEVEL must be called before any query',
      );
    }
    transaction.isolation = isolation;
    transaction.spans = isolation === 'serializable' ? new ReadSpans() : null;
  }

  catalogOf(transaction: Transaction): CatalogSnapshot {
    return transaction.catalog ?? this.#catalog;
  }

  view(transaction: Transaction): ReadView {
    return readView(transaction, this.snapshot(transaction));
  }

  /** All that is committed now, and all that the transaction itself wrote, this command included. */
  newestView(transaction: Transaction): ReadView {
    return { at: this.#visible, pending: { rows: transaction.pending, command: transaction.command + 1 } };
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

  notePending(transaction: Transaction): void {
    if (transaction.pending.heldBytes <= pendingBytesMax) return;
    throw new AlopexError(
      'out_of_memory',
      `a transaction's pending rows are limited to ${pendingBytesMax} bytes`,
    );
  }

  /** A sequence's bound, in the log before any commit that uses its numbers. Resolves when it is durable. */
  writeSequence(id: number, last: bigint, isCalled: boolean): Promise<void> {
    const transaction = this.begin('read committed', false);
    const row = [id, narrow(last), isCalled];
    transaction.pending.put(
      sequencesLayout,
      primaryKeyTextOf(sequencesLayout, row),
      row,
      null,
      transaction.command,
    );
    return this.commit(transaction);
  }

  // ---- catalog changes

  /** Before the first change: one transaction at a time changes the catalog. Then the catalog is current. */
  async lockCatalog(transaction: Transaction, nowait = false): Promise<void> {
    const waited = this.locks.lock(transaction, 'catalog', 'access exclusive', nowait);
    if (waited !== null) await waited;
    transaction.catalog ??= this.#catalog;
  }

  /** With each change the setting `alopex.next_id` is written: its version tells which catalog a moment had. */
  changeCatalog(transaction: Transaction, changes: readonly CatalogChange[]): void {
    invariant(transaction.catalog !== null, 'the catalog is changed under its lock');
    const marker = transaction.catalog.byId(wellKnown.nextIdSetting);
    invariant(marker !== undefined, 'the catalog has its next id');
    const isMarked = changes.some(({ object }) => object.id === marker.id);
    for (const change of isMarked ? changes : [...changes, { kind: 'put', object: marker } as const]) {
      const row = toRow(change.object);
      const key = primaryKeyTextOf(objectsLayout, row);
      const existing = transaction.catalog.byId(change.object.id);
      const before = existing === undefined ? null : toRow(existing);
      transaction.pending.put(
        objectsLayout,
        key,
        change.kind === 'put' ? row : null,
        before,
        transaction.command,
      );
      transaction.catalog = applyChanges(transaction.catalog, [change]);
    }
  }

  /** The first commit of a database: the catalog that it begins with. One batch: a log has it, or is empty. */
  writeCatalog(): Promise<void> {
    const transaction = this.begin('read committed', false);
    for (const object of this.#catalog.all()) {
      const row = toRow(object);
      transaction.pending.put(
        objectsLayout,
        primaryKeyTextOf(objectsLayout, row),
        row,
        null,
        transaction.command,
      );
    }
    return this.#append(transaction);
  }

  // ---- the end

  rollback(transaction: Transaction): void {
    if (transaction.state !== 'active') return;
    this.#abort(transaction);
  }

  #abort(transaction: Transaction): void {
    this.#end(transaction, 'aborted');
    if (transaction.recordsLogged > 0) this.#spill.abort(transaction.id);
  }

  /** Ends a transaction that wrote nothing. False: there is something to commit. */
  commitRead(transaction: Transaction): boolean {
    invariant(transaction.state === 'active', 'a transaction ends once');
    if (!transaction.pending.isEmpty) return false;
    this.#end(transaction, 'committed');
    return true;
  }

  /** Resolves when the commit is durable and visible. A failure has rolled back, except for 40003. */
  commit(transaction: Transaction): Promise<void> {
    if (this.commitRead(transaction)) return ended;
    if (transaction.recordsLogged > 0 || transaction.pending.heldBytes > this.#limits.largeCommitBytes)
      return this.#commitLarge(transaction);
    try {
      return this.#append(transaction);
    } catch (error) {
      this.#abort(transaction);
      return Promise.reject(error);
    }
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
    const wallMs = this.#clock.wallMs();
    const commit = nextTimestamp(this.#assigned, wallMs);
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
    const commit = nextTimestamp(this.#assigned, wallMs);
    const written = this.#written(transaction);
    this.#spill.commit(transaction, wallMs, commit);
    return { flushed: this.#decideAt(transaction, commit, written) };
  }

  /** 40001 where the commit cannot stand in the order of the log. */
  #validate(transaction: Transaction): void {
    if (transaction.generation !== this.#generation) {
      throw new AlopexError(
        'serialization_failure',
        'could not serialize access: the leader of the range changed',
      );
    }
    if (transaction.spans !== null) {
      this.#recent.validate(transaction.spans, this.snapshot(transaction));
      // Only now: without a reader left, what was written meanwhile is forgotten.
      this.#recent.end(transaction.id);
    }
  }

  /** What serializable transactions that run are checked against. */
  #written({ pending }: Transaction): readonly WrittenKeys[] | null {
    return this.#recent.isWatched ? writtenKeys(pending) : null;
  }

  #decideAt(
    transaction: Transaction,
    commit: Timestamp,
    written: readonly WrittenKeys[] | null,
  ): Promise<void> {
    this.#assigned = commit;
    if (written !== null) this.#recent.add(commit, written);
    const end = this.#log.endOffset;
    return new Promise((resolve, reject) => {
      this.#undecided.push({ transaction, end, timestamp: commit, resolve, reject });
    });
  }

  #end(transaction: Transaction, state: 'committed' | 'aborted'): void {
    transaction.state = state;
    if (state === 'aborted') abortFollowers(transaction, 0);
    this.#active.delete(transaction);
    if (transaction.spans !== null) this.#recent.end(transaction.id);
    this.locks.end(transaction.owner);
  }

  // ---- what the log says

  onCommitted(highWatermark: Offset): void {
    let count = 0;
    for (const commit of this.#undecided) {
      if (commit.end > highWatermark) break;
      count++;
      this.#visible = commit.timestamp;
      if (commit.transaction.catalog !== null) this.#catalog = commit.transaction.catalog;
    }
    for (const commit of this.#undecided.splice(0, count)) {
      const { followers } = commit.transaction;
      if (followers.length > 0) for (const follower of followers.splice(0)) follower.commit();
      this.#end(commit.transaction, 'committed');
      commit.resolve();
    }
    this.#spill.onCommitted(highWatermark);
  }

  /** The disk was full: these commits are not in the log, and nothing of them stays. */
  onRefused(offset: Offset, error: Error): void {
    this.#rows.truncateTo(offset);
    const isLost = (commit: Undecided): boolean => commit.end > offset;
    this.#spill.onRefused(
      offset,
      this.#undecided.filter(isLost).map(({ transaction }) => transaction),
    );
    this.#fail(
      isLost,
      () => new AlopexError('disk_full', `could not write the log: ${error.message}`, { cause: error }),
    );
  }

  /** A failed fsync: whether these commits are durable is unknown. */
  onPoisoned(error: Error): void {
    this.#generation++;
    this.#fail(
      () => true,
      () =>
        new AlopexError(
          'statement_completion_unknown',
          `the log failed while it was flushed: ${error.message}`,
          { cause: error },
        ),
    );
  }

  #fail(isLost: (commit: Undecided) => boolean, reason: () => AlopexError): void {
    const kept = this.#undecided.filter((commit) => !isLost(commit));
    const lost = this.#undecided.filter(isLost);
    this.#undecided.splice(0, this.#undecided.length, ...kept);
    for (const commit of lost) {
      this.#end(commit.transaction, 'aborted');
      commit.reject(reason());
    }
  }
}
