import type { Disk } from '../../base/env/env.ts';
import { type AlopexError, corrupted } from '../../base/errors.ts';
import { epoch, type Offset, offset } from '../../base/ids.ts';
import { createMark, type Mark, type MarkFile, markPath, openMark, readMark } from './mark.ts';
import { isBefore, type SegmentName, segmentNames, segmentPath } from './name.ts';
import { openSealed } from './sealed.ts';
import { ActiveSegment, createSegment, isDiskFull, removeSegment, writeIndex } from './segment.ts';
import type { SealedSegment } from './sparse-index.ts';
import { Undecided } from './undecided.ts';
import { endless, segmentStart, type Walked, walkBatches } from './walk.ts';

/** What was cut off as the torn tail. */
export type Cut = { readonly file: string; readonly byteOffset: number; readonly problem: string };

export type Recovered = {
  readonly sealed: readonly SealedSegment[];
  readonly active: ActiveSegment;
  readonly undecided: Undecided;
  readonly mark: MarkFile;
  readonly cut: Cut | null;
};

/**
 * Opens the log of a directory, or makes one. Below the mark every byte must be right: damage is `data_corrupted`
 * with file and byte. Above it, the first batch that is not whole ends the log, whatever follows, and is cut.
 * A crash at any step is harmless: what a step relies on was made durable by those before it.
 *
 * Reads the segment of the mark and those after it, and of the older ones only the heads of their indexes, so
 * that it does not grow with the log. Damage in those is found, and named, by whoever reads them.
 */
export async function recoverLog(disk: Disk, directory: string): Promise<Recovered> {
  await disk.makeDirectory(directory);
  const read = await readMark(disk, directory);
  const names = segmentNames(await disk.list(directory));
  if (read === null) {
    if (names.length > 0)
      throw corrupted(markPath(directory), 0, 'no mark is left of a log that has segments');
    return createLog(disk, directory, { base: offset(0), epoch: epoch(0) });
  }
  const { mark, generation } = read;
  const marked: SegmentName = { base: mark.segmentBase, epoch: mark.segmentEpoch };
  const live = names.filter((name) => name.base >= mark.startOffset);
  const older = live.filter((name) => isBefore(name, marked));
  const sealed = await openSealed(disk, directory, older, mark.startOffset, marked);
  const tail = await openTail(disk, directory, mark, live.slice(older.length));
  const trimmed = names.slice(0, names.length - live.length);
  for (const name of [...trimmed, ...tail.dropped]) await removeSegment(disk, directory, name);
  await tail.active.cut();
  await disk.syncDirectory(directory);
  const markFile = await openMark(disk, directory, generation);
  await writeUnlessFull(markFile, markAt(tail.active, mark.startOffset));
  return { ...tail, sealed: [...sealed, ...tail.sealed], mark: markFile };
}

/** The mark at the end of a segment, all of whose bytes are durable. */
export function markAt(active: ActiveSegment, startOffset: Offset): Mark {
  return {
    startOffset,
    offset: active.endOffset,
    segmentBase: active.base,
    segmentEpoch: active.epoch,
    position: active.sizeBytes,
    undecided: active.undecidedAtStart,
  };
}

/** A full disk keeps the older mark, which is as true, and the log can be read. */
async function writeUnlessFull(file: MarkFile, mark: Mark): Promise<void> {
  try {
    await file.write(mark);
  } catch (thrown) {
    if (!isDiskFull(thrown)) throw thrown;
  }
}

/** An empty log that begins where its first segment says. */
async function createLog(disk: Disk, directory: string, name: SegmentName): Promise<Recovered> {
  const mark = await createMark(disk, directory, {
    startOffset: name.base,
    offset: name.base,
    segmentBase: name.base,
    segmentEpoch: name.epoch,
    position: 0,
    undecided: [],
  });
  const active = await createSegment(disk, directory, name, []);
  return { sealed: [], active, undecided: new Undecided(), mark, cut: null };
}

/** Makes a log that goes on where a snapshot ends. `epoch`: of the batch before it. */
export async function makeLogAt(disk: Disk, directory: string, at: SegmentName): Promise<void> {
  await disk.makeDirectory(directory);
  const { active, mark } = await createLog(disk, directory, at);
  await active.file.close();
  await mark.close();
}

type Tail = Omit<Recovered, 'mark'> & { readonly dropped: readonly SegmentName[] };

/** The mark's segment, and those that follow it without a gap; the last is the active one. */
async function openTail(
  disk: Disk,
  directory: string,
  mark: Mark,
  names: readonly SegmentName[],
): Promise<Tail> {
  const marked: SegmentName = { base: mark.segmentBase, epoch: mark.segmentEpoch };
  if (names.length === 0 && mark.position === 0) {
    // The crash came between the first mark and the first segment.
    const active = await createSegment(disk, directory, marked, mark.undecided);
    return { sealed: [], active, undecided: new Undecided(mark.undecided), cut: null, dropped: [] };
  }
  const first = names[0];
  if (first?.base !== marked.base || first.epoch !== marked.epoch) {
    throw corrupted(segmentPath(directory, marked), 0, 'the file is missing');
  }
  const sealed: SealedSegment[] = [];
  const undecided = new Undecided(mark.undecided);
  let opened = await openActive(disk, directory, first, undecided, mark);
  for (const [at, next] of names.entries()) {
    if (at === 0) continue;
    const { active, walked } = opened;
    if (next.base !== walked.offset || next.epoch < active.epoch) {
      const dropped = names.slice(at);
      return { sealed, active, undecided, cut: cutOf(directory, opened, dropped), dropped };
    }
    await active.cut();
    await active.file.close();
    await writeIndex(disk, directory, active, undecided);
    sealed.push(active.sealed);
    opened = await openActive(disk, directory, next, undecided, mark);
  }
  return { sealed, active: opened.active, undecided, cut: cutOf(directory, opened, []), dropped: [] };
}

type Opened = {
  readonly active: ActiveSegment;
  readonly walked: Walked;
  /** Where the batch at the marked offset begins, or would; null where that is no batch's boundary. */
  readonly markedPosition: number | null;
};

/** Reads all of a segment that is whole and contiguous. `undecided` moves on with it. */
async function openActive(
  disk: Disk,
  directory: string,
  name: SegmentName,
  undecided: Undecided,
  mark: Mark,
): Promise<Opened> {
  const file = await disk.open(segmentPath(directory, name), 'write');
  const active = new ActiveSegment(name, file, undecided.transactions, await file.size());
  let markedPosition: number | null = null;
  const walked = await walkBatches(file, name, segmentStart(name), endless, (_, header, position) => {
    if (header.baseOffset === mark.offset) markedPosition = position;
    active.note(header);
    undecided.observe(header);
    return true;
  });
  if (walked.offset === mark.offset) markedPosition = walked.position;
  const opened = { active, walked, markedPosition };
  const problem =
    name.base === mark.segmentBase && name.epoch === mark.segmentEpoch ? unmarked(opened, mark) : null;
  if (problem === null) return opened;
  await file.close();
  throw problem;
}

/** Null where what is below the mark is there, and ends where the mark says. */
function unmarked({ active, walked, markedPosition }: Opened, mark: Mark): AlopexError | null {
  const { path } = active.file;
  const { stop } = walked;
  if (walked.offset < mark.offset) {
    if (stop.kind === 'damage') return corrupted(path, stop.byteOffset, stop.problem);
    const problem = `it ends at offset ${walked.offset}, and offsets below ${mark.offset} are known durable`;
    return corrupted(path, walked.position, problem);
  }
  if (markedPosition === mark.position) return null;
  return corrupted(path, mark.position, `offset ${mark.offset} does not begin here, as the mark says`);
}

function cutOf(directory: string, { active, walked }: Opened, dropped: readonly SegmentName[]): Cut | null {
  if (walked.stop.kind === 'damage') {
    return { file: active.file.path, byteOffset: walked.stop.byteOffset, problem: walked.stop.problem };
  }
  const first = dropped[0];
  if (first === undefined) return null;
  const problem = `it does not follow offset ${walked.offset} of epoch ${active.epoch}`;
  return { file: segmentPath(directory, first), byteOffset: 0, problem };
}
