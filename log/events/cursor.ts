import { utf8ToString } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';

const scratch = new Uint8Array(8);
const scratchFloat32 = new Float32Array(scratch.buffer);
const scratchFloat64 = new Float64Array(scratch.buffer);

export function malformed(problem: string): AlopexError {
  return new AlopexError('data_corrupted', `malformed Avro: ${problem}`);
}

/**
 * Reads Avro's primitive types. Reads past the end give zeros and are found by `finish`, so that the hot path
 * has one check a row; lengths are checked at once, because they decide what is allocated.
 */
export class AvroCursor {
  bytes: Uint8Array = scratch;
  position = 0;

  start(bytes: Uint8Array): void {
    this.bytes = bytes;
    this.position = 0;
  }

  /** After the last field that is wanted. */
  finish(): void {
    if (this.position > this.bytes.length) throw malformed('the body ends within a field');
  }

  boolean(): boolean {
    return this.bytes[this.position++] === 1;
  }

  int(): number {
    const value = this.long();
    if (typeof value !== 'number' || value > 2_147_483_647 || value < -2_147_483_648) {
      throw malformed(`${value} is not an int`);
    }
    return value;
  }

  /** A number where it is safe, else a bigint. */
  long(): number | bigint {
    const bytes = this.bytes;
    let position = this.position;
    let byte = bytes[position++]!;
    if (byte < 128) {
      this.position = position;
      return (byte >>> 1) ^ -(byte & 1);
    }
    let low = byte & 127;
    for (let shift = 7; shift < 28; shift += 7) {
      byte = bytes[position++]!;
      low |= (byte & 127) << shift;
      if (!(byte >= 128)) {
        this.position = position;
        return (low >>> 1) ^ -(low & 1);
      }
    }
    return this.#longTail(position, low);
  }

  #longTail(start: number, low: number): number | bigint {
    let value = low;
    let scale = 268_435_456;
    let position = start;
    for (let count = 4; count < 7; count++) {
      const byte = this.bytes[position++]!;
      value += (byte & 127) * scale;
      if (!(byte >= 128)) {
        this.position = position;
        return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
      scale *= 128;
    }
    return this.#bigLong(position, value);
  }

  #bigLong(start: number, low: number): number | bigint {
    let value = BigInt(low);
    let position = start;
    for (let shift = 49n; shift < 70n; shift += 7n) {
      const byte = this.bytes[position++]!;
      value |= BigInt(byte & 127) << shift;
      if (!(byte >= 128)) {
        this.position = position;
        const signed = BigInt.asIntN(64, (value >> 1n) ^ -(value & 1n));
        return signed >= -9007199254740991n && signed <= 9007199254740991n ? Number(signed) : signed;
      }
    }
    throw malformed('a long of more than ten bytes');
  }

  #fill(count: number): void {
    const position = this.position;
    for (let index = 0; index < count; index++) scratch[index] = this.bytes[position + index]!;
    this.position = position + count;
  }
  float(): number {
    this.#fill(4);
    return scratchFloat32[0]!;
  }
  double(): number {
    this.#fill(8);
    return scratchFloat64[0]!;
  }

  /** A byte length or a count of items that take at least `bytesEach`. */
  length(bytesEach: number): number {
    const length = this.long();
    if (typeof length !== 'number' || length < 0 || length * bytesEach > this.bytes.length - this.position) {
      throw malformed(`a length of ${length} at byte ${this.position} of ${this.bytes.length}`);
    }
    return length;
  }
  text(): string {
    const length = this.length(1);
    const start = this.position;
    this.position = start + length;
    return utf8ToString(this.bytes, start, start + length);
  }
  /** A copy: datums outlive the batch that they came from. */
  binary(): Uint8Array {
    const length = this.length(1);
    this.position += length;
    return this.bytes.slice(this.position - length, this.position);
  }
  skipSized(): void {
    const length = this.length(1);
    this.position += length;
  }
  skipLong(): void {
    while (this.bytes[this.position++]! >= 128);
  }
}
