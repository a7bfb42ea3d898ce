import type { ColumnVector } from '../../base/values/column.ts';
import type { Datum, PhysicalType } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { keyPseudoColumn, versionPseudoColumn } from './contract.ts';

/**
 * A run is one sorted source of versions: a tree in memory, or a section of an SSTable. A scan of it yields
 * batches in key order (last batch first where it is reversed; rows within a batch ascend all the same).
 */
export type RunScan = {
  /** A batch, null at the end, or a promise where pages are being fetched: await, then ask again. */
  next(): RunBatch | null | Promise<void>;
  close(): void;
};

/** Vectors are of `rowCount` rows. `keys` is null where the scan was told that it is the only one. */
export type RunBatch = {
  readonly rowCount: number;
  readonly columns: readonly ColumnVector[];
  /** Live rows that the reader sees, ascending; null: all. */
  readonly live: Uint32Array | null;
  readonly keys: RunKeys | null;
};

export type RunKeys = {
  /** The newest row that the reader sees of each key, deletions among them, ascending; null: all. */
  readonly rows: Uint32Array | null;
  /** Latin1 strings, which compare in byte order. */
  keyAt(row: number): string;
  /** The first row whose key is not below `key`, or the row count. */
  seek(key: string): number;
  isDeleted(row: number): boolean;
};

export type RunColumn = { readonly id: number; readonly type: PhysicalType; readonly missing: Datum };

type Columns = { readonly layout: TableLayout; readonly columns: readonly RunColumn[] };

/** By the array of ids: a prepared statement asks with the same one each time. */
const columnsOfIds = new WeakMap<readonly number[], Columns>();

/** What is read of a layout's columns. Pseudo columns are columns here. */
export function runColumns(layout: TableLayout, ids: readonly number[]): readonly RunColumn[] {
  const known = columnsOfIds.get(ids);
  if (known?.layout === layout) return known.columns;
  const columns = makeColumns(layout, ids);
  columnsOfIds.set(ids, { layout, columns });
  return columns;
}

function makeColumns(layout: TableLayout, ids: readonly number[]): RunColumn[] {
  return ids.map((id) => {
    if (id === keyPseudoColumn) return { id, type: { kind: 'bytes' }, missing: null };
    if (id === versionPseudoColumn) return { id, type: { kind: 'float8' }, missing: null };
    const column = layout.columns.find((each) => each.id === id);
    if (column === undefined) throw new Error(`table ${layout.table} has no column ${id}`);
    return column;
  });
}
