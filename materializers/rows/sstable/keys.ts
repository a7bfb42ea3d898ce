import { compareBytes } from '../../../base/bytes/compare.ts';
import { ByteReader, ByteReaderError } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { readIntegers, writeIntegers } from './integers.ts';

/**
 * The keys of one row group, ascending; the versions of a key repeat it. Two forms:
 *
 * - numeric: all keys have one length and differ in their last six bytes at most, which as big-endian integers
 *   are exact doubles. Order-preserving keys of one or two integers, dates or timestamps come out like this by
 *   themselves, so a search compares numbers, and key bytes are made only where somebody asks;
 * - bytes: offsets into one buffer; in the file each key shares a prefix with the one before it.
 */
export type KeyPage = NumericKeys | ByteKeys;

const numericForm = 1;
const bytesForm = 2;
const numericWidthMax = 6;

/** Keys [0, count) of one buffer: key i is bytes [offsets[i], offsets[i + 1]). */
export function encodeKeys(bytes: Uint8Array, offsets: Int32Array, count: number): Uint8Array {
  const writer = new ByteWriter(count * 4 + 64);
  const width = numericWidth(bytes, offsets, count);
  if (width === null) writeByteKeys(writer, bytes, offsets, count);
  else writeNumericKeys(writer, bytes, offsets, count, width);
  return writer.toBytes();
}

/** The width of the numeric form, or null where the keys do not have it. */
function numericWidth(bytes: Uint8Array, offsets: Int32Array, count: number): number | null {
  const length = offsets[1]! - offsets[0]!;
  for (let row = 1; row < count; row++) if (offsets[row + 1]! - offsets[row]! !== length) return null;
  const width = Math.min(numericWidthMax, length);
  const last = offsets[count - 1]!;
  for (let at = 0; at < length - width; at++) if (bytes[at] !== bytes[last + at]) return null;
  return width;
}

function writeNumericKeys(
  writer: ByteWriter,
  bytes: Uint8Array,
  offsets: Int32Array,
  count: number,
  width: number,
): void {
  const values = new Float64Array(count);
  for (let row = 0; row < count; row++) values[row] = bigEndian(bytes, offsets[row + 1]! - width, width);
  const prefix = bytes.subarray(0, offsets[1]! - width);
  writer.uint8(numericForm);
  writer.varint(count);
  writer.varint(prefix.length);
  writer.raw(prefix);
  writer.uint8(width);
  writeIntegers(writer, values, count);
}

function writeByteKeys(writer: ByteWriter, bytes: Uint8Array, offsets: Int32Array, count: number): void {
  const shared = new Int32Array(count);
  const lengths = new Int32Array(count);
  const suffixes = new ByteWriter(bytes.length);
  for (let row = 0; row < count; row++) {
    const start = offsets[row]!;
    const length = offsets[row + 1]! - start;
    const previous = row === 0 ? start : offsets[row - 1]!;
    const limit = Math.min(length, start - previous);
    let common = 0;
    while (common < limit && bytes[start + common] === bytes[previous + common]) common++;
    shared[row] = common;
    lengths[row] = length;
    suffixes.raw(bytes.subarray(start + common, start + length));
  }
  writer.uint8(bytesForm);
  writer.varint(count);
  writeIntegers(writer, shared, count);
  writeIntegers(writer, lengths, count);
  writer.raw(suffixes.view());
}

export function decodeKeys(payload: Uint8Array): KeyPage {
  const reader = new ByteReader(payload);
  const form = reader.uint8();
  const count = reader.varint();
  if (form === numericForm) {
    const prefix = new Uint8Array(reader.raw(reader.varint()));
    const width = reader.uint8();
    return new NumericKeys(prefix, width, readIntegers(reader, new Float64Array(count)));
  }
  if (form !== bytesForm) throw new ByteReaderError(`unknown form ${form} of keys`);
  return readByteKeys(reader, count);
}

function readByteKeys(reader: ByteReader, count: number): ByteKeys {
  const shared = readIntegers(reader, new Int32Array(count));
  const lengths = readIntegers(reader, new Int32Array(count));
  const offsets = new Int32Array(count + 1);
  for (let row = 0; row < count; row++) offsets[row + 1] = offsets[row]! + lengths[row]!;
  const bytes = new Uint8Array(offsets[count]!);
  for (let row = 0; row < count; row++) {
    const common = shared[row]!;
    const start = offsets[row]!;
    const previous = row === 0 ? 0 : offsets[row - 1]!;
    if (common > 0) bytes.copyWithin(start, previous, previous + common);
    bytes.set(reader.raw(lengths[row]! - common), start + common);
  }
  return new ByteKeys(bytes, offsets);
}

function bigEndian(bytes: Uint8Array, start: number, width: number): number {
  let value = 0;
  for (let at = start; at < start + width; at++) value = value * 256 + bytes[at]!;
  return value;
}

class NumericKeys {
  readonly kind = 'numeric';
  readonly prefix: Uint8Array;
  readonly width: number;
  readonly values: Float64Array;

  constructor(prefix: Uint8Array, width: number, values: Float64Array) {
    this.prefix = prefix;
    this.width = width;
    this.values = values;
  }

  get rowCount(): number {
    return this.values.length;
  }

  keyAt(row: number): Uint8Array {
    const start = this.prefix.length;
    const key = new Uint8Array(start + this.width);
    key.set(this.prefix);
    let rest = this.values[row]!;
    for (let at = start + this.width - 1; at >= start; at--) {
      key[at] = rest % 256;
      rest = Math.floor(rest / 256);
    }
    return key;
  }

  /** The newest version of exactly this key, or -1. */
  find(key: Uint8Array): number {
    const { prefix, values } = this;
    if (key.length !== prefix.length + this.width) return -1;
    for (let at = 0; at < prefix.length; at++) if (key[at] !== prefix[at]) return -1;
    const wanted = bigEndian(key, prefix.length, this.width);
    const row = lowerBound(values, wanted);
    return row < values.length && values[row] === wanted ? row : -1;
  }

  /** The first row whose key is not below `key`, or the row count. */
  seek(key: Uint8Array): number {
    const { prefix, width, values } = this;
    const start = prefix.length;
    const order = compareBytes(key.subarray(0, start), prefix);
    if (order !== 0) return order < 0 ? 0 : values.length;
    let wanted = 0;
    for (let at = start; at < start + width; at++) wanted = wanted * 256 + (at < key.length ? key[at]! : 0);
    return lowerBound(values, key.length > start + width ? wanted + 1 : wanted);
  }
}

/** The first value at or above `wanted`. Evenly spread keys are found where interpolation says, or next to it. */
function lowerBound(values: Float64Array, wanted: number): number {
  let low = 0;
  let high = values.length;
  if (high > 8) {
    const first = values[0]!;
    const last = values[high - 1]!;
    if (wanted <= first) return 0;
    if (wanted > last) return high;
    const guess = Math.floor(((wanted - first) / (last - first)) * (high - 1));
    if (values[guess]! < wanted) low = guess + 1;
    else if (values[guess - 1]! < wanted) return guess;
    else high = guess;
    if (low < high && values[low]! >= wanted) return low;
  }
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (values[middle]! < wanted) low = middle + 1;
    else high = middle;
  }
  return low;
}

class ByteKeys {
  readonly kind = 'bytes';
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;

  constructor(bytes: Uint8Array, offsets: Int32Array) {
    this.bytes = bytes;
    this.offsets = offsets;
  }

  get rowCount(): number {
    return this.offsets.length - 1;
  }

  /** A view. */
  keyAt(row: number): Uint8Array {
    return this.bytes.subarray(this.offsets[row]!, this.offsets[row + 1]!);
  }

  find(key: Uint8Array): number {
    const row = this.seek(key);
    return row < this.rowCount && this.#compare(row, key) === 0 ? row : -1;
  }

  seek(key: Uint8Array): number {
    let low = 0;
    let high = this.rowCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#compare(middle, key) < 0) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  #compare(row: number, key: Uint8Array): number {
    const { bytes } = this;
    const start = this.offsets[row]!;
    const length = this.offsets[row + 1]! - start;
    const limit = Math.min(length, key.length);
    for (let at = 0; at < limit; at++) {
      const difference = bytes[start + at]! - key[at]!;
      if (difference !== 0) return difference;
    }
    return length - key.length;
  }
}
