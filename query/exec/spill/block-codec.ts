import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { invariant, unreachable } from '../../../base/unreachable.ts';
import { type ColumnBatch, type ColumnVector, datumAt } from '../../../base/values/column.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { SqlRow } from '../../../base/values/datum.ts';
import { Utf8Rows } from '../../../materializers/rows/sstable/column-decoder.ts';
import { readDatum, writeDatum } from '../../../materializers/rows/sstable/datum-codec.ts';
import { readAligned, writeRaw } from '../../../materializers/rows/sstable/integers.ts';

/**
 * A batch of rows as the bytes of one block of a temporary file. Nothing but the statement that wrote it reads
 * it, so it has no version: typed arrays lie as they are, texts as UTF-8, anything else datum by datum.
 */
const kinds = { float64: 1, int32: 2, bool: 3, int64: 4, scaled: 5, text: 6, datum: 7 } as const;

/** Of a datum in a generic column: a row value, or anything that the tables know too. */
const rowValue = 1;
const plainValue = 0;

/** `batch` has no selection. The bytes are the writer's, until it is used again. */
export function encodeRows(batch: ColumnBatch, writer: ByteWriter): Uint8Array {
  invariant(batch.selection === null, 'rows are compact when they are written');
  writer.clear();
  writer.varint(batch.rowCount);
  writer.varint(batch.columns.length);
  for (const column of batch.columns) writeColumn(writer, column, batch.rowCount);
  return writer.view();
}

export function decodeRows(bytes: Uint8Array): ColumnBatch {
  const reader = new ByteReader(bytes);
  const rowCount = reader.varint();
  const columns = Array.from({ length: reader.varint() }, () => readColumn(reader, rowCount));
  return { rowCount, columns, selection: null };
}

function writeColumn(writer: ByteWriter, column: ColumnVector, count: number): void {
  switch (column.kind) {
    case 'float64':
    case 'int32':
    case 'bool':
    case 'int64':
      writeHead(writer, kinds[column.kind], column.nulls, count);
      writer.raw(bytesOf(column.values.subarray(0, count)));
      return;
    case 'scaled':
      writeHead(writer, kinds.scaled, column.nulls, count);
      writer.varint(column.scale);
      writeRaw(writer, column.units.subarray(0, count));
      return;
    case 'utf8':
      writeUtf8(writer, column, count);
      return;
    case 'dictionary':
      writeTexts(writer, column, count);
      return;
    case 'datum':
      if (isText(column.values, count)) writeTexts(writer, column, count);
      else writeDatums(writer, column.values, count);
      return;
    default:
      unreachable(column);
  }
}

function bytesOf(values: Float64Array | Int32Array | Uint8Array | BigInt64Array): Uint8Array {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}

function writeHead(writer: ByteWriter, kind: number, nulls: Uint8Array | null, count: number): void {
  writer.uint8(kind);
  writer.uint8(nulls === null ? 0 : 1);
  if (nulls !== null) writer.raw(nulls.subarray(0, count));
}

function isText(values: readonly Datum[], count: number): boolean {
  for (let row = 0; row < count; row++) {
    const value = values[row]!;
    if (value !== null && typeof value !== 'string') return false;
  }
  return true;
}

function writeUtf8(
  writer: ByteWriter,
  { text, nulls }: Extract<ColumnVector, { readonly kind: 'utf8' }>,
  count: number,
): void {
  const { bytes, offsets } = text;
  const lengths = new Uint32Array(count);
  for (let row = 0; row < count; row++) lengths[row] = offsets[row + 1]! - offsets[row]!;
  writeHead(writer, kinds.text, nulls, count);
  writeRaw(writer, lengths);
  const texts = bytes.subarray(offsets[0]!, offsets[count]!);
  writer.varint(texts.length);
  writer.raw(texts);
}

function writeTexts(writer: ByteWriter, column: ColumnVector, count: number): void {
  const nulls = new Uint8Array(count);
  const lengths = new Uint32Array(count);
  const texts = new ByteWriter(16 * 1024);
  for (let row = 0; row < count; row++) {
    const value = datumAt(column, row);
    if (value === null) nulls[row] = 1;
    else lengths[row] = texts.utf8(value as string);
  }
  writeHead(writer, kinds.text, nulls, count);
  writeRaw(writer, lengths);
  writer.varint(texts.length);
  writer.raw(texts.view());
}

function writeDatums(writer: ByteWriter, values: readonly Datum[], count: number): void {
  writeHead(writer, kinds.datum, null, count);
  for (let row = 0; row < count; row++) writeValue(writer, values[row]!);
}

function writeValue(writer: ByteWriter, value: Datum): void {
  if (!(value instanceof SqlRow)) {
    writer.uint8(plainValue);
    writeDatum(writer, value);
    return;
  }
  writer.uint8(rowValue);
  writer.varint(value.fields.length);
  for (const field of value.fields) writeValue(writer, field);
}

function readValue(reader: ByteReader): Datum {
  if (reader.uint8() === plainValue) return readDatum(reader);
  return new SqlRow(Array.from({ length: reader.varint() }, () => readValue(reader)));
}

function readColumn(reader: ByteReader, count: number): ColumnVector {
  const kind = reader.uint8();
  const nulls = reader.uint8() === 1 ? reader.raw(count) : null;
  switch (kind) {
    case kinds.float64:
      return { kind: 'float64', values: new Float64Array(readAligned(reader, count * 8)), nulls };
    case kinds.int32:
      return { kind: 'int32', values: new Int32Array(readAligned(reader, count * 4)), nulls };
    case kinds.bool:
      return { kind: 'bool', values: reader.raw(count), nulls };
    case kinds.int64:
      return { kind: 'int64', values: new BigInt64Array(readAligned(reader, count * 8)), nulls };
    case kinds.scaled: {
      const scale = reader.varint();
      return { kind: 'scaled', units: new Float64Array(readAligned(reader, count * 8)), scale, nulls };
    }
    case kinds.text:
      return readTexts(reader, count, nulls);
    default: {
      invariant(kind === kinds.datum, `column kind ${kind} is known`);
      const values = Array.from({ length: count }, () => readValue(reader));
      return { kind: 'datum', values, nulls: null };
    }
  }
}

function readTexts(reader: ByteReader, count: number, nulls: Uint8Array | null): ColumnVector {
  const lengths = new Uint32Array(readAligned(reader, count * 4));
  const offsets = new Int32Array(count + 1);
  for (let row = 0; row < count; row++) offsets[row + 1] = offsets[row]! + lengths[row]!;
  const bytes = reader.raw(reader.varint());
  return { kind: 'utf8', text: new Utf8Rows(bytes, offsets), nulls };
}
