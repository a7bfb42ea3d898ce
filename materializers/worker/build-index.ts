import type { Env, WorkerTask } from '../../base/env/env.ts';
import { indexId, type Timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { IndexLayout, TableLayout } from '../../log/events/layout.ts';
import { type JsonObject, tableLayoutFromJson } from '../../log/events/layout-json.ts';
import type { Manifest } from '../manifest/manifest.ts';
import { batchesOf } from '../rows/batches.ts';
import { keyPseudoColumn, versionPseudoColumn } from '../rows/contract.ts';
import { type LiveFile, LiveFiles } from '../rows/files.ts';
import { encodeKeyDatums } from '../rows/key.ts';
import { RowStore } from '../rows/store.ts';
import { EntrySorter } from './entry-sorter.ts';
import { openSstableFile, SstableFileWriter, type WrittenFile } from './sstable-file.ts';

export type BuildIndexInput = {
  readonly directory: string;
  /** A snapshot of the rows: the newest versions in these files are those at its timestamp. */
  readonly manifest: Manifest;
  readonly layout: JsonObject;
  readonly index: number;
  /** The primary key to begin at. */
  readonly from: Uint8Array | null;
  readonly fileNumber: number;
  /** Bytes of entries that are sorted in memory. */
  readonly sortBytesMax: number;
};

export type BuildIndexOutput = {
  /** Null where there were no rows. */
  readonly file: WrittenFile | null;
  /** Where the next run begins, or null at the end of the table. */
  readonly next: Uint8Array | null;
};

export const buildIndexTask: WorkerTask<BuildIndexInput, BuildIndexOutput> = {
  module: import.meta.url,
  name: 'buildIndexRun',
  run: buildIndexRun,
};

/**
 * Reads rows of a snapshot in the order of their keys, as many as fit into memory as entries of an index, and writes
 * these, sorted, as one SSTable. An entry has the timestamp of the row's version.
 * @public Workers call it by its name.
 */
export async function buildIndexRun(env: Env, input: BuildIndexInput): Promise<BuildIndexOutput> {
  const { directory, manifest } = input;
  const files: LiveFile[] = [];
  try {
    for (const record of manifest.files) {
      const { sstable, close } = await openSstableFile(env.disk, directory, record);
      files.push({ record, sstable, users: 0, close });
    }
    const layout = tableLayoutFromJson(input.layout);
    const index = layout.indexes.find((each) => each.id === input.index);
    invariant(index !== undefined, `table ${layout.table} has index ${input.index}`);
    const store = new RowStore({ layers: [], files: new LiveFiles(manifest, files, () => {}) });
    const entries = new EntrySorter();
    const next = await gather(store, layout, index, input, entries);
    return { file: await write(env, layout, index, input, entries), next };
  } finally {
    for (const { close } of files) await close();
  }
}

/** Where to go on, or null where all rows are read. */
async function gather(
  store: RowStore,
  layout: TableLayout,
  index: IndexLayout,
  { manifest, from, sortBytesMax }: BuildIndexInput,
  entries: EntrySorter,
): Promise<Uint8Array | null> {
  const keyPlace = index.columns.length;
  const scan = store.scan({
    layout,
    index: indexId(0),
    ranges: [{ from, to: null }],
    reverse: false,
    view: { at: manifest.timestamp, pending: null },
    columns: [...index.columns.map(({ column }) => column), keyPseudoColumn, versionPseudoColumn],
    zones: [],
    rowsWanted: null,
  });
  for await (const batch of batchesOf(scan)) {
    const { columns, selection } = batch;
    const count = selection === null ? batch.rowCount : selection.length;
    for (let place = 0; place < count; place++) {
      const row = selection === null ? place : selection[place]!;
      const datums = index.columns.map((_, column): Datum => datumAt(columns[column]!, row));
      const key = datumAt(columns[keyPlace]!, row) as Uint8Array;
      const timestamp = Number(datumAt(columns[keyPlace + 1]!, row));
      entries.add(encodeKeyDatums(index.columns, datums), key, timestamp);
      if (entries.sizeBytes >= sortBytesMax) return keyAfter(key);
    }
  }
  return null;
}

function keyAfter(key: Uint8Array): Uint8Array {
  const after = new Uint8Array(key.length + 1);
  after.set(key);
  return after;
}

async function write(
  env: Env,
  { storage }: TableLayout,
  { id: index }: IndexLayout,
  { directory, fileNumber }: BuildIndexInput,
  entries: EntrySorter,
): Promise<WrittenFile | null> {
  if (entries.count === 0) return null;
  const writer = await SstableFileWriter.create(env.disk, directory, fileNumber);
  try {
    writer.beginSection({ storage, index, columns: [] });
    for (const { key, timestamp } of entries.sorted()) {
      const writing = writer.add({
        storage,
        index,
        key,
        timestamp: timestamp as Timestamp,
        deleted: false,
        values: null,
      });
      if (writing !== null) await writing;
    }
    return await writer.finish();
  } catch (error) {
    await writer.abandon();
    throw error;
  }
}
