import { LeafBlock } from './leaf-block.ts';
import { commitVersion, type Version } from './version.ts';

/** Entries of a leaf; as many rows, about, as a scan takes at a time from memory. */
const leafEntriesMax = 512;

/** A leaf with fewer entries is not worth a place of its own in another tree. */
const leafAdoptedMin = leafEntriesMax / 2;

/** A run of keys, each with its newest version first. `block` is the columnar form, until the leaf changes. */
export type Leaf = { readonly keys: string[]; readonly versions: Version[]; block: LeafBlock | null };

/**
 * Keys in byte order with their versions. Two levels suffice for what memory holds: an array of leaves, and
 * sorted arrays within each. Keys are latin1 strings, one character a byte: they compare with `<` in byte order,
 * and take a third of the memory of byte arrays.
 *
 * Invariants: leaves are in order and none is empty; a key stands in one leaf alone; each chain of versions has
 * falling timestamps (commands, in an overlay, may repeat).
 */
export class Tree {
  readonly #leaves: Leaf[] = [];
  #versionCount = 0;

  get versionCount(): number {
    return this.#versionCount;
  }

  /** The newest version of exactly this key. */
  get(key: string): Version | null {
    const last = this.#leaves[this.#leaves.length - 1];
    if (last === undefined || last.keys[last.keys.length - 1]! < key) return null;
    const leaf = this.#leaves[this.#leafFor(key)];
    if (leaf === undefined) return null;
    const place = lowerBound(leaf.keys, key);
    return leaf.keys[place] === key ? leaf.versions[place]! : null;
  }

  /** Puts a version on top of the key's others. */
  put(key: string, version: Version): void {
    this.#versionCount++;
    const leaf = this.#leafToWrite(key);
    leaf.block = null;
    const { keys, versions } = leaf;
    const last = keys.length - 1;
    if (last < 0 || keys[last]! < key) {
      keys.push(key);
      versions.push(version);
      return;
    }
    const place = lowerBound(keys, key);
    if (keys[place] === key) {
      version.older = versions[place]!;
      versions[place] = version;
    } else {
      keys.splice(place, 0, key);
      versions.splice(place, 0, version);
    }
  }

  /** Takes the newest version of a key away. */
  pop(key: string): void {
    const at = this.#leafFor(key);
    const leaf = this.#leaves[at];
    const place = leaf === undefined ? -1 : lowerBound(leaf.keys, key);
    if (leaf === undefined || leaf.keys[place] !== key) return;
    this.#versionCount--;
    leaf.block = null;
    const { older } = leaf.versions[place]!;
    if (older !== null) {
      leaf.versions[place] = older;
      return;
    }
    leaf.keys.splice(place, 1);
    leaf.versions.splice(place, 1);
    if (leaf.keys.length === 0) this.#leaves.splice(at, 1);
  }

  /** Takes away every version above a timestamp. */
  truncate(timestamp: number): void {
    for (const leaf of [...this.#leaves]) {
      const doomed: string[] = [];
      for (let place = 0; place < leaf.keys.length; place++) {
        let version: Version | null = leaf.versions[place]!;
        for (; version !== null && version.timestamp > timestamp; version = version.older) {
          doomed.push(leaf.keys[place]!);
        }
      }
      for (const key of doomed) this.pop(key);
    }
  }

  /** Makes the newest version of each key the only one, of this timestamp. */
  stamp(timestamp: number): void {
    this.#versionCount = 0;
    for (const leaf of this.#leaves) {
      leaf.block = null;
      this.#versionCount += leaf.versions.length;
      for (const version of leaf.versions) commitVersion(version, timestamp);
    }
  }

  /** Puts the newest versions of another tree, with this timestamp, on top. Whole leaves where they come after all keys. */
  absorb(pending: Tree, timestamp: number): void {
    pending.stamp(timestamp);
    for (const leaf of pending.#leaves) {
      const { keys, versions } = leaf;
      const last = this.#leaves.at(-1);
      if (keys.length >= leafAdoptedMin && (last === undefined || last.keys.at(-1)! < keys[0]!)) {
        this.#versionCount += versions.length;
        this.#leaves.push(leaf);
        continue;
      }
      for (let place = 0; place < keys.length; place++) this.put(keys[place]!, versions[place]!);
    }
  }

  get leaves(): readonly Leaf[] {
    return this.#leaves;
  }

  /** The leaf that has the first key at or after `key` (null: the first of all), or undefined. */
  leafAtOrAfter(key: string | null): Leaf | undefined {
    if (key === null) return this.#leaves[0];
    const at = this.#leafFor(key);
    const leaf = this.#leaves[at];
    if (leaf !== undefined && leaf.keys[leaf.keys.length - 1]! < key) return this.#leaves[at + 1];
    return leaf;
  }

  /** The leaf that has the last key before `key` (null: the last of all), or undefined. */
  leafBefore(key: string | null): Leaf | undefined {
    if (key === null) return this.#leaves[this.#leaves.length - 1];
    const at = this.#leafFor(key);
    const leaf = this.#leaves[at];
    return leaf !== undefined && leaf.keys[0]! < key ? leaf : this.#leaves[at - 1];
  }

  /** About how many keys lie in [from, to). */
  estimate(from: string | null, to: string | null): number {
    if (this.#leaves.length === 0) return 0;
    const first = from === null ? 0 : this.#leafFor(from);
    const last = to === null ? this.#leaves.length - 1 : this.#leafFor(to);
    const place = (at: number, key: string | null, whole: number): number =>
      key === null ? whole : lowerBound(this.#leaves[at]!.keys, key);
    const start = place(first, from, 0);
    const end = place(last, to, this.#leaves[last]!.keys.length);
    if (first === last) return Math.max(0, end - start);
    let count = end - start;
    for (let at = first; at < last; at++) count += this.#leaves[at]!.keys.length;
    return Math.max(0, count);
  }

  /** Keys in [from, to) with their newest versions. The tree must not change meanwhile. */
  *entries(from: string | null = null, to: string | null = null): Iterable<readonly [string, Version]> {
    for (let at = from === null ? 0 : this.#leafFor(from); at < this.#leaves.length; at++) {
      const { keys, versions } = this.#leaves[at]!;
      for (let place = from === null ? 0 : lowerBound(keys, from); place < keys.length; place++) {
        if (to !== null && keys[place]! >= to) return;
        yield [keys[place]!, versions[place]!];
      }
    }
  }

  /** Whether it has keys in [from, to). */
  overlaps(from: string | null, to: string | null): boolean {
    const leaf = this.leafAtOrAfter(from);
    if (leaf === undefined) return false;
    const key = from === null ? leaf.keys[0]! : leaf.keys[lowerBound(leaf.keys, from)]!;
    return to === null || key < to;
  }

  /** The last leaf whose first key is not above `key`, or the first leaf. */
  #leafFor(key: string): number {
    const leaves = this.#leaves;
    let low = 0;
    let high = leaves.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (leaves[middle]!.keys[0]! <= key) low = middle;
      else high = middle - 1;
    }
    return low;
  }

  #leafToWrite(key: string): Leaf {
    const leaves = this.#leaves;
    const last = leaves[leaves.length - 1];
    if (last === undefined) return this.#addLeaf(0, [], []);
    const isAppend = last.keys[last.keys.length - 1]! < key;
    const at = isAppend ? leaves.length - 1 : this.#leafFor(key);
    const leaf = leaves[at]!;
    if (leaf.keys.length < leafEntriesMax) return leaf;
    if (isAppend) return this.#addLeaf(leaves.length, [], []);
    const half = leafEntriesMax / 2;
    const right = this.#addLeaf(at + 1, leaf.keys.splice(half), leaf.versions.splice(half));
    leaf.block = null;
    return right.keys[0]! <= key ? right : leaf;
  }

  #addLeaf(at: number, keys: string[], versions: Version[]): Leaf {
    const leaf: Leaf = { keys, versions, block: null };
    this.#leaves.splice(at, 0, leaf);
    return leaf;
  }
}

/** The columnar form of a leaf, kept with it until it changes. */
export function blockOf(leaf: Leaf): LeafBlock {
  leaf.block ??= new LeafBlock(leaf.keys.slice(), leaf.versions);
  return leaf.block;
}

/** The first place whose key is not below `key`. */
function lowerBound(keys: readonly string[], key: string): number {
  let low = 0;
  let high = keys.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (keys[middle]! < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
