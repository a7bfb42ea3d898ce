import { AlopexError } from '../../base/errors.ts';
import { type Epoch, epoch, type Offset } from '../../base/ids.ts';
import type { EpochStart, ForcedPromotion, Generation, RaftStatus } from '../raft/contract.ts';
import { EpochHistory } from '../raft/epochs.ts';
import { generationOf, isSameGeneration } from '../raft/memberships.ts';
import type { SegmentedLog } from '../segment/log.ts';
import { epochStarts } from './history.ts';
import type { GroupState } from './states.ts';

/** What one node has to know of another one's log to say where the two part. */
export type Lineage = {
  readonly generation: Generation;
  readonly forced: readonly ForcedPromotion[];
  readonly startOffset: Offset;
  /** Of the batch before. */
  readonly startEpoch: Epoch;
  readonly epochs: readonly EpochStart[];
  readonly endOffset: Offset;
};

/** Of a node's own log, up to a place. */
export function lineageOf(
  log: Pick<SegmentedLog, 'segments' | 'flushedOffset' | 'startOffset'>,
  { starts }: Pick<GroupState, 'starts'>,
  { generation, membership }: Pick<RaftStatus, 'generation' | 'membership'>,
  endOffset: Offset,
): Lineage {
  const { startOffset } = log;
  const startEpoch = starts.find((each) => each.offset === startOffset)?.epoch ?? epoch(0);
  const epochs = epochStarts(log).filter((each) => each.startOffset < endOffset);
  return { generation, forced: membership.forced, startOffset, startEpoch, epochs, endOffset };
}

/** For another node. 57P03 while what made this one's generation is not committed here, or another one outranks it. */
export function committedLineage(
  log: Parameters<typeof lineageOf>[0],
  state: GroupState,
  status: RaftStatus,
): Lineage {
  const { generation, highWatermark, outrankedBy } = status;
  const record = state.memberships.findLast(({ endOffset }) => endOffset <= highWatermark);
  const isCommitted = record !== undefined && isSameGeneration(generationOf(record.membership), generation);
  if (isCommitted && outrankedBy === null) return lineageOf(log, state, status, highWatermark);
  throw new AlopexError('cannot_connect_now', 'this node has not caught up with its generation');
}

/** Below `offset` two logs are equal, where that is known: both may begin above it. */
export type Parting = { readonly offset: Offset; readonly isKnown: boolean };

/**
 * An epoch has one leader within a generation alone: from the first promotion on that only one of the logs has, equal epochs
 * say nothing. Below it the logs part as those of one group do (KIP-101).
 */
export function partingOf(own: Lineage, other: Lineage): Parting {
  const from = Math.max(own.startOffset, other.startOffset);
  const [ownEpochs, otherEpochs] = [epochsOf(own), epochsOf(other)];
  let at = commonBound(own, other);
  while (at >= from) {
    const [ownEpoch, otherEpoch] = [ownEpochs.epochAt(at), otherEpochs.epochAt(at)];
    if (ownEpoch === otherEpoch) return { offset: at, isKnown: true };
    if (at === from) break;
    const later = ownEpoch > otherEpoch ? own : other;
    const start = later.epochs.findLast(({ startOffset }) => startOffset < at);
    at = start === undefined || start.startOffset < from ? (from as Offset) : start.startOffset;
  }
  return { offset: at, isKnown: false };
}

function commonBound(own: Lineage, other: Lineage): Offset {
  const bound = Math.min(own.endOffset, other.endOffset);
  const count = Math.max(own.forced.length, other.forced.length);
  for (let index = 0; index < count; index++) {
    const [left, right] = [own.forced[index], other.forced[index]];
    if (left?.generation === right?.generation && left?.node === right?.node) continue;
    const starts = [left, right].map((each) => each?.offset ?? Number.POSITIVE_INFINITY);
    return Math.min(bound, ...starts) as Offset;
  }
  return bound as Offset;
}

function epochsOf({ startOffset, startEpoch, epochs }: Lineage): EpochHistory {
  return new EpochHistory(startOffset, startEpoch, epochs);
}
