import type { Disk } from '../../base/env/env.ts';
import { AlopexError, corrupted } from '../../base/errors.ts';
import type { Offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { ReadFiles } from './files.ts';
import { type SegmentName, segmentPath } from './name.ts';
import { readIndex } from './sealed.ts';
import type { BatchPosition, SparseIndex } from './sparse-index.ts';
import { chunkBytesDefault, segmentStart, type Visitor, type Walked, walkBatches } from './walk.ts';

/** Which segments there are: the log's own lists, or the directory's names. */
export type SegmentSource = {
  /** In the order of the log. */
  readonly segments: readonly SegmentName[];
  /** Of the segment that is being appended to, where that is known. */
  indexOf(segment: SegmentName): SparseIndex | null;
  /** Looks again. False: nothing can have changed. */
  refresh(): Promise<boolean>;
};

const chunkBytesMin = 64 * 1024;
/** Places where a read ended and the next of the same tail will begin. */
const cursorsMax = 64;

type Cursor = BatchPosition & { readonly segment: SegmentName };

/**
 * Reads batches from segment files, each verified: its CRC, its epoch, and that it follows the one before it.
 * What is wrong is `data_corrupted` with file and byte, and what is trimmed `snapshot_too_old`.
 */
export class SegmentReads {
  readonly #disk: Disk;
  readonly #directory: string;
  readonly #source: SegmentSource;
  readonly #files: ReadFiles;
  readonly #cursors = new Map<Offset, Cursor>();

  constructor(disk: Disk, directory: string, source: SegmentSource) {
    this.#disk = disk;
    this.#directory = directory;
    this.#source = source;
    this.#files = new ReadFiles(disk);
  }

  /**
   * Whole batches from the one that holds `from`, at least one and at most about `bytesMax`; none at or above
   * `limit`, which is a boundary of batches. Empty only where `from` is the limit or above it.
   */
  async read(from: Offset, limit: Offset, bytesMax: number): Promise<readonly Uint8Array[]> {
    if (from >= limit) return [];
    const batches: Uint8Array[] = [];
    let bytes = 0;
    const cursor = await this.#walk(from, limit, bytesMax, (batch, header) => {
      if (header.lastOffset < from) return true;
      batches.push(batch);
      bytes += batch.length;
      return bytes < bytesMax;
    });
    invariant(batches.length > 0, 'a read below the limit has a batch');
    this.#remember(cursor);
    return batches;
  }

  /** The base offset of the first batch that has a record at a time or after it; the limit where there is none. */
  async offsetAtTime(timeMs: number, limit: Offset): Promise<Offset> {
    await this.#source.refresh();
    for (const segment of this.#source.segments) {
      const index =
        this.#source.indexOf(segment) ?? (await readIndex(this.#disk, this.#directory, segment))?.index;
      const start = index === undefined ? segmentStart(segment) : index.firstAtTime(timeMs);
      if (start === null) continue;
      let found: Offset | null = null;
      await this.#walkSegment(segment, start, limit, chunkBytesMin, (_, header) => {
        if (header.maxTimestampMs < timeMs) return true;
        found = header.baseOffset;
        return false;
      });
      if (found !== null) return found;
    }
    return limit;
  }

  /** What was read may have changed: the log was truncated. */
  forget(): void {
    this.#cursors.clear();
  }

  async close(): Promise<void> {
    this.#cursors.clear();
    await this.#files.close();
  }

  async #walk(from: Offset, limit: Offset, bytesMax: number, visit: Visitor): Promise<Cursor> {
    const chunkBytes = Math.min(Math.max(bytesMax, chunkBytesMin), chunkBytesDefault);
    let start = await this.#startOf(from);
    for (;;) {
      const { segment } = start;
      const walked = await this.#walkSegment(segment, start, limit, chunkBytes, visit).catch(
        async (thrown) => {
          throw (await this.#isTrimmed(thrown, segment)) ? this.#trimmed(from) : thrown;
        },
      );
      if (walked.offset > from) return { segment, offset: walked.offset, position: walked.position };
      // The segment ends before `from`: another has begun since the source last looked, or it is damaged.
      const mayDiffer = await this.#source.refresh();
      if (!mayDiffer) throw damage(segmentPath(this.#directory, segment), walked);
      start = await this.#startOf(from);
      if (start.segment.base === segment.base && start.segment.epoch === segment.epoch) {
        throw damage(segmentPath(this.#directory, segment), walked);
      }
    }
  }

  async #startOf(from: Offset): Promise<Cursor> {
    let segment = this.#segmentOf(from);
    if (segment === null && (await this.#source.refresh())) segment = this.#segmentOf(from);
    if (segment === null) throw this.#trimmed(from);
    const cursor = this.#cursors.get(from);
    if (cursor?.segment.base === segment.base && cursor.segment.epoch === segment.epoch) return cursor;
    const index =
      this.#source.indexOf(segment) ?? (await readIndex(this.#disk, this.#directory, segment))?.index;
    return { ...(index?.floor(from) ?? segmentStart(segment)), segment };
  }

  /** The file went away between the look at its name and its opening. */
  async #isTrimmed(thrown: unknown, segment: SegmentName): Promise<boolean> {
    if (!(thrown instanceof AlopexError) || thrown.condition !== 'undefined_file') return false;
    await this.#source.refresh();
    return !this.#source.segments.some(({ base }) => base === segment.base);
  }

  #trimmed(from: Offset): AlopexError {
    const start = this.#source.segments[0]?.base ?? 0;
    return new AlopexError(
      'snapshot_too_old',
      `offset ${from} is no longer in the log, which starts at ${start}`,
    );
  }

  /** The last that begins at or before an offset: of two with the same base the first is empty. */
  #segmentOf(wanted: Offset): SegmentName | null {
    const { segments } = this.#source;
    let low = 0;
    let high = segments.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (segments[middle]!.base <= wanted) low = middle + 1;
      else high = middle;
    }
    return segments[low - 1] ?? null;
  }

  #remember(cursor: Cursor): void {
    this.#cursors.set(cursor.offset, cursor);
    if (this.#cursors.size <= cursorsMax) return;
    for (const oldest of this.#cursors.keys()) {
      this.#cursors.delete(oldest);
      return;
    }
  }

  #walkSegment(
    segment: SegmentName,
    start: BatchPosition,
    limit: Offset,
    chunkBytes: number,
    visit: Visitor,
  ): Promise<Walked> {
    return this.#files.use(segmentPath(this.#directory, segment), (file) =>
      walkBatches(file, segment, start, limit, visit, chunkBytes),
    );
  }
}

function damage(path: string, { stop, position, offset: end }: Walked): AlopexError {
  if (stop.kind === 'damage') return corrupted(path, stop.byteOffset, stop.problem);
  return corrupted(path, position, `it ends at offset ${end}, and the log goes on`);
}
