import type { Disk } from '../../base/env/env.ts';
import { corrupted } from '../../base/errors.ts';
import { type Offset, offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { BatchHeader } from '../record/record.ts';
import { segmentPath } from './name.ts';
import type { Recovered } from './recover.ts';
import { undecidedAfter } from './sealed.ts';
import { Undecided } from './undecided.ts';
import { endless, segmentStart, walkBatches } from './walk.ts';

/**
 * How far a log is committed, where that is not the same as flushed.
 *
 * Invariant: the high watermark is a boundary of batches, and what is flushed above it is in `#above`.
 */
export class Committed {
  #highWatermark: Offset;
  readonly #undecided: Undecided;
  /** Flushed, and not committed. */
  #above: BatchHeader[];
  #aboveBytes = 0;

  constructor(highWatermark: Offset, undecided: Undecided, above: readonly BatchHeader[] = []) {
    this.#highWatermark = highWatermark;
    this.#undecided = undecided;
    this.#above = [];
    this.flushed(above);
  }

  get highWatermark(): Offset {
    return this.#highWatermark;
  }
  /** Of what is flushed and not committed. */
  get aboveBytes(): number {
    return this.#aboveBytes;
  }
  get lastStableOffset(): Offset {
    return this.#undecided.firstOffset ?? this.#highWatermark;
  }

  flushed(headers: readonly BatchHeader[]): void {
    for (const header of headers) {
      this.#above.push(header);
      this.#aboveBytes += header.sizeBytes;
    }
  }

  /** To a boundary of batches at or below the flushed end. False: it was there already. */
  advance(to: Offset): boolean {
    if (to <= this.#highWatermark) return false;
    let count = 0;
    for (const header of this.#above) {
      if (header.lastOffset >= to) break;
      this.#undecided.observe(header);
      this.#highWatermark = offset(header.lastOffset + 1);
      this.#aboveBytes -= header.sizeBytes;
      count++;
    }
    this.#above.splice(0, count);
    invariant(this.#highWatermark === to, 'what is committed is flushed, and ends with a batch');
    return true;
  }

  truncate(end: Offset): void {
    invariant(end >= this.#highWatermark, 'what is committed is never truncated');
    this.#above = this.#above.filter(({ lastOffset }) => lastOffset < end);
    this.#aboveBytes = this.#above.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  }
}

/** Of a log that was just recovered. Reads from the segment of the high watermark on. */
export async function committedAt(
  disk: Disk,
  directory: string,
  { sealed, active }: Pick<Recovered, 'sealed' | 'active'>,
  highWatermark: Offset,
): Promise<Committed> {
  const segments = [...sealed, active];
  const first = Math.max(
    0,
    segments.findLastIndex(({ base }) => base <= highWatermark),
  );
  const before =
    first === sealed.length
      ? active.undecidedAtStart
      : await undecidedAfter(disk, directory, sealed.slice(0, first));
  const undecided = new Undecided(before);
  const above: BatchHeader[] = [];
  for (const segment of segments.slice(first)) {
    const file = await disk.open(segmentPath(directory, segment), 'read');
    try {
      const { stop } = await walkBatches(file, segment, segmentStart(segment), endless, (_, header) => {
        if (header.lastOffset < highWatermark) undecided.observe(header);
        else above.push(header);
        return header.lastOffset + 1 < active.endOffset;
      });
      if (stop.kind === 'damage') throw corrupted(file.path, stop.byteOffset, stop.problem);
    } finally {
      await file.close();
    }
  }
  return new Committed(highWatermark, undecided, above);
}
