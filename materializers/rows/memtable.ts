import type { IndexId, StorageId } from '../../base/ids.ts';
import { Tree } from './tree.ts';
import { commitVersion, type Version } from './version.ts';

/** What a version costs beside its row bytes: the objects around it. */
const versionOverheadBytes = 200;

/** Trees that are found by looking at each. */
const treesSearchedMax = 8;

type OneTree = { readonly storage: StorageId; readonly index: IndexId; readonly tree: Tree };

/** One version alone, before there are trees: all that most transactions write. */
export type LoneVersion = {
  readonly storage: StorageId;
  readonly index: IndexId;
  readonly key: string;
  readonly version: Version;
};

/** Trees by storage and index. A memtable holds a span of the log; an overlay, one transaction's pending rows. */
export class Trees {
  /** In the order in which they came: few, in most transactions. */
  readonly #trees: OneTree[] = [];
  /** By storage and index, once they are many. */
  #byId: Map<StorageId, Map<IndexId, Tree>> | null = null;
  #lone: LoneVersion | null = null;
  #sizeBytes = 0;

  /** Bytes that it holds in memory, about. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  /** What it holds, where that is one version; it has no trees then. */
  get lone(): LoneVersion | null {
    return this.#lone;
  }

  /** Keys and rows of one tree, about: its share of all. */
  contentBytes(storage: StorageId, index: IndexId): number {
    const own = this.get(storage, index)?.versionCount ?? 0;
    if (own === 0) return 0;
    let all = 0;
    for (const { tree } of this.#trees) all += tree.versionCount;
    return Math.round((own * Math.max(0, this.#sizeBytes - all * versionOverheadBytes)) / all);
  }

  get isEmpty(): boolean {
    return this.#lone === null && this.#trees.every(({ tree }) => tree.versionCount === 0);
  }

  get(storage: StorageId, index: IndexId): Tree | null {
    if (this.#lone !== null) this.#settle();
    if (this.#byId !== null) return this.#byId.get(storage)?.get(index) ?? null;
    for (const each of this.#trees) if (each.storage === storage && each.index === index) return each.tree;
    return null;
  }

  put(storage: StorageId, index: IndexId, key: string, version: Version, rowBytes: number): void {
    this.#sizeBytes += versionOverheadBytes + key.length + rowBytes;
    if (this.#lone === null && this.#trees.length === 0) this.#lone = { storage, index, key, version };
    else this.#open(storage, index).put(key, version);
  }

  /** Takes away the newest version of a key. */
  pop(storage: StorageId, index: IndexId, key: string, rowBytes: number): void {
    this.#sizeBytes -= versionOverheadBytes + key.length + rowBytes;
    this.get(storage, index)?.pop(key);
  }

  /** The lone version goes into a tree. */
  #settle(): void {
    const lone = this.#lone;
    if (lone === null) return;
    this.#lone = null;
    this.#open(lone.storage, lone.index).put(lone.key, lone.version);
  }

  #open(storage: StorageId, index: IndexId): Tree {
    const known = this.get(storage, index);
    if (known !== null) return known;
    const tree = new Tree();
    this.#trees.push({ storage, index, tree });
    if (this.#byId !== null) this.#note(this.#byId, storage, index, tree);
    else if (this.#trees.length > treesSearchedMax) {
      this.#byId = new Map();
      for (const each of this.#trees) this.#note(this.#byId, each.storage, each.index, each.tree);
    }
    return tree;
  }

  #note(byId: Map<StorageId, Map<IndexId, Tree>>, storage: StorageId, index: IndexId, tree: Tree): void {
    const indexes = byId.get(storage) ?? new Map<IndexId, Tree>();
    byId.set(storage, indexes.set(index, tree));
  }

  /**
   * Takes over what a transaction wrote, as the versions of its commit: of each key, the last one. The other one is
   * not used again.
   */
  absorb(pending: Trees, timestamp: number): void {
    const lone = pending.#lone;
    if (lone === null) {
      for (const { storage, index, tree } of pending.#trees)
        this.#open(storage, index).absorb(tree, timestamp);
    } else {
      commitVersion(lone.version, timestamp);
      this.#open(lone.storage, lone.index).put(lone.key, lone.version);
    }
    this.#sizeBytes += pending.#sizeBytes;
  }

  /** Takes away every version above a timestamp. */
  truncate(timestamp: number): void {
    this.#settle();
    for (const { tree } of this.#trees) tree.truncate(timestamp);
  }

  /** What one transaction wrote becomes the versions of its commit: of each key, the last one. */
  stamp(timestamp: number): void {
    this.#settle();
    for (const { tree } of this.#trees) tree.stamp(timestamp);
  }

  /** In the order of storage and index ids. */
  all(): readonly OneTree[] {
    this.#settle();
    return this.#trees.length < 2
      ? this.#trees
      : this.#trees.toSorted((left, right) => left.storage - right.storage || left.index - right.index);
  }
}
