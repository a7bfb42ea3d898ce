import { ByteWriter } from '../../../base/bytes/writer.ts';
import { invariant } from '../../../base/unreachable.ts';
import type { ColumnBatch } from '../../../base/values/column.ts';
import { openPage, sealPage } from '../../../materializers/rows/sstable/page.ts';
import type { SpillFile, SpillStore } from '../contract.ts';
import type { MemoryShare } from '../memory.ts';
import type { Operator, Runtime } from '../operator.ts';
import { RowStore } from '../row-store.ts';
import { batchBytes, compact, liveCount, sliceBatch } from '../vectors.ts';
import { decodeRows, encodeRows } from './block-codec.ts';

/** A block is this part of what an operator may hold in any case, within these bounds. */
const blocksInShare = 128;
const blockBytesMin = 8192;
const blockBytesMax = 262_144;

/** Rows that a block holds at most: one batch. */
export const blockRowsMax = 4096;

export function blockBytesOf(shareBytes: number): number {
  return Math.min(blockBytesMax, Math.max(blockBytesMin, Math.floor(shareBytes / blocksInShare)));
}

/** Rows in one part of a temporary file, block after block. */
export type StoredRows = {
  readonly blocks: readonly { readonly position: number; readonly length: number }[];
  readonly rowCount: number;
};

/** Bytes that are handed to the disk together. */
function writeBytesOf(shareBytes: number): number {
  return Math.min(blockBytesMax, Math.floor(shareBytes / 8));
}

/** One temporary file of an operator, in which any number of parts grow side by side. */
export class BlockFile {
  readonly #file: SpillFile;
  readonly #share: MemoryShare;
  readonly #writeBytes: number;
  readonly #writer = new ByteWriter();
  #length = 0;
  /** Blocks that the disk has not been given yet, and where they begin. */
  #pending: Uint8Array[] = [];
  #pendingFrom = 0;

  constructor(store: SpillStore, share: MemoryShare, shareBytes: number) {
    this.#file = store.create();
    this.#share = share;
    this.#writeBytes = writeBytesOf(shareBytes);
  }

  /** Answers where the block lies once the disk has it, or it waits for more. */
  async write(batch: ColumnBatch): Promise<StoredRows['blocks'][number]> {
    const position = this.#length;
    const sealed = sealPage(this.#file.number, position, encodeRows(batch, this.#writer), null);
    this.#length += sealed.length;
    this.#share.countSpilled(sealed.length);
    this.#pending.push(sealed);
    if (this.#length - this.#pendingFrom >= this.#writeBytes) await this.#flush();
    return { position, length: sealed.length };
  }

  async read(block: StoredRows['blocks'][number]): Promise<ColumnBatch> {
    if (block.position >= this.#pendingFrom) await this.#flush();
    const sealed = await this.#file.read(block.position, block.length);
    const { name, number } = this.#file;
    return decodeRows(openPage({ file: name, fileNumber: number, compression: null }, block, sealed));
  }

  close(): void {
    this.#file.close();
    this.#pending = [];
  }

  async #flush(): Promise<void> {
    const chunks = this.#pending;
    const position = this.#pendingFrom;
    this.#pending = [];
    this.#pendingFrom = this.#length;
    if (chunks.length > 0) await this.#file.write(position, chunks);
  }
}

/** Gathers rows of one part, and writes a block when there are enough. */
export class BlockWriter implements StoredRows {
  readonly blocks: StoredRows['blocks'][number][] = [];
  rowCount = 0;
  readonly #file: BlockFile;
  readonly #width: number;
  readonly #blockBytes: number;
  #pending: RowStore;
  /** A batch that fills a block by itself is not copied. */
  #whole: ColumnBatch | null = null;

  constructor(file: BlockFile, width: number, blockBytes: number) {
    this.#file = file;
    this.#width = width;
    this.#blockBytes = blockBytes;
    this.#pending = new RowStore(width);
  }

  /** Ask `isFull` after each. */
  append(batch: ColumnBatch): void {
    this.rowCount += liveCount(batch);
    if (this.#pending.rowCount === 0 && batch.selection === null && batchBytes(batch) >= this.#blockBytes / 2)
      this.#whole = batch;
    else this.#pending.append(batch);
  }

  get isFull(): boolean {
    const { bytes, rowCount } = this.#pending;
    return this.#whole !== null || bytes >= this.#blockBytes || rowCount >= blockRowsMax;
  }

  /** Writes what was gathered, in blocks of the wanted size. */
  async flush(): Promise<void> {
    const { rowCount, columns } = this.#whole ?? this.#pending;
    if (rowCount === 0) return;
    const rows: ColumnBatch = { rowCount, columns, selection: null };
    this.#whole = null;
    this.#pending = new RowStore(this.#width);
    const rowsWanted = Math.ceil((rowCount * this.#blockBytes) / Math.max(1, batchBytes(rows)));
    const step = Math.max(1, Math.min(blockRowsMax, rowsWanted));
    for (let from = 0; from < rowCount; from += step) {
      const block = compact(sliceBatch(rows, from, Math.min(rowCount, from + step)));
      this.blocks.push(await this.#file.write(block));
    }
  }
}

/** Reads a part from its start. */
export class BlockReader implements Operator {
  readonly #file: BlockFile;
  readonly #rows: StoredRows;
  readonly #runtime: Runtime;
  #at = 0;
  #ready: ColumnBatch | null = null;

  constructor(file: BlockFile, rows: StoredRows, runtime: Runtime) {
    this.#file = file;
    this.#rows = rows;
    this.#runtime = runtime;
  }

  next(): ColumnBatch | null | Promise<void> {
    const batch = this.#ready;
    if (batch !== null) {
      this.#ready = null;
      return batch;
    }
    const block = this.#rows.blocks[this.#at];
    if (block === undefined) return null;
    return this.#runtime.pause() ?? this.#load(block);
  }

  close(): void {
    this.#at = this.#rows.blocks.length;
    this.#ready = null;
  }

  async #load(block: StoredRows['blocks'][number]): Promise<void> {
    invariant(this.#ready === null, 'a block is taken before the next one is read');
    this.#ready = await this.#file.read(block);
    this.#at++;
  }
}
