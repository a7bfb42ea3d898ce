import { compareBytes } from '../../base/bytes/compare.ts';
import type { Timestamp } from '../../base/ids.ts';
import { datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { SectionColumn } from '../rows/sstable/format.ts';
import { type EntryGroup, readEntries } from '../rows/sstable/reader.ts';
import type { SstableSection } from '../rows/sstable/section.ts';
import { neverVisible } from '../rows/sstable/stamp.ts';

/** All versions of one key, newest first. */
export type MergedKey = {
  readonly key: Uint8Array;
  readonly versions: readonly {
    readonly timestamp: Timestamp;
    readonly deleted: boolean;
    /** In the order of the columns asked for; null for a deletion and for an index entry. */
    readonly values: readonly Datum[] | null;
  }[];
};

/**
 * The keys of several sections, the newest first, in order, each with its versions from all of them: of equal
 * timestamps, the newest section's. A section that lacks a column gives its missing value. Holds a row group of each
 * section.
 */
export async function* mergeSections(
  sections: readonly SstableSection[],
  columns: readonly SectionColumn[],
  missing: readonly Datum[],
): AsyncIterable<MergedKey> {
  const cursors: Cursor[] = [];
  for (const section of sections) {
    const cursor = new Cursor(section, columns, missing);
    if (await cursor.open()) cursors.push(cursor);
  }
  while (cursors.length > 0) {
    let key = cursors[0]!.key;
    for (const cursor of cursors) if (compareBytes(cursor.key, key) < 0) key = cursor.key;
    const versions: MergedKey['versions'][number][] = [];
    const ended: Cursor[] = [];
    for (const cursor of cursors) {
      let isOpen = true;
      while (isOpen && compareBytes(cursor.key, key) === 0) {
        const version = cursor.version();
        if (version.timestamp !== neverVisible) versions.push(version);
        isOpen = cursor.advance() || (await cursor.open());
      }
      if (!isOpen) ended.push(cursor);
    }
    for (const cursor of ended) cursors.splice(cursors.indexOf(cursor), 1);
    if (versions.length > 1) yield { key, versions: inOrder(versions) };
    else if (versions.length === 1) yield { key, versions };
  }
}

/**
 * Newest first. What several say of a key at one timestamp stands once: a file that was built from the rows says the
 * same, and of what one transaction wrote the last counts.
 */
function inOrder(versions: MergedKey['versions'][number][]): MergedKey['versions'] {
  versions.sort((left, right) => right.timestamp - left.timestamp);
  return versions.filter((version, place) => version.timestamp !== versions[place - 1]?.timestamp);
}

class Cursor {
  readonly #groups: AsyncGenerator<EntryGroup>;
  /** Place in the section of each column asked for, or -1. */
  readonly #places: readonly number[];
  readonly #missing: readonly Datum[];
  #group: EntryGroup | null = null;
  #row = 0;
  key: Uint8Array = new Uint8Array(0);

  constructor(section: SstableSection, columns: readonly SectionColumn[], missing: readonly Datum[]) {
    this.#groups = readEntries(section);
    this.#places = columns.map(({ id }) => section.columns.findIndex((column) => column.id === id));
    this.#missing = missing;
  }

  /** Goes on to the next group; false at the end. */
  async open(): Promise<boolean> {
    const next = await this.#groups.next();
    if (next.done === true) return false;
    this.#group = next.value;
    this.#row = 0;
    this.key = next.value.keys.keyAt(0);
    return true;
  }

  /** False at the end of the group. */
  advance(): boolean {
    const group = this.#group!;
    if (++this.#row === group.rowCount) return false;
    if (!group.versions.isRepeat(this.#row)) this.key = group.keys.keyAt(this.#row);
    return true;
  }

  version(): MergedKey['versions'][number] {
    const group = this.#group!;
    const row = this.#row;
    const timestamp = group.versions.timestamps[row]! as Timestamp;
    const deleted = group.versions.isDeleted(row);
    if (deleted || this.#places.length === 0) return { timestamp, deleted, values: null };
    const values = this.#places.map((place, index) =>
      place < 0 ? this.#missing[index]! : datumAt(group.columns[place]!, row),
    );
    return { timestamp, deleted, values };
  }
}
