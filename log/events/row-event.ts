import { ByteReader } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { AlopexError } from '../../base/errors.ts';
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

/**
 * Schema ids of keys in the Confluent framing are those of the rows plus this, so that the registry can answer
 * for both by the id alone.
 */
export const keySchemaIdOffset = 0x4000_0000;

const framingBytes = 5;

/** An event has up to three times the bytes of its row: the key, the row, and the row before. A batch has room for them. */
export const rowBytesMax = 20 * 1024 * 1024;

/** Headers up to the operation: three or four of them, `op`. */
const opKey = [4, 0x6f, 0x70, 2] as const;
const tsKey = [4, 0x74, 0x73, 16] as const;
const txKey = [4, 0x74, 0x78, 16] as const;
const beforeKey = [12, 0x62, 0x65, 0x66, 0x6f, 0x72, 0x65] as const;

const operationCodes: Readonly<Record<Operation, number>> = { c: 0x63, u: 0x75, d: 0x64, r: 0x72 };
const headerCounts: Readonly<Record<Operation, readonly number[]>> = { c: [3], u: [4], d: [4], r: [3, 4] };
const operations: Readonly<Record<number, Operation>> = { 99: 'c', 117: 'u', 100: 'd', 114: 'r' };

/** Key, value and headers of one record, one after the other. */
const recordWriter = new ByteWriter(1024);
const beforeWriter = new ByteWriter(1024);

/** Places in the headers that differ from one event of a transaction to the next. */
const countPlace = 0;
const operationPlace = 1 + opKey.length;

/** Writes the row changes of one transaction as records of a batch. */
export class EventWriter {
  readonly #builder: BatchBuilder;
  /** The first three headers. */
  readonly #headers: Uint8Array;

  /** `at`: 0 within a transactional batch: the commit marker's holds. */
  constructor(builder: BatchBuilder, at: Timestamp, transaction: number) {
    this.#builder = builder;
    recordWriter.clear();
    recordWriter.varint(3);
    writeAll(opKey);
    recordWriter.uint8(0);
    writeAll(tsKey);
    recordWriter.int64(at);
    writeAll(txKey);
    recordWriter.int64(transaction);
    this.#headers = recordWriter.toBytes();
  }

  /**
   * Rows stand in the order of the schema's fields. `row` is null exactly for a delete; `before`, the replaced row,
   * is not null for u and d, null for c, and what the log has already for r.
   */
  add(
    operation: Operation,
    schema: EventSchema,
    row: readonly Datum[] | null,
    before: readonly Datum[] | null,
  ): void {
    const codec = rowCodec(schema);
    const keyed = row ?? before;
    if (keyed === null) throw malformed('an event without a row');
    const writer = recordWriter;
    writer.clear();
    frame(writer, schema.id + keySchemaIdOffset);
    codec.encodeKey(keyed, writer);
    const keyLength = writer.length;
    if (row !== null) {
      frame(writer, schema.id);
      codec.encode(row, writer);
      requireRowFits(writer.length - keyLength);
    }
    const valueEnd = writer.length;
    writer.raw(this.#headers);
    writer.setUint8(valueEnd + operationPlace, operationCodes[operation]);
    if (before !== null) {
      writer.setUint8(valueEnd + countPlace, zigzag(4));
      writeBefore(schema, before);
    }
    this.#builder.addJoined(writer.bytes, keyLength, row === null ? -1 : valueEnd - keyLength, writer.length);
  }
}

function requireRowFits(bytes: number): void {
  if (bytes <= rowBytesMax) return;
  throw new AlopexError(
    'program_limit_exceeded',
    `row is too big: size ${bytes}, maximum size ${rowBytesMax}`,
  );
}

function writeBefore(schema: EventSchema, before: readonly Datum[]): void {
  beforeWriter.clear();
  frame(beforeWriter, schema.id);
  rowCodec(schema).encode(before, beforeWriter);
  writeAll(beforeKey);
  recordWriter.varint(beforeWriter.length);
  recordWriter.raw(beforeWriter.view());
}

function frame(writer: ByteWriter, id: number): void {
  writer.uint8(0);
  writer.int32(id);
}

function writeAll(bytes: readonly number[]): void {
  for (const byte of bytes) recordWriter.uint8(byte);
}

/** A small count as the one byte of its varint. */
function zigzag(count: number): number {
  return count * 2;
}

/**
 * The row changes of a data batch, in order. The headers stand exactly as `EventWriter` writes them: anything else is
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
