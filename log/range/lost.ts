import { concatBytes, equalBytes } from '../../base/bytes/compare.ts';
import type { Disk } from '../../base/env/env.ts';
import { readWhole, replaceWhole } from '../../base/env/whole_file.ts';
import type { Offset } from '../../base/ids.ts';
import { decodeHeader } from '../record/header.ts';
import type { SegmentedLog } from '../segment/log.ts';
import { type SegmentName, segmentPath } from '../segment/name.ts';

const readBytes = 1024 * 1024;

/** In a database's directory. */
export function lostDirectory(path: string): string {
  return `${path}/lost`;
}

/**
 * Before a log is truncated: writes the batches that it loses into a file of their own, in the format of a segment, for an
 * operator to read (`alopex-cli dump`). What the consensus alone wrote is not worth a file. Epochs count within a generation alone:
 * where a file of that name has other batches, it stays, and the new one goes into a directory beside it.
 */
export async function keepLost(
  disk: Disk,
  directory: string,
  log: SegmentedLog,
  from: Offset,
): Promise<void> {
  const batches: Uint8Array[] = [];
  for (let at = from; at < log.flushedOffset; ) {
    for (const batch of await log.readFlushed(at, readBytes)) {
      batches.push(batch);
      at = (decodeHeader(batch).lastOffset + 1) as Offset;
    }
  }
  const first = batches[0];
  if (first === undefined || batches.every((batch) => decodeHeader(batch).isControl)) return;
  const bytes = concatBytes(batches);
  const name: SegmentName = { base: from, epoch: decodeHeader(first).epoch };
  for (let count = 1; ; count++) {
    const free = count === 1 ? directory : `${directory}/${count}`;
    const held = await readWhole(disk, segmentPath(free, name));
    if (held !== null && equalBytes(held, bytes)) return;
    if (held !== null) continue;
    await disk.makeDirectory(free);
    await replaceWhole(disk, segmentPath(free, name), bytes);
    return;
  }
}
