import { compareBytes } from '../../../base/bytes/compare.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { invariant } from '../../../base/unreachable.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { buildFilter, filterLength, hashKey } from './bloom.ts';
import { encodeColumn, footprint } from './column-encoder.ts';
import {
  groupInlineBytesMax,
  groupKeyBytesMax,
  groupOverflowBytesMax,
  groupRowsMax,
  type PageAddress,
  type SectionColumn,
} from './format.ts';
import type { ColumnRecord, GroupRecord } from './index-block.ts';
import { encodeKeys } from './keys.ts';
import { encodeVersions } from './versions.ts';
import { zoneOf } from './zone.ts';

/** Collects the rows of one group, and writes them as pages. Used again for the next group. */
export class GroupBuilder {
  readonly #columns: readonly SectionColumn[];
  /** Columns whose values differ in length. */
  readonly #sizedColumns: readonly number[];
  readonly #values: Datum[][];
  readonly #keys = new ByteWriter(1 << 16);
  readonly #offsets = new Int32Array(groupRowsMax + 1);
  readonly #timestamps = new Float64Array(groupRowsMax);
  readonly #deleted = new Uint8Array(groupRowsMax);
  readonly #repeats = new Uint8Array(groupRowsMax);
  #rowCount = 0;
  #inlineBytes = 0;
  #overflowBytes = 0;
  /** The last entry of the group before, or null at the start of a section. */
  #previous: { readonly key: Uint8Array; readonly timestamp: number } | null = null;

  constructor(columns: readonly SectionColumn[]) {
    this.#columns = columns;
    this.#values = columns.map(() => []);
    this.#sizedColumns = columns.flatMap(({ type }, index) =>
      ['text', 'bytes', 'numeric', 'vector', 'array'].includes(type.kind) ? [index] : [],
    );
  }

  get rowCount(): number {
    return this.#rowCount;
  }

  get isFull(): boolean {
    return (
      this.#rowCount === groupRowsMax ||
      this.#inlineBytes >= groupInlineBytesMax ||
      this.#overflowBytes >= groupOverflowBytesMax ||
      this.#keys.length >= groupKeyBytesMax
    );
  }

  /** `values` is null for a deletion, and where the section has no columns. */
  add(key: Uint8Array, timestamp: number, deleted: boolean, values: readonly Datum[] | null): void {
    const row = this.#rowCount;
    const isRepeat = this.#repeatsKey(key, timestamp);
    this.#keys.raw(key);
    this.#offsets[row + 1] = this.#keys.length;
    this.#timestamps[row] = timestamp;
    this.#deleted[row] = deleted ? 1 : 0;
    this.#repeats[row] = isRepeat ? 1 : 0;
    this.#rowCount = row + 1;
    invariant(!deleted || values === null, 'a deletion has no values');
    if (values === null) {
      invariant(deleted || this.#columns.length === 0, 'a row has values');
      for (const column of this.#values) column[row] = null;
      return;
    }
    invariant(values.length === this.#columns.length, 'an entry has the columns of its section');
    for (let column = 0; column < values.length; column++) this.#values[column]![row] = values[column]!;
    this.#inlineBytes += 8 * (values.length - this.#sizedColumns.length);
    for (const column of this.#sizedColumns) this.#account(values[column]!);
  }

  /** Whether the key is that of the entry before; asserts the order of the file. */
  #repeatsKey(key: Uint8Array, timestamp: number): boolean {
    const row = this.#rowCount;
    if (row === 0 && this.#previous === null) return false;
    const bytes = this.#keys.bytes;
    const previousKey =
      row === 0 ? this.#previous!.key : bytes.subarray(this.#offsets[row - 1]!, this.#offsets[row]!);
    const previousTimestamp = row === 0 ? this.#previous!.timestamp : this.#timestamps[row - 1]!;
    const order = compareBytes(previousKey, key);
    invariant(
      order < 0 || (order === 0 && timestamp < previousTimestamp),
      'entries ascend by key, then descend by timestamp, and none is twice there',
    );
    return order === 0;
  }

  #account(value: Datum): void {
    if (typeof value === 'string' && value.length < 2048) {
      this.#inlineBytes += value.length;
      return;
    }
    const { inline, overflow } = footprint(value);
    this.#inlineBytes += inline;
    this.#overflowBytes += overflow;
  }

  #keyAt(row: number): Uint8Array {
    return new Uint8Array(this.#keys.bytes.subarray(this.#offsets[row]!, this.#offsets[row + 1]!));
  }

  /** Writes the rows, and empties the builder. */
  build(writePage: (payload: Uint8Array) => PageAddress): GroupRecord {
    const count = this.#rowCount;
    const continues = this.#repeats[0] === 1 ? this.#previous!.timestamp : null;
    const timestamps = this.#timestamps.subarray(0, count);
    const firstKey = this.#keyAt(0);
    const lastKey = this.#keyAt(count - 1);
    const keys = writePage(encodeKeys(this.#keys.bytes, this.#offsets, count));
    const group = {
      rowCount: count,
      deletedCount: this.#deleted.subarray(0, count).reduce((sum, flag) => sum + flag, 0),
      hasRepeats: this.#repeats.subarray(0, count).includes(1),
      oldestTimestamp: timestamps.reduce((least, timestamp) => Math.min(least, timestamp)),
      newestTimestamp: timestamps.reduce((most, timestamp) => Math.max(most, timestamp)),
      continues,
      firstKey,
      lastKey,
      keys,
      filter: this.#buildFilter(keys, writePage),
      versions: writePage(encodeVersions(this.#timestamps, this.#deleted, this.#repeats, count)),
      columns: this.#columns.map((column, index) => this.#buildColumn(column, index, writePage)),
    };
    this.#previous = { key: lastKey, timestamp: timestamps[count - 1]! };
    this.#rowCount = 0;
    this.#inlineBytes = 0;
    this.#overflowBytes = 0;
    this.#keys.clear();
    return group;
  }

  /** A filter saves the reading of keys that are not there; not worth its bytes where the keys take fewer. */
  #buildFilter(keys: PageAddress, writePage: (payload: Uint8Array) => PageAddress): PageAddress | null {
    if (keys.length <= filterLength(this.#rowCount)) return null;
    const hashes: number[] = [];
    for (let row = 0; row < this.#rowCount; row++) {
      if (row === 0 || this.#repeats[row] === 0) hashes.push(hashKey(this.#keyAt(row)));
    }
    return writePage(buildFilter(hashes));
  }

  #buildColumn(
    column: SectionColumn,
    index: number,
    writePage: (payload: Uint8Array) => PageAddress,
  ): ColumnRecord {
    const values = this.#values[index]!;
    const count = this.#rowCount;
    const pages = encodeColumn(column.type, values, count, writePage);
    return {
      zone: zoneOf(column.type, values, count),
      pages: pages.map(({ firstRow, payload }) => ({ firstRow, address: writePage(payload) })),
    };
  }
}
