/**
 * UTF-8, as fast as the host has it. Node's Buffer makes short strings several times faster than TextDecoder;
 * a browser has no Buffer and takes the standard classes.
 */
type HostMethods = {
  utf8Slice(this: Uint8Array, start: number, end: number): string;
  latin1Slice(this: Uint8Array, start: number, end: number): string;
  utf8Write(this: Uint8Array, text: string, start: number): number;
};
const host = (
  globalThis as unknown as { Buffer?: { prototype: HostMethods; byteLength(text: string): number } }
).Buffer;
const methods = host?.prototype;
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
const strictDecoder = new TextDecoder('utf-8', { ignoreBOM: true, fatal: true });
const encoder = new TextEncoder();

export function utf8ToString(bytes: Uint8Array, start = 0, end = bytes.length): string {
  if (start === end) return '';
  if (methods === undefined) return decoder.decode(bytes.subarray(start, end));
  return methods.utf8Slice.call(bytes, start, end);
}

/** Longer texts are made one by one; shorter ones are parts of one string of at most this many bytes. */
const sharedTextBytesMax = 256;
const sharedBytesMax = 8192;
const shared = new Uint8Array(sharedBytesMax);

/**
 * The texts of rows (null: of the first `count`), each at [offsets[row], offsets[row + 1]). Short ASCII texts are made
 * together and cut apart, which takes a third of the time; whoever keeps one of them keeps up to 8 KiB.
 */
export function utf8ToStrings(
  bytes: Uint8Array,
  offsets: Int32Array,
  rows: Uint32Array | null,
  count: number,
): string[] {
  const texts = new Array<string>(count);
  for (let from = 0; from < count; ) {
    const { to, length } = gatherShort(bytes, offsets, rows, from, count);
    const end = Math.max(to, from + 1);
    const text = utf8ToString(shared, 0, length);
    if (to === end && text.length === length) cutApart(text, offsets, rows, from, end, texts);
    else makeEach(bytes, offsets, rows, from, end, texts);
    from = end;
  }
  return texts;
}

function makeEach(
  bytes: Uint8Array,
  offsets: Int32Array,
  rows: Uint32Array | null,
  from: number,
  to: number,
  texts: string[],
): void {
  for (let at = from; at < to; at++) {
    const row = rows === null ? at : rows[at]!;
    texts[at] = utf8ToString(bytes, offsets[row]!, offsets[row + 1]!);
  }
}

/** Copies rows [from, to) side by side, up to one that is too long or does not fit. */
function gatherShort(
  bytes: Uint8Array,
  offsets: Int32Array,
  rows: Uint32Array | null,
  from: number,
  count: number,
): { readonly to: number; readonly length: number } {
  let length = 0;
  let to = from;
  for (; to < count; to++) {
    const row = rows === null ? to : rows[to]!;
    const start = offsets[row]!;
    const end = offsets[row + 1]!;
    if (end - start > sharedTextBytesMax || length + end - start > sharedBytesMax) break;
    for (let at = start; at < end; at++) shared[length++] = bytes[at]!;
  }
  return { to, length };
}

function cutApart(
  text: string,
  offsets: Int32Array,
  rows: Uint32Array | null,
  from: number,
  to: number,
  texts: string[],
): void {
  let start = 0;
  for (let at = from; at < to; at++) {
    const row = rows === null ? at : rows[at]!;
    const end = start + offsets[row + 1]! - offsets[row]!;
    texts[at] = text.substring(start, end);
    start = end;
  }
}

/** Null where the bytes are not UTF-8. */
export function utf8ToStringStrict(bytes: Uint8Array): string | null {
  try {
    return strictDecoder.decode(bytes);
  } catch {
    return null;
  }
}

export function stringToUtf8(text: string): Uint8Array {
  return encoder.encode(text);
}

export function utf8Length(text: string): number {
  return host === undefined ? encoder.encode(text).length : host.byteLength(text);
}

/** Writes the text at `start`; the caller has made room. Returns the bytes written. */
export function writeUtf8(target: Uint8Array, start: number, text: string): number {
  if (text.length < 24) {
    let at = start;
    let index = 0;
    for (; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit > 127) break;
      target[at++] = unit;
    }
    if (index === text.length) return index;
  }
  if (methods === undefined) return encoder.encodeInto(text, target.subarray(start)).written;
  return methods.utf8Write.call(target, text, start);
}

/**
 * One character a byte: how bytes become a key of a Map, and compare with `<` in byte order. Keys of one int4 or
 * int8 have 5 and 9 bytes, for which the call of a method that is not JavaScript is half of the cost. Of the first
 * `length` bytes.
 */
export function bytesToLatin1(bytes: Uint8Array, length = bytes.length): string {
  const b = bytes;
  if (length === 5) return String.fromCharCode(b[0]!, b[1]!, b[2]!, b[3]!, b[4]!);
  if (length === 9) {
    return String.fromCharCode(b[0]!, b[1]!, b[2]!, b[3]!, b[4]!, b[5]!, b[6]!, b[7]!, b[8]!);
  }
  if (methods !== undefined) {
    return methods.latin1Slice.call(bytes, 0, length);
  }
  let text = '';
  for (let start = 0; start < length; start += 8192) {
    text += String.fromCharCode(...bytes.subarray(start, Math.min(start + 8192, length)));
  }
  return text;
}

export function latin1ToBytes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let index = 0; index < text.length; index++) bytes[index] = text.charCodeAt(index);
  return bytes;
}

/**
 * Compares by code point, which is the byte order of UTF-8 and PostgreSQL's collation "C". JavaScript's `<`
 * compares UTF-16 units, which differs where a surrogate meets U+E000 to U+FFFF.
 */
export function compareText(left: string, right: string): number {
  if (left === right) return 0;
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const a = left.charCodeAt(index);
    const b = right.charCodeAt(index);
    if (a === b) continue;
    const aIsSurrogate = a >= 0xd800 && a <= 0xdfff;
    const bIsSurrogate = b >= 0xd800 && b <= 0xdfff;
    if (aIsSurrogate !== bIsSurrogate)
      return aIsSurrogate ? (b >= 0xe000 ? 1 : a - b) : a >= 0xe000 ? -1 : a - b;
    return a - b;
  }
  return left.length - right.length;
}
