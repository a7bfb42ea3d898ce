import type { Offset, SchemaId, Timestamp } from '../../base/ids.ts';

/** create, update, delete, and read: a row that was there, written again. Debezium's letters. */
export type Operation = 'c' | 'u' | 'd' | 'r';

/**
 * One row change. In a record: key = primary key, value = the whole row or null, both Avro in the Confluent
 * framing (byte 0, schema id as int32 big-endian, body); headers `op` (1 byte), `ts` (8 bytes, big-endian HLC),
 * `tx` (8 bytes, big-endian transaction id), and for u and d, and r where it is known, `before` (the replaced
 * row, framed like a value).
 * The bodies here are without the framing, and are views into the batch.
 *
 * In a transactional batch (a commit larger than one batch) `timestamp` is 0: the commit marker's holds.
 */
export type RowEvent = {
  readonly offset: Offset;
  readonly operation: Operation;
  readonly timestamp: Timestamp;
  readonly transaction: number;
  /** Of `key` and `row`. */
  readonly schema: SchemaId;
  readonly key: Uint8Array;
  readonly row: Uint8Array | null;
  readonly before: { readonly schema: SchemaId; readonly row: Uint8Array } | null;
};
