import { batchRowsMax, type ColumnBatch, type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { SpillStore } from './contract.ts';
import type { MemoryShare } from './memory.ts';
import { MergeHeap } from './merge-heap.ts';
import type { Operator, Runtime } from './operator.ts';
import { datumOrder, indexOrder, type SortedShape } from './order.ts';
import { PacedRows } from './pacer.ts';
import { RowStore } from './row-store.ts';
import { BlockFile, BlockWriter, blockBytesOf, type StoredRows } from './spill/block-file.ts';
import { RunsMerge } from './spill/merge.ts';
import { gather, liveCount } from './vectors.ts';

/** Rows that are sorted in one go, while that takes some milliseconds; runs are merged while they are read. */
const runRowsFirst = 512;
const runRowsMax = 8192;
/** Rows of the first batch that is merged. */
const mergedRowsFirst = 256;

/** Runs that are merged at once: their blocks, read into memory, are half of a share where they can be. */
const mergedRunsMin = 4;
const mergedRunsMax = 32;
/** A block's rows take up to so many times its bytes. */
const blockExpansion = 3;

function mergedRuns(shareBytes: number): number {
  const affordable = Math.floor(shareBytes / 2 / (blockExpansion * blockBytesOf(shareBytes)));
  return Math.min(mergedRunsMax, Math.max(mergedRunsMin, affordable));
}

type SpilledRuns = { readonly file: BlockFile; readonly runs: StoredRows[] };

/**
 * Sorts rows, stably. They are kept in columns with their keys behind them; only their indexes are moved. With a limit
 * no more than a few times that many rows are held. What does not fit into memory is written to a temporary file as
 * sorted runs, which are merged as they are read (external merge sort: Knuth, TAOCP 3, 5.4).
 */
export class RowSorter {
  readonly #runtime: Runtime;
  readonly #share: MemoryShare;
  readonly #shape: SortedShape;
  /** Columns of the rows, and keys behind them. */
  readonly #storedWidth: number;
  readonly #limit: number;
  #store: RowStore;
  #runs: Uint32Array[] = [];
  #runStart = 0;
  readonly #runRows = new PacedRows(runRowsFirst, runRowsMax);
  readonly #mergedRows = new PacedRows(mergedRowsFirst, batchRowsMax);
  /** Once more rows than the limit have come: the first key of the last one of those to keep. */
  #worst: { readonly key: Datum } | null = null;
  #spilled: SpilledRuns | null = null;
  /** What the last pass over the runs wrote. */
  #passTarget: BlockFile | null = null;
  #output: Operator | null = null;

  /** `limit`: how many rows are wanted at most. */
  constructor(shape: SortedShape, limit: number, share: MemoryShare, runtime: Runtime) {
    this.#shape = shape;
    this.#storedWidth = Math.max(shape.width, ...shape.keysAt.map((at) => at + 1));
    this.#limit = limit;
    this.#share = share;
    this.#runtime = runtime;
    this.#store = new RowStore(this.#storedWidth);
  }

  /** `keys`: those that are no columns of the rows. A promise: await it before the next call; the rows have been taken. */
  append(batch: ColumnBatch, keys: readonly ColumnVector[]): Promise<void> | null {
    const rows = { ...batch, columns: [...batch.columns.slice(0, this.#shape.width), ...keys] };
    const wanted = this.#worst === null ? rows : this.#within(this.#worst, rows);
    if (wanted === null) return null;
    this.#store.append(wanted);
    if (this.#store.rowCount > this.#limit * 2 + batchRowsMax) return this.#trim();
    if (this.#store.rowCount - this.#runStart >= this.#runRows.count) this.#endRun();
    return this.#settle();
  }

  /** The rows in order, after the last `append`. A promise: await it and call again. */
  next(): ColumnBatch | null | Promise<void> {
    if (this.#output === null) {
      this.#endRun();
      if (this.#spilled !== null) return this.#mergeSpilled(this.#spilled);
      this.#output = iterated(this.#mergeAll(false), this.#runtime);
    }
    return this.#output.next();
  }

  /** Its share stays its owner's. */
  close(): void {
    this.#spilled?.file.close();
    this.#passTarget?.close();
    this.#output?.close();
    this.#runs = [];
    this.#store = new RowStore(0);
  }

  /** The rows whose first key does not come after that of the worst row that is wanted so far. */
  #within(worst: { readonly key: Datum }, batch: ColumnBatch): ColumnBatch | null {
    const order = datumOrder(this.#shape.directions[0]!);
    const key = batch.columns[this.#shape.keysAt[0]!]!;
    const count = liveCount(batch);
    const live = new Uint32Array(count);
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      if (order(datumAt(key, row), worst.key) <= 0) live[kept++] = row;
    }
    return kept === 0 ? null : { ...batch, selection: live.subarray(0, kept) };
  }

  #settle(): Promise<void> | null {
    const bytes = this.#store.bytes + this.#store.rowCount * 4;
    if (this.#share.tryHold(bytes)) return null;
    const { spill } = this.#runtime.memory;
    if (spill !== null) return this.#writeRun(spill);
    this.#share.require(bytes);
    return null;
  }

  /** Keeps the first rows alone: a limit makes the rest unwanted. */
  #trim(): Promise<void> | null {
    this.#endRun();
    return this.#keepFirst(iterated(this.#mergeAll(true), this.#runtime), new RowStore(this.#storedWidth));
  }

  #keepFirst(rows: Operator, kept: RowStore): Promise<void> | null {
    for (let batch = rows.next(); batch !== null; batch = rows.next()) {
      if (batch instanceof Promise) return batch.then(() => this.#keepFirst(rows, kept) ?? undefined);
      kept.append(batch);
    }
    this.#store = kept;
    this.#runs = [];
    this.#runStart = 0;
    this.#worst = { key: datumAt(kept.columns[this.#shape.keysAt[0]!]!, kept.rowCount - 1) };
    return this.#settle();
  }

  /** Rows that have come since the last run, in runs of as many as are good to sort at once. */
  #endRun(): void {
    const { rowCount } = this.#store;
    const order = this.#order();
    while (this.#runStart < rowCount) {
      const run = new Uint32Array(Math.min(rowCount - this.#runStart, this.#runRows.count));
      for (let at = 0; at < run.length; at++) run[at] = this.#runStart + at;
      const startMs = this.#runtime.context.sliceMs();
      this.#runs.push(run.sort(order));
      this.#runRows.learn(run.length, this.#runtime.context.sliceMs() - startMs);
      this.#runStart += run.length;
    }
  }

  #order(): (left: number, right: number) => number {
    const { keysAt, directions } = this.#shape;
    const keys = keysAt.map((at) => this.#store.columns[at]!);
    return indexOrder(keys, directions);
  }

  *#mergeAll(withKeys: boolean): Generator<ColumnBatch> {
    const columns = this.#store.columns.slice(0, withKeys ? undefined : this.#shape.width);
    const merge = new IndexMerge(this.#runs, this.#order());
    let left = Math.min(this.#limit, this.#store.rowCount);
    while (left > 0) {
      const startMs = this.#runtime.context.sliceMs();
      const indexes = merge.take(Math.min(left, this.#mergedRows.count));
      this.#mergedRows.learn(indexes.length, this.#runtime.context.sliceMs() - startMs);
      left -= indexes.length;
      yield gathered(columns, indexes);
    }
  }

  /** What is in memory, as a run of the temporary file. */
  async #writeRun(spill: SpillStore): Promise<void> {
    this.#endRun();
    this.#spilled ??= { file: new BlockFile(spill, this.#share, this.#runtime.memory.shareBytes), runs: [] };
    const { file, runs } = this.#spilled;
    runs.push(await this.#written(file, iterated(this.#mergeAll(true), this.#runtime)));
    this.#store = new RowStore(this.#storedWidth);
    this.#runs = [];
    this.#runStart = 0;
    this.#share.hold(0);
  }

  async #written(file: BlockFile, rows: Operator): Promise<StoredRows> {
    const writer = new BlockWriter(file, this.#storedWidth, blockBytesOf(this.#runtime.memory.shareBytes));
    for (;;) {
      const batch = rows.next();
      if (batch instanceof Promise) {
        await batch;
        continue;
      }
      if (batch === null) break;
      writer.append(batch);
      if (writer.isFull) await writer.flush();
    }
    await writer.flush();
    return writer;
  }

  /** Passes over the runs until so few are left that they are merged while they are read. */
  async #mergeSpilled(spilled: SpilledRuns): Promise<void> {
    const { spill, shareBytes } = this.#runtime.memory;
    if (this.#store.rowCount > 0) await this.#writeRun(spill!);
    const fanIn = mergedRuns(shareBytes);
    this.#share.hold(fanIn * blockExpansion * blockBytesOf(shareBytes));
    let { file, runs } = spilled;
    while (runs.length > fanIn) {
      const target = new BlockFile(spill!, this.#share, this.#runtime.memory.shareBytes);
      this.#passTarget = target;
      const longer: StoredRows[] = [];
      for (let from = 0; from < runs.length; from += fanIn) {
        longer.push(await this.#written(target, this.#merge(file, runs.slice(from, from + fanIn), true)));
      }
      file.close();
      file = target;
      runs = longer;
    }
    this.#output = this.#merge(file, runs, false);
  }

  #merge(file: BlockFile, runs: readonly StoredRows[], withKeys: boolean): RunsMerge {
    const shape = withKeys ? { ...this.#shape, width: this.#storedWidth } : this.#shape;
    return new RunsMerge(file, runs, shape, this.#limit, this.#runtime);
  }
}

/** Batches that are there already, in slices. */
function iterated(batches: Iterator<ColumnBatch>, runtime: Runtime): Operator {
  return {
    next() {
      const pause = runtime.pause();
      if (pause !== null) return pause;
      const step = batches.next();
      return step.done === true ? null : step.value;
    },
    close: () => undefined,
  };
}

function gathered(columns: readonly ColumnVector[], indexes: Uint32Array): ColumnBatch {
  const rows = columns.map((column) => gather(column, indexes, indexes.length, false));
  return { rowCount: indexes.length, columns: rows, selection: null };
}

/** Merges sorted runs of row indexes. */
class IndexMerge {
  readonly #runs: readonly Uint32Array[];
  readonly #places: Uint32Array;
  readonly #heap: MergeHeap;

  constructor(runs: readonly Uint32Array[], order: (left: number, right: number) => number) {
    this.#runs = runs;
    this.#places = new Uint32Array(runs.length);
    this.#heap = new MergeHeap(runs.length, (left, right) => order(this.#head(left), this.#head(right)));
  }

  /** The next rows; the caller knows that there are so many. */
  take(count: number): Uint32Array {
    if (this.#runs.length === 1) {
      const start = this.#places[0]!;
      this.#places[0] = start + count;
      return this.#runs[0]!.subarray(start, start + count);
    }
    const taken = new Uint32Array(count);
    for (let at = 0; at < count; at++) {
      const run = this.#heap.top!;
      taken[at] = this.#head(run);
      this.#places[run]!++;
      if (this.#places[run] === this.#runs[run]!.length) this.#heap.ended();
      else this.#heap.moved();
    }
    return taken;
  }

  #head(run: number): number {
    return this.#runs[run]![this.#places[run]!]!;
  }
}
