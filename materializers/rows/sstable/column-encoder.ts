import { stringToUtf8, utf8Length } from '../../../base/bytes/utf8.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError } from '../../../base/errors.ts';
import {
  type Datum,
  type Interval,
  type PhysicalKind,
  type PhysicalType,
  SqlArray,
} from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { writeDatum } from './datum-codec.ts';
import { inlineValueBytesMax, type PageAddress, pageBytesMax, valueBytesMax } from './format.ts';
import { writeBits, writeIntegers, writeRaw } from './integers.ts';

/** How the values of a page lie; the decoder has a case for each. */
export const encodings = {
  int32: 1,
  integer: 2,
  int64: 3,
  float64: 4,
  float32: 5,
  bool: 6,
  scaled: 7,
  dictionary: 8,
  utf8: 9,
  bytes: 10,
  uuid: 11,
  interval: 12,
  vector: 13,
  generic: 14,
} as const;

export const hasNullsFlag = 1;
export const hasOverflowFlag = 2;

export type EncodedPage = { readonly firstRow: number; readonly payload: Uint8Array };

/** Writes a value that is too long to be inline, and says where it lies. */
export type OverflowWriter = (payload: Uint8Array) => PageAddress;

/** The values of a column in one group, ready to be written from any row to any row. */
type Chunk = {
  readonly encoding: number;
  /** Bytes of one row, or null where the whole group fits into one page whatever its values are. */
  readonly rowBytes: ((row: number) => number) | null;
  readonly writeBody: (writer: ByteWriter, start: number, end: number) => void;
};

type OverflowReference = { readonly row: number; readonly address: PageAddress };

/** The pages of a column in one group of rows [0, count). */
export function encodeColumn(
  type: PhysicalType,
  values: readonly Datum[],
  count: number,
  writeOverflow: OverflowWriter,
): EncodedPage[] {
  const nulls = new Uint8Array(count);
  let hasNulls = false;
  for (let row = 0; row < count; row++) {
    if (values[row] === null) {
      nulls[row] = 1;
      hasNulls = true;
    }
  }
  const { inline, references } = moveOut(type.kind, values, count, writeOverflow);
  const chunk = encoders[type.kind](inline, count);
  return splitRows(chunk, references, count).map(([start, end]) => ({
    firstRow: start,
    payload: encodePage(chunk, start, end, hasNulls ? nulls : null, references),
  }));
}

function encodePage(
  chunk: Chunk,
  start: number,
  end: number,
  nulls: Uint8Array | null,
  references: readonly OverflowReference[],
): Uint8Array {
  const writer = new ByteWriter(4096);
  const own = references.filter(({ row }) => row >= start && row < end);
  const hasNulls = nulls?.subarray(start, end).includes(1) === true;
  writer.uint8(chunk.encoding);
  writer.uint8((hasNulls ? hasNullsFlag : 0) | (own.length > 0 ? hasOverflowFlag : 0));
  writer.varint(end - start);
  if (nulls !== null && hasNulls) writeBits(writer, nulls, start, end);
  if (own.length > 0) {
    writer.varint(own.length);
    for (const { row, address } of own) {
      writer.varint(row - start);
      writer.varint(address.position);
      writer.varint(address.length);
    }
  }
  chunk.writeBody(writer, start, end);
  return writer.toBytes();
}

/** Row spans of the pages: each holds as many rows as fit into a page, and one at least. */
function splitRows(
  chunk: Chunk,
  references: readonly OverflowReference[],
  count: number,
): (readonly [start: number, end: number])[] {
  const { rowBytes } = chunk;
  if (rowBytes === null) return [[0, count]];
  const limit = pageBytesMax - 1024;
  const overflowRows = new Set(references.map(({ row }) => row));
  const spans: (readonly [number, number])[] = [];
  let start = 0;
  let bytes = 0;
  for (let row = 0; row < count; row++) {
    const cost = rowBytes(row) + 2 + (overflowRows.has(row) ? 20 : 0);
    if (bytes + cost > limit && row > start) {
      spans.push([start, row]);
      start = row;
      bytes = 0;
    }
    bytes += cost;
  }
  spans.push([start, count]);
  return spans;
}

/** Overflow values become null in what is encoded inline; the references bring them back. */
function moveOut(
  kind: PhysicalKind,
  values: readonly Datum[],
  count: number,
  writeOverflow: OverflowWriter,
): { readonly inline: readonly Datum[]; readonly references: readonly OverflowReference[] } {
  const references: OverflowReference[] = [];
  if (kind !== 'text' && kind !== 'bytes' && kind !== 'numeric' && kind !== 'array') {
    return { inline: values, references };
  }
  let inline: Datum[] | null = null;
  for (let row = 0; row < count; row++) {
    const value = values[row]!;
    if (value === null || !mayOverflow(value)) continue;
    const payload = overflowBytes(value);
    if (payload.length <= inlineValueBytesMax) continue;
    if (payload.length > valueBytesMax) {
      throw new AlopexError('program_limit_exceeded', `a value of ${payload.length} bytes is too large`, {
        detail: `A value has at most ${valueBytesMax} bytes.`,
      });
    }
    inline ??= values.slice(0, count);
    inline[row] = null;
    references.push({ row, address: writeOverflow(payload) });
  }
  return { inline: inline ?? values, references };
}

/** Whether a value may exceed the inline limit, without encoding it where that is plain. */
function mayOverflow(value: Datum): boolean {
  if (typeof value === 'string') return value.length * 3 > inlineValueBytesMax;
  if (value instanceof Uint8Array) return value.length > inlineValueBytesMax;
  if (value instanceof Numeric) return typeof value.units === 'bigint';
  return value instanceof SqlArray || value instanceof Float32Array;
}

function overflowBytes(value: Datum): Uint8Array {
  if (typeof value === 'string') return stringToUtf8(value);
  if (value instanceof Uint8Array) return value;
  const writer = new ByteWriter();
  writeDatum(writer, value);
  return writer.toBytes();
}

/** About how many bytes a value takes in its group: inline, or (vectors, overflow values) beside it. */
export function footprint(value: Datum): { readonly inline: number; readonly overflow: number } {
  if (value === null || !mayOverflow(value)) {
    const isSized = typeof value === 'string' || value instanceof Uint8Array;
    return { inline: isSized ? value.length : 8, overflow: 0 };
  }
  if (value instanceof Float32Array) return { inline: 0, overflow: value.byteLength };
  const bytes = typeof value === 'string' ? utf8Length(value) : overflowBytes(value).length;
  return bytes > inlineValueBytesMax ? { inline: 32, overflow: bytes } : { inline: bytes, overflow: 0 };
}

const encoders: Record<PhysicalKind, (values: readonly Datum[], count: number) => Chunk> = {
  bool: encodeBool,
  int4: encodeInt4,
  int8: encodeInt8,
  float4: encodeFloat4,
  float8: encodeFloat8,
  numeric: encodeNumeric,
  text: encodeText,
  bytes: (values, count) => encodeRows(encodings.bytes, values, count, writeBytesValue),
  uuid: (values, count) => encodeRows(encodings.uuid, values, count, writeUuid),
  interval: encodeInterval,
  vector: (values, count) => encodeRows(encodings.vector, values, count, writeVector),
  array: (values, count) => encodeRows(encodings.generic, values, count, writeDatum),
};

function encodeBool(values: readonly Datum[], count: number): Chunk {
  const flags = new Uint8Array(count);
  for (let row = 0; row < count; row++) flags[row] = values[row] === true ? 1 : 0;
  return {
    encoding: encodings.bool,
    rowBytes: null,
    writeBody: (writer, start, end) => writeBits(writer, flags, start, end),
  };
}

function encodeInt4(values: readonly Datum[], count: number): Chunk {
  return integerChunk(encodings.int32, values, count);
}

/** Rows that are null repeat the value before them, which widens neither the range nor the deltas. */
function integerChunk(encoding: number, values: readonly Datum[], count: number): Chunk {
  const integers = new Float64Array(count);
  let first = 0;
  while (first < count && values[first] === null) first++;
  let last = first < count ? (values[first] as number) : 0;
  for (let row = 0; row < count; row++) {
    const value = values[row] as number | null;
    if (value !== null) last = value;
    integers[row] = last;
  }
  return {
    encoding,
    rowBytes: null,
    writeBody: (writer, start, end) => writeIntegers(writer, integers.subarray(start, end), end - start),
  };
}

function encodeInt8(values: readonly Datum[], count: number): Chunk {
  for (let row = 0; row < count; row++)
    if (typeof values[row] === 'bigint') return encodeInt64(values, count);
  return integerChunk(encodings.integer, values, count);
}

function encodeInt64(values: readonly Datum[], count: number): Chunk {
  const integers = new BigInt64Array(count);
  for (let row = 0; row < count; row++) integers[row] = BigInt((values[row] ?? 0) as number | bigint);
  return {
    encoding: encodings.int64,
    rowBytes: null,
    writeBody: (writer, start, end) => writeRaw(writer, integers.subarray(start, end)),
  };
}

/** Doubles that are all whole numbers are integers to storage; -0 is not one. */
function encodeFloat8(values: readonly Datum[], count: number): Chunk {
  const isWhole = (value: Datum) =>
    value === null || (Number.isSafeInteger(value) && !(value === 0 && Object.is(value, -0)));
  for (let row = 0; row < count; row++) if (!isWhole(values[row]!)) return encodeDoubles(values, count);
  return integerChunk(encodings.integer, values, count);
}

function encodeDoubles(values: readonly Datum[], count: number): Chunk {
  const doubles = new Float64Array(count);
  for (let row = 0; row < count; row++) doubles[row] = (values[row] ?? 0) as number;
  return {
    encoding: encodings.float64,
    rowBytes: null,
    writeBody: (writer, start, end) => writeRaw(writer, doubles.subarray(start, end)),
  };
}

function encodeFloat4(values: readonly Datum[], count: number): Chunk {
  const floats = new Float32Array(count);
  for (let row = 0; row < count; row++) floats[row] = (values[row] ?? 0) as number;
  return {
    encoding: encodings.float32,
    rowBytes: null,
    writeBody: (writer, start, end) => writeRaw(writer, floats.subarray(start, end)),
  };
}

/** One scale and safe units: scaled integers. Else each value by itself. */
function encodeNumeric(values: readonly Datum[], count: number): Chunk {
  let scale: number | null = null;
  const units: (number | null)[] = new Array(count);
  for (let row = 0; row < count; row++) {
    const value = values[row] as Numeric | null;
    if (value === null) {
      units[row] = null;
      continue;
    }
    scale ??= value.scale;
    if (value.special !== null || typeof value.units === 'bigint' || value.scale !== scale) {
      return encodeRows(encodings.generic, values, count, writeDatum);
    }
    units[row] = value.units;
  }
  const integers = integerChunk(encodings.scaled, units, count);
  return {
    ...integers,
    writeBody: (writer, start, end) => {
      writer.varint(scale ?? 0);
      integers.writeBody(writer, start, end);
    },
  };
}

const dictionaryBytesMax = 32 << 10;
/** Rows after which a text column that hardly repeats is given up as a dictionary. */
const dictionarySample = 512;

function encodeText(values: readonly Datum[], count: number): Chunk {
  return encodeDictionary(values, count) ?? encodeRows(encodings.utf8, values, count, writeTextValue);
}

function encodeDictionary(values: readonly Datum[], count: number): Chunk | null {
  const codeOf = new Map<string, number>();
  const codes = new Uint16Array(count);
  let characters = 0;
  for (let row = 0; row < count; row++) {
    const value = (values[row] ?? '') as string;
    let code = codeOf.get(value);
    if (code === undefined) {
      code = codeOf.size;
      codeOf.set(value, code);
      characters += value.length;
      if (characters * 3 > dictionaryBytesMax * 2) return null;
      if (row >= dictionarySample && code * 2 > row) return null;
    }
    codes[row] = code;
  }
  if (codeOf.size * 2 > count && count > 8) return null;
  const words = encodeRows(encodings.utf8, [...codeOf.keys()], codeOf.size, writeTextValue);
  return {
    encoding: encodings.dictionary,
    rowBytes: null,
    writeBody: (writer, start, end) => {
      writer.varint(codeOf.size);
      words.writeBody(writer, 0, codeOf.size);
      const used = codes.subarray(start, end);
      writeRaw(writer, codeOf.size <= 256 ? Uint8Array.from(used) : used);
    },
  };
}

function encodeInterval(values: readonly Datum[], count: number): Chunk {
  const parts = (['months', 'days', 'microseconds'] as const).map((part) => {
    const numbers = new Float64Array(count);
    for (let row = 0; row < count; row++) numbers[row] = (values[row] as Interval | null)?.[part] ?? 0;
    return numbers;
  });
  return {
    encoding: encodings.interval,
    rowBytes: () => 24,
    writeBody: (writer, start, end) => {
      for (const part of parts) writeIntegers(writer, part.subarray(start, end), end - start);
    },
  };
}

/** Values of any length one after another, after their lengths. Nulls have none. */
function encodeRows(
  encoding: number,
  values: readonly Datum[],
  count: number,
  writeValue: (writer: ByteWriter, value: Exclude<Datum, null>) => void,
): Chunk {
  const rows = new ByteWriter(count * 16);
  const offsets = new Int32Array(count + 1);
  for (let row = 0; row < count; row++) {
    const value = values[row]!;
    if (value !== null) writeValue(rows, value);
    offsets[row + 1] = rows.length;
  }
  const bytes = rows.view();
  return {
    encoding,
    rowBytes: (row) => offsets[row + 1]! - offsets[row]!,
    writeBody: (writer, start, end) => {
      const lengths = new Int32Array(end - start);
      for (let row = start; row < end; row++) lengths[row - start] = offsets[row + 1]! - offsets[row]!;
      writeIntegers(writer, lengths, lengths.length);
      writer.raw(bytes.subarray(offsets[start]!, offsets[end]!));
    },
  };
}

function writeTextValue(writer: ByteWriter, value: Datum): void {
  writer.utf8(value as string);
}

function writeBytesValue(writer: ByteWriter, value: Datum): void {
  writer.raw(value as Uint8Array);
}

function writeVector(writer: ByteWriter, value: Datum): void {
  writeRaw(writer, value as Float32Array);
}

function writeUuid(writer: ByteWriter, value: Datum): void {
  const digits = (value as string).replaceAll('-', '');
  for (let at = 0; at < 32; at += 2) writer.uint8(Number.parseInt(digits.slice(at, at + 2), 16));
}
