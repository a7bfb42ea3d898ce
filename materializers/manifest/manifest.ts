import { decodeFramedJson, encodeFramedJson, type FramedFormat } from '../../base/bytes/framed-json.ts';
import type { Disk } from '../../base/env/env.ts';
import { readWhole, replaceWhole } from '../../base/env/whole_file.ts';
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
  /** Public indexes whose older entries this replica has still to put into files. Left out where there are none. */
  readonly unbuilt?: readonly (readonly [storage: number, index: number])[];
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

const format: FramedFormat = { magic: 'ALOPEXMF', version: 2, what: 'manifest' };

export function encodeManifest(manifest: Manifest, version = format.version): Uint8Array {
  return encodeFramedJson({ ...format, version }, manifest);
}

/** Throws data_corrupted, or feature_not_supported for a newer version, naming the file. */
export function decodeManifest(bytes: Uint8Array, path: string): Manifest {
  return decodeFramedJson(format, bytes, path) as Manifest;
}

const name = 'MANIFEST';

/** Null where the folder has none: a fold that never made a snapshot. */
export async function readManifest(disk: Disk, directory: string): Promise<Manifest | null> {
  const path = `${directory}/${name}`;
  const bytes = await readWhole(disk, path);
  return bytes === null ? null : decodeManifest(bytes, path);
}

/** Resolves when it is durable; the files that it names were made durable before. */
export function writeManifest(disk: Disk, directory: string, manifest: Manifest): Promise<void> {
  return replaceWhole(disk, `${directory}/${name}`, encodeManifest(manifest));
}
