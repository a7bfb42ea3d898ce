import { type ColumnBatch, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { IndexLayout } from '../../log/events/layout.ts';
import { type FoundRow, keyPseudoColumn, type Scan } from './contract.ts';
import { primaryKeyOfEntry } from './key.ts';
import type { RunColumn } from './run.ts';
import { vectorOf } from './vector.ts';

/** Rows that are looked up at once. */
const lookupsMax = 1024;

type Lookup = (primaryKey: Uint8Array) => FoundRow | null | Promise<FoundRow | null>;

/** Rows in the order of an index: its entries, and each entry's row looked up by its primary key, many at once. */
export class IndexScan implements Scan {
  readonly #entries: Scan;
  readonly #index: IndexLayout;
  readonly #columns: readonly RunColumn[];
  readonly #lookup: Lookup;
  readonly #chunkRows: number;
  #keys: Uint8Array[] = [];
  #taken = 0;
  #found: (FoundRow | null)[] | null = null;

  /** `entries` delivers the entries' keys as its only column. */
  constructor(
    entries: Scan,
    index: IndexLayout,
    columns: readonly RunColumn[],
    lookup: Lookup,
    rowsWanted: number | null,
  ) {
    this.#entries = entries;
    this.#index = index;
    this.#columns = columns;
    this.#lookup = lookup;
    this.#chunkRows = Math.max(1, Math.min(rowsWanted ?? lookupsMax, lookupsMax));
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      if (this.#found !== null) {
        const batch = this.#batch(this.#found);
        this.#found = null;
        if (batch !== null) return batch;
      }
      if (this.#taken === this.#keys.length) {
        const batch = this.#entries.next();
        if (batch === null || batch instanceof Promise) return batch;
        this.#keys = primaryKeys(this.#index, batch);
        this.#taken = 0;
        continue;
      }
      const start = this.#taken;
      this.#taken = Math.min(this.#keys.length, start + this.#chunkRows);
      const fetching = this.#lookUp(this.#keys.slice(start, this.#taken));
      if (fetching !== null) return fetching;
    }
  }

  close(): void {
    this.#entries.close();
  }

  #lookUp(keys: readonly Uint8Array[]): Promise<void> | null {
    if (this.#columns.every(({ id }) => id === keyPseudoColumn)) {
      this.#found = keys.map((key) => ({ values: this.#columns.map(() => key), version: 0 }));
      return null;
    }
    const rows = keys.map(this.#lookup);
    if (rows.some((row) => row instanceof Promise)) {
      return Promise.all(rows).then((found) => {
        this.#found = found;
      });
    }
    this.#found = rows as (FoundRow | null)[];
    return null;
  }

  #batch(found: readonly (FoundRow | null)[]): ColumnBatch | null {
    const rows = found.filter((row) => row !== null);
    if (rows.length === 0) return null;
    const columns = this.#columns.map(({ type }, place) =>
      vectorOf(
        type,
        rows.map((row) => row.values[place]!),
      ),
    );
    return { rowCount: rows.length, columns, selection: null };
  }
}

function primaryKeys(index: IndexLayout, { rowCount, columns, selection }: ColumnBatch): Uint8Array[] {
  const keys: Uint8Array[] = [];
  const count = selection === null ? rowCount : selection.length;
  for (let place = 0; place < count; place++) {
    const entry: Datum = datumAt(columns[0]!, selection === null ? place : selection[place]!);
    keys.push(primaryKeyOfEntry(index, entry as Uint8Array));
  }
  return keys;
}

/** Of a scan that has no run: no row. */
export const emptyScan: Scan = { next: () => null, close: () => {} };
