import { compareBytes } from '../../../base/bytes/compare.ts';
import type { Timestamp } from '../../../base/ids.ts';
import { invariant } from '../../../base/unreachable.ts';
import type { ColumnBatch, ColumnVector } from '../../../base/values/column.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { ZonePredicate } from '../contract.ts';
import type { AnyPageSlot } from './cache.ts';
import { loadPinned, Need, needOf, unpin } from './file.ts';
import { type Group, wholeColumn } from './index-block.ts';
import type { KeyPage } from './keys.ts';
import { keyPlace, type Projection, type SstableSection, versionPlace } from './section.ts';
import type { VersionPage } from './versions.ts';
import { mayMatch } from './zone.ts';

export type SectionScanOptions = {
  readonly section: SstableSection;
  /** Key bytes; null is open. */
  readonly from: Uint8Array | null;
  readonly to: Uint8Array | null;
  /** Groups come last to first. Rows within a batch ascend all the same. */
  readonly reverse: boolean;
  readonly at: Timestamp;
  readonly projection: Projection;
  readonly zones: readonly ZonePredicate[];
  /** Deliver each group's keys and versions, and groups that the zones prune too: their keys supersede older runs. */
  readonly withKeys: boolean;
  /** Groups to fetch beyond the one that is waited for. */
  readonly readAhead: number;
};

/** One row group. Vectors are of the whole group; `selection` says which rows the reader sees. */
export type GroupBatch = ColumnBatch & {
  readonly ordinal: number;
  readonly group: Group;
  /** The rows in the range of keys are [start, end). */
  readonly start: number;
  readonly end: number;
  /** The zones rule out every row: `columns` is empty, and so is `selection`. */
  readonly isPruned: boolean;
  /** With keys: and the newest version of each key that `at` sees, deletions included (null: all rows). */
  readonly merge: {
    readonly keys: KeyPage;
    readonly versions: VersionPage;
    readonly superseding: Uint32Array | null;
  } | null;
};

const noRows = new Uint32Array(0);

/** Walks the groups of a section. `next` returns a promise where pages are being fetched: await it, call again. */
export class SectionScan {
  readonly #options: SectionScanOptions;
  readonly #zonePlaces: readonly { readonly place: number; readonly predicate: ZonePredicate }[];
  /** The next group, or null before the first. */
  #ordinal: number | null = null;
  #isDone: boolean;
  /** What was fetched for the batch that comes next; held until it is made. */
  readonly #pinned: AnyPageSlot[] = [];

  constructor(options: SectionScanOptions) {
    this.#options = options;
    const { section, from, to } = options;
    const places = section.projection(options.zones.map(({ column }) => column));
    this.#zonePlaces = options.zones.flatMap((predicate, index) =>
      places[index]! >= 0 ? [{ place: places[index]!, predicate }] : [],
    );
    const isEmpty = from !== null && to !== null && compareBytes(from, to) >= 0;
    this.#isDone = isEmpty || !section.overlaps(from, to);
  }

  next(): GroupBatch | null | Promise<void> {
    while (!this.#isDone) {
      const step = this.#attempt();
      if (step instanceof Need) return this.#fetch(step);
      unpin(this.#pinned);
      if (step !== null) return step;
    }
    return null;
  }

  close(): void {
    this.#isDone = true;
    unpin(this.#pinned);
  }

  async #fetch(need: Need): Promise<void> {
    this.#fetchAhead();
    try {
      await loadPinned(need, this.#pinned);
    } catch (error) {
      unpin(this.#pinned);
      throw error;
    }
    if (this.#isDone) unpin(this.#pinned);
  }

  /** Starts to read the groups that follow, as far as the index says where they lie. Failures show when they are used. */
  #fetchAhead(): void {
    const { section, readAhead, reverse } = this.#options;
    if (this.#ordinal === null) return;
    for (let step = 1; step <= readAhead; step++) {
      const ordinal = this.#ordinal + (reverse ? -step : step);
      if (ordinal < 0 || ordinal >= section.groupCount) return;
      const group = section.tryGroup(ordinal);
      if (group instanceof Need || this.#isPastEnd(group)) return;
      const need = this.#isPruned(group) ? null : needOf(this.#slotsOf(group));
      if (need !== null) section.file.load(need.slots).catch(() => {});
    }
  }

  /** A batch, null where the group has nothing to deliver, or what is needed. */
  #attempt(): GroupBatch | null | Need {
    if (this.#ordinal === null) {
      const first = this.#firstGroup();
      if (first instanceof Need) return first;
      this.#ordinal = first;
    }
    const { section, reverse, withKeys } = this.#options;
    const ordinal = this.#ordinal;
    if (ordinal < 0 || ordinal >= section.groupCount) return this.#end();
    const group = section.tryGroup(ordinal);
    if (group instanceof Need) return group;
    if (this.#isPastEnd(group)) return this.#end();
    const isPruned = this.#isPruned(group);
    if (isPruned && !withKeys) {
      this.#ordinal = ordinal + (reverse ? -1 : 1);
      return null;
    }
    const need = needOf(this.#slotsOf(group));
    if (need !== null) return need;
    this.#ordinal = ordinal + (reverse ? -1 : 1);
    const batch = this.#batch(ordinal, group, isPruned);
    const rows = batch.merge === null ? batch.selection : batch.merge.superseding;
    return rows?.length === 0 ? null : batch;
  }

  #end(): null {
    this.#isDone = true;
    return null;
  }

  #firstGroup(): number | Need {
    const { section, from, to, reverse } = this.#options;
    if (!reverse) return from === null ? 0 : section.tryFindGroup(from);
    if (to === null) return section.groupCount - 1;
    const found = section.tryFindGroup(to);
    return found instanceof Need ? found : Math.min(found, section.groupCount - 1);
  }

  #isPastEnd(group: Group): boolean {
    const { from, to, reverse } = this.#options;
    if (reverse) return from !== null && compareBytes(group.lastKey, from) < 0;
    return to !== null && compareBytes(group.firstKey, to) >= 0;
  }

  #isPruned(group: Group): boolean {
    return this.#zonePlaces.some(
      ({ place, predicate }) => !mayMatch(group.columns[place]!.zone, group.rowCount, predicate),
    );
  }

  /** What a batch of this group is made of. */
  #slotsOf(group: Group): AnyPageSlot[] {
    const { projection, withKeys } = this.#options;
    const slots: AnyPageSlot[] = [];
    if (withKeys || projection.includes(keyPlace) || !this.#holds(group)) slots.push(group.keys);
    if (withKeys || projection.includes(versionPlace) || !this.#seesAll(group)) slots.push(group.versions);
    if (this.#isPruned(group)) return slots;
    for (const place of projection) {
      if (place < 0) continue;
      const { whole, pages } = group.columns[place]!;
      if (whole.value !== null) slots.push(whole);
      else slots.push(...pages);
    }
    return slots;
  }

  /** The whole group lies in the range. */
  #holds(group: Group): boolean {
    const { from, to } = this.#options;
    return (
      (from === null || compareBytes(group.firstKey, from) >= 0) &&
      (to === null || compareBytes(group.lastKey, to) < 0)
    );
  }

  /** Every row is a live version that the reader sees: the bare loop. */
  #seesAll(group: Group): boolean {
    return group.newestTimestamp <= this.#options.at && group.deletedCount === 0 && !group.hasRepeats;
  }

  #batch(ordinal: number, group: Group, isPruned: boolean): GroupBatch {
    const { from, to, at, projection, withKeys } = this.#options;
    const keys = group.keys.value;
    const isWhole = this.#holds(group);
    invariant(isWhole || keys !== null, 'a group that is cut has its keys in memory');
    const start = isWhole || from === null ? 0 : keys!.seek(from);
    const end = isWhole || to === null ? group.rowCount : keys!.seek(to);
    const isHidden = group.continues !== null && group.continues <= at;
    const versions = group.versions.value;
    const rows = (withDeleted: boolean) =>
      this.#seesAll(group)
        ? span(start, end, group.rowCount)
        : versions!.visible(at, start, end, isHidden && start === 0, withDeleted);
    const selection = isPruned ? noRows : rows(false);
    const columns = isPruned ? [] : projection.map((place) => columnOf(group, place, selection));
    const merge = withKeys ? { keys: keys!, versions: versions!, superseding: rows(true) } : null;
    return { ordinal, group, start, end, rowCount: group.rowCount, columns, selection, isPruned, merge };
  }
}

/** Rows [start, end), or null where those are all. */
function span(start: number, end: number, rowCount: number): Uint32Array | null {
  if (start === 0 && end === rowCount) return null;
  const rows = new Uint32Array(Math.max(0, end - start));
  for (let index = 0; index < rows.length; index++) rows[index] = start + index;
  return rows;
}

function columnOf(group: Group, place: number, selection: Uint32Array | null): ColumnVector {
  if (place >= 0) return wholeColumn(group.columns[place]!);
  if (place === versionPlace)
    return { kind: 'float64', values: group.versions.value!.timestamps, nulls: null };
  const values: Datum[] = new Array(group.rowCount).fill(null);
  if (place === keyPlace) {
    const keys = group.keys.value!;
    if (selection === null) for (let row = 0; row < values.length; row++) values[row] = keys.keyAt(row);
    else for (const row of selection) values[row] = keys.keyAt(row);
  }
  return { kind: 'datum', values, nulls: null };
}
