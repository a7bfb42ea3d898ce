import type { Disk } from '../../base/env/env.ts';
import { corrupted } from '../../base/errors.ts';
import type { Offset } from '../../base/ids.ts';
import { markPath, readMark } from './mark.ts';
import { isBefore, type SegmentName, segmentNames } from './name.ts';
import { SegmentReads } from './segment-reads.ts';

/**
 * Tails a log by its files alone: from another thread or process, while its writer goes on. It never reads past a
 * limit that the writer told it (its high watermark), or else past the mark, which follows a little behind.
 */
export type LogReader = {
  /** As of the last look at the directory. */
  readonly startOffset: Offset;
  /** Known durable by the mark; looks again each time. */
  markedOffset(): Promise<Offset>;
  /**
   * Whole verified batches from the one that holds `from`, at least one and at most about `bytesMax`, below
   * `limit`; empty where `from` is not below it. Offsets are contiguous and epochs never decrease, or it is
   * data_corrupted with file and byte; what is trimmed is snapshot_too_old.
   */
  read(from: Offset, limit: Offset, bytesMax: number): Promise<readonly Uint8Array[]>;
  /** The base offset of the first batch below `limit` with a record at a time or after it; else `limit`. */
  offsetAtTime(timeMs: number, limit: Offset): Promise<Offset>;
  close(): Promise<void>;
};

export async function openLogReader(disk: Disk, directory: string): Promise<LogReader> {
  const source = new DirectorySource(disk, directory);
  await source.refresh();
  const reads = new SegmentReads(disk, directory, source);
  return {
    get startOffset() {
      return source.startOffset;
    },
    markedOffset: async () => (await readMarked(disk, directory)).offset,
    read: (from, limit, bytesMax) => reads.read(from, limit, bytesMax),
    offsetAtTime: (timeMs, limit) => reads.offsetAtTime(timeMs, limit),
    close: () => reads.close(),
  };
}

class DirectorySource {
  readonly #disk: Disk;
  readonly #directory: string;
  #segments: readonly SegmentName[] = [];
  #startOffset = 0 as Offset;

  constructor(disk: Disk, directory: string) {
    this.#disk = disk;
    this.#directory = directory;
  }

  get segments(): readonly SegmentName[] {
    return this.#segments;
  }
  get startOffset(): Offset {
    return this.#startOffset;
  }

  /** The writer keeps that index in its memory. */
  indexOf(): null {
    return null;
  }

  async refresh(): Promise<boolean> {
    const names = segmentNames(await this.#disk.list(this.#directory));
    const { startOffset } = await readMarked(this.#disk, this.#directory);
    this.#startOffset = startOffset;
    this.#segments = names
      .filter((name) => name.base >= startOffset)
      .sort((a, b) => (isBefore(a, b) ? -1 : 1));
    return true;
  }
}

async function readMarked(disk: Disk, directory: string) {
  const read = await readMark(disk, directory);
  if (read === null) throw corrupted(markPath(directory), 0, 'there is no mark');
  return read.mark;
}
