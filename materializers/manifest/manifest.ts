import { crc32c } from '../../base/bytes/crc32c.ts';
import { ByteReader } from '../../base/bytes/reader.ts';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import type { Disk } from '../../base/env/env.ts';
import { AlopexError, corrupted } from '../../base/errors.ts';
import { type Offset, offset, type Timestamp, timestamp } from '../../base/ids.ts';
import type { JsonObject } from '../../log/events/layout-json.ts';

/**
 * What a snapshot of the rows fold is: its files, and the position that they cover. The one thing that says which
 * files count; the rest in the folder is garbage.
 */
export type Manifest = {
  /** First offset that the files do not cover. */
  readonly applied: Offset;
  /** Of the newest commit below `applied`. */
  readonly timestamp: Timestamp;
  /** Where a replay starts: `applied`, or the first batch of a transaction that was undecided there. */
  readonly replayFrom: Offset;
  /** File numbers from it on are free. */
  readonly nextFile: number;
  readonly files: readonly ManifestFile[];
  /** Versions of a storage below its horizon may be gone. */
  readonly horizons: readonly (readonly [storage: number, horizon: number])[];
  readonly dropped: readonly DroppedStorage[];
  /** Left out where there are none. */
  readonly droppedIndexes?: readonly DroppedIndex[];
};

/** An index that its table does not have any more, or never had. Its entries are kept as long as the table's history. */
export type DroppedIndex = {
  readonly storage: number;
  readonly index: number;
  /** A timestamp at which that was so. */
  readonly since: number;
};

/** A storage that no table has any more. Its rows are kept as long as its history, for readers of the past. */
export type DroppedStorage = {
  readonly storage: number;
  /** A timestamp at which that was so. */
  readonly since: number;
  /** Its last layout, by which its rows are merged; null where it came and went between two snapshots. */
  readonly layout: JsonObject | null;
};

export type ManifestFile = {
  readonly number: number;
  /** Bytes. */
  readonly length: number;
  /** 0: files may overlap, and a higher `order` is newer. From 1 on: the files of a level do not overlap. */
  readonly level: number;
  readonly order: number;
  /** Of a file that has rows of one large transaction alone. Of equal `order`, a higher place is newer. */
  readonly commit?: FileCommit;
};

/** What its rows, which were written before it, are read with. */
export type FileCommit = {
  readonly timestamp: Timestamp;
  /** Among the transaction's files, from 1 on. */
  readonly place: number;
  /** Rows of batches from this offset on were rolled back to a savepoint; null: none. */
  readonly voidFrom: Offset | null;
};

/** Sorts files so that, for every key that two have, the newer one comes first. */
export function byAge(left: ManifestFile, right: ManifestFile): number {
  return (
    left.level - right.level ||
    right.order - left.order ||
    (right.commit?.place ?? 0) - (left.commit?.place ?? 0)
  );
}

export const emptyManifest: Manifest = {
  applied: offset(0),
  timestamp: timestamp(0),
  replayFrom: offset(0),
  nextFile: 1,
  files: [],
  horizons: [],
  dropped: [],
};

/** `ALOPEXMF`, format version, length of the JSON that follows, CRC-32C of those two and of it; big-endian. */
const magic = 'ALOPEXMF';
const formatVersion = 2;
const headerBytes = 20;
const manifestBytesMax = 256 * 1024 * 1024;

export function encodeManifest(manifest: Manifest, version = formatVersion): Uint8Array {
  const body = stringToUtf8(JSON.stringify(manifest));
  const writer = new ByteWriter(headerBytes + body.length);
  writer.utf8(magic);
  writer.uint32(version);
  writer.uint32(body.length);
  writer.uint32(checksumOf(writer.view().subarray(magic.length), body));
  writer.raw(body);
  return writer.toBytes();
}

function checksumOf(versionAndLength: Uint8Array, body: Uint8Array): number {
  return crc32c(body, crc32c(versionAndLength));
}

/**
 * Throws data_corrupted, or feature_not_supported for a newer version, naming the file. The version is looked at before
 * the checksum: a newer version may have another one.
 */
export function decodeManifest(bytes: Uint8Array, path: string): Manifest {
  if (bytes.length < headerBytes) throw corrupted(path, bytes.length, 'it ends within its header');
  const reader = new ByteReader(bytes);
  if (reader.utf8(magic.length) !== magic) throw corrupted(path, 0, 'it is no manifest');
  const version = reader.uint32();
  if (version > formatVersion) {
    throw new AlopexError(
      'feature_not_supported',
      `${path} has format version ${version}; this program reads up to version ${formatVersion}`,
    );
  }
  const length = reader.uint32();
  const checksum = reader.uint32();
  const body = bytes.subarray(headerBytes);
  if (
    body.length !== length ||
    checksumOf(bytes.subarray(magic.length, headerBytes - 4), body) !== checksum
  ) {
    throw corrupted(path, headerBytes, 'checksum mismatch');
  }
  return JSON.parse(utf8ToString(body)) as Manifest;
}

function manifestPath(directory: string): string {
  return `${directory}/MANIFEST`;
}

/** Null where the folder has none: a fold that never made a snapshot. */
export async function readManifest(disk: Disk, directory: string): Promise<Manifest | null> {
  const path = manifestPath(directory);
  if (!(await disk.exists(path))) return null;
  const file = await disk.open(path, 'read');
  try {
    return decodeManifest(await file.read(0, manifestBytesMax), path);
  } finally {
    await file.close();
  }
}

/**
 * Replaces the manifest, whole: written beside, flushed, renamed into place. Resolves when it is durable; the
 * files that it names were made durable before.
 */
export async function writeManifest(disk: Disk, directory: string, manifest: Manifest): Promise<void> {
  const temporary = `${manifestPath(directory)}.new`;
  if (await disk.exists(temporary)) await disk.remove(temporary);
  const file = await disk.open(temporary, 'create');
  try {
    await file.writeDurably(0, [encodeManifest(manifest)]);
  } finally {
    await file.close();
  }
  await disk.syncDirectory(directory);
  await disk.rename(temporary, manifestPath(directory));
  await disk.syncDirectory(directory);
}
