import { asAlopexError } from '../../base/errors.ts';
import type { IndexId, Offset, StorageId, Timestamp } from '../../base/ids.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import type { JsonObject } from '../../log/events/layout-json.ts';
import { encodeControlBatch } from '../../log/record/control.ts';
import type { BatchHeader } from '../../log/record/record.ts';
import { type Manifest, writeManifest } from '../manifest/manifest.ts';
import { flushTask } from '../worker/flush.ts';
import { Compactions, type FilesHost } from './compactions.ts';
import type { Applied, RowReader, Scan } from './contract.ts';
import { type LiveFile, LiveFiles } from './files.ts';
import { afterFlush, type Joined } from './flushed.ts';
import { IndexFiles } from './index-build.ts';
import { isExpected, Jobs } from './jobs.ts';
import type { Layouts } from './layouts.ts';
import { lastManifest, openFile, removeGarbage, retire } from './live-file.ts';
import { type Commit, type Cut, LogFold } from './log-fold.ts';
import { Trees } from './memtable.ts';
import {
  type HeldSnapshot,
  memtableBytesMax,
  type RowsOptions,
  runBytesMax,
  type UnnamedFiles,
} from './options.ts';
import type { Overlay } from './overlay.ts';
import { fileSet } from './private-files.ts';
import { PrivateRuns } from './private-runs.ts';
import { followBytes, ReplicaFold } from './replica-fold.ts';
import { PageCache } from './sstable/cache.ts';
import { type Layer, RowStore } from './store.ts';
import { storedBytes } from './stored-bytes.ts';
import { storedLayouts } from './stored-layouts.ts';
import type { UndecidedRun } from './undecided.ts';

/**
 * The rows fold: tables and their indexes at one position of the log. The leader applies each batch as it appends
 * it, above the high watermark too; views decide who sees what. Files cover the log up to the manifest's position,
 * memtables what comes after.
 *
 * Invariants: files never cover what lies above the high watermark; one job (flush, compaction) runs at a time.
 */
export class Rows {
  readonly #options: RowsOptions;
  readonly #cache: PageCache;
  readonly #fold: LogFold;
  readonly #store: RowStore;
  #files: LiveFiles;
  /** Layouts at the manifest's position: where the next flush begins. */
  #flushedLayouts: JsonObject;
  /** Where applied stood before each batch above the high watermark. */
  readonly #steps: Applied[] = [];
  readonly #jobs = new Jobs('the rows fold is closed');
  #isFlushDue = false;
  /** The newest memtable of the flush that runs or has failed. */
  #cutMemtable: Trees | null = null;
  readonly #compactions: Compactions;
  readonly indexFiles: IndexFiles;
  readonly #runs: PrivateRuns;
  /** In the order of the log; the next flush takes their files into the manifest. */
  #joined: readonly Joined[] = [];
  /** File numbers from it on are free. */
  #nextFile: number;
  readonly #replica: ReplicaFold;
  #isLeading: boolean;

  private constructor(options: RowsOptions, cache: PageCache, files: LiveFiles, layouts: Layouts) {
    const { manifest } = files;
    this.#options = options;
    this.#cache = cache;
    this.#files = files;
    this.#flushedLayouts = layouts.toJson();
    this.#nextFile = manifest.nextFile;
    this.#isLeading = options.isReplicated !== true;
    this.#runs = new PrivateRuns({
      env: options.env,
      directory: options.directory,
      logDirectory: options.log.directory,
      cache,
      bytesMax: options.runBytesMax ?? runBytesMax,
      layouts: () => this.#fold.layouts,
      takeFileNumber: () => this.#takeFileNumbers(1),
      retire: (file) => retire(options, file),
      onProblem: (problem) => options.onProblem?.(problem),
    });
    this.#fold = new LogFold({
      layouts,
      memtable: new Trees(),
      applied: { offset: manifest.applied, timestamp: manifest.timestamp },
      host: {
        begin: (layoutsThen) => this.#runs.begin(layoutsThen),
        commit: (commit) => this.#addRun(commit),
        batchBytesMax: options.runBytesMax ?? runBytesMax,
      },
    });
    this.#store = new RowStore({ layers: [this.#fold.memtable], files });
    const host = this.#filesHost();
    this.#compactions = new Compactions(host, options.oldestView, (error) => this.#report(error));
    this.indexFiles = new IndexFiles(host, this.#compactions, options.indexSortBytesMax);
    this.#replica = new ReplicaFold(manifest, options.log, this.#fold, {
      indexFiles: this.indexFiles,
      settleRun: (producer) => this.settleRun(producer),
      makeRoom: (producer) => this.makeRoom(producer),
      recent: options.recent ?? (() => null),
    });
    layouts.onIndexPublic = (table, index) => {
      if (!this.#isLeading) this.#replica.noteUnbuilt(table, index);
    };
  }

  /** Opens the fold at its last snapshot, removes files that no manifest names, and replays the tail of the log. */
  static async open(options: RowsOptions): Promise<Rows> {
    const manifest = await lastManifest(options);
    await removeGarbage(options, manifest);
    const cache = new PageCache(options.cacheBytes);
    const opened = await Promise.all(manifest.files.map((record) => openFile(options, record, cache)));
    const files = new LiveFiles(manifest, opened, (file) => retire(options, file));
    const rows = new Rows(options, cache, files, await storedLayouts(files));
    while (!(await rows.follow()));
    return rows;
  }

  get reader(): RowReader {
    return this.#store;
  }
  get layouts(): Layouts {
    return this.#fold.layouts;
  }
  get applied(): Applied {
    return this.#fold.applied;
  }
  /** Everything below was seen. */
  get followed(): Offset {
    return this.#replica.followed;
  }
  /** What is applied of that which is committed. */
  get committed(): Applied {
    this.#settle();
    return this.#steps[0] ?? this.#fold.applied;
  }
  /** The log below it is not needed to open the fold again. */
  get replayFrom(): Offset {
    return this.#files.manifest.replayFrom;
  }

  /** Of an index, or of the rows where that is 0: in files, and its share of what memory will bring into them. */
  storedBytes(storage: StorageId, index: IndexId): number {
    const { layers, files } = this.#store.state;
    return storedBytes([...layers, files], storage, index);
  }

  /** The snapshot that there is: its files stay as they are until `release`. */
  holdSnapshot(): HeldSnapshot {
    const files = this.#files;
    files.hold();
    return { manifest: files.manifest, release: () => files.release() };
  }

  get fileBytes(): number {
    return this.#files.manifest.files.reduce((sum, { length }) => sum + length, 0);
  }

  /** Transactions of several batches that the log neither commits nor aborts. */
  get undecidedProducers(): readonly number[] {
    return this.#fold.undecidedProducers;
  }

  /** What an undecided transaction has in the log, for itself to read. */
  undecidedRun(producer: number): UndecidedRun | null {
    return this.#fold.undecided(producer)?.run ?? null;
  }

  /**
   * Between batches of a transaction: rows that are too many for memory go into a file. Null: they are few. 53100 where
   * the disk has no room for it.
   */
  makeRoom(producer: number): Promise<void> | null {
    const undecided = this.#fold.undecided(producer);
    return undecided === null ? null : this.#runs.makeRoom(undecided, this.#fold.undecidedBytes);
  }

  /** Before a commit marker, until it gives null: then the marker can be applied in this turn. */
  settleRun(producer: number): Promise<void> | null {
    const undecided = this.#fold.undecided(producer);
    return undecided === null || this.#runs.isSettled(undecided) ? null : this.#runs.settle(undecided);
  }

  /** Files that no manifest names, and rows on their way into one: what a crash would leave behind. */
  get unnamedFiles(): UnnamedFiles {
    const undecided = this.#fold.undecidedProducers.map((producer) => this.undecidedRun(producer));
    return {
      isWriting: this.#runs.isWriting,
      undecided: undecided.reduce((count, run) => count + (run?.files.count ?? 0), 0),
      committed: this.#joined.reduce((count, { files }) => count + files.files.length, 0),
    };
  }

  /** Throws where `applyCommit` would, before the log has the batch. */
  check(batch: Uint8Array): void {
    this.#fold.check(batch);
  }

  /** Applies a whole batch, which the log has at `applied.offset`: rows, a part of a transaction, or a control batch. */
  applyCommit(batch: Uint8Array, header?: BatchHeader): void {
    this.#settle();
    this.#steps.push(this.#fold.applied);
    this.#fold.applyBatch(batch, header);
    this.maybeFlush();
  }

  /**
   * The same for a batch of rows alone that was encoded from `pending`: takes over its keys and rows, and spares
   * the decoding. The other one is not used again.
   */
  applyOwn(header: BatchHeader, pending: Overlay, at: Timestamp): void {
    this.#settle();
    this.#steps.push(this.#fold.applied);
    this.#fold.applyOwn(header, pending, at);
    this.maybeFlush();
  }

  /** Places what a large transaction wrote above all memtables; what comes after goes into a new one. */
  #addRun({ run, timestamp, cut, layouts }: Commit): void {
    this.#fold.memtable = new Trees();
    const { layers, files } = this.#store.state;
    const added: Layer[] = [this.#fold.memtable, run.trees];
    if (cut !== null) {
      const own = fileSet(run.files.handOver(timestamp, cut.applied.offset), (file) =>
        retire(this.#options, file),
      );
      added.push(own);
      this.#joined = [...this.#joined, { cut, files: own, layouts: layouts() }];
    }
    this.#store.state = { layers: [...added, ...layers], files };
  }

  #settle(): void {
    const { highWatermark } = this.#options.log;
    this.#fold.settle(highWatermark);
    const steps = this.#steps;
    let settled = 0;
    while (settled < steps.length && steps[settled]!.offset < highWatermark) settled++;
    if (settled > 0) steps.splice(0, settled);
  }

  /** The log lost what lies from `to` on: the disk refused it. Forgets what was applied of it. */
  truncateTo(to: Offset): void {
    this.#replica.truncateTo(to);
    const step = this.#steps.find((each) => each.offset >= to);
    if (step === undefined) return;
    this.#steps.splice(this.#steps.indexOf(step));
    const lost = new Set<Layer>(
      this.#joined.filter(({ cut }) => cut.applied.offset >= to).map(({ files }) => files),
    );
    this.#joined = this.#joined.filter(({ files }) => !lost.has(files));
    const layers = this.#store.state.layers.filter((layer) => !lost.has(layer));
    for (const layer of layers) if (layer instanceof Trees) layer.truncate(step.timestamp);
    this.#store.state = { layers, files: this.#files };
    for (const layer of lost) if (!(layer instanceof Trees)) layer.release();
    this.#fold.truncateTo(to, step);
  }

  /**
   * Of a replica, and of a start: applies what is committed, about so many bytes of it. Whether that was all. One call at
   * a time; not while this node leads.
   */
  async follow(bytesMax = followBytes): Promise<boolean> {
    const isAll = await this.#replica.follow(bytesMax);
    this.#settle();
    return isAll;
  }

  /** This node writes the log from now on, or no more: then it has applied all that it wrote. */
  lead(isLeading: boolean): void {
    if (this.#isLeading && !isLeading) this.#replica.goOnFrom(this.applied.offset);
    this.#isLeading = isLeading;
  }

  /** Entries that this replica's files lack of public indexes: until then nobody may read what made them public. Null: none. */
  completeIndexes(): Promise<void> | null {
    return this.#replica.completeIndexes();
  }

  // ---- flush

  /** Starts a flush where the memtable has reached its limit. */
  maybeFlush(): void {
    if (this.#isFlushDue || this.#jobs.isClosed) return;
    const { memtableBytesMax: bytesMax = memtableBytesMax, env } = this.#options;
    const bytes = this.#uncutBytes();
    if (bytes < bytesMax && (bytes < bytesMax / 8 || !env.rarely('a memtable is flushed early'))) return;
    this.#isFlushDue = true;
    this.flush().then(
      () => this.#compactions.whereDue(),
      (error: unknown) => this.#report(error),
    );
  }

  /** Of the memtables that no flush has begun with. A transaction's files do not wait for others. */
  #uncutBytes(): number {
    let bytes = 0;
    for (const layer of this.#store.state.layers) {
      if (layer === this.#cutMemtable) break;
      bytes += layer instanceof Trees ? layer.sizeBytes : Number.POSITIVE_INFINITY;
    }
    return bytes;
  }

  #report(error: unknown): void {
    const problem = asAlopexError(error);
    if (!isExpected(problem)) this.#options.onProblem?.(problem);
  }

  /** Moves what the memtables have into files. Resolves when the snapshot is durable. */
  flush(): Promise<void> {
    return this.#jobs.run(() => this.#flush());
  }

  async #flush(): Promise<void> {
    const { log } = this.#options;
    const end = this.#cut();
    if (end === null) return;
    await log.committed(end.applied.offset);
    let below: Joined | null = null;
    for (const joined of this.#joined.filter(({ cut }) => cut.applied.offset < end.applied.offset)) {
      await this.#flushTo(joined.cut, below);
      below = joined;
    }
    await this.#flushTo(end, below);
  }

  /**
   * Moves what lies between the files and a cut into a file. Where a transaction's files lie right above them, they
   * count from then on too.
   */
  async #flushTo(cut: Cut, below: Joined | null): Promise<void> {
    const { env, log, directory } = this.#options;
    const { manifest } = this.#files;
    if (below !== null || cut.applied.offset !== manifest.applied) {
      const { file } = await env.workers.run(flushTask, {
        logDirectory: log.directory,
        directory,
        applied: manifest.applied,
        to: cut.applied.offset,
        decided: cut.decided.filter(({ marker }) => marker >= manifest.applied),
        layouts: below?.layouts ?? this.#flushedLayouts,
        fileNumber: this.#takeFileNumbers(1),
      });
      const { layouts } = this.#fold;
      const flushed = afterFlush(this.#files, { cut, below, file }, layouts, this.indexFiles);
      await this.#install(flushed, below?.files.files);
    }
    this.#endFlush(cut, below);
  }

  #endFlush(cut: Cut, below: Joined | null): void {
    this.#flushedLayouts = cut.layouts;
    this.#fold.noteCovered(cut.applied.offset);
    const { layers } = this.#store.state;
    const place = layers.indexOf(cut.memtable);
    if (place >= 0) this.#store.state = { layers: layers.slice(0, place), files: this.#files };
    if (below === null) return;
    this.#joined = this.#joined.filter((each) => each !== below);
    below.files.release();
  }

  /** Appends a flush point, and cuts the memtable there: what is applied from now on goes into a new one. */
  #cut(): Cut | null {
    this.#isFlushDue = true;
    try {
      return this.#fold.applied.offset === this.#files.manifest.applied ? null : this.#cutAtFlushPoint();
    } finally {
      this.#isFlushDue = false;
    }
  }

  #cutAtFlushPoint(): Cut {
    if (this.#isLeading) this.#appendFlushPoint();
    const cut = this.#fold.cut();
    this.#cutMemtable = cut.memtable;
    this.#store.state = {
      ...this.#store.state,
      layers: [this.#fold.memtable, ...this.#store.state.layers],
    };
    return cut;
  }

  #appendFlushPoint(): void {
    const { log, env } = this.#options;
    const batch = encodeControlBatch(
      { kind: 'flush-point', horizon: this.#fold.applied.timestamp },
      { baseOffset: log.endOffset, epoch: log.epoch, timestampMs: Math.floor(env.clock.wallMs()) },
    );
    log.append(batch);
    this.applyCommit(batch);
  }

  /** The first of so many that no file has. */
  #takeFileNumbers(count: number): number {
    this.#nextFile += count;
    return this.#nextFile - count;
  }

  /** Makes a manifest durable, and its files those that reads see. `added`: of those that are new, the open ones. */
  async #install(described: Omit<Manifest, 'nextFile'>, added: readonly LiveFile[] = []): Promise<void> {
    const { env, directory } = this.#options;
    const manifest: Manifest = { ...described, nextFile: this.#nextFile, ...this.#replica.unbuilt };
    const known = new Map([...this.#files.files, ...added].map((file) => [file.record.number, file]));
    const opened: LiveFile[] = [];
    for (const record of manifest.files) {
      const live = known.get(record.number);
      if (live === undefined) opened.push(await openFile(this.#options, record, this.#cache));
      else {
        live.record = record;
        opened.push(live);
      }
    }
    await env.disk.syncDirectory(directory);
    await writeManifest(env.disk, directory, manifest);
    const previous = this.#files;
    this.#files = new LiveFiles(manifest, opened, (file) => retire(this.#options, file));
    this.#store.state = { layers: this.#store.state.layers, files: this.#files };
    previous.release();
  }

  /** Merges all files into the last level, and drops what no reader can ask for. */
  compact(): Promise<void> {
    return this.#compactions.all();
  }

  // ---- indexes of tables with rows

  /** The entries of an index, in their order: batches of one column, the keys. */
  indexEntries(layout: TableLayout, index: IndexId, at: Timestamp): Scan {
    return this.#store.entries(layout, index, at);
  }

  #filesHost(): FilesHost {
    const [files, layouts] = [() => this.#files, () => this.#fold.layouts];
    const { env, directory } = this.#options;
    return {
      env,
      directory,
      get layouts() {
        return layouts();
      },
      get files() {
        return files();
      },
      jobs: this.#jobs,
      flush: () => this.#flush(),
      install: (manifest) => this.#install(manifest),
      takeFileNumbers: (count) => this.#takeFileNumbers(count),
    };
  }

  /** After the jobs that run. What is not in files is in the log. */
  async close(): Promise<void> {
    await this.#jobs.close();
    this.#fold.close();
    await this.#runs.close();
    this.#cache.close();
    const joined = this.#joined.flatMap(({ files }) => files.files);
    await Promise.all([...this.#files.files, ...joined].map((file) => file.close()));
  }
}

export function openRows(options: RowsOptions): Promise<Rows> {
  return Rows.open(options);
}
