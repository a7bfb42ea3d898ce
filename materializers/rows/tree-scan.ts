import type { LeafBlock } from './leaf-block.ts';
import type { RunBatch, RunColumn, RunScan } from './run.ts';
import { blockOf, type Tree } from './tree.ts';

export type TreeScanOptions = {
  readonly tree: Tree;
  /** Latin1 keys; null is open. */
  readonly from: string | null;
  readonly to: string | null;
  readonly reverse: boolean;
  /** Timestamp, or, in an overlay, command. */
  readonly at: number;
  readonly columns: readonly RunColumn[];
  readonly withKeys: boolean;
};

/**
 * Walks the leaves of a tree. It looks the next leaf up by key, so the tree may change between two batches: what
 * is added is newer than what the reader sees.
 */
export class TreeScan implements RunScan {
  readonly #options: TreeScanOptions;
  /** Forward: the next row's key is at or after it. Reversed: before it. */
  #edge: string | null;
  #isDone = false;

  constructor(options: TreeScanOptions) {
    this.#options = options;
    this.#edge = options.reverse ? options.to : options.from;
  }

  next(): RunBatch | null {
    while (!this.#isDone) {
      const block = this.#nextBlock();
      if (block === null) break;
      const batch = this.#batch(block);
      if (batch !== null) return batch;
    }
    this.#isDone = true;
    return null;
  }

  close(): void {
    this.#isDone = true;
  }

  #nextBlock(): LeafBlock | null {
    const { tree, reverse, from, to } = this.#options;
    const leaf = reverse ? tree.leafBefore(this.#edge) : tree.leafAtOrAfter(this.#edge);
    if (leaf === undefined) return null;
    const first = leaf.keys[0]!;
    const last = leaf.keys[leaf.keys.length - 1]!;
    if (reverse ? from !== null && last < from : to !== null && first >= to) return null;
    return blockOf(leaf);
  }

  /** Null where the reader sees none of the block's rows in the range. */
  #batch(block: LeafBlock): RunBatch | null {
    const { from, to, reverse, at, columns, withKeys } = this.#options;
    const { rowCount } = block;
    const lower = reverse ? from : this.#edge;
    const upper = reverse ? this.#edge : to;
    const start = lower === null ? 0 : block.seek(lower);
    const end = upper === null ? rowCount : block.seek(upper);
    this.#edge = reverse ? block.keyAt(0) : `${block.keyAt(rowCount - 1)}\0`;
    if (start >= end) return null;
    const isWhole = start === 0 && end === rowCount && block.isPlain(at);
    const rows = isWhole ? null : block.visible(at, start, end, true);
    if (rows?.length === 0) return null;
    const live = rows === null ? null : rows.filter((row) => !block.isDeleted(row));
    if (live?.length === 0 && !withKeys) return null;
    const keys = withKeys
      ? {
          rows,
          keyAt: (row: number) => block.keyAt(row),
          seek: (key: string) => block.seek(key),
          isDeleted: (row: number) => block.isDeleted(row),
        }
      : null;
    return { rowCount, columns: block.columns(columns), live, keys };
  }
}
