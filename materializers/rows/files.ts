import { compareBytes } from '../../base/bytes/compare.ts';
import type { IndexId, StorageId } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { byAge, type Manifest, type ManifestFile } from '../manifest/manifest.ts';
import type { SectionRun } from './section-run.ts';
import type { Sstable } from './sstable/reader.ts';
import type { SstableSection } from './sstable/section.ts';
import type { FileSet } from './store.ts';

/** An open file. `leave` ends a file set's use of it: after the last, it is closed, and removed where it is obsolete. */
export type LiveFile = {
  record: ManifestFile;
  readonly sstable: Sstable;
  users: number;
  readonly close: () => Promise<void>;
};

/**
 * The files of one manifest, as runs for each storage and index: the files of level 0 from new to old, then each
 * deeper level as one run. Held by the store while it is the newest set, and by every read that may need its pages.
 */
export class LiveFiles implements FileSet {
  readonly manifest: Manifest;
  readonly files: readonly LiveFile[];
  readonly #horizons: ReadonlyMap<number, number>;
  readonly #runs = new Map<number, Map<number, readonly SectionRun[]>>();
  readonly #onUnused: (file: LiveFile) => void;
  #holds = 1;

  constructor(manifest: Manifest, files: readonly LiveFile[], onUnused: (file: LiveFile) => void) {
    this.manifest = manifest;
    this.files = files;
    this.#onUnused = onUnused;
    this.#horizons = new Map(manifest.horizons);
    for (const file of files) file.users++;
  }

  horizon(storage: StorageId): number {
    return this.#horizons.get(storage) ?? 0;
  }

  runs(storage: StorageId, index: IndexId): readonly SectionRun[] {
    let indexes = this.#runs.get(storage);
    if (indexes === undefined) {
      indexes = new Map();
      this.#runs.set(storage, indexes);
    }
    let runs = indexes.get(index);
    if (runs === undefined) {
      runs = this.#makeRuns(storage, index);
      indexes.set(index, runs);
    }
    return runs;
  }

  sections(): readonly SstableSection[] {
    return this.files.flatMap(({ sstable }) => sstable.sections);
  }

  #makeRuns(storage: StorageId, index: IndexId): readonly SectionRun[] {
    const newest: SectionRun[] = [];
    const levels = new Map<number, SstableSection[]>();
    for (const { record, sstable } of this.files.toSorted((left, right) =>
      byAge(left.record, right.record),
    )) {
      const section = sstable.section(storage, index);
      if (section === null) continue;
      if (record.level === 0) newest.push([section]);
      else if (levels.has(record.level)) levels.get(record.level)!.push(section);
      else levels.set(record.level, [section]);
    }
    return [...newest, ...Array.from(levels.values(), inOrder)];
  }

  hold(): void {
    this.#holds++;
  }

  release(): void {
    if (--this.#holds > 0) return;
    for (const file of this.files) {
      if (--file.users === 0) this.#onUnused(file);
    }
  }
}

/** Sections of one level. Readers look for a key in one of them alone. */
function inOrder(sections: SstableSection[]): SectionRun {
  sections.sort((left, right) => compareBytes(left.firstKey, right.firstKey));
  for (let place = 1; place < sections.length; place++) {
    const [previous, next] = [sections[place - 1]!, sections[place]!];
    invariant(
      compareBytes(previous.lastKey, next.firstKey) < 0,
      `keys of ${previous.file.name} and ${next.file.name} do not overlap`,
    );
  }
  return sections;
}
