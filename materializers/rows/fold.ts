import type { Env } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { IndexId, Offset, StorageId, Timestamp } from '../../base/ids.ts';
import type { IndexLayout, TableLayout } from '../../log/events/layout.ts';
import { type JsonObject, tableLayoutToJson } from '../../log/events/layout-json.ts';
import { objectsLayout } from '../../log/events/system.ts';
import type { Log } from '../../log/log.ts';
import { encodeControlBatch } from '../../log/record/control.ts';
import type { BatchHeader } from '../../log/record/record.ts';
import { replay } from '../fold/replay.ts';
import { emptyManifest, type Manifest, readManifest, writeManifest } from '../manifest/manifest.ts';
import { compactTask } from '../worker/compact.ts';
import { flushTask } from '../worker/flush.ts';
import { openSstableFile, sstablePath } from '../worker/sstable-file.ts';
import {
  afterCompaction,
  type CompactionPlan,
  planCompaction,
  planFullCompaction,
} from './compaction-plan.ts';
import type { Applied, RowReader, Scan } from './contract.ts';
import { droppedIndexes } from './dropped-indexes.ts';
import { type LiveFile, LiveFiles } from './files.ts';
import { buildIndex, dropIndexFiles, type IndexBuildHost, indexSortBytesMax } from './index-build.ts';
import { Layouts } from './layouts.ts';
import { LogFold } from './log-fold.ts';
import { Trees } from './memtable.ts';
import type { Overlay, SpilledRun } from './overlay.ts';
import { PageCache } from './sstable/cache.ts';
import { RowStore } from './store.ts';
import { storedLayouts } from './stored-layouts.ts';

export type RowsOptions = {
  readonly env: Env;
  /** The folder of the fold's own files. */
  readonly directory: string;
  /** Open and recovered. */
  readonly log: Log;
  /** Bytes of decoded pages that are kept in memory. */
  readonly cacheBytes: number;
  /** A memtable larger than this is flushed. */
  readonly memtableBytesMax?: number;
  /** Of a flush or compaction that ran by itself; what it would have done is tried again later. */
  readonly onProblem?: (error: AlopexError) => void;
  /** The oldest timestamp that somebody reads at, or null: versions that it sees are kept. */
  readonly oldestView?: () => Timestamp | null;
  /** Bytes of the entries of a new index that are sorted in memory at once. */
  readonly indexSortBytesMax?: number;
};

/** A memtable of this size is about 130,000 small rows, and is flushed in half a second. */
const memtableBytesMax = 32 * 1024 * 1024;

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
  /** Ends with the jobs that were begun. */
  #jobs: Promise<void> = Promise.resolve();
  #isFlushDue = false;
  /** The newest memtable of the flush that runs or has failed. */
  #cutMemtable: Trees | null = null;
  /** Their entries are in files, and the transactions that make them have not ended. */
  readonly #newIndexes = new Set<IndexId>();
  #isClosed = false;

  private constructor(options: RowsOptions, cache: PageCache, files: LiveFiles, layouts: Layouts) {
    const { manifest } = files;
    this.#options = options;
    this.#cache = cache;
    this.#files = files;
    this.#flushedLayouts = layouts.toJson();
    const applied = { offset: manifest.applied, timestamp: manifest.timestamp };
    this.#fold = new LogFold(layouts, new Trees(), applied, (run) => this.#addRun(run));
    this.#store = new RowStore({ memtables: [this.#fold.memtable], files });
  }

  /** Opens the fold at its last snapshot, removes files that no manifest names, and replays the tail of the log. */
  static async open(options: RowsOptions): Promise<Rows> {
    const { env, directory, log } = options;
    const { disk } = env;
    await disk.makeDirectory(directory);
    const manifest = (await readManifest(disk, directory)) ?? {
      ...emptyManifest,
      applied: log.startOffset,
      replayFrom: log.startOffset,
    };
    if (manifest.replayFrom < log.startOffset || manifest.applied > log.endOffset) {
      throw new AlopexError(
        'data_corrupted',
        `${directory} covers the log up to offset ${manifest.applied}, and the log has offsets ${log.startOffset} to ${log.endOffset}`,
      );
    }
    await removeGarbage(options, manifest);
    const cache = new PageCache(options.cacheBytes);
    const opened = await Promise.all(manifest.files.map((record) => openFile(options, record, cache)));
    const files = new LiveFiles(manifest, opened, (file) => retire(options, file));
    const rows = new Rows(options, cache, files, await storedLayouts(files));
    await rows.#replay();
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
  /** The log below it is not needed to open the fold again. */
  get replayFrom(): Offset {
    return this.#files.manifest.replayFrom;
  }

  /** Of an index, or of the rows where that is 0: in files, and its share of what memory will bring into them. */
  storedBytes(storage: StorageId, index: IndexId): number {
    const { memtables, files } = this.#store.state;
    let bytes = 0;
    for (const memtable of memtables) bytes += memtable.contentBytes(storage, index);
    for (const section of files.runs(storage, index).flat()) bytes += section.byteLength;
    return bytes;
  }

  get fileBytes(): number {
    return this.#files.manifest.files.reduce((sum, { length }) => sum + length, 0);
  }

  /** Transactions of several batches that the log neither commits nor aborts. */
  get undecidedProducers(): readonly number[] {
    return this.#fold.undecidedProducers;
  }

  /** What an undecided transaction has in the log, for itself to read. */
  undecidedRun(producer: number): SpilledRun | null {
    return this.#fold.undecidedRun(producer);
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
  #addRun(run: Trees): void {
    this.#fold.memtable = new Trees();
    const { memtables, files } = this.#store.state;
    this.#store.state = { memtables: [this.#fold.memtable, run, ...memtables], files };
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
    const step = this.#steps.find((each) => each.offset >= to);
    if (step === undefined) return;
    this.#steps.splice(this.#steps.indexOf(step));
    for (const memtable of this.#store.state.memtables) memtable.truncate(step.timestamp);
    this.#fold.truncateTo(to, step);
  }

  async #replay(): Promise<void> {
    const { log } = this.#options;
    const { replayFrom } = this.#files.manifest;
    await replay(this.#fold, replayFrom, log.highWatermark, (from, bytesMax) => log.read(from, bytesMax));
    this.#settle();
  }

  // ---- flush

  /** Starts a flush where the memtable has reached its limit. */
  maybeFlush(): void {
    if (this.#isFlushDue || this.#isClosed) return;
    if (this.#uncutBytes() < (this.#options.memtableBytesMax ?? memtableBytesMax)) return;
    this.#isFlushDue = true;
    this.flush().then(
      () => this.#compactWhereDue(),
      (error: unknown) => this.#report(error),
    );
  }

  /** Of the memtables that no flush has begun with. */
  #uncutBytes(): number {
    let bytes = 0;
    for (const memtable of this.#store.state.memtables) {
      if (memtable === this.#cutMemtable) break;
      bytes += memtable.sizeBytes;
    }
    return bytes;
  }

  #report(error: unknown): void {
    const problem = asAlopexError(error);
    if (problem.condition !== 'admin_shutdown') this.#options.onProblem?.(problem);
  }

  /** Moves what the memtables have into files. Resolves when the snapshot is durable. */
  flush(): Promise<void> {
    return this.#job(() => this.#flush());
  }

  #job<Result>(run: () => Promise<Result>): Promise<Result> {
    const job = this.#jobs.then(() => {
      if (this.#isClosed) throw new AlopexError('admin_shutdown', 'the rows fold is closed');
      return run();
    });
    this.#jobs = job.then(
      () => {},
      () => {},
    );
    return job;
  }

  async #flush(): Promise<void> {
    const { env, log, directory } = this.#options;
    const { manifest } = this.#files;
    const point = this.#cut();
    if (point === null) return;
    await log.committed(log.endOffset);
    const { file } = await env.workers.run(flushTask, {
      logDirectory: log.directory,
      directory,
      applied: manifest.applied,
      replayFrom: manifest.replayFrom,
      to: point.applied.offset,
      layouts: this.#flushedLayouts,
      fileNumber: manifest.nextFile,
    });
    const { droppedIndexes: _, ...before } = manifest;
    await this.#install({
      ...before,
      applied: point.applied.offset,
      timestamp: point.applied.timestamp,
      replayFrom: point.replayFrom,
      nextFile: manifest.nextFile + 1,
      files:
        file === null
          ? manifest.files
          : [...manifest.files, { ...file, level: 0, order: point.applied.offset }],
      ...this.#histories(manifest, point.applied.timestamp),
      ...droppedIndexes(
        manifest,
        this.#files.files,
        Layouts.fromJson(point.layouts),
        (index) => this.#newIndexes.has(index),
        point.applied.timestamp,
      ),
    });
    this.#flushedLayouts = point.layouts;
    const { memtables } = this.#store.state;
    const kept = memtables.slice(0, memtables.indexOf(point.memtable));
    this.#store.state = { memtables: kept, files: this.#files };
  }

  /** Appends a flush point, and cuts the memtable there: what is applied from now on goes into a new one. */
  #cut() {
    this.#isFlushDue = true;
    try {
      return this.#fold.applied.offset === this.#files.manifest.applied ? null : this.#cutAtFlushPoint();
    } finally {
      this.#isFlushDue = false;
    }
  }

  #cutAtFlushPoint() {
    const { log, env } = this.#options;
    const batch = encodeControlBatch(
      { kind: 'flush-point', horizon: this.#fold.applied.timestamp },
      { baseOffset: log.endOffset, epoch: log.epoch, timestampMs: Math.floor(env.clock.wallMs()) },
    );
    log.append(batch);
    this.applyCommit(batch);
    const { memtable, applied, replayFrom } = this.#fold;
    const layouts = this.#fold.layouts.toJson();
    this.#cutMemtable = memtable;
    this.#fold.memtable = new Trees();
    this.#store.state = {
      ...this.#store.state,
      memtables: [this.#fold.memtable, ...this.#store.state.memtables],
    };
    return { memtable, applied, replayFrom, layouts };
  }

  /**
   * What readers of the past ask for: which storages were dropped, and which versions are gone. A dropped storage
   * is forgotten once its rows are, and so is the catalog that named it.
   */
  #histories(manifest: Manifest, at: Timestamp): Pick<Manifest, 'dropped' | 'horizons'> {
    const { layouts } = this.#fold;
    const stored = new Set(
      this.#files.files.flatMap(({ sstable }) => sstable.sections.map(({ storage }) => storage)),
    );
    const catalogHorizon = this.#files.horizon(objectsLayout.storage);
    const forgotten = new Set<number>();
    const dropped = manifest.dropped.filter(({ storage, since }) => {
      const isKept = since >= catalogHorizon || stored.has(storage as StorageId);
      if (!isKept) forgotten.add(storage);
      return isKept;
    });
    const known = new Set(dropped.map(({ storage }) => storage));
    for (const storage of stored) {
      if (layouts.isCurrent(storage) || known.has(storage)) continue;
      const layout = layouts.tables.get(storage);
      dropped.push({ storage, since: at, layout: layout === undefined ? null : tableLayoutToJson(layout) });
    }
    return { dropped, horizons: manifest.horizons.filter(([storage]) => !forgotten.has(storage)) };
  }

  /** Makes a manifest durable, and its files those that reads see. */
  async #install(manifest: Manifest): Promise<void> {
    const { env, directory } = this.#options;
    const known = new Map(this.#files.files.map((file) => [file.record.number, file]));
    const opened: LiveFile[] = [];
    for (const record of manifest.files) {
      const live = known.get(record.number);
      if (live === undefined) opened.push(await openFile(this.#options, record, this.#cache));
      else opened.push(live.record === record ? live : Object.assign(live, { record }));
    }
    await env.disk.syncDirectory(directory);
    await writeManifest(env.disk, directory, manifest);
    const previous = this.#files;
    this.#files = new LiveFiles(manifest, opened, (file) => retire(this.#options, file));
    this.#store.state = { memtables: this.#store.state.memtables, files: this.#files };
    previous.release();
  }

  // ---- compaction

  #compactWhereDue(): void {
    const plan = planCompaction(this.#files);
    if (plan === null || this.#isClosed) return;
    this.#job(async () => {
      const current = planCompaction(this.#files);
      if (current !== null) await this.#compact(current);
    }).then(
      () => this.#compactWhereDue(),
      (error: unknown) => this.#report(error),
    );
  }

  /** Merges all files into the last level, and drops what no reader can ask for. */
  compact(): Promise<void> {
    return this.#job(async () => {
      const plan = planFullCompaction(this.#files);
      if (plan !== null) await this.#compact(plan);
    });
  }

  async #compact(plan: CompactionPlan): Promise<void> {
    const { env, directory, oldestView } = this.#options;
    const { manifest } = this.#files;
    const { layouts } = this.#fold;
    const output = await env.workers.run(compactTask, {
      directory,
      plan,
      firstFile: manifest.nextFile,
      now: Math.min(manifest.timestamp, oldestView?.() ?? manifest.timestamp),
      layouts: layouts.toJson(),
      dropped: manifest.dropped,
      droppedIndexes: manifest.droppedIndexes ?? [],
    });
    await this.#install(afterCompaction(manifest, plan, output));
  }

  // ---- indexes of tables with rows

  /** Puts the entries of the rows that are there into files, beside all that goes on. See `buildIndex`. */
  async buildIndex(layout: TableLayout, index: IndexLayout, check: () => void): Promise<void> {
    await buildIndex(this.#indexBuildHost(), layout, index, check);
    this.#compactWhereDue();
  }

  /**
   * The same for an index that only the transaction knows which makes it, and which keeps everybody from writing to the
   * table. `endNewIndex` when the transaction has ended.
   */
  async buildNewIndex(layout: TableLayout, index: IndexLayout, check: () => void): Promise<void> {
    this.#newIndexes.add(index.id);
    await this.buildIndex(layout, index, check);
  }

  endNewIndex(index: IndexId): void {
    this.#newIndexes.delete(index);
  }

  /** Takes away what a build left that did not end well. */
  dropIndexFiles(storage: StorageId, index: IndexId): Promise<void> {
    return dropIndexFiles(this.#indexBuildHost(), storage, index);
  }

  /** The entries of an index, in their order: batches of one column, the keys. */
  indexEntries(layout: TableLayout, index: IndexId, at: Timestamp): Scan {
    return this.#store.entries(layout, index, at);
  }

  #indexBuildHost(): IndexBuildHost {
    const files = (): LiveFiles => this.#files;
    const { env, directory } = this.#options;
    return {
      env,
      directory,
      layouts: this.#fold.layouts,
      get files() {
        return files();
      },
      sortBytesMax: this.#options.indexSortBytesMax ?? indexSortBytesMax,
      job: (run) => this.#job(run),
      flush: () => this.#flush(),
      install: (manifest) => this.#install(manifest),
    };
  }

  /** After the jobs that run. What is not in files is in the log. */
  async close(): Promise<void> {
    this.#isClosed = true;
    await this.#jobs;
    await Promise.all(this.#files.files.map((file) => file.close()));
  }
}

export function openRows(options: RowsOptions): Promise<Rows> {
  return Rows.open(options);
}

async function openFile(
  { env, directory }: RowsOptions,
  record: LiveFile['record'],
  cache: PageCache,
): Promise<LiveFile> {
  const { sstable, close } = await openSstableFile(env.disk, directory, record, cache);
  return { record, sstable, users: 0, close };
}

/** A file that no set has: closes and removes it. What fails here is garbage for the next opening. */
function retire({ env, directory, onProblem }: RowsOptions, file: LiveFile): void {
  file
    .close()
    .then(() => env.disk.remove(sstablePath(directory, file.record.number)))
    .catch((error: unknown) => onProblem?.(asAlopexError(error)));
}

async function removeGarbage({ env, directory }: RowsOptions, manifest: Manifest): Promise<void> {
  const named = new Set(manifest.files.map(({ number }) => sstablePath(directory, number)));
  for (const { name, kind } of await env.disk.list(directory)) {
    const path = `${directory}/${name}`;
    if (kind === 'file' && name.endsWith('.sst') && !named.has(path)) await env.disk.remove(path);
  }
}
