import { utf8ToString } from './utf8.ts';

/** Reads past the end, and malformed variable-length integers, throw this; decoders turn it into their own error. */
export class ByteReaderError extends Error {
  override readonly name = 'ByteReaderError';
}

/** Reads numbers from bytes, big-endian unless named otherwise. */
export class ByteReader {
  readonly bytes: Uint8Array;
  position: number;
  end: number;
  readonly #view: DataView;

  constructor(bytes: Uint8Array, start = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = start;
    this.end = end;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get remaining(): number {
    return this.end - this.position;
  }
  #take(count: number): number {
    const start = this.position;
    if (count < 0 || start + count > this.end)
      throw new ByteReaderError(`${count} bytes wanted at ${start}, ${this.end - start} left`);
    this.position = start + count;
    return start;
  }
  skip(count: number): void {
    this.#take(count);
  }
  uint8(): number {
    return this.bytes[this.#take(1)]!;
  }
  int8(): number {
    return this.#view.getInt8(this.#take(1));
  }
  int16(): number {
    return this.#view.getInt16(this.#take(2));
  }
  uint16(): number {
    return this.#view.getUint16(this.#take(2));
  }
  int32(): number {
    return this.#view.getInt32(this.#take(4));
  }
  uint32(): number {
    return this.#view.getUint32(this.#take(4));
  }
  /** A number where it is safe, else a bigint. */
  int64(): number | bigint {
    const start = this.#take(8);
    const high = this.#view.getInt32(start);
    if (high >= -2_097_152 && high < 2_097_152) {
      const value = high * 4_294_967_296 + this.#view.getUint32(start + 4);
      if (value !== -9_007_199_254_740_992) return value;
    }
    return this.#view.getBigInt64(start);
  }
  float32LittleEndian(): number {
    return this.#view.getFloat32(this.#take(4), true);
  }
  float64(): number {
    return this.#view.getFloat64(this.#take(8));
  }
  float64LittleEndian(): number {
    return this.#view.getFloat64(this.#take(8), true);
  }
  /** Zigzag, at most 10 bytes; a number where it is safe, else a bigint. */
  varlong(): number | bigint {
    let value = 0;
    let scale = 1;
    const start = this.position;
    for (let count = 0; count < 7; count++) {
      const byte = this.uint8();
      value += (byte & 127) * scale;
      if (byte < 128) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      scale *= 128;
    }
    this.position = start;
    return this.#varbigint();
  }
  #varbigint(): number | bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.uint8();
      value |= BigInt(byte & 127) << shift;
      if (byte < 128) {
        if (value >> 64n !== 0n) throw new ByteReaderError('variable-length integer is longer than 64 bits');
        const signed = (value >> 1n) ^ -(value & 1n);
        return signed >= -9007199254740991n && signed <= 9007199254740991n ? Number(signed) : signed;
      }
    }
    throw new ByteReaderError('variable-length integer is longer than 10 bytes');
  }
  /** Zigzag of 32 bits. */
  varint(): number {
    const value = this.varlong();
    if (typeof value === 'bigint' || value > 2_147_483_647 || value < -2_147_483_648) {
      throw new ByteReaderError(`${value} is not a 32-bit integer`);
    }
    return value;
  }
  /** A view, not a copy. */
  raw(count: number): Uint8Array {
    const start = this.#take(count);
    return this.bytes.subarray(start, start + count);
  }
  utf8(count: number): string {
    const start = this.#take(count);
    return utf8ToString(this.bytes, start, start + count);
  }
}
