import { compareBytes } from '../../../base/bytes/compare.ts';
import type { ColumnBatch, ColumnVector } from '../../../base/values/column.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { TableLayout } from '../../../log/events/layout.ts';
import {
  type FoundRow,
  type KeyRange,
  keyPseudoColumn,
  type RowReader,
  type Scan,
  type ScanRequest,
} from '../../../materializers/rows/contract.ts';
import { indexKeyOf, primaryKeyOf, type RowKey } from '../../../materializers/rows/key.ts';

type Row = readonly Datum[];
type Entry = { readonly key: Uint8Array; readonly row: Row };

/**
 * Rows of tables in memory, read as a store would: by key ranges and indexes, in batches of mixed vector kinds.
 * `waits`: every so many answers is a promise first, as where a page must be fetched.
 */
export class MemoryReader implements RowReader {
  readonly tables = new Map<number, Row[]>();
  readonly #batchRows: number;
  readonly #waits: number;
  #calls = 0;

  constructor(options: { readonly batchRows?: number; readonly waits?: number } = {}) {
    this.#batchRows = options.batchRows ?? 3;
    this.#waits = options.waits ?? 0;
  }

  #isWaiting(): boolean {
    return this.#waits > 0 && ++this.#calls % this.#waits === 0;
  }

  rowsOf(layout: TableLayout): Row[] {
    let rows = this.tables.get(layout.storage);
    if (rows === undefined) {
      rows = [];
      this.tables.set(layout.storage, rows);
    }
    return rows;
  }

  scan(request: ScanRequest): Scan {
    const entries = this.#entries(request.layout, request.index)
      .filter(({ key }) => request.ranges.some((range) => isWithin(key, range)))
      .sort((a, b) => compareBytes(a.key, b.key));
    if (request.reverse) entries.reverse();
    let at = 0;
    return {
      next: () => {
        if (this.#isWaiting()) return Promise.resolve();
        if (at >= entries.length) return null;
        const taken = entries.slice(at, at + this.#batchRows);
        at += taken.length;
        return this.#batch(request.layout, taken, request.columns);
      },
      close: () => undefined,
    };
  }

  get(
    layout: TableLayout,
    key: Uint8Array,
    _view: unknown,
    columns: readonly number[],
  ): FoundRow | null | Promise<FoundRow | null> {
    const found = this.#entries(layout, 0).find((entry) => compareBytes(entry.key, key) === 0);
    const answer =
      found === undefined
        ? null
        : { values: columns.map((column) => storedValue(layout, found, column)), version: 1 };
    return this.#isWaiting() ? Promise.resolve(answer) : answer;
  }

  isTouched(): boolean {
    return false;
  }

  has(layout: TableLayout, { bytes }: RowKey): boolean {
    return this.#entries(layout, 0).some((entry) => compareBytes(entry.key, bytes) === 0);
  }

  estimate(storage: number): { readonly rows: number; readonly bytes: number } {
    const rows = this.tables.get(storage)?.length ?? 0;
    return { rows, bytes: rows * 50 };
  }

  estimateRange(layout: TableLayout, index: number, ranges: readonly KeyRange[]): number {
    return this.#entries(layout, index).filter(({ key }) => ranges.some((range) => isWithin(key, range)))
      .length;
  }

  #entries(layout: TableLayout, index: number): Entry[] {
    const definition = layout.indexes.find(({ id }) => id === index);
    return this.rowsOf(layout).map((row) => ({
      key: definition === undefined ? primaryKeyOf(layout, row) : indexKeyOf(layout, definition, row),
      row,
    }));
  }

  /** Some vectors are typed, some plain, as pages of a store are. */
  #batch(layout: TableLayout, entries: readonly Entry[], columns: readonly number[]): ColumnBatch {
    const vectors = columns.map((column) =>
      vectorOf(
        entries.map((entry) => storedValue(layout, entry, column)),
        entries.length % 2 === 1,
      ),
    );
    return { rowCount: entries.length, columns: vectors, selection: null };
  }
}

function isWithin(key: Uint8Array, { from, to }: KeyRange): boolean {
  return (from === null || compareBytes(key, from) >= 0) && (to === null || compareBytes(key, to) < 0);
}

function storedValue(layout: TableLayout, { row }: Entry, column: number): Datum {
  if (column === keyPseudoColumn) return primaryKeyOf(layout, row);
  if (column < 0) return 1;
  return row[layout.columns.findIndex(({ id }) => id === column)] ?? null;
}

function vectorOf(values: readonly Datum[], isTyped: boolean): ColumnVector {
  const nulls = values.includes(null) ? Uint8Array.from(values, (value) => (value === null ? 1 : 0)) : null;
  const present = values.filter((value) => value !== null);
  if (isTyped && present.every((value) => typeof value === 'number')) {
    return { kind: 'float64', values: Float64Array.from(values, Number), nulls };
  }
  if (isTyped && present.every((value) => typeof value === 'boolean')) {
    return { kind: 'bool', values: Uint8Array.from(values, Number), nulls };
  }
  if (isTyped && present.every((value) => typeof value === 'string')) {
    const dictionary = [...new Set(present as string[])];
    const codes = Uint16Array.from(values, (value) =>
      value === null ? 0 : dictionary.indexOf(value as string),
    );
    return { kind: 'dictionary', codes, dictionary, nulls };
  }
  return { kind: 'datum', values, nulls: null };
}
