import type { ColumnId, IndexId, SchemaId, StorageId, TableId } from '../../base/ids.ts';
import type { Datum, PhysicalType } from '../../base/values/datum.ts';

/**
 * What the log and its folds know of a table: how its events are read, and how its rows and index entries are
 * keyed. The catalog's table object carries it as `layout`; SQL's view of the table (types, names, defaults)
 * stands beside it there.
 */
export type TableLayout = {
  readonly table: TableId;
  readonly storage: StorageId;
  /** The schema that new events are written with. */
  readonly schema: SchemaId;
  /** Live columns, in table order. A hidden row id is a column like any other. */
  readonly columns: readonly LayoutColumn[];
  /** Columns of the primary key, in key order; never empty. */
  readonly key: readonly KeyColumn[];
  /** Indexes that the fold keeps: every state but dropped. */
  readonly indexes: readonly IndexLayout[];
  /** How long closed versions are kept. */
  readonly historyMs: number;
  /** Columns that were dropped and that older rows of the storage read as another value than null. */
  readonly dropped?: readonly LayoutColumn[];
};

export type LayoutColumn = {
  readonly id: ColumnId;
  readonly type: PhysicalType;
  /** What a row that was written before the column was added reads. */
  readonly missing: Datum;
};

export type KeyColumn = {
  readonly column: ColumnId;
  readonly type: PhysicalType;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
};

/**
 * Online creation passes through these in order; two adjacent states at most exist at once. In delete-only a writer
 * deletes entries and makes none, in write-only it keeps them all, in backfill those of older rows are gathered, and
 * when it is public it may be read.
 */
export type IndexState = 'delete-only' | 'write-only' | 'backfill' | 'public';

export type IndexLayout = {
  readonly id: IndexId;
  /** Index columns; the entry's key is these and then the primary key. */
  readonly columns: readonly KeyColumn[];
  readonly unique: boolean;
  readonly nullsDistinct: boolean;
  readonly state: IndexState;
};

/** A schema of the registry: how a record's value (a row) and key are laid out in Avro. Fields in this order. */
export type EventSchema = {
  readonly id: SchemaId;
  readonly table: TableId;
  readonly storage: StorageId;
  /** Avro record name: `<schema>.<table>`. */
  readonly name: string;
  readonly fields: readonly EventField[];
  /** Columns of the record key, in key order. */
  readonly key: readonly ColumnId[];
};

/** Every field is nullable in Avro (`["null", T]`) unless `required`. */
export type EventField = {
  readonly column: ColumnId;
  readonly name: string;
  readonly type: PhysicalType;
  readonly required: boolean;
  /** SQL's name of the type, for readers of the registry: 'timestamptz', 'numeric(12,2)'. */
  readonly sqlType: string;
};
