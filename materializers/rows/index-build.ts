import { AlopexError } from '../../base/errors.ts';
import type { IndexId, StorageId } from '../../base/ids.ts';
import { indexId } from '../../base/ids.ts';
import type { IndexLayout, TableLayout } from '../../log/events/layout.ts';
import { tableLayoutToJson } from '../../log/events/layout-json.ts';
import type { ManifestFile } from '../manifest/manifest.ts';
import { type BuildIndexOutput, buildIndexTask } from '../worker/build-index.ts';
import { compactTask } from '../worker/compact.ts';
import { sstablePath, type WrittenFile } from '../worker/sstable-file.ts';
import { compactedFilesMax } from './compaction-plan.ts';
import type { Compactions, FilesHost } from './compactions.ts';
import type { LiveFile, LiveFiles } from './files.ts';

/** Entries of an index that are sorted in memory at once: about 1,500,000 of an integer column. */
const indexSortBytesMaxDefault = 64 * 1024 * 1024;

const primary = indexId(0);

/** Indexes of tables with rows: their entries in files. */
export class IndexFiles {
  readonly #host: FilesHost;
  readonly #compactions: Compactions;
  readonly #sortBytesMax: number;
  /** Their entries are in files, and the transactions that make them have not ended. */
  readonly #new = new Set<IndexId>();

  constructor(host: FilesHost, compactions: Compactions, sortBytesMax = indexSortBytesMaxDefault) {
    this.#host = host;
    this.#compactions = compactions;
    this.#sortBytesMax = sortBytesMax;
  }

  /** The largest id of those that files have entries of; 0 where there are none. */
  get newest(): number {
    return this.#host.files.sections().reduce((newest, { index }) => Math.max(newest, index), 0);
  }

  readonly isNew = (index: IndexId): boolean => this.#new.has(index);

  /** Puts the entries of the rows that are there into files, beside all that goes on. */
  async build(layout: TableLayout, index: IndexLayout, check: () => void): Promise<void> {
    await buildIndex(this.#host, this.#sortBytesMax, layout, index, check);
    this.#compactions.whereDue();
  }

  /**
   * The same for an index that only the transaction knows which makes it, and which keeps everybody from writing to the
   * table. `endNew` when the transaction has ended.
   */
  async buildNew(layout: TableLayout, index: IndexLayout, check: () => void): Promise<void> {
    this.#new.add(index.id);
    await this.build(layout, index, check);
  }

  endNew(index: IndexId): void {
    this.#new.delete(index);
  }

  /** Takes away what a build left that did not end well. */
  drop(storage: StorageId, index: IndexId): Promise<void> {
    return dropIndexFiles(this.#host, storage, index);
  }
}

/**
 * Adds the entries of all rows of a snapshot to the files; the log knows nothing of it. The snapshot is the one that
 * the fold makes for it: a flush point in the log says where it is. The index has been written to for longer than
 * that, so what came after has its entries by the fold, and what the fold and the build both have is the same.
 *
 * The work is cut into jobs of one run each (as many rows as fit into memory as entries), so that flushes and
 * compactions take their turns. `check` throws where the build is to end.
 */
async function buildIndex(
  host: FilesHost,
  sortBytesMax: number,
  layout: TableLayout,
  index: IndexLayout,
  check: () => void,
): Promise<void> {
  const snapshot = await host.jobs.run(async () => {
    await host.flush();
    const { files } = host;
    files.hold();
    return files;
  });
  const runs: WrittenFile[] = [];
  try {
    let from: Uint8Array | null = null;
    do {
      check();
      const run: BuildIndexOutput = await writeRun(host, sortBytesMax, snapshot, layout, index, from);
      if (run.file !== null) runs.push(run.file);
      from = run.next;
    } while (from !== null);
    check();
  } catch (error) {
    await removeFiles(host, runs);
    throw error;
  } finally {
    snapshot.release();
  }
  // Where this fails the disk may have a manifest that names them: they stay, for the next opening to decide.
  await host.jobs.run(() => join(host, layout.storage, index.id, runs));
}

function writeRun(
  host: FilesHost,
  sortBytesMax: number,
  snapshot: LiveFiles,
  layout: TableLayout,
  index: IndexLayout,
  from: Uint8Array | null,
): Promise<BuildIndexOutput> {
  const hasRows = ({ sstable }: LiveFile): boolean => sstable.section(layout.storage, primary) !== null;
  const files = snapshot.files.filter(hasRows).map(({ record }) => record);
  return host.jobs.run(async () => {
    const { env, directory } = host;
    return env.workers.run(buildIndexTask, {
      directory,
      manifest: { ...snapshot.manifest, files },
      layout: tableLayoutToJson(layout),
      index: index.id,
      from,
      fileNumber: host.takeFileNumbers(1),
      sortBytesMax,
    });
  });
}

/** The runs become files that count: one as it is, several merged. */
async function join(
  host: FilesHost,
  storage: StorageId,
  index: IndexId,
  runs: readonly WrittenFile[],
): Promise<void> {
  if (runs.length === 0) return;
  const level = levelBelow(host.files, storage, index);
  const { manifest } = host.files;
  const merged = runs.length === 1 ? runs : (await merge(host, runs, level)).files;
  const added = merged.map(({ number, length }) => ({ number, length, level, order: 0 }));
  await host.install({ ...manifest, files: [...manifest.files, ...added] });
  if (runs.length > 1) await removeFiles(host, runs);
}

/** Below all that the index has: whatever the fold wrote there since is newer than the snapshot, or says the same. */
function levelBelow({ files }: LiveFiles, storage: StorageId, index: IndexId): number {
  let level = 1;
  for (const { record, sstable } of files) {
    if (sstable.section(storage, index) !== null) level = Math.max(level, record.level + 1);
  }
  return level;
}

function merge(host: FilesHost, runs: readonly WrittenFile[], level: number) {
  const { env, directory, layouts } = host;
  const { manifest } = host.files;
  const inputs = runs.map((run): ManifestFile => ({ ...run, level: 0, order: 0 }));
  const plan = { inputs, level, isBottom: false };
  const filesMax = compactedFilesMax(plan);
  return env.workers.run(compactTask, {
    directory,
    plan,
    firstFile: host.takeFileNumbers(filesMax),
    filesMax,
    now: manifest.timestamp,
    layouts: layouts.toJson(),
    dropped: [],
    droppedIndexes: [],
  });
}

/** Takes the files out that have nothing but this index: what is left of a build that did not end well. */
function dropIndexFiles(host: FilesHost, storage: StorageId, index: IndexId): Promise<void> {
  return host.jobs.run(async () => {
    const { manifest, files } = host.files;
    const isGone = ({ sstable }: LiveFile): boolean =>
      sstable.sections.every((section) => section.storage === storage && section.index === index);
    const gone = new Set(files.filter(isGone).map(({ record }) => record.number));
    if (gone.size === 0) return;
    await host.install({ ...manifest, files: manifest.files.filter(({ number }) => !gone.has(number)) });
  });
}

/** Files that no manifest names. One that cannot be removed now is garbage for the next opening. */
async function removeFiles({ env, directory }: FilesHost, runs: readonly WrittenFile[]): Promise<void> {
  for (const { number } of runs) {
    try {
      await env.disk.remove(sstablePath(directory, number));
    } catch (error) {
      if (!(error instanceof AlopexError)) throw error;
    }
  }
}
