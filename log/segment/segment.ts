import type { Disk, DiskFile } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import { type Epoch, type Offset, offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { BatchHeader } from '../record/record.ts';
import { indexPath, type SegmentName, segmentPath } from './name.ts';
import { encodeIndex, type SealedSegment, SparseIndex } from './sparse-index.ts';
import type { Undecided, UndecidedTransaction } from './undecided.ts';

/** The first reservation of a segment's file. */
const allocationBytesMin = 64 * 1024;
/** The most that is reserved at once: what a commit may have to wait for. */
const allocationStepBytesMax = 4 * 1024 * 1024;

/**
 * The segment at the log's end, with its file open. It holds what is flushed, and nothing else: a batch joins by
 * `note` after its flush.
 */
export class ActiveSegment {
  readonly base: Offset;
  readonly epoch: Epoch;
  readonly file: DiskFile;
  readonly index = new SparseIndex();
  readonly undecidedAtStart: readonly UndecidedTransaction[];
  endOffset: Offset;
  sizeBytes = 0;
  /** Bytes of the file below which a write changes no metadata. */
  #allocatedBytes: number;

  constructor(
    name: SegmentName,
    file: DiskFile,
    undecidedAtStart: readonly UndecidedTransaction[],
    allocatedBytes: number,
  ) {
    this.base = name.base;
    this.epoch = name.epoch;
    this.file = file;
    this.undecidedAtStart = undecidedAtStart;
    this.endOffset = name.base;
    this.#allocatedBytes = allocatedBytes;
  }

  note(header: BatchHeader): void {
    invariant(header.baseOffset === this.endOffset, 'batches of a segment are contiguous');
    invariant(header.epoch === this.epoch, 'a segment has one epoch');
    this.index.note(header, this.sizeBytes);
    this.sizeBytes += header.sizeBytes;
    this.endOffset = offset(header.lastOffset + 1);
  }

  /** Durable afterwards. Reserves first, doubling with use. */
  async write(
    position: number,
    chunks: readonly Uint8Array[],
    bytes: number,
    sizeMax: number,
  ): Promise<void> {
    const needed = position + bytes;
    if (needed > this.#allocatedBytes) {
      const step = Math.min(Math.max(this.#allocatedBytes, allocationBytesMin), allocationStepBytesMax);
      const size = Math.max(needed, Math.min(this.#allocatedBytes + step, sizeMax));
      await this.file.preallocate(size);
      this.#allocatedBytes = size;
    }
    await this.file.writeDurably(position, chunks);
  }

  /** Forgets what stands above the flushed bytes, durably, so that no later recovery can take it for batches. */
  async cut(): Promise<void> {
    await this.file.truncate(this.sizeBytes);
    await this.file.sync();
    this.#allocatedBytes = this.sizeBytes;
  }

  /** Gives the reservation back. Not durable: what stands after the last batch is zeros. */
  async shrink(): Promise<void> {
    await this.file.truncate(this.sizeBytes);
    this.#allocatedBytes = this.sizeBytes;
  }

  get sealed(): SealedSegment {
    const { base, epoch, endOffset, sizeBytes } = this;
    return { base, epoch, endOffset, sizeBytes, timeMaxMs: this.index.timeMaxMs };
  }
}

/** Durable, its name too. Leaves nothing behind where it fails. */
export async function createSegment(
  disk: Disk,
  directory: string,
  name: SegmentName,
  undecidedAtStart: readonly UndecidedTransaction[],
): Promise<ActiveSegment> {
  const path = segmentPath(directory, name);
  const file = await disk.open(path, 'create');
  try {
    await file.preallocate(allocationBytesMin);
    await disk.syncDirectory(directory);
  } catch (thrown) {
    await file.close();
    await disk.remove(path);
    throw thrown;
  }
  return new ActiveSegment(name, file, undecidedAtStart, allocationBytesMin);
}

/**
 * Writes a sealed segment's index. Not durable, and a full disk leaves none: it is checksummed, and made again
 * from the segment where it is missing.
 */
export async function writeIndex(
  disk: Disk,
  directory: string,
  segment: ActiveSegment,
  end: Undecided,
): Promise<void> {
  const path = indexPath(directory, segment);
  const bytes = encodeIndex({ segment: segment.sealed, undecided: end.transactions, index: segment.index });
  try {
    if (await disk.exists(path)) await disk.remove(path);
    const file = await disk.open(path, 'create');
    try {
      await file.write(0, [bytes]);
    } finally {
      await file.close();
    }
  } catch (thrown) {
    if (!isDiskFull(thrown)) throw thrown;
  }
}

export async function removeSegment(disk: Disk, directory: string, name: SegmentName): Promise<void> {
  const path = segmentPath(directory, name);
  if (await disk.exists(path)) await disk.remove(path);
  await removeIndex(disk, directory, name);
}

export async function removeIndex(disk: Disk, directory: string, name: SegmentName): Promise<void> {
  const path = indexPath(directory, name);
  if (await disk.exists(path)) await disk.remove(path);
}

export function isDiskFull(thrown: unknown): boolean {
  return thrown instanceof AlopexError && thrown.condition === 'disk_full';
}
