import type { DiskFile } from '../../base/env/env.ts';
import { type Offset, offset } from '../../base/ids.ts';
import { BatchError } from '../record/batch-error.ts';
import { batchSize, verifyBatch } from '../record/header.ts';
import { lengthFieldEnd } from '../record/layout.ts';
import type { BatchHeader } from '../record/record.ts';
import type { SegmentName } from './name.ts';
import type { BatchPosition } from './sparse-index.ts';

/** Why a walk ended before its limit. */
type Stop =
  /** The visitor has enough. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'limit' }
  /** The file ends, or nothing was ever written here. */
  | { readonly kind: 'end' }
  | { readonly kind: 'damage'; readonly byteOffset: number; readonly problem: string };

/** `offset` and `position`: of the first batch that was not visited. */
export type Walked = BatchPosition & { readonly stop: Stop };

/** The batch is a view into a buffer that is never reused. `false` ends the walk; the batch counts as visited. */
export type Visitor = (batch: Uint8Array, header: BatchHeader, position: number) => boolean;

export const chunkBytesDefault = 1024 * 1024;

/**
 * Visits the whole, unharmed batches of a segment from `start` up to an offset, in order. Each has a CRC that
 * holds, the segment's epoch, and the base offset that follows its predecessor.
 */
export async function walkBatches(
  file: DiskFile,
  segment: SegmentName,
  start: BatchPosition,
  limit: Offset,
  visit: Visitor,
  chunkBytes = chunkBytesDefault,
): Promise<Walked> {
  let next: BatchPosition = start;
  let wantedBytes = chunkBytes;
  while (next.offset < limit) {
    const chunk = await file.read(next.position, wantedBytes);
    const walked = walkChunk(chunk, segment, next, limit, visit);
    if (walked.stop !== null) return { ...walked.next, stop: walked.stop };
    if (chunk.length < wantedBytes) {
      return { ...walked.next, stop: endOf(chunk, walked.next, next.position) };
    }
    wantedBytes = Math.max(chunkBytes, walked.wantedBytes);
    next = walked.next;
  }
  return { ...next, stop: { kind: 'limit' } };
}

/** `stop` null: the chunk ends within the next batch, which needs `wantedBytes` (0: not known). */
function walkChunk(
  chunk: Uint8Array,
  segment: SegmentName,
  start: BatchPosition,
  limit: Offset,
  visit: Visitor,
): { readonly next: BatchPosition; readonly stop: Stop | null; readonly wantedBytes: number } {
  let at = 0;
  let expected = start.offset;
  const ended = (stop: Stop | null, wantedBytes = 0) => ({
    next: { offset: expected, position: start.position + at },
    stop,
    wantedBytes,
  });
  try {
    while (expected < limit) {
      if (isZero(chunk, at, lengthFieldEnd)) return ended({ kind: 'end' });
      const size = batchSize(chunk, at);
      if (size === null || at + size > chunk.length) return ended(null, size ?? 0);
      const batch = chunk.subarray(at, at + size);
      const header = verifyBatch(batch);
      const misplaced = misplacement(header, segment, expected);
      if (misplaced !== null) throw misplaced;
      const position = start.position + at;
      at += size;
      expected = offset(header.lastOffset + 1);
      if (!visit(batch, header, position)) return ended({ kind: 'stopped' });
    }
    return ended({ kind: 'limit' });
  } catch (thrown) {
    if (!(thrown instanceof BatchError)) throw thrown;
    return ended({
      kind: 'damage',
      byteOffset: start.position + at + thrown.byteOffset,
      problem: thrown.message,
    });
  }
}

/** The CRC skips these two fields. */
function misplacement(header: BatchHeader, segment: SegmentName, expected: Offset): BatchError | null {
  if (header.baseOffset !== expected) {
    return new BatchError(0, `base offset ${header.baseOffset} where ${expected} follows`);
  }
  if (header.epoch !== segment.epoch) {
    return new BatchError(12, `epoch ${header.epoch} in a segment of epoch ${segment.epoch}`);
  }
  return null;
}

/** The file ends within this chunk. */
function endOf(chunk: Uint8Array, next: BatchPosition, chunkPosition: number): Stop {
  const left = chunk.length - (next.position - chunkPosition);
  // Of a reservation fewer bytes may be left than a batch begins with.
  if (isZero(chunk, chunk.length - left, left)) return { kind: 'end' };
  return { kind: 'damage', byteOffset: next.position, problem: `the file ends ${left} bytes into a batch` };
}

function isZero(bytes: Uint8Array, start: number, length: number): boolean {
  if (start + length > bytes.length) return false;
  for (let at = start; at < start + length; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** The limit of a walk that ends only where the batches do. */
export const endless = offset(Number.MAX_SAFE_INTEGER);

export function segmentStart(segment: SegmentName): BatchPosition {
  return { offset: segment.base, position: 0 };
}
