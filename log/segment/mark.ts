import { crc32c } from '../../base/bytes/crc32c.ts';
import { ByteReader } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import type { Disk, DiskFile } from '../../base/env/env.ts';
import { AlopexError, corrupted } from '../../base/errors.ts';
import { type Epoch, epoch, type Offset, offset } from '../../base/ids.ts';
import type { UndecidedTransaction } from './undecided.ts';

/**
 * A place of the log below which all is known durable, so that damage there is corruption and no torn tail.
 * The file also holds the version of the directory's format.
 */
export type Mark = {
  /** Segments below it are dropped, even where their files are still there. */
  readonly startOffset: Offset;
  /** Durable up to here, a boundary of batches. */
  readonly offset: Offset;
  /** The segment that `offset` is in or at the end of, and the byte there. */
  readonly segmentBase: Offset;
  readonly segmentEpoch: Epoch;
  readonly position: number;
  /** At the segment's start. */
  readonly undecided: readonly UndecidedTransaction[];
};

/** Of the log directory: mark, index and segment files together. */
export const formatVersion = 1;

const magic = 0x414c584d; // 'ALXM'
/** Magic, version, length of the payload, CRC: the same in every version to come, so that a newer one is named. */
const frameBytes = 16;
const slotBytes = 32 * 1024;
/** What a slot has room for; with more of them the mark stays where it is, and recovery reads more. */
export const markedTransactionsMax = 2000;

export function markPath(directory: string): string {
  return `${directory}/mark`;
}

/**
 * Two slots that are written in turn, each time durably, so that a write that tears leaves the other slot whole.
 */
export class MarkFile {
  readonly #file: DiskFile;
  /** Of the last write; its lowest bit is the slot. */
  #generation: number;

  constructor(file: DiskFile, generation: number) {
    this.#file = file;
    this.#generation = generation;
  }

  async write(mark: Mark): Promise<void> {
    const generation = this.#generation + 1;
    await this.#file.writeDurably((generation % 2) * slotBytes, [encodeSlot(mark, generation)]);
    // Only now: a write that was refused may have torn its slot, and the next one must not touch the other.
    this.#generation = generation;
  }

  async close(): Promise<void> {
    await this.#file.close();
  }
}

export type MarkRead = { readonly mark: Mark; readonly generation: number };

/** Null where no mark was ever completed. Throws data_corrupted, and feature_not_supported for a newer format. */
export async function readMark(disk: Disk, directory: string): Promise<MarkRead | null> {
  const path = markPath(directory);
  if (!(await disk.exists(path))) return null;
  const file = await disk.open(path, 'read');
  try {
    const slots = [await file.read(0, slotBytes), await file.read(slotBytes, slotBytes)];
    let newest: MarkRead | null = null;
    for (const bytes of slots) {
      const slot = decodeSlot(bytes, path);
      if (slot !== null && (newest === null || slot.generation > newest.generation)) newest = slot;
    }
    if (newest === null) for (const bytes of slots) refuseNewer(bytes, path);
    return newest;
  } finally {
    await file.close();
  }
}

/** Makes the mark of a new directory. Afterwards it is durable, and so is its name. */
export async function createMark(disk: Disk, directory: string, mark: Mark): Promise<MarkFile> {
  const path = markPath(directory);
  if (await disk.exists(path)) await disk.remove(path);
  const file = await disk.open(path, 'create');
  await file.preallocate(2 * slotBytes);
  const made = new MarkFile(file, 0);
  await made.write(mark);
  await disk.syncDirectory(directory);
  return made;
}

export async function openMark(disk: Disk, directory: string, generation: number): Promise<MarkFile> {
  return new MarkFile(await disk.open(markPath(directory), 'write'), generation);
}

/** docs/formats/segment.md */
export function encodeSlot(mark: Mark, generation: number, version = formatVersion): Uint8Array {
  const payload = new ByteWriter(64);
  payload.int64(generation);
  payload.int64(mark.startOffset);
  payload.int64(mark.offset);
  payload.int64(mark.segmentBase);
  payload.uint32(mark.segmentEpoch);
  payload.uint32(mark.position);
  payload.uint32(mark.undecided.length);
  for (const [producerId, first] of mark.undecided) {
    payload.int64(producerId);
    payload.int64(first);
  }
  const writer = new ByteWriter(frameBytes + payload.length);
  writer.uint32(magic);
  writer.uint32(version);
  writer.uint32(payload.length);
  writer.uint32(crc32c(payload.view(), crc32c(writer.view())));
  writer.raw(payload.view());
  return writer.toBytes();
}

/** Null where the slot is empty or torn. */
function decodeSlot(slot: Uint8Array, path: string): MarkRead | null {
  if (slot.length < frameBytes) return null;
  const frame = new ByteReader(slot);
  const isOurs = frame.uint32() === magic;
  const version = frame.uint32();
  const length = frame.uint32();
  const stored = frame.uint32();
  if (!isOurs || length > slot.length - frameBytes) return null;
  const payload = slot.subarray(frameBytes, frameBytes + length);
  if (stored !== crc32c(payload, crc32c(slot.subarray(0, 12)))) return null;
  if (version !== formatVersion) throw otherVersion(version, path);
  const reader = new ByteReader(payload);
  const generation = whole(reader.int64(), path);
  const mark = {
    startOffset: offset(whole(reader.int64(), path)),
    offset: offset(whole(reader.int64(), path)),
    segmentBase: offset(whole(reader.int64(), path)),
    segmentEpoch: epoch(reader.uint32()),
    position: reader.uint32(),
  };
  const undecided = Array.from({ length: reader.uint32() }, (): UndecidedTransaction => {
    return [whole(reader.int64(), path), offset(whole(reader.int64(), path))];
  });
  return { generation, mark: { ...mark, undecided } };
}

/** Where no slot is whole by our checksum, another one of a newer version may be why. */
function refuseNewer(slot: Uint8Array, path: string): void {
  if (slot.length < frameBytes) return;
  const frame = new ByteReader(slot);
  if (frame.uint32() !== magic) return;
  const version = frame.uint32();
  if (version > formatVersion) throw otherVersion(version, path);
}

function otherVersion(version: number, path: string): AlopexError {
  return new AlopexError(
    'feature_not_supported',
    `${path} has log format version ${version}, and this version of Alopex DB reads ${formatVersion}`,
    { hint: 'Open it with the version that wrote it, or a newer one.' },
  );
}

function whole(value: number | bigint, path: string): number {
  if (typeof value === 'bigint' || value < 0) throw corrupted(path, 0, `a mark with ${value}`);
  return value;
}
