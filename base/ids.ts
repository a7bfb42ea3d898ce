/** Branded numbers. Each brand has one constructor, and the constructor checks. */
declare const brand: unique symbol;
type Brand<Name extends string> = number & { readonly [brand]: Name };

/** Position of one record in a range's log. */
export type Offset = Brand<'Offset'>;
/** Raft term = partition leader epoch of a batch. */
export type Epoch = Brand<'Epoch'>;
/** Hybrid logical clock: 42 bits of milliseconds since 2020-01-01T00:00Z, then 11 bits of counter. */
export type Timestamp = Brand<'Timestamp'>;
export type RangeId = Brand<'RangeId'>;
/** A machine of a cluster; 1 and above, never given twice. Kafka's broker id. */
export type NodeId = Brand<'NodeId'>;
/** Catalog object id; PostgreSQL's oid. User objects start at 16384. Never reused. */
export type TableId = Brand<'TableId'>;
/** Column id within a table (attnum); starts at 1, never reused. */
export type ColumnId = Brand<'ColumnId'>;
/** Index within a storage: 0 is the primary (the rows themselves), else the index's catalog oid. */
export type IndexId = Brand<'IndexId'>;
/** Where a table's rows lie; TRUNCATE and rewriting ALTERs start a new one. Never reused. */
export type StorageId = Brand<'StorageId'>;
/** Id of a schema in the registry; stands in each record's Confluent framing. */
export type SchemaId = Brand<'SchemaId'>;

function whole<Id extends number>(name: string, value: number): Id {
  if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`${name} out of range: ${value}`);
  return value as Id;
}

export const offset = (value: number): Offset => whole('offset', value);
export const epoch = (value: number): Epoch => whole('epoch', value);
export const timestamp = (value: number): Timestamp => whole('timestamp', value);
export const rangeId = (value: number): RangeId => whole('range id', value);
export const nodeId = (value: number): NodeId => whole('node id', value);
export const tableId = (value: number): TableId => whole('table id', value);
export const columnId = (value: number): ColumnId => whole('column id', value);
export const indexId = (value: number): IndexId => whole('index id', value);
export const storageId = (value: number): StorageId => whole('storage id', value);
export const schemaId = (value: number): SchemaId => whole('schema id', value);

/** A place in a range's log; `offset` is the first record not covered. */
export type Position = { readonly range: RangeId; readonly offset: Offset; readonly epoch: Epoch };
