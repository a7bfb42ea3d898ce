import type { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteReaderError } from '../../../base/bytes/reader.ts';
import type { ByteWriter } from '../../../base/bytes/writer.ts';
import { invariant } from '../../../base/unreachable.ts';

/**
 * Runs of safe integers, byte-aligned so that decoding is one loop over a typed array (compression takes out
 * what is left): frame of reference, `base + unsigned[i]`, or deltas, `value[i-1] + base + unsigned[i]`, with
 * 0, 1, 2, 4 or 6 bytes each, whichever is narrower; or the doubles themselves where the range is not safe.
 * Little-endian, as every host that runs JavaScript today is.
 */
type Width = 0 | 1 | 2 | 4 | 6 | 8;
const deltaFlag = 16;

invariant(new Uint8Array(Uint16Array.of(1).buffer)[0] === 1, 'the host is little-endian');

function widthOf(range: number): Width {
  if (range === 0) return 0;
  if (range < 2 ** 8) return 1;
  if (range < 2 ** 16) return 2;
  if (range < 2 ** 32) return 4;
  return range < 2 ** 48 ? 6 : 8;
}

export function writeIntegers(writer: ByteWriter, values: Float64Array | Int32Array, count: number): void {
  if (count === 0) return;
  let min = values[0]!;
  let max = min;
  let deltaMin = Number.POSITIVE_INFINITY;
  let deltaMax = Number.NEGATIVE_INFINITY;
  for (let index = 1; index < count; index++) {
    const value = values[index]!;
    const delta = value - values[index - 1]!;
    if (value < min) min = value;
    if (value > max) max = value;
    if (delta < deltaMin) deltaMin = delta;
    if (delta > deltaMax) deltaMax = delta;
  }
  const width = widthOf(max - min);
  if (width === 8) {
    writer.uint8(8);
    writeRaw(writer, Float64Array.from(values.subarray(0, count)));
    return;
  }
  const deltaWidth = count > 1 ? widthOf(deltaMax - deltaMin) : width;
  const isDelta = deltaWidth < width;
  writer.uint8(isDelta ? deltaWidth | deltaFlag : width);
  if (isDelta) writer.varint(values[0]!);
  writer.varint(isDelta ? deltaMin : min);
  const unsigned = new Float64Array(isDelta ? count - 1 : count);
  for (let index = 0; index < unsigned.length; index++) {
    unsigned[index] = isDelta ? values[index + 1]! - values[index]! - deltaMin : values[index]! - min;
  }
  writeUnsigned(writer, unsigned, isDelta ? deltaWidth : width);
}

function writeUnsigned(writer: ByteWriter, values: Float64Array, width: Width): void {
  if (width === 1) writeRaw(writer, Uint8Array.from(values));
  else if (width === 2) writeRaw(writer, Uint16Array.from(values));
  else if (width === 4) writeRaw(writer, Uint32Array.from(values));
  else if (width === 6) {
    writeRaw(
      writer,
      Uint32Array.from(values, (value) => value % 2 ** 32),
    );
    writeRaw(
      writer,
      Uint16Array.from(values, (value) => value / 2 ** 32),
    );
  }
}

export function writeRaw(
  writer: ByteWriter,
  values: Float64Array | Float32Array | BigInt64Array | Uint32Array | Uint16Array | Uint8Array,
): void {
  writer.raw(new Uint8Array(values.buffer, values.byteOffset, values.byteLength));
}

/** The next `length` bytes in a buffer of their own, which aligns them for any typed array. */
export function readAligned(reader: ByteReader, length: number): ArrayBuffer {
  const aligned = new Uint8Array(length);
  aligned.set(reader.raw(length));
  return aligned.buffer;
}

/** Fills the whole target. */
export function readIntegers<Target extends Float64Array | Int32Array>(
  reader: ByteReader,
  target: Target,
): Target {
  const count = target.length;
  if (count === 0) return target;
  const mode = reader.uint8();
  const width = mode & 15;
  if (width === 8) {
    target.set(new Float64Array(readAligned(reader, count * 8)));
    return target;
  }
  const isDelta = (mode & deltaFlag) !== 0;
  const first = isDelta ? Number(reader.varlong()) : 0;
  const base = Number(reader.varlong());
  const steps = isDelta ? count - 1 : count;
  const low = readLow(reader, steps, width);
  const high = width === 6 ? new Uint16Array(readAligned(reader, steps * 2)) : null;
  if (isDelta) {
    let value = first;
    target[0] = value;
    for (let index = 0; index < steps; index++) {
      value += base + (low === null ? 0 : low[index]!) + (high === null ? 0 : high[index]! * 2 ** 32);
      target[index + 1] = value;
    }
  } else if (low === null) target.fill(base);
  else if (high === null) for (let index = 0; index < steps; index++) target[index] = base + low[index]!;
  else {
    for (let index = 0; index < steps; index++) target[index] = base + low[index]! + high[index]! * 2 ** 32;
  }
  return target;
}

function readLow(
  reader: ByteReader,
  count: number,
  width: number,
): Uint8Array | Uint16Array | Uint32Array | null {
  switch (width) {
    case 0:
      return null;
    case 1:
      return new Uint8Array(readAligned(reader, count));
    case 2:
      return new Uint16Array(readAligned(reader, count * 2));
    case 4:
    case 6:
      return new Uint32Array(readAligned(reader, count * 4));
    default:
      throw new ByteReaderError(`unknown integer width ${width}`);
  }
}

/** A bit a row, from flags of a byte a row. */
export function writeBits(writer: ByteWriter, flags: Uint8Array, start: number, end: number): void {
  const packed = new Uint8Array((end - start + 7) >> 3);
  for (let row = start; row < end; row++) {
    if (flags[row] === 1) packed[(row - start) >> 3]! |= 1 << ((row - start) & 7);
  }
  writer.raw(packed);
}

export function readBits(reader: ByteReader, count: number): Uint8Array {
  const packed = reader.raw((count + 7) >> 3);
  const flags = new Uint8Array(count);
  for (let row = 0; row < count; row++) flags[row] = (packed[row >> 3]! >> (row & 7)) & 1;
  return flags;
}
