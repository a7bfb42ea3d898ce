import { concatBytes } from '../../base/bytes/compare.ts';
import type { Disk } from '../../base/env/env.ts';
import { replaceWhole } from '../../base/env/whole_file.ts';
import type { Offset } from '../../base/ids.ts';
import { decodeHeader } from '../record/header.ts';
import type { SegmentedLog } from '../segment/log.ts';
import { segmentPath } from '../segment/name.ts';

const readBytes = 1024 * 1024;

/**
 * Before a log is truncated: writes the batches that it loses into a file of their own, in the format of a segment, for an
 * operator to read (`alopex-cli dump`). What the consensus alone wrote is not worth a file.
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
  await disk.makeDirectory(directory);
  const path = segmentPath(directory, { base: from, epoch: decodeHeader(first).epoch });
  await replaceWhole(disk, path, concatBytes(batches));
}
