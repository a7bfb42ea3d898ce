import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import type { Runtime } from './operator.ts';
import { liveCount, sliceBatch } from './vectors.ts';

/** What is done with one batch should take between these, of the five milliseconds of a slice. */
const workMsMin = 1;
const workMsWanted = 2;
const workMsMax = 4;

/** An expression may take a nanosecond a row or ten milliseconds: the first batch is a small one. */
const firstRows = 128;
const rowsMin = 8;

/** How many rows are good to work on at once, learnt from how long some of them took. */
export class PacedRows {
  readonly #max: number;
  count: number;

  constructor(first: number, max: number) {
    this.count = Math.min(first, max);
    this.#max = max;
  }

  /** So many rows took so long. A negative time is that of another slice: nothing is known. */
  learn(rows: number, workMs: number): void {
    if (workMs > workMsMax) this.count = Math.max(rowsMin, Math.floor((rows * workMsWanted) / workMs));
    else if (workMs >= 0 && workMs < workMsMin) this.count = Math.min(this.#max, this.count * 4);
  }
}

/**
 * Cuts the batches of a source by how long the work on those before took, until the next was asked for. So whatever
 * the plan does with its rows, it comes back to the source, which yields, after some milliseconds.
 */
export class Pacer {
  readonly #runtime: Runtime;
  readonly #rows = new PacedRows(firstRows, batchRowsMax);
  #given = 0;
  #batch: ColumnBatch | null = null;
  #at = 0;
  /** When the last batch was given, in milliseconds of the slice; null: before, or after a pause. */
  #givenMs: number | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
  }

  /** Before each pull: a promise where the slice is over. */
  pause(): Promise<void> | null {
    if (this.#givenMs !== null)
      this.#rows.learn(this.#given, this.#runtime.context.sliceMs() - this.#givenMs);
    this.#givenMs = null;
    return this.#runtime.pause();
  }

  /** What is left of the batch that was put in last, as much as is good now; null: put another in. */
  take(): ColumnBatch | null {
    const batch = this.#batch;
    if (batch === null) return null;
    const count = liveCount(batch);
    const end = Math.min(count, this.#at + this.#rows.count);
    const taken = sliceBatch(batch, this.#at, end);
    this.#given = end - this.#at;
    this.#at = end;
    if (end === count) this.#batch = null;
    this.#givenMs = this.#runtime.context.sliceMs();
    return taken;
  }

  put(batch: ColumnBatch): void {
    this.#batch = batch;
    this.#at = 0;
  }
}
