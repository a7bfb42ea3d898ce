import { invariant } from '../../base/unreachable.ts';
import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import type { Scan } from './contract.ts';
import type { RunBatch, RunColumn, RunKeys, RunScan } from './run.ts';
import { gatherPieces } from './vector.ts';

/** Slices of at least this many rows go out as they are, with a selection; shorter ones are gathered. */
const sliceRowsMin = 256;

/** Rows of one batch in the order in which they go out; null: all. */
type Slice = { readonly batch: RunBatch; readonly rows: Uint32Array | null; readonly count: number };

/**
 * One run's place. `position` counts rows of the batch that are behind, in the direction of the scan; `key` is
 * that of the next row, once somebody asked.
 */
type Input = {
  readonly scan: RunScan;
  batch: RunBatch | null;
  position: number;
  count: number;
  key: string | null;
  isDone: boolean;
};

/**
 * Merges runs, newest first: of a key that several runs have, the newest run's row is the one. Where one run has
 * the next rows for itself, they go out in one slice, so runs that do not interleave cost a comparison a batch.
 */
export class MergeScan implements Scan {
  readonly #inputs: readonly Input[];
  readonly #columns: readonly RunColumn[];
  readonly #reverse: boolean;
  readonly #rowsWanted: number;
  #slices: Slice[] = [];
  #sliceRows = 0;

  constructor(
    scans: readonly RunScan[],
    columns: readonly RunColumn[],
    reverse: boolean,
    rowsWanted: number | null,
  ) {
    this.#inputs = scans.map((scan) => ({
      scan,
      batch: null,
      position: 0,
      count: 0,
      key: null,
      isDone: false,
    }));
    this.#columns = columns;
    this.#reverse = reverse;
    this.#rowsWanted = Math.max(1, Math.min(rowsWanted ?? batchRowsMax, batchRowsMax));
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      const filling = this.#fill();
      if (filling !== null) return filling;
      const leader = this.#leader();
      if (leader === 'ties') continue;
      if (leader === null) return this.#sliceRows > 0 ? this.#gather() : null;
      const slice = this.#take(leader);
      if (slice.count === 0) continue;
      const passes = slice.count >= sliceRowsMin && !this.#reverse;
      if (passes && this.#sliceRows === 0) return passed(slice);
      const gathered = passes ? this.#gather() : null;
      this.#slices.push(slice);
      this.#sliceRows += slice.count;
      if (gathered !== null) return gathered;
      if (this.#sliceRows >= this.#rowsWanted) return this.#gather();
    }
  }

  close(): void {
    for (const input of this.#inputs) {
      input.isDone = true;
      input.scan.close();
    }
    this.#slices = [];
    this.#sliceRows = 0;
  }

  #fill(): Promise<void> | null {
    for (const input of this.#inputs) {
      while (!input.isDone && input.position === input.count) {
        const pulled = input.scan.next();
        if (pulled instanceof Promise) return pulled;
        input.batch = pulled;
        input.isDone = pulled === null;
        input.position = 0;
        input.key = null;
        input.count = pulled === null ? 0 : (keysOf(pulled).rows?.length ?? pulled.rowCount);
      }
    }
    return null;
  }

  /** The run with the next key. 'ties': older runs had the key of a newer one, and passed over it. */
  #leader(): Input | null | 'ties' {
    let leader: Input | null = null;
    let isTied = false;
    for (const input of this.#inputs) {
      if (input.isDone) continue;
      const key = this.#keyOf(input);
      if (leader === null) {
        leader = input;
      } else if (key === leader.key) {
        input.position++;
        input.key = null;
        isTied = true;
      } else if (this.#reverse ? key > leader.key! : key < leader.key!) {
        leader = input;
      }
    }
    return isTied ? 'ties' : leader;
  }

  #keyOf(input: Input): string {
    if (input.key === null) {
      const keys = keysOf(input.batch!);
      const place = this.#reverse ? input.count - 1 - input.position : input.position;
      input.key = keys.keyAt(keys.rows === null ? place : keys.rows[place]!);
    }
    return input.key;
  }

  /** The leader's rows before every other run's next key. */
  #take(leader: Input): Slice {
    let bound: string | null = null;
    for (const input of this.#inputs) {
      if (input === leader || input.isDone) continue;
      const key = this.#keyOf(input);
      if (bound === null || (this.#reverse ? key > bound : key < bound)) bound = key;
    }
    const start = leader.position;
    const end = bound === null ? leader.count : this.#positionOf(leader, bound);
    invariant(end > start, 'the leading run has a row before the others');
    leader.position = end;
    leader.key = null;
    return this.#slice(leader.batch!, start, end, leader.count);
  }

  /** How many of the batch's rows come before `bound` in the direction of the scan. */
  #positionOf(input: Input, bound: string): number {
    const keys = keysOf(input.batch!);
    const row = keys.seek(this.#reverse ? `${bound}\0` : bound);
    const place = keys.rows === null ? row : lowerBound(keys.rows, row);
    return this.#reverse ? input.count - place : place;
  }

  #slice(batch: RunBatch, start: number, end: number, count: number): Slice {
    if (start === 0 && end === count && !this.#reverse) {
      return { batch, rows: batch.live, count: batch.live?.length ?? batch.rowCount };
    }
    if (batch.live?.length === 0) return { batch, rows: batch.live, count: 0 };
    const keys = keysOf(batch);
    const rows = new Uint32Array(end - start);
    let length = 0;
    for (let position = start; position < end; position++) {
      const place = this.#reverse ? count - 1 - position : position;
      const row = keys.rows === null ? place : keys.rows[place]!;
      if (keys.rows === null || !keys.isDeleted(row)) rows[length++] = row;
    }
    return { batch, rows: rows.subarray(0, length), count: length };
  }

  #gather(): ColumnBatch {
    const slices = this.#slices;
    const rowCount = this.#sliceRows;
    this.#slices = [];
    this.#sliceRows = 0;
    if (slices.length === 1 && !this.#reverse) return passed(slices[0]!);
    const rowsOf = slices.map(
      ({ batch, rows }) => rows ?? Uint32Array.from({ length: batch.rowCount }, (_, row) => row),
    );
    const columns = this.#columns.map(({ type }, column) =>
      gatherPieces(
        type,
        slices.map(({ batch }, index) => ({ vector: batch.columns[column]!, rows: rowsOf[index]! })),
        rowCount,
      ),
    );
    return { rowCount, columns, selection: null };
  }
}

function passed({ batch, rows }: Slice): ColumnBatch {
  return { rowCount: batch.rowCount, columns: batch.columns, selection: rows };
}

function keysOf(batch: RunBatch): RunKeys {
  invariant(batch.keys !== null, 'runs that are merged deliver their keys');
  return batch.keys;
}

function lowerBound(rows: Uint32Array, row: number): number {
  let low = 0;
  let high = rows.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (rows[middle]! < row) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** The only run there is: its batches as they come. Reversed, each is turned. */
export class SingleScan implements Scan {
  readonly #scan: RunScan;
  readonly #columns: readonly RunColumn[];
  readonly #reverse: boolean;

  constructor(scan: RunScan, columns: readonly RunColumn[], reverse: boolean) {
    this.#scan = scan;
    this.#columns = columns;
    this.#reverse = reverse;
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      const batch = this.#scan.next();
      if (batch === null || batch instanceof Promise) return batch;
      const { rowCount, columns, live } = batch;
      if (live?.length === 0) continue;
      return this.#reverse ? this.#turned(batch) : { rowCount, columns, selection: live };
    }
  }

  close(): void {
    this.#scan.close();
  }

  #turned({ rowCount, columns, live }: RunBatch): ColumnBatch {
    const rows = live === null ? Uint32Array.from({ length: rowCount }, (_, row) => row) : live.slice();
    rows.reverse();
    const turned = this.#columns.map(({ type }, column) =>
      gatherPieces(type, [{ vector: columns[column]!, rows }], rows.length),
    );
    return { rowCount: rows.length, columns: turned, selection: null };
  }
}

/** One scan after the other: the ranges of a request. */
export class ChainScan implements Scan {
  readonly #open: (index: number) => Scan | null;
  #index = 0;
  #current: Scan | null;

  constructor(open: (index: number) => Scan | null) {
    this.#open = open;
    this.#current = open(0);
  }

  next(): ColumnBatch | null | Promise<void> {
    while (this.#current !== null) {
      const batch = this.#current.next();
      if (batch !== null) return batch;
      this.#current.close();
      this.#current = this.#open(++this.#index);
    }
    return null;
  }

  close(): void {
    this.#current?.close();
    this.#current = null;
  }
}
