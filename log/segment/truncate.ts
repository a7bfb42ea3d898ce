import type { Disk } from '../../base/env/env.ts';
import { AlopexError, corrupted } from '../../base/errors.ts';
import type { Offset } from '../../base/ids.ts';
import { markedTransactionsMax } from './mark.ts';
import { type SegmentName, segmentPath } from './name.ts';
import { undecidedAfter } from './sealed.ts';
import { ActiveSegment } from './segment.ts';
import type { SealedSegment } from './sparse-index.ts';
import { Undecided } from './undecided.ts';
import { segmentStart, walkBatches } from './walk.ts';

/** A log that ends earlier: as it will be when `active.cut` and the removal of `dropped` are done. */
export type Truncation = {
  readonly sealed: readonly SealedSegment[];
  readonly active: ActiveSegment;
  readonly undecided: Undecided;
  /** Those after the new last one. */
  readonly dropped: readonly SegmentName[];
};

/** Changes no file. Throws invalid_parameter_value where `end` is no boundary of batches in the log. */
export async function planTruncation(
  disk: Disk,
  directory: string,
  sealed: readonly SealedSegment[],
  active: ActiveSegment,
  end: Offset,
): Promise<Truncation> {
  const segments: readonly SegmentName[] = [...sealed, active];
  // Of the batch before, not of one that may come: that has its own epoch, which may be an earlier one than what stood here.
  const last = segments.findLastIndex((segment) => segment.base < end);
  const at = last < 0 && segments[0]?.base === end ? 0 : last;
  const name = segments[at];
  if (name === undefined) throw invalid(end, 'is not in the log');
  const isActive = at === sealed.length;
  const before = isActive
    ? active.undecidedAtStart
    : await undecidedAfter(disk, directory, sealed.slice(0, at));
  if (before.length > markedTransactionsMax) {
    throw new AlopexError(
      'program_limit_exceeded',
      `more than ${markedTransactionsMax} transactions are undecided`,
    );
  }
  const file = isActive ? active.file : await disk.open(segmentPath(directory, name), 'write');
  const target = new ActiveSegment(name, file, before, await file.size());
  const undecided = new Undecided(before);
  const walked = await walkBatches(file, name, segmentStart(name), end, (_, header) => {
    if (header.lastOffset >= end) return false;
    target.note(header);
    undecided.observe(header);
    return true;
  });
  if (walked.stop.kind === 'damage') throw corrupted(file.path, walked.stop.byteOffset, walked.stop.problem);
  if (target.endOffset !== end) throw invalid(end, 'is inside a batch');
  return { sealed: sealed.slice(0, at), active: target, undecided, dropped: segments.slice(at + 1) };
}

function invalid(end: Offset, problem: string): AlopexError {
  return new AlopexError('invalid_parameter_value', `the log cannot be truncated: offset ${end} ${problem}`);
}
