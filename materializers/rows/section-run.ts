import { compareBytes } from '../../base/bytes/compare.ts';
import { bytesToLatin1, latin1ToBytes } from '../../base/bytes/utf8.ts';
import type { Timestamp } from '../../base/ids.ts';
import type { ColumnVector } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { ZonePredicate } from './contract.ts';
import type { RunBatch, RunColumn, RunScan } from './run.ts';
import { type GroupBatch, SectionScan } from './sstable/scan.ts';
import type { FoundVersion, SstableSection } from './sstable/section.ts';
import { vectorOf } from './vector.ts';

/** Sections of one storage and index in key order, none overlapping another: one file's, or those of a level. */
export type SectionRun = readonly SstableSection[];

/** Row groups to fetch ahead of a scan that wants every row. */
const readAheadGroups = 2;

export type SectionRunScanOptions = {
  readonly run: SectionRun;
  readonly from: Uint8Array | null;
  readonly to: Uint8Array | null;
  readonly reverse: boolean;
  readonly at: Timestamp;
  readonly columns: readonly RunColumn[];
  readonly zones: readonly ZonePredicate[];
  readonly withKeys: boolean;
  readonly rowsWanted: number | null;
};

/** Whether keys of the run lie in [from, to). */
export function runOverlaps(run: SectionRun, from: Uint8Array | null, to: Uint8Array | null): boolean {
  return run.some((section) => section.overlaps(from, to));
}

export class SectionRunScan implements RunScan {
  readonly #options: SectionRunScanOptions;
  readonly #sections: readonly SstableSection[];
  #index = -1;
  #scan: SectionScan | null = null;
  /** Columns that the current section lacks: place in the batch. */
  #missing: readonly number[] = [];

  constructor(options: SectionRunScanOptions) {
    this.#options = options;
    const sections = options.run.filter((section) => section.overlaps(options.from, options.to));
    this.#sections = options.reverse ? sections.reverse() : sections;
  }

  next(): RunBatch | null | Promise<void> {
    for (;;) {
      if (this.#scan === null && !this.#openNext()) return null;
      const batch = this.#scan!.next();
      if (batch instanceof Promise) return batch;
      if (batch !== null) return this.#runBatch(batch);
      this.#scan!.close();
      this.#scan = null;
    }
  }

  close(): void {
    this.#scan?.close();
    this.#scan = null;
    this.#index = this.#sections.length;
  }

  #openNext(): boolean {
    const section = this.#sections[++this.#index];
    if (section === undefined) return false;
    const { from, to, reverse, at, columns, zones, withKeys, rowsWanted } = this.#options;
    this.#missing = columns.flatMap(({ id }, place) => (lacks(section, id) ? [place] : []));
    this.#scan = new SectionScan({
      section,
      from,
      to,
      reverse,
      at,
      projection: section.projection(columns.map(({ id }) => id)),
      zones,
      withKeys,
      readAhead: rowsWanted === null ? readAheadGroups : 0,
    });
    return true;
  }

  #runBatch(batch: GroupBatch): RunBatch {
    const { rowCount, selection, merge } = batch;
    return {
      rowCount,
      columns: batch.isPruned ? batch.columns : this.#completed(batch.columns, rowCount),
      live: selection,
      keys:
        merge === null
          ? null
          : {
              rows: merge.superseding,
              keyAt: (row) => bytesToLatin1(merge.keys.keyAt(row)),
              seek: (key) => merge.keys.seek(latin1ToBytes(key)),
              isDeleted: (row) => merge.versions.isDeleted(row),
            },
    };
  }

  #completed(columns: readonly ColumnVector[], rowCount: number): readonly ColumnVector[] {
    if (this.#missing.length === 0) return columns;
    const completed = columns.slice();
    for (const place of this.#missing) {
      const { type, missing } = this.#options.columns[place]!;
      completed[place] = vectorOf(type, new Array<Datum>(rowCount).fill(missing));
    }
    return completed;
  }
}

function lacks(section: SstableSection, id: number): boolean {
  return id >= 0 && !section.columns.some((column) => column.id === id);
}

/** The section that may have the key. */
function sectionFor(run: SectionRun, key: Uint8Array): SstableSection | null {
  let low = 0;
  let high = run.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (compareBytes(run[middle]!.lastKey, key) < 0) low = middle + 1;
    else high = middle;
  }
  const section = run[low];
  return section !== undefined && compareBytes(section.firstKey, key) <= 0 ? section : null;
}

/** The newest version at `at` of a key in a run, a deletion too. */
export function getFromRun(
  run: SectionRun,
  key: Uint8Array,
  hash: number,
  at: Timestamp,
  columns: readonly RunColumn[],
): FoundVersion | null | Promise<FoundVersion | null> {
  const section = sectionFor(run, key);
  if (section === null) return null;
  const { projection, isComplete } = projectionOf(section, columns);
  const found = section.get(key, at, projection, hash);
  if (isComplete) return found;
  if (found instanceof Promise) return found.then((version) => completed(section, version, columns));
  return completed(section, found, columns);
}

type SectionProjection = { readonly projection: readonly number[]; readonly isComplete: boolean };

const projections = new WeakMap<SstableSection, WeakMap<readonly RunColumn[], SectionProjection>>();

function projectionOf(section: SstableSection, columns: readonly RunColumn[]): SectionProjection {
  let known = projections.get(section);
  if (known === undefined) {
    known = new WeakMap();
    projections.set(section, known);
  }
  let made = known.get(columns);
  if (made === undefined) {
    made = {
      projection: section.projection(columns.map(({ id }) => id)),
      isComplete: !columns.some(({ id }) => lacks(section, id)),
    };
    known.set(columns, made);
  }
  return made;
}

function completed(
  section: SstableSection,
  found: FoundVersion | null,
  columns: readonly RunColumn[],
): FoundVersion | null {
  if (found === null || found.deleted) return found;
  const values = columns.map(({ id, missing }, place) =>
    lacks(section, id) ? missing : found.values[place]!,
  );
  return { ...found, values };
}
