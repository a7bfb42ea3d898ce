import type { ColumnBatch } from '../../../base/values/column.ts';
import type { MemoryShare } from '../memory.ts';
import type { Runtime } from '../operator.ts';
import { batchBytes, compact } from '../vectors.ts';
import { BlockFile, type StoredRows } from './block-file.ts';

type Block = StoredRows['blocks'][number];

/** Batches in the order of their coming, read any number of times; in a temporary file once memory is used up. */
export class BatchList {
  readonly #runtime: Runtime;
  readonly #share: MemoryShare;
  readonly #kept: ColumnBatch[] = [];
  readonly #blocks: Block[] = [];
  #file: BlockFile | null = null;
  #heldBytes = 0;
  /** The block that was read last. */
  #loaded: { readonly block: Block; readonly batch: ColumnBatch } | null = null;

  constructor(runtime: Runtime) {
    this.#runtime = runtime;
    this.#share = runtime.memory.share(null);
  }

  get length(): number {
    return this.#kept.length + this.#blocks.length;
  }

  /** A promise: await it before the next call; the batch has been taken. */
  append(batch: ColumnBatch): Promise<void> | null {
    const rows = compact(batch);
    const { spill } = this.#runtime.memory;
    const bytes = this.#heldBytes + batchBytes(rows);
    if (this.#file === null && this.#share.tryHold(bytes)) {
      this.#heldBytes = bytes;
      this.#kept.push(rows);
      return null;
    }
    if (spill === null) this.#share.require(bytes);
    this.#file ??= new BlockFile(spill!, this.#share, this.#runtime.memory.shareBytes);
    return this.#write(this.#file, rows);
  }

  /** Null past the end; a promise: await it and call again. */
  at(index: number): ColumnBatch | null | Promise<void> {
    const kept = this.#kept[index];
    if (kept !== undefined) return kept;
    const block = this.#blocks[index - this.#kept.length];
    if (block === undefined) return null;
    return this.#loaded?.block === block ? this.#loaded.batch : this.#load(this.#file!, block);
  }

  close(): void {
    this.#share.close();
    this.#file?.close();
    this.#kept.length = 0;
    this.#blocks.length = 0;
    this.#loaded = null;
  }

  async #write(file: BlockFile, batch: ColumnBatch): Promise<void> {
    this.#blocks.push(await file.write(batch));
  }

  async #load(file: BlockFile, block: Block): Promise<void> {
    this.#loaded = { block, batch: await file.read(block) };
  }
}
