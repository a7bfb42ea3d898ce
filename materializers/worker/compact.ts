import type { Env, WorkerTask } from '../../base/env/env.ts';
import { msOfTimestamp, timestampOfMs } from '../../base/hlc.ts';
import type { ColumnId, IndexId, StorageId, Timestamp } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { JsonObject } from '../../log/events/layout-json.ts';
import { objectsLayout } from '../../log/events/system.ts';
import { byAge, type DroppedIndex, type Manifest } from '../manifest/manifest.ts';
import { type CompactionOutput, type CompactionPlan, compactedBytesMax } from '../rows/compaction-plan.ts';
import { Layouts, missingValues } from '../rows/layouts.ts';
import type { SectionColumn } from '../rows/sstable/format.ts';
import type { SstableSection } from '../rows/sstable/section.ts';
import { mergeSections } from './merge-sections.ts';
import { type OpenSstable, openSstableFile, SstableFileWriter, type WrittenFile } from './sstable-file.ts';

export type CompactInput = {
  readonly directory: string;
  readonly plan: CompactionPlan;
  readonly firstFile: number;
  /** How many numbers are free from there on; the last file takes all that is left. */
  readonly filesMax: number;
  /** The timestamp that horizons are counted back from; nobody reads below it less a table's history. Null: all is kept. */
  readonly now: number | null;
  readonly layouts: JsonObject;
  readonly dropped: Manifest['dropped'];
  readonly droppedIndexes: readonly DroppedIndex[];
};

export const compactTask: WorkerTask<CompactInput, CompactionOutput> = {
  module: import.meta.url,
  name: 'compactRows',
  run: compactRows,
};

/** A horizon below every timestamp. */
const keepsEverything = -1;
/** Of a storage that no layout knows any more. */
const droppedHistoryMs = 24 * 3_600_000;

/**
 * Merges SSTables, and leaves out the versions that no reader at or above the horizon can see.
 * @public Workers call it by its name.
 */
export async function compactRows(env: Env, input: CompactInput): Promise<CompactionOutput> {
  const opened: OpenSstable[] = [];
  try {
    const files = [...input.plan.inputs].sort(byAge);
    for (const file of files) opened.push(await openSstableFile(env.disk, input.directory, file));
    return await new Compaction(env, input, opened).run();
  } finally {
    for (const { close } of opened) await close();
  }
}

class Compaction {
  readonly #env: Env;
  readonly #input: CompactInput;
  readonly #layouts: Layouts;
  readonly #dropped: ReadonlyMap<number, number>;
  readonly #sections: readonly SstableSection[];
  readonly #files: WrittenFile[] = [];
  readonly #horizons = new Map<number, number>();
  #nextFile: number;
  #writer: SstableFileWriter | null = null;

  constructor(env: Env, input: CompactInput, opened: readonly OpenSstable[]) {
    this.#env = env;
    this.#input = input;
    this.#layouts = Layouts.fromJson(input.layouts);
    this.#dropped = new Map(input.dropped.map(({ storage, since }) => [storage, since]));
    this.#sections = opened.flatMap(({ sstable }) => sstable.sections);
    this.#nextFile = input.firstFile;
  }

  async run(): Promise<CompactionOutput> {
    try {
      for (const sections of bySpace(this.#sections)) {
        const { storage, index } = sections[0]!;
        const horizon = this.#horizonOf(storage);
        const isGone = this.#droppedSince(storage, index) < horizon;
        const keepsAll = !isGone && (await this.#mergeSpace(storage, index, sections, horizon));
        if (!keepsAll) this.#horizons.set(storage, horizon);
      }
      await this.#finishFile();
    } catch (error) {
      await this.#writer?.abandon();
      throw error;
    }
    return { files: this.#files, horizons: [...this.#horizons] };
  }

  /** Since when no table has it; infinite where one has. */
  #droppedSince(storage: StorageId, index: IndexId): number {
    const { droppedIndexes } = this.#input;
    const dropped = droppedIndexes.find((each) => each.storage === storage && each.index === index);
    return dropped?.since ?? this.#dropped.get(storage) ?? Number.POSITIVE_INFINITY;
  }

  #horizonOf(storage: StorageId): number {
    const historyMs =
      storage === objectsLayout.storage
        ? this.#longestHistoryMs()
        : (this.#layouts.tables.get(storage)?.historyMs ?? droppedHistoryMs);
    const now = this.#input.now as Timestamp | null;
    if (now === null) return keepsEverything;
    return historyMs === 0 ? now : timestampOfMs(msOfTimestamp(now) - historyMs);
  }

  /** The catalog is known at every moment at which some table is. */
  #longestHistoryMs(): number {
    let longest = objectsLayout.historyMs;
    for (const { historyMs } of this.#layouts.tables.values()) longest = Math.max(longest, historyMs);
    return longest;
  }

  /** Whether every version was kept. */
  async #mergeSpace(
    storage: StorageId,
    index: IndexId,
    sections: readonly SstableSection[],
    horizon: number,
  ): Promise<boolean> {
    const columns = columnsOf(sections);
    const layout = this.#layouts.tables.get(storage);
    const missing = missingValues(layout, columns);
    // Entries that are older than a deletion may still come from the build.
    const state = layout?.indexes.find((each) => each.id === index)?.state ?? 'public';
    const isBottom = this.#input.plan.isBottom && state === 'public';
    let isBegun = false;
    let keepsAll = true;
    for await (const key of mergeSections(sections, columns, missing)) {
      const kept = visibleFrom(key.versions, horizon, isBottom);
      if (kept.length < key.versions.length) keepsAll = false;
      if (kept.length === 0) continue;
      if (this.#isFileFull) {
        await this.#finishFile();
        isBegun = false;
      }
      this.#writer ??= await this.#createFile();
      if (!isBegun) this.#writer.beginSection({ storage, index, columns });
      isBegun = true;
      for (const { timestamp, deleted, values } of kept) {
        const writing = this.#writer.add({ storage, index, key: key.key, timestamp, deleted, values });
        if (writing !== null) await writing;
      }
    }
    return keepsAll;
  }

  get #isFileFull(): boolean {
    const { firstFile, filesMax } = this.#input;
    const hasNumbers = this.#nextFile < firstFile + filesMax;
    return this.#writer !== null && this.#writer.length >= compactedBytesMax && hasNumbers;
  }

  #createFile(): Promise<SstableFileWriter> {
    return SstableFileWriter.create(this.#env.disk, this.#input.directory, this.#nextFile++);
  }

  async #finishFile(): Promise<void> {
    const writer = this.#writer;
    this.#writer = null;
    if (writer !== null) this.#files.push(await writer.finish());
  }
}

type KeyVersion = {
  readonly timestamp: Timestamp;
  readonly deleted: boolean;
  readonly values: readonly Datum[] | null;
};

/**
 * Of a key's versions, newest first: those above the horizon, and the one that a reader at the horizon sees.
 * A deletion in that place says nothing where no older version lies beneath.
 */
function visibleFrom(
  versions: readonly KeyVersion[],
  horizon: number,
  isBottom: boolean,
): readonly KeyVersion[] {
  const kept: KeyVersion[] = [];
  for (const version of versions) {
    if (version.timestamp > horizon) {
      kept.push(version);
      continue;
    }
    if (!version.deleted || !isBottom) kept.push(version);
    break;
  }
  return kept;
}

/** Sections of each storage and index together, in the order of the file. */
function bySpace(sections: readonly SstableSection[]): readonly (readonly SstableSection[])[] {
  const sorted = [...sections].sort(
    (left, right) => left.storage - right.storage || left.index - right.index,
  );
  const spaces: SstableSection[][] = [];
  for (const section of sorted) {
    const last = spaces.at(-1);
    const first = last?.[0];
    if (first?.storage === section.storage && first.index === section.index) last!.push(section);
    else spaces.push([section]);
  }
  return spaces;
}

function columnsOf(sections: readonly SstableSection[]): readonly SectionColumn[] {
  const columns = new Map<ColumnId, SectionColumn>();
  for (const section of sections) for (const column of section.columns) columns.set(column.id, column);
  return [...columns.values()].sort((left, right) => left.id - right.id);
}
