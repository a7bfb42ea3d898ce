import { compareBytes } from '../../base/bytes/compare.ts';

/** Of an entry beside its key: where the key begins, its first bytes as a number, its timestamp, its place in the order. */
const entryOverheadBytes = 4 + 8 + 8 + 4;
/** Bytes of a key that are compared as one number, which a double holds exactly. */
const headBytes = 6;

/** Index entries in memory, to be read in the order of their keys: 1,000,000 of 15 bytes are sorted in half a second. */
export class EntrySorter {
  #count = 0;
  #keys = new Uint8Array(64 * 1024);
  #keysEnd = 0;
  #starts = new Uint32Array(1024);
  #heads = new Float64Array(1024);
  #timestamps = new Float64Array(1024);

  get count(): number {
    return this.#count;
  }

  /** Bytes that the entries need. */
  get sizeBytes(): number {
    return this.#keysEnd + this.#count * entryOverheadBytes;
  }

  /** The entry's key is `prefix` and then `suffix`, which are copied. */
  add(prefix: Uint8Array, suffix: Uint8Array, timestamp: number): void {
    const start = this.#keysEnd;
    const end = start + prefix.length + suffix.length;
    if (end > this.#keys.length) this.#keys = grown(this.#keys, end);
    if (this.#count === this.#starts.length) {
      this.#starts = grown(this.#starts, this.#count + 1);
      this.#heads = grown(this.#heads, this.#count + 1);
      this.#timestamps = grown(this.#timestamps, this.#count + 1);
    }
    this.#keys.set(prefix, start);
    this.#keys.set(suffix, start + prefix.length);
    this.#starts[this.#count] = start;
    this.#heads[this.#count] = headOf(this.#keys, start, end);
    this.#timestamps[this.#count] = timestamp;
    this.#count++;
    this.#keysEnd = end;
  }

  /** Entries in the order of their keys; a key is a view. Nothing is added meanwhile. */
  *sorted(): Iterable<{ readonly key: Uint8Array; readonly timestamp: number }> {
    const order = new Uint32Array(this.#count);
    for (let place = 0; place < order.length; place++) order[place] = place;
    const heads = this.#heads;
    order.sort((left, right) => {
      const difference = heads[left]! - heads[right]!;
      return difference === 0 ? compareBytes(this.#keyAt(left), this.#keyAt(right)) : difference;
    });
    for (const place of order) yield { key: this.#keyAt(place), timestamp: this.#timestamps[place]! };
  }

  #keyAt(place: number): Uint8Array {
    const end = place + 1 === this.#count ? this.#keysEnd : this.#starts[place + 1]!;
    return this.#keys.subarray(this.#starts[place]!, end);
  }
}

/** A shorter key counts as followed by zeros: where that is no difference, the keys themselves are compared. */
function headOf(keys: Uint8Array, start: number, end: number): number {
  let head = 0;
  for (let at = start; at < start + headBytes; at++) head = head * 256 + (at < end ? keys[at]! : 0);
  return head;
}

function grown<A extends Uint8Array | Uint32Array | Float64Array>(array: A, length: number): A {
  const larger = new (array.constructor as new (size: number) => A)(Math.max(length, array.length * 2));
  larger.set(array);
  return larger;
}
