import type { ColumnId, IndexId, Offset, StorageId, Timestamp } from '../../base/ids.ts';
import type { ColumnBatch } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import type { RowKey } from './key.ts';

/**
 * What a reader sees: every version with timestamp <= `at`, and on top of it the pending rows of its own
 * transaction that were written by commands before `command`.
 */
export type ReadView = {
  readonly at: Timestamp;
  readonly pending: { readonly rows: PendingRows; readonly command: number } | null;
};

/** A transaction's own writes: rows and index entries, sorted as the store sorts them. `overlay.ts` has it. */
export type PendingRows = { readonly kind: 'pending-rows' };

/** Bytes of order-preserving keys: `from` inclusive, `to` exclusive; null is open. */
export type KeyRange = { readonly from: Uint8Array | null; readonly to: Uint8Array | null };

/** Prunes row groups by their minimum and maximum; rows that do not match may still come. */
export type ZonePredicate = {
  readonly column: ColumnId;
  readonly operator: '=' | '<' | '<=' | '>' | '>=' | 'is null' | 'is not null';
  /** Null only with the two null tests. */
  readonly value: Datum;
};

/** Pseudo columns that a scan can be asked for beside the table's own. */
export const keyPseudoColumn = -1;
/** The row's version: its timestamp as float64; for a pending row, the negated number of its command. */
export const versionPseudoColumn = -2;

export type ScanRequest = {
  readonly layout: TableLayout;
  /** 0 = the rows in key order, else an index: rows come in the index's order. */
  readonly index: IndexId;
  /** Disjoint, ascending; scanned in that order, or the opposite with `reverse`. */
  readonly ranges: readonly KeyRange[];
  readonly reverse: boolean;
  readonly view: ReadView;
  /** Columns of the batches, in this order; ids of the table's columns, or pseudo columns. */
  readonly columns: readonly number[];
  readonly zones: readonly ZonePredicate[];
  /** About how many rows will be taken; the store reads no further ahead. */
  readonly rowsWanted: number | null;
};

/**
 * Pull: a batch, `null` at the end, or a promise: pages are being fetched (already asked for); await it, call
 * again. Batches are valid for ever (immutable).
 */
export type Scan = {
  next(): ColumnBatch | null | Promise<void>;
  close(): void;
};

export type FoundRow = {
  /** In the order of the columns asked for. */
  readonly values: readonly Datum[];
  /** As the version pseudo column. */
  readonly version: number;
};

/** Read side of the rows fold. Throws snapshot_too_old below the horizon, data_corrupted on a bad page. */
export type RowReader = {
  scan(request: ScanRequest): Scan;
  /** One row by its whole primary key; a promise where a page must be fetched. */
  get(
    layout: TableLayout,
    key: Uint8Array,
    view: ReadView,
    columns: readonly number[],
  ): FoundRow | null | Promise<FoundRow | null>;
  /** Whether a row has this primary key. Cheaper than `get`. */
  has(layout: TableLayout, key: RowKey, view: ReadView): boolean | Promise<boolean>;
  /** Whether pending rows of the view have this row, or its deletion. */
  isTouched(layout: TableLayout, key: RowKey, view: ReadView): boolean | Promise<boolean>;
  /** Row count and bytes of a storage, estimated from file metadata and memtables: for the planner. */
  estimate(storage: StorageId): { readonly rows: number; readonly bytes: number };
  /** About how many rows of an index lie in these ranges. */
  estimateRange(layout: TableLayout, index: IndexId, ranges: readonly KeyRange[]): number;
};

/** Where the fold stands. */
export type Applied = { readonly offset: Offset; readonly timestamp: Timestamp };
