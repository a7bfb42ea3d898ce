import type { Offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';

/**
 * A fold over one log. Its snapshot says where it stands and where its replay starts, which is earlier where a
 * transaction was undecided; it passes over what its snapshot has.
 */
export type Fold = {
  /** Takes a whole batch, the one at the offset that it returned last; returns the next offset. */
  replayBatch(batch: Uint8Array): Offset | Promise<Offset>;
};

/** Bytes of the log that are read at a time. */
const readBytes = 4 * 1024 * 1024;

/** Feeds a fold the batches of [from, to). `to` is a boundary of batches, at or below the high watermark. */
export async function replay(
  fold: Fold,
  from: Offset,
  to: Offset,
  read: (from: Offset, bytesMax: number) => Promise<readonly Uint8Array[]>,
): Promise<void> {
  let next = from;
  while (next < to) {
    const batches = await read(next, readBytes);
    invariant(batches.length > 0, `the log has batches from offset ${next} on`);
    for (const batch of batches) {
      const replayed = fold.replayBatch(batch);
      next = replayed instanceof Promise ? await replayed : replayed;
    }
  }
}
