import type { ByteWriter } from '../../base/bytes/writer.ts';
import { invariant, unreachable } from '../../base/unreachable.ts';
import { type Datum, Interval, type PhysicalType, SqlArray } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import { type AvroCursor, malformed } from './cursor.ts';

/** How a physical type stands in Avro's binary encoding. Nulls are the union's business, not the type's. */
export type AvroType = {
  readonly encode: (writer: ByteWriter, value: Datum) => void;
  readonly decode: (cursor: AvroCursor) => Datum;
  readonly skip: (cursor: AvroCursor) => void;
};

export function avroType(type: PhysicalType): AvroType {
  switch (type.kind) {
    case 'bool':
      return {
        encode: (writer, value) => writer.uint8(value === true ? 1 : 0),
        decode: (cursor) => cursor.boolean(),
        skip: skipFixed(1),
      };
    case 'int4':
      return { encode: encodeLong, decode: (cursor) => cursor.int(), skip: skipLong };
    case 'int8':
      return { encode: encodeLong, decode: (cursor) => cursor.long(), skip: skipLong };
    case 'float4':
      return {
        encode: (writer, value) => writer.float32LittleEndian(value as number),
        decode: (cursor) => cursor.float(),
        skip: skipFixed(4),
      };
    case 'float8':
      return {
        encode: (writer, value) => writer.float64LittleEndian(value as number),
        decode: (cursor) => cursor.double(),
        skip: skipFixed(8),
      };
    case 'numeric':
      return {
        encode: (writer, value) => writeText(writer, (value as Numeric).toString()),
        decode: (cursor) => parseNumeric(cursor.text()),
        skip: skipSized,
      };
    case 'text':
      return {
        encode: (writer, value) => writeText(writer, value as string),
        decode: (cursor) => cursor.text(),
        skip: skipSized,
      };
    case 'bytes':
      return { encode: encodeBytes, decode: (cursor) => cursor.binary(), skip: skipSized };
    case 'uuid':
      return { encode: encodeUuid, decode: decodeUuid, skip: skipFixed(16) };
    case 'interval':
      return { encode: encodeInterval, decode: decodeInterval, skip: skipInterval };
    case 'vector':
      return { encode: encodeVector, decode: decodeVector, skip: skipVector };
    case 'array':
      return arrayType(type.element);
    default:
      return unreachable(type);
  }
}

const skipLong = (cursor: AvroCursor): void => cursor.skipLong();
const skipSized = (cursor: AvroCursor): void => cursor.skipSized();
const skipFixed =
  (count: number) =>
  (cursor: AvroCursor): void => {
    cursor.position += count;
  };

function encodeLong(writer: ByteWriter, value: Datum): void {
  writer.varint(value as number | bigint);
}

function lengthSize(length: number): number {
  return length < 64 ? 1 : length < 8192 ? 2 : length < 1_048_576 ? 3 : length < 134_217_728 ? 4 : 5;
}

/** Writes the text behind room for its length, guessed as ASCII; a wrong guess moves the text. */
export function writeText(writer: ByteWriter, text: string): void {
  const guess = lengthSize(text.length);
  const start = writer.reserve(text.length * 3 + 10);
  writer.length = start + guess;
  const length = writer.utf8(text);
  const size = lengthSize(length);
  if (size !== guess) writer.bytes.copyWithin(start + size, start + guess, start + guess + length);
  writer.length = start;
  writer.varint(length);
  writer.length = start + size + length;
}

function encodeBytes(writer: ByteWriter, value: Datum): void {
  const bytes = value as Uint8Array;
  writer.varint(bytes.length);
  writer.raw(bytes);
}

/** PostgreSQL's decimal text. */
function parseNumeric(text: string): Numeric {
  if (text === 'NaN') return Numeric.nan;
  if (text === 'Infinity') return Numeric.infinity;
  if (text === '-Infinity') return Numeric.negativeInfinity;
  if (!/^-?\d+(\.\d+)?$/.test(text)) throw malformed(`'${text}' is not a numeric`);
  const point = text.indexOf('.');
  const digits = point < 0 ? text : text.slice(0, point) + text.slice(point + 1);
  const units = digits.length < 16 ? Number(digits) : BigInt(digits);
  return Numeric.of(units, point < 0 ? 0 : text.length - point - 1);
}

const hexDigits = '0123456789abcdef';
const hexPairs = Array.from({ length: 256 }, (_, byte) => hexDigits[byte >> 4]! + hexDigits[byte & 15]!);

function hexValue(code: number): number {
  if (code >= 48 && code <= 57) return code - 48;
  invariant(code >= 97 && code <= 102, 'a uuid datum is lower-case hexadecimal');
  return code - 87;
}

/** 36 characters, lower case, to 16 bytes. */
export function writeUuid(writer: ByteWriter, text: string): void {
  invariant(text.length === 36, 'a uuid datum has 36 characters');
  for (let index = 0; index < 36; index += 2) {
    if (index === 8 || index === 13 || index === 18 || index === 23) index++;
    writer.uint8(hexValue(text.charCodeAt(index)) * 16 + hexValue(text.charCodeAt(index + 1)));
  }
}

export function uuidText(bytes: Uint8Array, start: number): string {
  let text = '';
  for (let index = 0; index < 16; index++) {
    if (index === 4 || index === 6 || index === 8 || index === 10) text += '-';
    text += hexPairs[bytes[start + index]!]!;
  }
  return text;
}

function encodeUuid(writer: ByteWriter, value: Datum): void {
  writeUuid(writer, value as string);
}
function decodeUuid(cursor: AvroCursor): Datum {
  cursor.position += 16;
  cursor.finish();
  return uuidText(cursor.bytes, cursor.position - 16);
}

function encodeInterval(writer: ByteWriter, value: Datum): void {
  const interval = value as Interval;
  writer.varint(interval.months);
  writer.varint(interval.days);
  writer.varint(interval.microseconds);
}
function decodeInterval(cursor: AvroCursor): Datum {
  return new Interval(cursor.int(), cursor.int(), Number(cursor.long()));
}
function skipInterval(cursor: AvroCursor): void {
  cursor.skipLong();
  cursor.skipLong();
  cursor.skipLong();
}

/** One block, so that a reader copies it whole. */
function encodeVector(writer: ByteWriter, value: Datum): void {
  const vector = value as Float32Array;
  if (vector.length > 0) {
    writer.varint(vector.length);
    writer.raw(new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength));
  }
  writer.uint8(0);
}
function decodeVector(cursor: AvroCursor): Datum {
  const count = cursor.length(4);
  if (count === 0) return new Float32Array(0);
  const bytes = cursor.bytes.slice(cursor.position, cursor.position + count * 4);
  cursor.position += count * 4;
  if (cursor.long() !== 0) throw malformed('a vector of more than one block');
  return new Float32Array(bytes.buffer, 0, count);
}
function skipVector(cursor: AvroCursor): void {
  const count = cursor.length(4);
  if (count > 0) cursor.position += count * 4 + 1;
}

function writeBlock<Item>(writer: ByteWriter, items: readonly Item[], write: (item: Item) => void): void {
  if (items.length > 0) {
    writer.varint(items.length);
    for (const item of items) write(item);
  }
  writer.uint8(0);
}

function readBlocks<Item>(cursor: AvroCursor, read: () => Item): Item[] {
  const items: Item[] = [];
  for (let count = cursor.length(1); count > 0; count = cursor.length(1)) {
    for (let index = 0; index < count; index++) items.push(read());
  }
  return items;
}

function arrayType(element: PhysicalType): AvroType {
  const item = avroType(element);
  const decode = (cursor: AvroCursor): Datum => {
    const lengths = readBlocks(cursor, () => cursor.int());
    const lowerBounds = readBlocks(cursor, () => cursor.int());
    const items = readBlocks(cursor, () => (readBranch(cursor) ? item.decode(cursor) : null));
    if (lengths.length !== lowerBounds.length) throw malformed('an array with unequal dimensions');
    return new SqlArray(
      items,
      lengths.map((length, index) => ({ length, lowerBound: lowerBounds[index]! })),
    );
  };
  return {
    encode: (writer, value) => {
      const array = value as SqlArray;
      writeBlock(writer, array.dimensions, (dimension) => writer.varint(dimension.length));
      writeBlock(writer, array.dimensions, (dimension) => writer.varint(dimension.lowerBound));
      writeBlock(writer, array.items, (each) => {
        writer.uint8(each === null ? 0 : 2);
        if (each !== null) item.encode(writer, each);
      });
    },
    decode,
    skip: (cursor) => void decode(cursor),
  };
}

/** The branch of a `["null", T]`: true where the value follows. */
export function readBranch(cursor: AvroCursor): boolean {
  const branch = cursor.bytes[cursor.position++];
  if (branch === 2) return true;
  if (branch === 0) return false;
  throw malformed(`union branch byte ${branch} at ${cursor.position - 1}`);
}
