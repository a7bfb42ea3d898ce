import type { DirectoryLock, Disk, Env } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import {
  type IndexId,
  type Offset,
  offset,
  rangeId,
  type StorageId,
  type Timestamp,
  timestamp,
} from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { commitOf } from '../../log/events/commit.ts';
import type { LogListener } from '../../log/log.ts';
import type { Membership } from '../../log/raft/contract.ts';
import { openLog, type SegmentedLog } from '../../log/segment/log.ts';
import type { LogLimits } from '../../log/segment/options.ts';
import { readManifest } from '../../materializers/manifest/manifest.ts';
import type { RowReader } from '../../materializers/rows/contract.ts';
import { openRows, type Rows } from '../../materializers/rows/fold.ts';
import type { StoredBytes } from '../../query/catalog/lookups.ts';
import { emptyCatalog } from '../../query/catalog/snapshot.ts';
import { Outcomes } from '../../query/txn/outcomes.ts';
import type { CommitLimits } from '../../query/txn/spill.ts';
import { writeCatalog, writeSequence } from '../../query/txn/system-commits.ts';
import { Transactions } from '../../query/txn/transactions.ts';
import { CatalogHistory } from './catalog-history.ts';
import type { ConnectOptions, SessionHost } from './contract.ts';
import { IndexBuilds } from './index-builds.ts';
import { loadCatalog, loadSequences } from './load.ts';
import { loadParserSparingly } from './load-parser.ts';
import { defaultRetention, LogRetention, type RetentionLimits } from './log-retention.ts';
import { PlanCache } from './plan-cache.ts';
import { Replica, type ReplicaOptions, type ReplicatedParts } from './replica.ts';
import type { ClusterAdmin, Replication } from './replication.ts';
import { Requests } from './requests.ts';
import { Sequences } from './sequences.ts';
import { EngineSession } from './session.ts';
import { settings } from './settings.ts';
import { Slices } from './slices.ts';
import { TemporaryFiles } from './temporary-files.ts';
import { Turns } from './turns.ts';

export type EngineOptions = {
  readonly env: Env;
  /** The database's directory: made when it is not there. */
  readonly path: string;
  /** Bytes of decoded pages that are kept in memory. */
  readonly cacheBytes: number;
  readonly connectionsMax: number;
  /** Defaults of session settings. */
  readonly settings: Readonly<Record<string, string>>;
  /** Default: a day of the log. */
  readonly retention?: RetentionLimits;
  /** What is wrong while nobody waits for an answer: a failed flush, a poisoned log. */
  readonly onProblem: (problem: AlopexError) => void;
  /** The database is one of several replicas. */
  readonly replica?: ReplicaOptions;
  /** The caller has the directory's lock, and goes on with it and with `env` when the database is closed. */
  readonly isHeld?: boolean;
  /** Smaller ones let a short run see flushes, segments and large commits. */
  readonly limits?: EngineLimits;
};

export type EngineLimits = {
  readonly memtableBytesMax?: number;
  readonly log?: Partial<LogLimits>;
  readonly commit?: Partial<CommitLimits>;
  /** Indexes of tables with more rows are built while others write. */
  readonly smallTableRows?: number;
  readonly indexSortBytesMax?: number;
  /** A start that reads more of the log is followed by a flush. */
  readonly replayBytesMax?: number;
  /** Rows of open transactions in memory, once they were spilled. */
  readonly runBytesMax?: number;
};

const defaultLimits = {
  /** Rows that are written again, for a new index, in less time than its states take. */
  smallTableRows: 1000,
  replayBytesMax: 8 * 1024 * 1024,
} as const;

/** One open database: its log, its folds, its transactions, its sessions. */
export class Engine implements SessionHost {
  readonly env: Env;
  readonly log: SegmentedLog;
  readonly rows: Rows;
  readonly transactions: Transactions;
  readonly sequences: Sequences;
  readonly temporaryFiles: TemporaryFiles;
  readonly catalogs: CatalogHistory;
  readonly outcomes: Outcomes;
  readonly requests: Requests;
  readonly retention: LogRetention;
  readonly plans = new PlanCache();
  readonly settings: Readonly<Record<string, string>>;
  readonly limits: EngineLimits & Required<Pick<EngineLimits, keyof typeof defaultLimits>>;
  readonly indexBuilds: IndexBuilds;
  readonly slices: Slices;
  /** Of callers in this process. */
  readonly turns: Turns;
  /** Set by the node that has the database replicated; null: it is not. */
  replication: Replication | null = null;
  /** Of a server, replicated or not; null: there is no cluster to be had. */
  clusterAdmin: ClusterAdmin | null = null;
  /** A file is not what it was; whoever has the rows elsewhere may mend it. */
  onDamaged: (error: AlopexError) => void = () => {};
  readonly #options: EngineOptions;
  readonly #lock: DirectoryLock | null;
  #replica: Replica | null;
  readonly #sessions = new Set<EngineSession>();
  #nextSession = 1;
  readonly #life: string;
  #nextRemote = 1;
  /** Statements that ran here, and that were sent to other nodes. */
  readonly executed = { reads: 0, writes: 0, forwardedReads: 0, forwardedWrites: 0 };
  #closing: Promise<void> | null = null;

  private constructor(
    options: EngineOptions,
    lock: DirectoryLock | null,
    replica: Replica | null,
    log: SegmentedLog,
    rows: Rows,
    transactions: Transactions,
    temporaryFiles: TemporaryFiles,
  ) {
    this.#options = options;
    this.#life = options.env.random.uint32().toString(36);
    this.#lock = lock;
    this.#replica = replica;
    this.env = options.env;
    this.slices = new Slices(options.env.clock);
    this.turns = new Turns(options.env.clock);
    this.settings = options.settings;
    this.limits = { ...defaultLimits, ...options.limits };
    this.indexBuilds = new IndexBuilds(this, options.onProblem);
    this.log = log;
    this.rows = rows;
    this.transactions = transactions;
    this.temporaryFiles = temporaryFiles;
    this.retention = new LogRetention(
      log,
      (to) => (this.#replica === null ? log.trim(to) : this.#replica.range.trim(to)),
      options.env.clock,
      options.retention ?? defaultRetention,
      options.onProblem,
    );
    this.outcomes = new Outcomes(log);
    this.requests = new Requests(this);
    this.catalogs = new CatalogHistory(rows.reader, transactions);
    this.sequences = new Sequences((id, last, isCalled) => writeSequence(transactions, id, last, isCalled));
  }

  static async open(options: EngineOptions): Promise<Engine> {
    const { env, path } = options;
    await Promise.all([env.disk.makeDirectory(path), loadParserSparingly()]);
    const lock = options.isHeld === true ? null : await env.disk.lock(path);
    try {
      return await Engine.#openLocked(options, lock);
    } catch (error) {
      await lock?.release();
      throw error;
    }
  }

  static async #openLocked(options: EngineOptions, lock: DirectoryLock | null): Promise<Engine> {
    const { env, path, onProblem, limits = {} } = options;
    let transactions: Transactions | null = null;
    let engine: Engine | null = null;
    const listener: LogListener = {
      onCommitted: (highWatermark) => {
        transactions?.onCommitted(highWatermark);
        engine?.onCommitted();
      },
      onRefused: (offset, error) => {
        transactions?.onRefused(offset, error);
        replica?.onRefused(asAlopexError(error));
      },
      onPoisoned: (error) => {
        transactions?.onPoisoned(error);
        onProblem(
          new AlopexError('io_error', `the log failed, and takes no more writes: ${error.message}`, {
            cause: error,
          }),
        );
      },
    };
    const temporaryFiles = await TemporaryFiles.open(env.disk, `${path}/temporary`, onProblem);
    const replica =
      options.replica === undefined
        ? null
        : new Replica(rangeOfAll, options.replica, { ...env, path, onProblem });
    const log = await openLog({
      disk: env.disk,
      clock: env.clock,
      directory: `${path}/log`,
      listener,
      limits: limits.log ?? {},
      rarely: env.rarely,
      ...(replica === null
        ? {}
        : { replication: { by: replica.range, highWatermark: await snapshotEnd(env.disk, path) } }),
    });
    try {
      const rows = await openRows({
        env,
        directory: `${path}/rows`,
        log,
        cacheBytes: options.cacheBytes,
        onProblem,
        isReplicated: replica !== null,
        ...(replica === null ? {} : { recent: (from, bytesMax) => replica.range.recent(from, bytesMax) }),
        oldestView: () => transactions?.oldestView ?? null,
        ...(limits.memtableBytesMax === undefined ? {} : { memtableBytesMax: limits.memtableBytesMax }),
        ...(limits.indexSortBytesMax === undefined ? {} : { indexSortBytesMax: limits.indexSortBytesMax }),
        ...(limits.runBytesMax === undefined ? {} : { runBytesMax: limits.runBytesMax }),
      });
      const isNew = log.endOffset === 0 && replica === null;
      const catalog = rows.committed.timestamp === 0 ? emptyCatalog() : await loadCatalog(rows);
      transactions = new Transactions({
        rows,
        log,
        clock: env.clock,
        catalog,
        limits: limits.commit ?? {},
        rarely: env.rarely,
        isLeading: replica === null,
      });
      if (isNew) await writeCatalog(transactions);
      engine = new Engine(options, lock, replica, log, rows, transactions, temporaryFiles);
      if (replica === null) await engine.#startAlone();
      else await replica.start(engine.#replicatedParts, null);
      engine.#shortenReplay();
      return engine;
    } catch (error) {
      await log.close();
      throw error;
    }
  }

  async #startAlone(): Promise<void> {
    this.transactions.abortUndecided();
    await loadSequences(this.rows, this.sequences);
    await this.indexBuilds.dropUnfinished();
  }

  get #replicatedParts(): ReplicatedParts {
    const { log, rows, transactions, sequences, indexBuilds } = this;
    return { log, rows, transactions, sequences, onLeading: () => indexBuilds.dropUnfinished() };
  }

  /** Makes a database that runs the first replica of its own: it leads, as it did, and its sessions notice nothing. */
  async replicate(options: ReplicaOptions, first: Membership): Promise<Replica> {
    invariant(this.#replica === null, 'a database is made a replica once');
    const { env } = this;
    const { path, onProblem } = this.#options;
    const replica = new Replica(rangeOfAll, options, { ...env, path, onProblem });
    this.transactions.gate.shut();
    try {
      this.#replica = replica;
      await replica.start(this.#replicatedParts, first);
    } catch (error) {
      this.#replica = null;
      throw error;
    } finally {
      this.transactions.gate.open();
    }
    return replica;
  }

  get replica(): Replica | null {
    return this.#replica;
  }

  onCommitted(): void {
    this.#replica?.onCommitted();
    this.retention.look(this.rows.replayFrom);
  }

  /** Where this start had to read much of the log, the next one shall not. In the background. */
  #shortenReplay(): void {
    if (this.log.bytesAfter(this.rows.replayFrom) <= this.limits.replayBytesMax) return;
    this.checkpoint().catch((error: unknown) => {
      const problem = asAlopexError(error);
      if (problem.condition !== 'admin_shutdown') this.#options.onProblem(problem);
    });
  }

  get reader(): RowReader {
    return this.rows.reader;
  }
  get sessions(): ReadonlySet<EngineSession> {
    return this.#sessions;
  }
  get reportedSettings(): readonly string[] {
    return settings.filter((info) => info.isReported).map((info) => info.name);
  }

  connect(options: ConnectOptions): EngineSession {
    if (this.#closing !== null)
      throw new AlopexError('cannot_connect_now', 'the database system is shutting down');
    if (this.#sessions.size >= this.#options.connectionsMax) {
      throw new AlopexError('too_many_connections', 'sorry, too many clients already');
    }
    if (options.database !== databaseName) {
      throw new AlopexError('invalid_catalog_name', `database "${options.database}" does not exist`);
    }
    const session = new EngineSession(this, this.#nextSession++, options);
    this.#sessions.add(session);
    return session;
  }

  /** For the functions that tell sizes. */
  readonly storedBytes: StoredBytes = {
    ofIndex: (storage, index) => this.rows.storedBytes(storage as StorageId, index as IndexId),
    ofDatabase: () => this.rows.fileBytes + this.log.bytesAfter(this.log.startOffset),
  };

  /** Of the next counterpart of a session on another node, which may still have those of an engine before this one. */
  nextRemoteId(session: number): string {
    return `${this.#life}.${session}.${this.#nextRemote++}`;
  }

  forgetSession(session: EngineSession): void {
    this.#sessions.delete(session);
  }

  mayLogIn(user: string): boolean {
    return this.transactions.catalog.role(user)?.canLogin ?? true;
  }

  passwordVerifier(user: string): string | null {
    const verifier = this.transactions.catalog.role(user)?.passwordVerifier ?? null;
    const { replication } = this;
    if (verifier === null && replication?.isPrimary === false && replication.stalenessMs === null)
      throw new AlopexError('cannot_connect_now', 'the database is starting up', {
        detail: 'This node has not heard yet who may log in.',
      });
    return verifier;
  }

  /** The newest commit that lies wholly below an offset: the log is read backwards from there. */
  async timestampBefore(limit: Offset): Promise<Timestamp> {
    let last = limit - 1;
    while (last >= this.log.startOffset) {
      const [batch] = await this.log.read(offset(last), 1);
      if (batch === undefined) break;
      const { baseOffset, lastOffset, commit } = commitOf(batch);
      if (lastOffset < limit && commit !== null) return commit;
      last = baseOffset - 1;
    }
    return timestamp(0);
  }

  /** Folds everything committed into snapshots. */
  async checkpoint(): Promise<void> {
    await this.rows.flush();
  }

  async compact(): Promise<void> {
    await this.rows.flush();
    await this.rows.compact();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** What waits for a quorum, as a flush does where this node led, waits for ever. */
  async #leaveReplicas(replica: Replica): Promise<void> {
    const left = replica.close();
    this.log.detach();
    await left;
  }

  async #close(): Promise<void> {
    for (const session of [...this.#sessions]) await session.close();
    await this.indexBuilds.close();
    await this.requests.settled();
    await this.temporaryFiles.close();
    if (this.transactions.isLeading) this.sequences.settle();
    try {
      if (this.#replica === null) await this.log.committed(this.log.endOffset);
      else await this.#leaveReplicas(this.#replica);
    } catch (error) {
      this.#options.onProblem(asAlopexError(error));
    }
    await this.retention.settled();
    try {
      await this.rows.close();
    } finally {
      await this.log.close();
      if (this.#options.isHeld !== true) await this.env.workers.close();
      await this.#lock?.release();
    }
  }
}

/** Until a database has several. */
export const rangeOfAll = rangeId(1);

/** What is known to be committed of a replica's log: what its files cover. */
async function snapshotEnd(disk: Disk, path: string): Promise<Offset> {
  return (await readManifest(disk, `${path}/rows`))?.applied ?? offset(0);
}

/** The one database of a range. */
export const databaseName = 'alopex';
