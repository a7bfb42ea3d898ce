import type { Offset, Timestamp } from '../../../base/ids.ts';

/**
 * What the numbers mean that stand in a file for timestamps. In a file of one transaction's rows, written before it was
 * decided, they are the offsets of its batches: `private` while it runs, and for itself alone, `commit` ever after. Rows
 * of batches from `voidFrom` on were rolled back to a savepoint.
 */
export type Stamp =
  | { readonly kind: 'private'; readonly voidFrom: Offset | null }
  | { readonly kind: 'commit'; readonly timestamp: Timestamp; readonly voidFrom: Offset | null };

/**
 * Versions of an undecided transaction have the offset of their batch above it for a timestamp: below the number of
 * every command and the timestamp of every commit, and falling in the order in which they were written.
 */
const undecidedBase = -(2 ** 52);

export function undecidedTimestamp(at: Offset): number {
  return undecidedBase + at;
}

/** What is above every timestamp: no reader sees it. */
export const neverVisible = Number.POSITIVE_INFINITY;

export function stamped(stamp: Stamp | null, stored: number): number {
  if (stamp === null) return stored;
  if (stamp.voidFrom !== null && stored >= stamp.voidFrom) return neverVisible;
  return stamp.kind === 'commit' ? stamp.timestamp : undecidedBase + stored;
}
