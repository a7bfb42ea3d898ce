import type { IndexId, StorageId } from '../../base/ids.ts';
import { Tree } from './tree.ts';
import type { Version } from './version.ts';

/** What a version costs beside its row bytes: the objects around it. */
const versionOverheadBytes = 200;

/** Trees by storage and index. A memtable holds a span of the log; an overlay, one transaction's pending rows. */
export class Trees {
  readonly #storages = new Map<StorageId, Map<IndexId, Tree>>();
  #sizeBytes = 0;

  /** Bytes that it holds in memory, about. */
  get sizeBytes(): number {
    return this.#sizeBytes;
  }

  get(storage: StorageId, index: IndexId): Tree | null {
    return this.#storages.get(storage)?.get(index) ?? null;
  }

  put(storage: StorageId, index: IndexId, key: string, version: Version, rowBytes: number): Tree {
    this.#sizeBytes += versionOverheadBytes + key.length + rowBytes;
    const tree = this.#open(storage, index);
    tree.put(key, version);
    return tree;
  }

  /** Takes away the newest version of a key. */
  pop(tree: Tree, key: string, rowBytes: number): void {
    this.#sizeBytes -= versionOverheadBytes + key.length + rowBytes;
    tree.pop(key);
  }

  #open(storage: StorageId, index: IndexId): Tree {
    let indexes = this.#storages.get(storage);
    if (indexes === undefined) {
      indexes = new Map();
      this.#storages.set(storage, indexes);
    }
    let tree = indexes.get(index);
    if (tree === undefined) {
      tree = new Tree();
      indexes.set(index, tree);
    }
    return tree;
  }

  /** Takes away every version above a timestamp. */
  truncate(timestamp: number): void {
    for (const [, , tree] of this.all()) tree.truncate(timestamp);
  }

  /** What one transaction wrote becomes the versions of its commit: of each key, the last one. */
  stamp(timestamp: number): void {
    for (const [, , tree] of this.all()) tree.stamp(timestamp);
  }

  /** In the order of storage and index ids. */
  *all(): Iterable<readonly [StorageId, IndexId, Tree]> {
    const ascending = (left: number, right: number): number => left - right;
    for (const storage of [...this.#storages.keys()].sort(ascending)) {
      const indexes = this.#storages.get(storage)!;
      for (const index of [...indexes.keys()].sort(ascending)) yield [storage, index, indexes.get(index)!];
    }
  }
}
