import type { ColumnBatch, ColumnVector } from '../../../base/values/column.ts';
import type { TypeOid } from '../../types/type.ts';
import type { SpillStore } from '../contract.ts';
import type { MemoryShare, StatementMemory } from '../memory.ts';
import type { Operator, Runtime } from '../operator.ts';
import { liveCount } from '../vectors.ts';
import { BlockFile, BlockReader, BlockWriter, blockBytesOf } from './block-file.ts';
import { RowHash } from './row-hash.ts';

/** Into so many partitions rows are divided: a buffer of one block for each is a quarter of a share where it can be. */
const partitionsMin = 4;
const partitionsMax = 32;

function partitionsCount(shareBytes: number): number {
  const affordable = Math.floor(shareBytes / 4 / blockBytesOf(shareBytes));
  return Math.min(partitionsMax, Math.max(partitionsMin, affordable));
}

/** Bytes that dividing holds. */
export function partitionBytes({ shareBytes }: StatementMemory): number {
  return partitionsCount(shareBytes) * blockBytesOf(shareBytes);
}

/** So often the rows of a partition are divided again. */
export const partitionDepthMax = 8;

/** Rows divided by the hash of their keys into parts of one temporary file: equal keys meet in the same part. */
export class Partitions {
  readonly parts: readonly BlockWriter[];
  readonly depth: number;
  readonly #file: BlockFile;
  readonly #hash: RowHash;
  readonly #runtime: Runtime;

  constructor(
    store: SpillStore,
    shape: { readonly width: number; readonly keyTypes: readonly TypeOid[] },
    depth: number,
    share: MemoryShare,
    runtime: Runtime,
  ) {
    const { shareBytes } = runtime.memory;
    const blockBytes = blockBytesOf(shareBytes);
    const file = new BlockFile(store, share, shareBytes);
    this.#file = file;
    this.#hash = new RowHash(shape.keyTypes);
    this.#runtime = runtime;
    this.depth = depth;
    this.parts = Array.from(
      { length: partitionsCount(shareBytes) },
      () => new BlockWriter(file, shape.width, blockBytes),
    );
  }

  get rowCount(): number {
    return this.parts.reduce((sum, part) => sum + part.rowCount, 0);
  }

  /** A promise: await it before the next call; the live rows have been taken. */
  append(batch: ColumnBatch, keys: readonly ColumnVector[]): Promise<void> | null {
    const partOf = this.#hash.partitions(keys, batch, this.depth, this.parts.length);
    const live = rowsByPart(batch, partOf, this.parts.length);
    for (const [at, selection] of live.entries()) {
      if (selection.length > 0) this.parts[at]!.append({ ...batch, selection });
    }
    return this.parts.some((part) => part.isFull) ? this.#flushFull() : null;
  }

  async finish(): Promise<void> {
    for (const part of this.parts) await part.flush();
  }

  reader(part: BlockWriter): Operator {
    return new BlockReader(this.#file, part, this.#runtime);
  }

  close(): void {
    this.#file.close();
  }

  async #flushFull(): Promise<void> {
    for (const part of this.parts) if (part.isFull) await part.flush();
  }
}

function rowsByPart(batch: ColumnBatch, partOf: Uint8Array, parts: number): Uint32Array[] {
  const count = liveCount(batch);
  const rows = Array.from({ length: parts }, () => new Uint32Array(count));
  const lengths = new Uint32Array(parts);
  for (let at = 0; at < count; at++) {
    const row = batch.selection === null ? at : batch.selection[at]!;
    const part = partOf[row]!;
    rows[part]![lengths[part]!++] = row;
  }
  return rows.map((part, at) => part.subarray(0, lengths[at]!));
}
