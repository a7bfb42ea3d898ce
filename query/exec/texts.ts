import { utf8ToString, writeUtf8 } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import type { LazyText } from '../../base/values/column.ts';
import { grownCapacity } from './growth.ts';

/** Offsets are int32. */
const bytesMax = 2 ** 31 - 1;

/**
 * Texts side by side in one buffer of UTF-8 that grows: about their bytes and four more each, where strings of the heap
 * take 48 more, and the collector's time. What it outgrows is freed at once. Views of it are valid until it grows.
 */
export class Texts implements LazyText {
  length = 0;
  #bytes = new Uint8Array(256);
  #offsets = new Int32Array(64);

  get bytes(): Uint8Array {
    return this.#bytes;
  }

  get offsets(): Int32Array {
    return this.#offsets;
  }

  /** What it holds in memory. */
  get heldBytes(): number {
    return this.#bytes.length + this.#offsets.byteLength;
  }

  push(text: string): void {
    const start = this.#room(text.length * 3);
    this.#end(start + writeUtf8(this.#bytes, start, text));
  }

  /** The bytes [from, to) of another buffer. */
  pushBytes(bytes: Uint8Array, from: number, to: number): void {
    const start = this.#room(to - from);
    copyBytes(bytes, from, to, this.#bytes, start);
    this.#end(start + to - from);
  }

  clear(): void {
    this.length = 0;
  }

  at(row: number): string {
    return utf8ToString(this.#bytes, this.#offsets[row]!, this.#offsets[row + 1]!);
  }

  #room(count: number): number {
    const start = this.#offsets[this.length]!;
    if (start + count > this.#bytes.length) {
      if (start + count > bytesMax) throw tooLong();
      const capacity = Math.min(bytesMax, Math.max(start + count, grownCapacity(this.#bytes.length)));
      this.#bytes = new Uint8Array(this.#bytes.buffer.transfer(capacity));
    }
    return start;
  }

  #end(end: number): void {
    if (this.length + 1 >= this.#offsets.length) {
      const capacity = grownCapacity(this.#offsets.length);
      this.#offsets = new Int32Array(this.#offsets.buffer.transfer(capacity * 4));
    }
    this.#offsets[++this.length] = end;
  }
}

/** Longer pieces are copied by the host, whose call takes as long as some bytes do. */
const loopedBytesMax = 48;

export function copyBytes(
  source: Uint8Array,
  from: number,
  to: number,
  target: Uint8Array,
  start: number,
): void {
  if (to - from > loopedBytesMax) target.set(source.subarray(from, to), start);
  else for (let at = from, into = start; at < to; at++, into++) target[into] = source[at]!;
}

/** Orders row `left` of one column against row `right` of another as the collation "C" does: by their bytes. */
export function compareTextAt(left: LazyText, leftRow: number, right: LazyText, rightRow: number): number {
  const a = left.bytes;
  const b = right.bytes;
  const start = left.offsets[leftRow]!;
  const other = right.offsets[rightRow]!;
  const leftLength = left.offsets[leftRow + 1]! - start;
  const rightLength = right.offsets[rightRow + 1]! - other;
  const length = Math.min(leftLength, rightLength);
  for (let at = 0; at < length; at++) {
    const difference = a[start + at]! - b[other + at]!;
    if (difference !== 0) return difference;
  }
  return leftLength - rightLength;
}

function tooLong(): AlopexError {
  return new AlopexError('program_limit_exceeded', 'the texts of one column in memory exceed 2 GiB', {
    hint: 'Lower work_mem, so that they go to temporary files.',
  });
}
