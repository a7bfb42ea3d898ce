import type { DiskEntry } from '../../base/env/env.ts';
import { type Epoch, epoch, type Offset, offset } from '../../base/ids.ts';

/** What names a segment: the offset of its first record, and the one epoch of all its batches. */
export type SegmentName = { readonly base: Offset; readonly epoch: Epoch };

const pattern = /^(\d{20})-(\d{10})\.(log|index)$/;

export function segmentPath(directory: string, name: SegmentName): string {
  return `${directory}/${stem(name)}.log`;
}

export function indexPath(directory: string, name: SegmentName): string {
  return `${directory}/${stem(name)}.index`;
}

/** The segments of a directory's entries, in the order of the log. */
export function segmentNames(entries: readonly DiskEntry[]): readonly SegmentName[] {
  const names: SegmentName[] = [];
  for (const entry of entries) {
    const match = entry.kind === 'file' ? pattern.exec(entry.name) : null;
    if (match?.[3] === 'log') names.push({ base: offset(Number(match[1])), epoch: epoch(Number(match[2])) });
  }
  return names.sort((left, right) => left.base - right.base || left.epoch - right.epoch);
}

/** Of the batch that ends at an offset, or has it within; null where the log begins later. */
export function epochBefore(segments: readonly SegmentName[], at: Offset): Epoch | null {
  return segments.findLast(({ base }) => base < at)?.epoch ?? null;
}

/** Of a segment's or an index's path; null where it is neither. */
export function nameOfPath(path: string): SegmentName | null {
  const match = pattern.exec(path.slice(path.lastIndexOf('/') + 1));
  return match === null ? null : { base: offset(Number(match[1])), epoch: epoch(Number(match[2])) };
}

function stem({ base, epoch: epochOfSegment }: SegmentName): string {
  return `${String(base).padStart(20, '0')}-${String(epochOfSegment).padStart(10, '0')}`;
}

/** The order of the log. Of two segments with the same base the first is empty: its epoch ended without a batch. */
export function isBefore(left: SegmentName, right: SegmentName): boolean {
  return left.base < right.base || (left.base === right.base && left.epoch < right.epoch);
}
