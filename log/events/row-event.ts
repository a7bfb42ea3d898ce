import { ByteReader } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { type Offset, type SchemaId, schemaId, type Timestamp, timestamp } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { BatchBuilder } from '../record/batch-builder.ts';
import { verifyBatch } from '../record/header.ts';
import type { BatchHeader } from '../record/record.ts';
import { RecordReader } from '../record/record-reader.ts';
import { malformed } from './cursor.ts';
import type { Operation, RowEvent } from './event.ts';
import type { EventSchema } from './layout.ts';
import { rowCodec } from './row.ts';

/** One row change, about to be written. Rows stand in the order of the schema's fields. */
export type NewEvent = {
  readonly operation: Operation;
  /** 0 within a transactional batch: the commit marker's holds. */
  readonly timestamp: Timestamp;
  readonly transaction: number;
  readonly schema: EventSchema;
  /** Null exactly for a delete. */
  readonly row: readonly Datum[] | null;
  /** The replaced row: not null for u and d, null for c; r has it where the log has the row already. */
  readonly before: readonly Datum[] | null;
};

/**
 * Schema ids of keys in the Confluent framing are those of the rows plus this, so that the registry can answer
 * for both by the id alone.
 */
export const keySchemaIdOffset = 0x4000_0000;

const framingBytes = 5;
const keyWriter = new ByteWriter(256);
const rowWriter = new ByteWriter(1024);
const headersWriter = new ByteWriter(1024);

/** Headers up to the operation: three or four of them, `op`. */
const opKey = [4, 0x6f, 0x70, 2] as const;
const tsKey = [4, 0x74, 0x73, 16] as const;
const txKey = [4, 0x74, 0x78, 16] as const;
const beforeKey = [12, 0x62, 0x65, 0x66, 0x6f, 0x72, 0x65] as const;

const operationCodes: Readonly<Record<Operation, number>> = { c: 0x63, u: 0x75, d: 0x64, r: 0x72 };
const headerCounts: Readonly<Record<Operation, readonly number[]>> = { c: [3], u: [4], d: [4], r: [3, 4] };
const operations: Readonly<Record<number, Operation>> = { 99: 'c', 117: 'u', 100: 'd', 114: 'r' };

/** Adds the record of a row change to a batch. */
export function appendEvent(builder: BatchBuilder, event: NewEvent): void {
  const codec = rowCodec(event.schema);
  const keyed = event.row ?? event.before;
  if (keyed === null) throw malformed('an event without a row');
  frame(keyWriter, event.schema.id + keySchemaIdOffset);
  codec.encodeKey(keyed, keyWriter);
  if (event.row !== null) {
    frame(rowWriter, event.schema.id);
    codec.encode(event.row, rowWriter);
  }
  writeHeaders(event);
  builder.add(keyWriter.view(), event.row === null ? null : rowWriter.view(), headersWriter.view());
}

function frame(writer: ByteWriter, id: number): void {
  writer.clear();
  writer.uint8(0);
  writer.int32(id);
}

const beforeWriter = new ByteWriter(1024);

function writeHeaders(event: NewEvent): void {
  const writer = headersWriter;
  writer.clear();
  writer.varint(event.before === null ? 3 : 4);
  writeAll(opKey);
  writer.uint8(operationCodes[event.operation]);
  writeAll(tsKey);
  writer.int64(event.timestamp);
  writeAll(txKey);
  writer.int64(event.transaction);
  if (event.before === null) return;
  frame(beforeWriter, event.schema.id);
  rowCodec(event.schema).encode(event.before, beforeWriter);
  writeAll(beforeKey);
  writer.varint(beforeWriter.length);
  writer.raw(beforeWriter.view());
}

function writeAll(bytes: readonly number[]): void {
  for (const byte of bytes) headersWriter.uint8(byte);
}

/**
 * The row changes of a data batch, in order. The headers stand exactly as `appendEvent` writes them: anything else is
 * not an event, and throws XX001.
 */
export function* readEvents(batch: Uint8Array, header: BatchHeader = verifyBatch(batch)): Iterable<RowEvent> {
  const records = new RecordReader(batch, header);
  while (records.next()) {
    const key = records.key;
    if (key === null) throw malformed(`record ${records.offset} has no key`);
    yield readEvent(records.offset, key, records.value, records.headers);
  }
}

function readEvent(offset: Offset, key: Uint8Array, value: Uint8Array | null, headers: Uint8Array): RowEvent {
  const reader = new ByteReader(headers);
  const count = reader.varint();
  expectKey(reader, opKey);
  const operation = operations[reader.uint8()];
  if (operation === undefined || !headerCounts[operation].includes(count)) {
    throw malformed(`record ${offset} has ${count} headers that are no event's`);
  }
  expectKey(reader, tsKey);
  const at = reader.int64();
  expectKey(reader, txKey);
  const transaction = reader.int64();
  if (typeof at === 'bigint' || typeof transaction === 'bigint')
    throw malformed(`record ${offset}: ts or tx`);
  let before: RowEvent['before'] = null;
  if (count === 4) {
    expectKey(reader, beforeKey);
    const framed = reader.raw(reader.varint());
    before = { schema: framedSchema(framed), row: framed.subarray(framingBytes) };
  }
  const schema = schemaId(framedSchema(key) - keySchemaIdOffset);
  if ((value === null) !== (operation === 'd') || (value !== null && framedSchema(value) !== schema)) {
    throw malformed(`record ${offset}: key and value disagree`);
  }
  return {
    offset,
    operation,
    timestamp: timestamp(at),
    transaction,
    schema,
    key: key.subarray(framingBytes),
    row: value === null ? null : value.subarray(framingBytes),
    before,
  };
}

function expectKey(reader: ByteReader, bytes: readonly number[]): void {
  for (const byte of bytes) if (reader.uint8() !== byte) throw malformed("headers that are no event's");
}

/** The schema id of a body in the Confluent framing. */
export function framedSchema(framed: Uint8Array): SchemaId {
  if (framed.length < framingBytes || framed[0] !== 0)
    throw malformed('a body without the Confluent framing');
  return schemaId(((framed[1]! << 24) | (framed[2]! << 16) | (framed[3]! << 8) | framed[4]!) >>> 0);
}
