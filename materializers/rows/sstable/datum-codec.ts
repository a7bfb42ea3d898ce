import { ByteReader, ByteReaderError } from '../../../base/bytes/reader.ts';
import { stringToUtf8 } from '../../../base/bytes/utf8.ts';
import type { ByteWriter } from '../../../base/bytes/writer.ts';
import { invariant } from '../../../base/unreachable.ts';
import { type Datum, Interval, SqlArray } from '../../../base/values/datum.ts';
import { Numeric, narrow } from '../../../base/values/numeric.ts';
import { readAligned, writeRaw } from './integers.ts';

/** Any datum by itself: a tag, then the value. The general form, for what has no typed array of its own. */
const tags = {
  null: 0,
  false: 1,
  true: 2,
  integer: 3,
  double: 4,
  text: 5,
  bytes: 6,
  numeric: 7,
  bigNumeric: 8,
  numericNaN: 9,
  numericInfinity: 10,
  numericNegativeInfinity: 11,
  interval: 12,
  vector: 13,
  array: 14,
} as const;

/** Nesting of arrays within arrays; SQL's own are flat. */
const depthMax = 8;

export function writeDatum(writer: ByteWriter, value: Datum): void {
  if (value === null) writer.uint8(tags.null);
  else if (typeof value === 'boolean') writer.uint8(value ? tags.true : tags.false);
  else if (typeof value === 'number') writeNumber(writer, value);
  else if (typeof value === 'bigint') {
    writer.uint8(tags.integer);
    writer.varint(value);
  } else if (typeof value === 'string') {
    const bytes = stringToUtf8(value);
    writer.uint8(tags.text);
    writer.varint(bytes.length);
    writer.raw(bytes);
  } else writeObject(writer, value);
}

function writeNumber(writer: ByteWriter, value: number): void {
  if (Number.isSafeInteger(value) && !Object.is(value, -0)) {
    writer.uint8(tags.integer);
    writer.varint(value);
  } else {
    writer.uint8(tags.double);
    // One bit pattern for every NaN: checksums of equal rows are equal.
    writer.float64LittleEndian(Number.isNaN(value) ? Number.NaN : value);
  }
}

function writeObject(writer: ByteWriter, value: Exclude<Datum, null | boolean | number | bigint | string>) {
  if (value instanceof Uint8Array) {
    writer.uint8(tags.bytes);
    writer.varint(value.length);
    writer.raw(value);
  } else if (value instanceof Numeric) writeNumeric(writer, value);
  else if (value instanceof Interval) {
    writer.uint8(tags.interval);
    writer.varint(value.months);
    writer.varint(value.days);
    writer.varint(value.microseconds);
  } else if (value instanceof Float32Array) {
    writer.uint8(tags.vector);
    writer.varint(value.length);
    writeRaw(writer, value);
  } else {
    invariant(value instanceof SqlArray, 'row values are never stored');
    writer.uint8(tags.array);
    writer.varint(value.dimensions.length);
    for (const dimension of value.dimensions) {
      writer.varint(dimension.length);
      writer.varint(dimension.lowerBound);
    }
    writer.varint(value.items.length);
    for (const item of value.items) writeDatum(writer, item);
  }
}

function writeNumeric(writer: ByteWriter, value: Numeric): void {
  if (value.special === 'NaN') writer.uint8(tags.numericNaN);
  else if (value.special === 'Infinity') writer.uint8(tags.numericInfinity);
  else if (value.special === '-Infinity') writer.uint8(tags.numericNegativeInfinity);
  else if (typeof value.units === 'number') {
    writer.uint8(tags.numeric);
    writer.varint(value.scale);
    writer.varint(value.units);
  } else {
    const digits = stringToUtf8(value.units.toString());
    writer.uint8(tags.bigNumeric);
    writer.varint(value.scale);
    writer.varint(digits.length);
    writer.raw(digits);
  }
}

export function readDatum(reader: ByteReader, depth = 0): Datum {
  const tag = reader.uint8();
  switch (tag) {
    case tags.null:
      return null;
    case tags.false:
      return false;
    case tags.true:
      return true;
    case tags.integer:
      return narrow(reader.varlong());
    case tags.double:
      return reader.float64LittleEndian();
    case tags.text:
      return reader.utf8(reader.varint());
    case tags.bytes:
      return reader.raw(reader.varint());
    case tags.interval:
      return new Interval(reader.varint(), reader.varint(), Number(reader.varlong()));
    case tags.vector:
      return new Float32Array(readAligned(reader, reader.varint() * 4));
    case tags.array:
      return readArray(reader, depth);
    default:
      return readNumeric(reader, tag);
  }
}

function readNumeric(reader: ByteReader, tag: number): Numeric {
  switch (tag) {
    case tags.numeric: {
      const scale = reader.varint();
      return Numeric.of(reader.varlong(), scale);
    }
    case tags.bigNumeric: {
      const scale = reader.varint();
      return Numeric.of(BigInt(reader.utf8(reader.varint())), scale);
    }
    case tags.numericNaN:
      return Numeric.nan;
    case tags.numericInfinity:
      return Numeric.infinity;
    case tags.numericNegativeInfinity:
      return Numeric.negativeInfinity;
    default:
      throw new ByteReaderError(`unknown datum tag ${tag}`);
  }
}

function readArray(reader: ByteReader, depth: number): SqlArray {
  if (depth >= depthMax) throw new ByteReaderError(`arrays nest deeper than ${depthMax}`);
  const dimensions = Array.from({ length: reader.varint() }, () => ({
    length: reader.varint(),
    lowerBound: reader.varint(),
  }));
  const items = Array.from({ length: reader.varint() }, () => readDatum(reader, depth + 1));
  return new SqlArray(items, dimensions);
}

export function datumFromBytes(bytes: Uint8Array): Datum {
  return readDatum(new ByteReader(bytes));
}
