import type { Disk } from '../../base/env/env.ts';
import { corrupted } from '../../base/errors.ts';
import type { Offset } from '../../base/ids.ts';
import { indexPath, type SegmentName, segmentPath } from './name.ts';
import { ActiveSegment, writeIndex } from './segment.ts';
import {
  decodeIndex,
  decodeIndexHeader,
  indexHeaderBytes,
  type SealedSegment,
  type SegmentIndex,
} from './sparse-index.ts';
import { Undecided, type UndecidedTransaction } from './undecided.ts';
import { segmentStart, walkBatches } from './walk.ts';

/**
 * The segments from the log's start up to `next`, whole and without a gap. An index that is missing or damaged is
 * made again from its segment, all of which is below the mark: damage there is corruption.
 */
export async function openSealed(
  disk: Disk,
  directory: string,
  names: readonly SegmentName[],
  startOffset: Offset,
  next: SegmentName,
): Promise<readonly SealedSegment[]> {
  const first = names[0] ?? next;
  if (first.base !== startOffset) {
    throw corrupted(
      segmentPath(directory, first),
      0,
      `the segment at offset ${startOffset} before it is missing`,
    );
  }
  const sealed: SealedSegment[] = [];
  for (const [at, name] of names.entries()) {
    const end = (names[at + 1] ?? next).base;
    const known = await readIndexHead(disk, directory, name);
    if (known?.endOffset === end) sealed.push(known);
    else {
      const undecided = await undecidedAfter(disk, directory, sealed);
      sealed.push((await remakeIndex(disk, directory, name, end, undecided)).segment);
    }
  }
  return sealed;
}

/** Null where it is missing or damaged. */
export async function readIndex(
  disk: Disk,
  directory: string,
  name: SegmentName,
): Promise<SegmentIndex | null> {
  const bytes = await readFile(disk, indexPath(directory, name), null);
  return bytes === null ? null : decodeIndex(bytes, name);
}

/**
 * Transactions that are undecided where the last of these segments ends. One that began in a segment that is
 * trimmed was decided before that was trimmed, so what is lost of it does not matter here.
 */
export async function undecidedAfter(
  disk: Disk,
  directory: string,
  sealed: readonly SealedSegment[],
): Promise<readonly UndecidedTransaction[]> {
  const last = sealed.at(-1);
  if (last === undefined) return [];
  const known = await readIndex(disk, directory, last);
  if (known !== null) return known.undecided;
  const before = await undecidedAfter(disk, directory, sealed.slice(0, -1));
  return (await remakeIndex(disk, directory, last, last.endOffset, before)).undecided;
}

async function readIndexHead(
  disk: Disk,
  directory: string,
  name: SegmentName,
): Promise<SealedSegment | null> {
  const bytes = await readFile(disk, indexPath(directory, name), indexHeaderBytes);
  return bytes === null ? null : (decodeIndexHeader(bytes, name)?.segment ?? null);
}

async function remakeIndex(
  disk: Disk,
  directory: string,
  name: SegmentName,
  end: Offset,
  undecidedAtStart: readonly UndecidedTransaction[],
): Promise<Pick<SegmentIndex, 'segment' | 'undecided'>> {
  const file = await disk.open(segmentPath(directory, name), 'read');
  try {
    const undecided = new Undecided(undecidedAtStart);
    const segment = new ActiveSegment(name, file, undecidedAtStart, 0);
    const walked = await walkBatches(file, name, segmentStart(name), end, (_, header) => {
      segment.note(header);
      undecided.observe(header);
      return true;
    });
    if (walked.stop.kind === 'damage')
      throw corrupted(file.path, walked.stop.byteOffset, walked.stop.problem);
    if (walked.offset !== end) {
      throw corrupted(
        file.path,
        walked.position,
        `it ends at offset ${walked.offset}, and the next begins at ${end}`,
      );
    }
    await writeIndex(disk, directory, segment, undecided);
    return { segment: segment.sealed, undecided: undecided.transactions };
  } finally {
    await file.close();
  }
}

async function readFile(disk: Disk, path: string, length: number | null): Promise<Uint8Array | null> {
  if (!(await disk.exists(path))) return null;
  const file = await disk.open(path, 'read');
  try {
    return await file.read(0, length ?? (await file.size()));
  } finally {
    await file.close();
  }
}
