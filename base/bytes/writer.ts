import { writeUtf8 } from './utf8.ts';

/** Appends to a buffer that doubles when it is full. Multi-byte numbers are big-endian unless named otherwise. */
export class ByteWriter {
  /** Valid up to `length`; replaced when it grows. */
  bytes: Uint8Array;
  length = 0;
  #view: DataView;

  constructor(capacity = 256) {
    this.bytes = new Uint8Array(capacity);
    this.#view = new DataView(this.bytes.buffer);
  }

  /** Makes room for `count` more bytes, and returns where they start. */
  reserve(count: number): number {
    const needed = this.length + count;
    if (needed > this.bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.bytes.length * 2));
      grown.set(this.bytes.subarray(0, this.length));
      this.bytes = grown;
      this.#view = new DataView(grown.buffer);
    }
    return this.length;
  }

  uint8(value: number): void {
    this.reserve(1);
    this.bytes[this.length++] = value;
  }
  int16(value: number): void {
    this.reserve(2);
    this.#view.setInt16(this.length, value);
    this.length += 2;
  }
  int32(value: number): void {
    this.reserve(4);
    this.#view.setInt32(this.length, value);
    this.length += 4;
  }
  uint32(value: number): void {
    this.reserve(4);
    this.#view.setUint32(this.length, value);
    this.length += 4;
  }
  /** A safe integer or a bigint, as 8 bytes of two's complement. */
  int64(value: number | bigint): void {
    this.reserve(8);
    if (typeof value === 'number') {
      const high = Math.floor(value / 4_294_967_296);
      this.#view.setInt32(this.length, high);
      this.#view.setUint32(this.length + 4, value - high * 4_294_967_296);
    } else {
      this.#view.setBigInt64(this.length, value);
    }
    this.length += 8;
  }
  float32LittleEndian(value: number): void {
    this.reserve(4);
    this.#view.setFloat32(this.length, value, true);
    this.length += 4;
  }
  float64(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.length, value);
    this.length += 8;
  }
  float64LittleEndian(value: number): void {
    this.reserve(8);
    this.#view.setFloat64(this.length, value, true);
    this.length += 8;
  }
  /** Zigzag variable-length integer: Kafka's varint and varlong, Avro's int and long. */
  varint(value: number | bigint): void {
    if (typeof value === 'bigint') {
      this.#varbigint(value);
      return;
    }
    this.reserve(10);
    if (value >= -1_073_741_824 && value <= 1_073_741_823) {
      let rest = (value << 1) ^ (value >> 31);
      while (rest > 127) {
        this.bytes[this.length++] = (rest & 127) | 128;
        rest >>>= 7;
      }
      this.bytes[this.length++] = rest;
      return;
    }
    if (value > 4_503_599_627_370_495 || value < -4_503_599_627_370_496) {
      this.#varbigint(BigInt(value));
      return;
    }
    // In two halves of integers: a division for each byte would be slow.
    const zigzag = value >= 0 ? value * 2 : -value * 2 - 1;
    let high = Math.floor(zigzag / 268_435_456);
    const low = zigzag - high * 268_435_456;
    const { bytes, length: at } = this;
    bytes[at] = (low & 127) | 128;
    bytes[at + 1] = ((low >>> 7) & 127) | 128;
    bytes[at + 2] = ((low >>> 14) & 127) | 128;
    bytes[at + 3] = (low >>> 21) | 128;
    let end = at + 4;
    for (; high > 127; high >>>= 7) bytes[end++] = (high & 127) | 128;
    bytes[end++] = high;
    this.length = end;
  }
  #varbigint(value: bigint): void {
    this.reserve(10);
    let rest = BigInt.asUintN(64, (value << 1n) ^ (value >> 63n));
    while (rest > 127n) {
      this.bytes[this.length++] = Number(rest & 127n) | 128;
      rest >>= 7n;
    }
    this.bytes[this.length++] = Number(rest);
  }
  raw(bytes: Uint8Array): void {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
  }
  /** UTF-8 without a length. Returns the bytes written. */
  utf8(text: string): number {
    this.reserve(text.length * 3);
    const written = writeUtf8(this.bytes, this.length, text);
    this.length += written;
    return written;
  }
  /** A safe integer in decimal digits, as `String` has it. */
  decimal(value: number): void {
    this.reserve(17);
    const { bytes } = this;
    let rest = value;
    if (value < 0) {
      bytes[this.length++] = 45;
      rest = -value;
    }
    let end = this.length + 1;
    for (let next = rest; next >= 10; next = Math.floor(next / 10)) end++;
    for (let at = end; at > this.length; ) {
      const quotient = Math.floor(rest / 10);
      bytes[--at] = 48 + (rest - quotient * 10);
      rest = quotient;
    }
    this.length = end;
  }
  setUint8(position: number, value: number): void {
    this.bytes[position] = value;
  }
  setInt32(position: number, value: number): void {
    this.#view.setInt32(position, value);
  }
  setUint32(position: number, value: number): void {
    this.#view.setUint32(position, value);
  }
  /** What was written, copied; the writer can go on. */
  toBytes(): Uint8Array {
    return this.bytes.slice(0, this.length);
  }
  /** What was written, as a view that the next write may overwrite. */
  view(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
  clear(): void {
    this.length = 0;
  }
}
