import { latin1ToBytes } from '../../base/bytes/utf8.ts';
import type { Env } from '../../base/env/env.ts';
import { type ColumnId, indexId, type StorageId, type Timestamp } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import { type Layouts, missingValues } from '../rows/layouts.ts';
import type { Trees } from '../rows/memtable.ts';
import type { SectionColumn } from '../rows/sstable/format.ts';
import type { Tree } from '../rows/tree.ts';
import { isDeleted, type Version, VersionReader } from '../rows/version.ts';
import { SstableFileWriter, type WrittenFile } from './sstable-file.ts';

/** Writes what was folded as one SSTable. Null where that is nothing. */
export async function writeTrees(
  env: Env,
  input: { readonly directory: string; readonly fileNumber: number },
  trees: Trees,
  layouts: Layouts,
): Promise<WrittenFile | null> {
  const all = trees.all();
  if (all.length === 0) return null;
  const writer = await SstableFileWriter.create(env.disk, input.directory, input.fileNumber);
  try {
    for (const { storage, index, tree } of all) {
      const columns = index === indexId(0) ? columnsOf(tree, storage, layouts) : [];
      writer.beginSection({ storage, index, columns });
      const missing = missingValues(layouts.table(storage), columns);
      const wanted = columns.map(({ id }, place) => ({ id, missing: missing[place]! }));
      const versions = new VersionReader(wanted);
      for (const [key, newest] of tree.entries()) {
        const bytes = latin1ToBytes(key);
        let newer: number | null = null;
        for (let version: Version | null = newest; version !== null; version = version.older) {
          // Of what one transaction wrote of a key, the last stands.
          if (version.timestamp === newer) continue;
          newer = version.timestamp;
          const deleted = isDeleted(version);
          const values: readonly Datum[] | null =
            deleted || index !== indexId(0) ? null : versions.read(version);
          const timestamp = version.timestamp as Timestamp;
          const writing = writer.add({ storage, index, key: bytes, timestamp, deleted, values });
          if (writing !== null) await writing;
        }
      }
    }
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}

/** Every column of any schema that a row of the tree was written with, by id. */
function columnsOf(tree: Tree, storage: StorageId, layouts: Layouts): readonly SectionColumn[] {
  const columns = new Map<ColumnId, SectionColumn>();
  const seen = new Set<number>();
  for (const [, newest] of tree.entries()) {
    for (let version: Version | null = newest; version !== null; version = version.older) {
      if (version.kind !== 'encoded' || seen.has(version.schema.id)) continue;
      seen.add(version.schema.id);
      for (const { column, type } of version.schema.fields) columns.set(column, { id: column, type });
    }
  }
  if (columns.size === 0) {
    for (const { id, type } of layouts.table(storage).columns) columns.set(id, { id, type });
  }
  return [...columns.values()].sort((left, right) => left.id - right.id);
}
