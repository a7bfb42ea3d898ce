import { utf8ToString } from '../../base/bytes/utf8.ts';
import type { ByteWriter } from '../../base/bytes/writer.ts';
import { invariant } from '../../base/unreachable.ts';
import { type Datum, Interval, type PhysicalType, SqlArray } from '../../base/values/datum.ts';
import { Numeric, narrow } from '../../base/values/numeric.ts';
import { uuidText, writeUuid } from '../../log/events/types.ts';

/** How a value that is not null stands in a key, ascending. */
export type KeyType = {
  readonly write: (writer: ByteWriter, value: Datum) => void;
  /** `value`: exactly what `write` wrote. */
  readonly read: (value: Uint8Array) => Datum;
  /** Where the value that starts at `start` ends; each byte is taken `^ mask`. */
  readonly end: (key: Uint8Array, start: number, mask: number) => number;
};

export function keyType(type: PhysicalType): KeyType {
  return type.kind === 'array' ? arrayType(type.element) : types[type.kind];
}

const fixed =
  (size: number) =>
  (_: Uint8Array, start: number): number =>
    start + size;

function viewOf(bytes: Uint8Array): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

function flipSign(writer: ByteWriter, start: number): void {
  writer.bytes[start] = writer.bytes[start]! ^ 128;
}

const bool: KeyType = {
  write: (writer, value) => writer.uint8(value === true ? 1 : 0),
  read: (value) => value[0] === 1,
  end: fixed(1),
};

const int4: KeyType = {
  write: (writer, value) => {
    const start = writer.length;
    writer.int32(value as number);
    flipSign(writer, start);
  },
  read: (value) => viewOf(value).getInt32(0) ^ -0x8000_0000,
  end: fixed(4),
};

const int8: KeyType = {
  write: (writer, value) => {
    const start = writer.length;
    writer.int64(value as number | bigint);
    flipSign(writer, start);
  },
  read: (value) => narrow(BigInt.asIntN(64, viewOf(value).getBigUint64(0) ^ (1n << 63n))),
  end: fixed(8),
};

/** IEEE order made byte order: negative numbers inverted, the others with their sign flipped; NaN comes last. */
function orderFloat(writer: ByteWriter, start: number): void {
  if (writer.bytes[start]! < 128) flipSign(writer, start);
  else for (let at = start; at < writer.length; at++) writer.bytes[at] = writer.bytes[at]! ^ 255;
}
function unorderFloat(value: Uint8Array): DataView {
  const bytes = value.slice();
  const mask = bytes[0]! < 128 ? 255 : 0;
  for (let at = 0; at < bytes.length; at++) bytes[at] = bytes[at]! ^ mask;
  if (mask === 0) bytes[0] = bytes[0]! ^ 128;
  return viewOf(bytes);
}
/** -0 equals 0, and all NaNs are one. */
function canonicalFloat(value: Datum): number {
  return value === 0 || value === null ? 0 : Number.isNaN(value) ? Number.NaN : (value as number);
}

const floatScratch = new DataView(new ArrayBuffer(4));

const float4: KeyType = {
  write: (writer, value) => {
    const start = writer.length;
    floatScratch.setFloat32(0, canonicalFloat(value));
    writer.uint32(Number.isNaN(value) ? 0x7fc0_0000 : floatScratch.getUint32(0));
    orderFloat(writer, start);
  },
  read: (value) => unorderFloat(value).getFloat32(0),
  end: fixed(4),
};

const float8: KeyType = {
  write: (writer, value) => {
    const start = writer.length;
    writer.float64(canonicalFloat(value));
    if (Number.isNaN(value)) {
      writer.bytes[start] = 0x7f;
      writer.bytes[start + 1] = 0xf8;
    }
    orderFloat(writer, start);
  },
  read: (value) => unorderFloat(value).getFloat64(0),
  end: fixed(8),
};

/** 0, 1 ends the value; a 0 within it is 0, 255. So no value's bytes are the beginning of another's. */
function writeEscaped(writer: ByteWriter, from: number): void {
  const zeros = countZeros(writer.bytes, from, writer.length);
  if (zeros > 0) {
    let read = writer.length;
    writer.reserve(zeros + 2);
    writer.length += zeros;
    let write = writer.length;
    while (read > from) {
      const byte = writer.bytes[--read]!;
      if (byte === 0) writer.bytes[--write] = 255;
      writer.bytes[--write] = byte;
    }
  }
  writer.uint8(0);
  writer.uint8(1);
}
function countZeros(bytes: Uint8Array, start: number, end: number): number {
  let zeros = 0;
  for (let at = start; at < end; at++) if (bytes[at] === 0) zeros++;
  return zeros;
}
function escapedEnd(key: Uint8Array, start: number, mask: number): number {
  for (let at = start; at < key.length; at++) {
    if (key[at] !== mask) continue;
    if (key[++at] === (1 ^ mask)) return at + 1;
  }
  return key.length;
}
function unescaped(value: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(value.length);
  let length = 0;
  for (let at = 0; at < value.length - 2; at++) {
    bytes[length++] = value[at]!;
    if (value[at] === 0) at++;
  }
  return bytes.slice(0, length);
}

/** By code point, which is the byte order of UTF-8. */
const text: KeyType = {
  write: (writer, value) => {
    const start = writer.length;
    writer.utf8(value as string);
    writeEscaped(writer, start);
  },
  read: (value) => utf8ToString(unescaped(value)),
  end: escapedEnd,
};

const bytes: KeyType = {
  write: (writer, value) => {
    const start = writer.length;
    writer.raw(value as Uint8Array);
    writeEscaped(writer, start);
  },
  read: unescaped,
  end: escapedEnd,
};

const uuid: KeyType = {
  write: (writer, value) => writeUuid(writer, value as string),
  read: (value) => uuidText(value, 0),
  end: fixed(16),
};

/** First byte of a numeric. */
const numericClass = { '-Infinity': 1, negative: 2, zero: 3, positive: 4, Infinity: 5, NaN: 6 } as const;
const exponentBias = 0x80_0000;

/**
 * A class; then, of a number 0.d1d2d3… * 10^e whose d1 is not 0: e in three bytes, two digits a byte (plus 1), and
 * a 0. A negative number's bytes after the class are inverted.
 */
const numeric: KeyType = {
  write: (writer, value) => {
    const { special, units, scale } = value as Numeric;
    if (special !== null) return writer.uint8(numericClass[special]);
    if (units === 0) return writer.uint8(numericClass.zero);
    const digits = (units < 0 ? -units : units).toString();
    const start = writer.length;
    writer.uint8(units < 0 ? numericClass.negative : numericClass.positive);
    const exponent = digits.length - scale + exponentBias;
    writer.uint8(exponent >>> 16);
    writer.int16(exponent & 0xffff);
    let end = digits.length;
    while (digits.charCodeAt(end - 1) === 48) end--;
    for (let at = 0; at < end; at += 2) {
      const low = at + 1 < end ? digits.charCodeAt(at + 1) - 48 : 0;
      writer.uint8((digits.charCodeAt(at) - 48) * 10 + low + 1);
    }
    writer.uint8(0);
    if (units < 0) {
      for (let at = start + 1; at < writer.length; at++) writer.bytes[at] = writer.bytes[at]! ^ 255;
    }
  },
  read: (value) => {
    switch (value[0]) {
      case numericClass['-Infinity']:
        return Numeric.negativeInfinity;
      case numericClass.Infinity:
        return Numeric.infinity;
      case numericClass.NaN:
        return Numeric.nan;
      case numericClass.zero:
        return Numeric.of(0, 0);
      default:
        return readDigits(value, value[0] === numericClass.negative);
    }
  },
  end: (key, start, mask) => {
    const kind = key[start]! ^ mask;
    if (kind !== numericClass.positive && kind !== numericClass.negative) return start + 1;
    const terminator = kind === numericClass.negative ? 255 ^ mask : mask;
    let at = start + 4;
    while (at < key.length && key[at] !== terminator) at++;
    return at + 1;
  },
};

function readDigits(value: Uint8Array, isNegative: boolean): Numeric {
  const mask = isNegative ? 255 : 0;
  const at = (index: number): number => value[index]! ^ mask;
  const exponent = ((at(1) << 16) | (at(2) << 8) | at(3)) - exponentBias;
  let digits = '';
  for (let index = 4; index < value.length - 1; index++) digits += `${at(index) - 1}`.padStart(2, '0');
  digits = digits.replace(/0+$/, '').padEnd(exponent, '0');
  const units = BigInt(digits);
  return Numeric.of(isNegative ? -units : units, Math.max(0, digits.length - exponent));
}

const microsecondsPerDay = 86_400_000_000n;
const intervalBias = 1n << 95n;

/** PostgreSQL compares intervals by their length, with months of 30 days and days of 24 hours; 12 bytes. */
const interval: KeyType = {
  write: (writer, value) => {
    const { months, days, microseconds } = value as Interval;
    const length = (BigInt(months) * 30n + BigInt(days)) * microsecondsPerDay + BigInt(microseconds);
    const biased = length + intervalBias;
    writer.uint32(Number(biased >> 64n));
    writer.int64(BigInt.asIntN(64, biased));
  },
  read: (value) => {
    const view = viewOf(value);
    const length = ((BigInt(view.getUint32(0)) << 64n) | view.getBigUint64(4)) - intervalBias;
    const days = length / microsecondsPerDay;
    return new Interval(Number(days / 30n), Number(days % 30n), Number(length % microsecondsPerDay));
  },
  end: fixed(12),
};

/** Element by element, then the shorter first, as pgvector compares: 1 before each element, 0 at the end. */
const vector: KeyType = {
  write: (writer, value) => {
    for (const element of value as Float32Array) {
      writer.uint8(1);
      float4.write(writer, element);
    }
    writer.uint8(0);
  },
  read: (value) => {
    const elements: number[] = [];
    for (let at = 0; value[at] === 1; at += 5) {
      elements.push(float4.read(value.subarray(at + 1, at + 5)) as number);
    }
    return Float32Array.from(elements);
  },
  end: (key, start, mask) => {
    let at = start;
    while (at < key.length && (key[at]! ^ mask) === 1) at += 5;
    return at + 1;
  },
};

const types: Readonly<Record<Exclude<PhysicalType['kind'], 'array'>, KeyType>> = {
  bool,
  int4,
  int8,
  float4,
  float8,
  numeric,
  text,
  bytes,
  uuid,
  interval,
  vector,
};

/** Markers of an array's items: the end is below all, null (greater than every value in PostgreSQL) above. */
const itemEnd = 1;
const itemValue = 2;
const itemNull = 3;

/** Items in order, then their end, then the shape: count of dimensions, lengths, lower bounds. */
function arrayType(element: PhysicalType): KeyType {
  const item = keyType(element);
  const itemsEnd = (key: Uint8Array, start: number, mask: number): number => {
    let at = start;
    for (;;) {
      const marker = key[at++]! ^ mask;
      if (marker === itemValue) at = item.end(key, at, mask);
      else if (marker !== itemNull) return at;
    }
  };
  return {
    write: (writer, value) => {
      const array = value as SqlArray;
      for (const each of array.items) {
        writer.uint8(each === null ? itemNull : itemValue);
        if (each !== null) item.write(writer, each);
      }
      writer.uint8(itemEnd);
      invariant(array.dimensions.length < 255, 'an array has at most 254 dimensions');
      writer.uint8(array.dimensions.length);
      for (const { length } of array.dimensions) int4.write(writer, length);
      for (const { lowerBound } of array.dimensions) int4.write(writer, lowerBound);
    },
    read: (value) => {
      const items: Datum[] = [];
      let at = 0;
      while (value[at] !== itemEnd) {
        if (value[at++] === itemNull) {
          items.push(null);
          continue;
        }
        const end = item.end(value, at, 0);
        items.push(item.read(value.slice(at, end)));
        at = end;
      }
      return new SqlArray(items, readShape(value, at + 1));
    },
    end: (key, start, mask) => {
      const shape = itemsEnd(key, start, mask);
      return shape + 1 + (key[shape]! ^ mask) * 8;
    },
  };
}

function readShape(value: Uint8Array, start: number): SqlArray['dimensions'] {
  const count = value[start]!;
  const number = (place: number): number =>
    int4.read(value.subarray(start + 1 + place * 4, start + 5 + place * 4)) as number;
  return Array.from({ length: count }, (_, place) => ({
    length: number(place),
    lowerBound: number(count + place),
  }));
}
