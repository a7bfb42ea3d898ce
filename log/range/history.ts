import { asAlopexError } from '../../base/errors.ts';
import { type Epoch, type Offset, offset } from '../../base/ids.ts';
import { entryOf } from '../raft/codec.ts';
import type { Entry, EpochStart, Membership } from '../raft/contract.ts';
import { decodeHeader } from '../record/header.ts';
import type { SegmentedLog } from '../segment/log.ts';
import { epochBefore } from '../segment/name.ts';
import type { GroupState, MembershipRecord } from './states.ts';

/** Bytes of the log that are read at a time. */
const readBytes = 4 * 1024 * 1024;

/** Where each epoch of a log begins, by the names of its segments: a segment has one. */
export function epochStarts(log: Pick<SegmentedLog, 'segments' | 'flushedOffset'>): readonly EpochStart[] {
  const starts: EpochStart[] = [];
  for (const { base, epoch } of log.segments) {
    // An epoch of which nothing came to be.
    if (starts.at(-1)?.startOffset === base) starts.pop();
    if (base < log.flushedOffset && starts.at(-1)?.epoch !== epoch) starts.push({ epoch, startOffset: base });
  }
  return starts;
}

/** Those that the log has: others were truncated with it, or were never appended. */
export function keptMemberships(
  records: readonly MembershipRecord[],
  log: Pick<SegmentedLog, 'startOffset' | 'flushedOffset'>,
  epochs: readonly EpochStart[],
): readonly MembershipRecord[] {
  const kept = records.filter(({ endOffset, epoch }) => {
    if (endOffset <= log.startOffset) return true;
    if (endOffset > log.flushedOffset) return false;
    return epochs.findLast(({ startOffset }) => startOffset < endOffset)?.epoch === epoch;
  });
  const first = kept.findLastIndex(({ endOffset }) => endOffset <= log.startOffset);
  return kept.slice(Math.max(0, first));
}

/** Those above the high watermark that a crash kept from being recorded. */
export async function membershipsAbove(
  log: SegmentedLog,
  known: readonly MembershipRecord[],
): Promise<readonly MembershipRecord[]> {
  const last = known.at(-1)?.endOffset ?? log.startOffset;
  const found: MembershipRecord[] = [];
  let at: Offset = offset(Math.max(log.highWatermark, log.startOffset));
  while (at < log.flushedOffset) {
    for (const batch of await log.readFlushed(at, readBytes)) {
      const { endOffset, epoch, membership } = entryOf(batch, decodeHeader(batch));
      at = endOffset;
      if (membership !== null && endOffset > last) found.push({ endOffset, epoch, membership });
    }
  }
  return found;
}

/** What a follower is sent out of the log's files. `trimmed`: the log begins later. */
export async function entriesFrom(
  log: SegmentedLog,
  from: Offset,
  bytesMax: number,
): Promise<readonly Entry[] | 'trimmed'> {
  if (from < log.startOffset) return 'trimmed';
  try {
    const batches = await log.readFlushed(from, bytesMax);
    return batches.map((batch) => entryOf(batch, decodeHeader(batch)));
  } catch (thrown) {
    if (asAlopexError(thrown).condition === 'snapshot_too_old') return 'trimmed';
    throw thrown;
  }
}

/** Of a place in the log: the epoch of the batch before, and the membership there. Null: they are not known here. */
export function placeIn(
  log: Pick<SegmentedLog, 'segments'>,
  { memberships, starts }: GroupState,
  at: Offset,
): { readonly epoch: Epoch; readonly membership: Membership } | null {
  const record = memberships.findLast(({ endOffset }) => endOffset <= at);
  const epoch = epochBefore(log.segments, at) ?? starts.find((each) => each.offset === at)?.epoch;
  return epoch === undefined || record === undefined ? null : { epoch, membership: record.membership };
}

/** Where the log may begin once it is trimmed up to `wanted`, and the epoch of the batch before each. */
export function startsUpTo(
  log: Pick<SegmentedLog, 'segments' | 'startOffset'>,
  starts: GroupState['starts'],
  wanted: Offset,
): GroupState['starts'] {
  const kept = starts.filter((each) => each.offset >= log.startOffset);
  for (const [place, { base }] of log.segments.entries()) {
    const before = log.segments[place - 1];
    if (before !== undefined && base <= wanted && base > before.base)
      kept.push({ offset: base, epoch: before.epoch });
  }
  return kept;
}
