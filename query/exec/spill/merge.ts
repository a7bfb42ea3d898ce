import { batchRowsMax, type ColumnBatch, type ColumnVector } from '../../../base/values/column.ts';
import { MergeHeap } from '../merge-heap.ts';
import type { Operator, Runtime } from '../operator.ts';
import { placeOrder, type SortedShape } from '../order.ts';
import { gatherFrom } from '../vectors.ts';
import type { BlockFile, StoredRows } from './block-file.ts';

/** One run, and the block of it that is being read. */
class RunCursor {
  readonly #file: BlockFile;
  readonly #run: StoredRows;
  #next = 0;
  batch: ColumnBatch = { rowCount: 0, columns: [], selection: null };
  row = 0;

  constructor(file: BlockFile, run: StoredRows) {
    this.#file = file;
    this.#run = run;
  }

  get isEnded(): boolean {
    return this.#next === this.#run.blocks.length;
  }

  async load(): Promise<void> {
    this.batch = await this.#file.read(this.#run.blocks[this.#next++]!);
    this.row = 0;
  }
}

/**
 * Merges sorted runs of one file; rows with equal keys come in the order
 * of their runs. The output has the first `width` columns.
 */
export class RunsMerge implements Operator {
  readonly #cursors: readonly RunCursor[];
  readonly #shape: SortedShape;
  readonly #runtime: Runtime;
  #heap: MergeHeap | null = null;
  /** Rows of the next batch: which block, and which row of it. */
  #batches: ColumnBatch[] = [];
  #batchOf = new Map<ColumnBatch, number>();
  #sources = new Uint32Array(batchRowsMax);
  #rows = new Uint32Array(batchRowsMax);
  #count = 0;
  #left: number;

  constructor(
    file: BlockFile,
    runs: readonly StoredRows[],
    shape: SortedShape,
    rowsMax: number,
    runtime: Runtime,
  ) {
    this.#cursors = runs.filter((run) => run.rowCount > 0).map((run) => new RunCursor(file, run));
    this.#shape = shape;
    this.#left = rowsMax;
    this.#runtime = runtime;
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#heap === null) return this.#start();
    const pause = this.#count === 0 ? this.#runtime.pause() : null;
    if (pause !== null) return pause;
    while (this.#count < batchRowsMax && this.#left > 0) {
      const source = this.#heap.top;
      if (source === undefined) break;
      const cursor = this.#cursors[source]!;
      this.#take(cursor);
      if (++cursor.row < cursor.batch.rowCount) this.#heap.moved();
      else if (cursor.isEnded) this.#heap.ended();
      else return this.#refill(cursor, this.#heap);
    }
    return this.#count === 0 ? null : this.#gathered();
  }

  close(): void {
    this.#left = 0;
    this.#count = 0;
    this.#batches = [];
  }

  async #start(): Promise<void> {
    for (const cursor of this.#cursors) await cursor.load();
    this.#heap = new MergeHeap(this.#cursors.length, this.#order());
  }

  async #refill(cursor: RunCursor, heap: MergeHeap): Promise<void> {
    await cursor.load();
    heap.moved();
  }

  #order(): (left: number, right: number) => number {
    const cursors = this.#cursors;
    const { keysAt } = this.#shape;
    const orders = this.#shape.directions.map(placeOrder);
    return (left, right) => {
      const a = cursors[left]!;
      const b = cursors[right]!;
      for (let key = 0; key < orders.length; key++) {
        const column = keysAt[key]!;
        const order = orders[key]!(a.batch.columns[column]!, a.row, b.batch.columns[column]!, b.row);
        if (order !== 0) return order;
      }
      return left - right;
    };
  }

  #take(cursor: RunCursor): void {
    let source = this.#batchOf.get(cursor.batch);
    if (source === undefined) {
      source = this.#batches.push(cursor.batch) - 1;
      this.#batchOf.set(cursor.batch, source);
    }
    this.#sources[this.#count] = source;
    this.#rows[this.#count++] = cursor.row;
    this.#left--;
  }

  #gathered(): ColumnBatch {
    const rowCount = this.#count;
    const columns: ColumnVector[] = [];
    for (let column = 0; column < this.#shape.width; column++) {
      const vectors = this.#batches.map((batch) => batch.columns[column]!);
      columns.push(gatherFrom(vectors, this.#sources, this.#rows, rowCount));
    }
    this.#count = 0;
    this.#batches = [];
    this.#batchOf = new Map();
    return { rowCount, columns, selection: null };
  }
}
