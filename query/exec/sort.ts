import { batchRowsMax, type ColumnBatch, type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { SortKey } from '../plan/expression.ts';
import { BatchProjection } from './batch-expressions.ts';
import type { Operator, Runtime } from './operator.ts';
import { type Direction, datumOrder, indexOrder } from './order.ts';
import { gather, liveCount, RowStore } from './vectors.ts';

/** Rows that are sorted in one go, about 3 ms; larger inputs are merged from such runs while they are read. */
const runRows = 8192;

/**
 * ORDER BY: stable. Rows are kept in columns with their keys beside them; only their indexes are moved. With a
 * limit no more than a few times that many rows are held.
 */
export class SortOperator implements Operator {
  readonly #input: Operator;
  readonly #runtime: Runtime;
  readonly #keys: BatchProjection;
  readonly #directions: readonly Direction[];
  readonly #width: number;
  readonly #limit: number;
  #store: RowStore;
  #runs: Uint32Array[] = [];
  #runStart = 0;
  /** Once more rows than the limit have come: the first key of the last one of those to keep. */
  #worst: { readonly key: Datum } | null = null;
  #reserved = 0;
  #output: Iterator<ColumnBatch> | null = null;

  /** `limit`: how many rows are wanted at most. `width`: columns of the input. */
  constructor(input: Operator, keys: readonly SortKey[], width: number, limit: number, runtime: Runtime) {
    this.#input = input;
    this.#runtime = runtime;
    this.#keys = new BatchProjection(
      keys.map((key) => key.expression),
      runtime.environment,
    );
    this.#directions = keys.map(({ expression, descending, nullsFirst }) => ({
      type: expression.type.oid,
      descending,
      nullsFirst,
    }));
    this.#width = width;
    this.#limit = limit;
    this.#store = new RowStore(width + keys.length);
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#output === null) {
      for (;;) {
        const batch = this.#limit === 0 ? null : this.#input.next();
        if (batch instanceof Promise) return batch;
        if (batch === null) break;
        this.#consume(batch);
      }
      this.#endRun();
      this.#output = this.#mergeAll(false);
    }
    const pause = this.#runtime.pause();
    if (pause !== null) return pause;
    const step = this.#output.next();
    return step.done === true ? null : step.value;
  }

  close(): void {
    this.#input.close();
    this.#runtime.context.release(this.#reserved);
    this.#reserved = 0;
    this.#runs = [];
  }

  #consume(batch: ColumnBatch): void {
    const keys = this.#keys.apply(batch);
    const wanted = this.#worst === null ? batch : this.#within(this.#worst, batch, keys[0]!);
    if (wanted === null) return;
    this.#store.append({ ...wanted, columns: [...wanted.columns, ...keys] });
    this.#account();
    if (this.#store.rowCount > this.#limit * 2 + batchRowsMax) this.#trim();
    else if (this.#store.rowCount - this.#runStart >= runRows) this.#endRun();
  }

  /** The rows whose first key does not come after that of the worst row that is wanted so far. */
  #within(worst: { readonly key: Datum }, batch: ColumnBatch, key: ColumnVector): ColumnBatch | null {
    const order = datumOrder(this.#directions[0]!);
    const count = liveCount(batch);
    const live = new Uint32Array(count);
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      if (order(datumAt(key, row), worst.key) <= 0) live[kept++] = row;
    }
    return kept === 0 ? null : { ...batch, selection: live.subarray(0, kept) };
  }

  #account(): void {
    const bytes = this.#store.bytes + this.#store.rowCount * 4;
    if (bytes > this.#reserved) this.#runtime.context.reserve(bytes - this.#reserved);
    else this.#runtime.context.release(this.#reserved - bytes);
    this.#reserved = bytes;
  }

  /** Keeps the first rows alone: a limit makes the rest unwanted. */
  #trim(): void {
    this.#endRun();
    const kept = new RowStore(this.#width + this.#directions.length);
    for (const batch of this.#mergeAll(true)) kept.append(batch);
    this.#store = kept;
    this.#runs = [];
    this.#runStart = 0;
    this.#worst = { key: datumAt(kept.columns[this.#width]!, kept.rowCount - 1) };
    this.#account();
  }

  #endRun(): void {
    const { rowCount } = this.#store;
    if (rowCount === this.#runStart) return;
    const run = new Uint32Array(rowCount - this.#runStart);
    for (let at = 0; at < run.length; at++) run[at] = this.#runStart + at;
    this.#runs.push(run.sort(this.#order()));
    this.#runStart = rowCount;
  }

  #order(): (left: number, right: number) => number {
    return indexOrder(this.#store.columns.slice(this.#width), this.#directions);
  }

  *#mergeAll(withKeys: boolean): Generator<ColumnBatch> {
    const columns = this.#store.columns.slice(0, withKeys ? undefined : this.#width);
    const merge = new RunMerge(this.#runs, this.#order());
    let left = Math.min(this.#limit, this.#store.rowCount);
    while (left > 0) {
      const indexes = merge.take(Math.min(left, batchRowsMax));
      left -= indexes.length;
      yield gathered(columns, indexes);
    }
  }
}

function gathered(columns: readonly ColumnVector[], indexes: Uint32Array): ColumnBatch {
  const rows = columns.map((column) => gather(column, indexes, indexes.length, false));
  return { rowCount: indexes.length, columns: rows, selection: null };
}

/** Merges sorted runs of row indexes by a binary heap of their heads. */
class RunMerge {
  readonly #runs: readonly Uint32Array[];
  readonly #order: (left: number, right: number) => number;
  readonly #places: Uint32Array;
  readonly #heap: number[];

  constructor(runs: readonly Uint32Array[], order: (left: number, right: number) => number) {
    this.#runs = runs;
    this.#order = order;
    this.#places = new Uint32Array(runs.length);
    this.#heap = runs.map((_run, at) => at);
    for (let at = (runs.length >> 1) - 1; at >= 0; at--) this.#sink(at);
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
      const run = this.#heap[0]!;
      taken[at] = this.#head(run);
      this.#places[run]!++;
      if (this.#places[run] === this.#runs[run]!.length) {
        const last = this.#heap.pop()!;
        if (this.#heap.length > 0) this.#heap[0] = last;
      }
      this.#sink(0);
    }
    return taken;
  }

  #head(run: number): number {
    return this.#runs[run]![this.#places[run]!]!;
  }

  #sink(start: number): void {
    const heap = this.#heap;
    let at = start;
    for (;;) {
      const left = at * 2 + 1;
      if (left >= heap.length) return;
      const right = left + 1;
      const isRight =
        right < heap.length && this.#order(this.#head(heap[right]!), this.#head(heap[left]!)) < 0;
      const child = isRight ? right : left;
      if (this.#order(this.#head(heap[at]!), this.#head(heap[child]!)) <= 0) return;
      [heap[at], heap[child]] = [heap[child]!, heap[at]!];
      at = child;
    }
  }
}
