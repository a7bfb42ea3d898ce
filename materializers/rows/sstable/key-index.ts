import { compareBytes } from '../../../base/bytes/compare.ts';

/**
 * A search over ascending keys that rarely looks at their bytes: six bytes after the prefix that all of them
 * share, as an exact double each. One typed array instead of a key object a step, which is what a point read of
 * cached pages would otherwise wait for.
 */
export class KeyIndex {
  readonly #keys: readonly Uint8Array[];
  readonly #shared: number;
  readonly #digests: Float64Array;

  constructor(keys: readonly Uint8Array[]) {
    this.#keys = keys;
    this.#shared = keys.length === 0 ? 0 : sharedLength(keys[0]!, keys.at(-1)!);
    this.#digests = Float64Array.from(keys, (key) => digestOf(key, this.#shared));
  }

  /** The first key that is at or after `key`, or the count of keys. */
  seek(key: Uint8Array): number {
    const keys = this.#keys;
    if (keys.length === 0) return 0;
    const first = keys[0]!;
    for (let at = 0; at < this.#shared; at++) {
      // A key that ends within the prefix has no byte there, and comes before all.
      const difference = (key[at] ?? -1) - first[at]!;
      if (difference !== 0) return difference < 0 ? 0 : keys.length;
    }
    const digests = this.#digests;
    const digest = digestOf(key, this.#shared);
    let low = 0;
    let high = digests.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (digests[middle]! < digest) low = middle + 1;
      else high = middle;
    }
    while (low < keys.length && digests[low] === digest && compareBytes(keys[low]!, key) < 0) low++;
    return low;
  }
}

export function sharedLength(left: Uint8Array, right: Uint8Array): number {
  const limit = Math.min(left.length, right.length);
  let shared = 0;
  while (shared < limit && left[shared] === right[shared]) shared++;
  return shared;
}

/** Six bytes from `start` as a big-endian number; bytes past the end count as 0. */
export function digestOf(key: Uint8Array, start: number): number {
  let digest = 0;
  for (let at = start; at < start + 6; at++) digest = digest * 256 + (at < key.length ? key[at]! : 0);
  return digest;
}
