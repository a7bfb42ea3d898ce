import { concatBytes, equalBytes } from '../../base/bytes/compare.ts';
import type { Disk } from '../../base/env/env.ts';
import { readWhole, replaceWhole } from '../../base/env/whole_file.ts';
import type { Epoch, Offset } from '../../base/ids.ts';
import { decodeHeader } from '../record/header.ts';
import type { SegmentedLog } from '../segment/log.ts';
import { segmentPath } from '../segment/name.ts';

const readBytes = 1024 * 1024;

/** In a database's directory. */
export function lostDirectory(path: string): string {
  return `${path}/lost`;
}

/**
 * Before a log is truncated: writes the batches that it loses into files of their own, one for each epoch, in the format of
 * segments, for an operator to read (`alopex-cli dump`). What the consensus alone wrote is not worth a file. Epochs count within
 * a generation alone: where a file of that name has other batches, it stays, and the new one goes into a directory beside it.
 * Resolves with the paths.
 */
export async function keepLost(
  disk: Disk,
  directory: string,
  log: SegmentedLog,
  from: Offset,
): Promise<readonly string[]> {
  const epochs = new Map<Epoch, Uint8Array[]>();
  for (let at = from; at < log.flushedOffset; ) {
    for (const batch of await log.readFlushed(at, readBytes)) {
      const { epoch, lastOffset } = decodeHeader(batch);
      const batches = epochs.get(epoch);
      if (batches === undefined) epochs.set(epoch, [batch]);
      else batches.push(batch);
      at = (lastOffset + 1) as Offset;
    }
  }
  const paths: string[] = [];
  for (const batches of epochs.values())
    if (!batches.every((batch) => decodeHeader(batch).isControl))
      paths.push(await keepBatches(disk, directory, batches));
  return paths;
}

/** Of one epoch. */
async function keepBatches(disk: Disk, directory: string, batches: readonly Uint8Array[]): Promise<string> {
  const bytes = concatBytes(batches);
  const { baseOffset, epoch } = decodeHeader(bytes);
  for (let count = 1; ; count++) {
    const free = count === 1 ? directory : `${directory}/${count}`;
    const path = segmentPath(free, { base: baseOffset, epoch });
    const held = await readWhole(disk, path);
    if (held !== null && equalBytes(held, bytes)) return path;
    if (held !== null) continue;
    await disk.makeDirectory(free);
    await replaceWhole(disk, path, bytes);
    return path;
  }
}
