import { latin1ToBytes } from '../../base/bytes/utf8.ts';
import { invariant } from '../../base/unreachable.ts';
import type { ColumnVector } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { keyPseudoColumn, versionPseudoColumn } from './contract.ts';
import type { RunColumn } from './run.ts';
import { vectorOf } from './vector.ts';
import { isDeleted, type Version, VersionReader, versionNumber } from './version.ts';

/** A column id that a rolled-back ALTER used may come again with another type, or another value for older rows. */
type DecodedColumn = { readonly column: RunColumn | null; readonly vector: ColumnVector };

/**
 * A leaf of a tree as columns: a small row group, made when a scan first meets the leaf and kept with it until the
 * leaf changes, so that repeated scans of memory run the same bare loops as scans of files. Immutable.
 */
export class LeafBlock {
  readonly #keys: readonly string[];
  readonly #versions: readonly Version[];
  /** Row to key, where keys have several versions; else null: row i is key i. */
  readonly #keyOfRow: Uint32Array | null;
  readonly #hasDeleted: boolean;
  readonly #newest: number;
  readonly #columns = new Map<number, DecodedColumn>();

  /** `heads`: the newest version of each key. */
  constructor(keys: readonly string[], heads: readonly Version[]) {
    this.#keys = keys;
    const versions: Version[] = [];
    const keyOfRow: number[] = [];
    let hasDeleted = false;
    let newest = Number.NEGATIVE_INFINITY;
    for (let key = 0; key < keys.length; key++) {
      for (let version: Version | null = heads[key]!; version !== null; version = version.older) {
        versions.push(version);
        keyOfRow.push(key);
        if (isDeleted(version)) hasDeleted = true;
        if (version.timestamp > newest) newest = version.timestamp;
      }
    }
    this.#versions = versions;
    this.#keyOfRow = versions.length === keys.length ? null : Uint32Array.from(keyOfRow);
    this.#hasDeleted = hasDeleted;
    this.#newest = newest;
  }

  get rowCount(): number {
    return this.#versions.length;
  }
  keyAt(row: number): string {
    return this.#keys[this.#keyOfRow === null ? row : this.#keyOfRow[row]!]!;
  }
  isDeleted(row: number): boolean {
    return isDeleted(this.#versions[row]!);
  }

  seek(key: string): number {
    let low = 0;
    let high = this.rowCount;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.keyAt(middle) < key) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether the reader sees every row, each the only version of its key. */
  isPlain(at: number): boolean {
    return this.#keyOfRow === null && !this.#hasDeleted && this.#newest <= at;
  }

  /** The newest row at `at` of each key in rows [start, end), deletions among them where asked for. */
  visible(at: number, start: number, end: number, withDeleted: boolean): Uint32Array {
    const keyOfRow = this.#keyOfRow;
    const rows = new Uint32Array(Math.max(0, end - start));
    let count = 0;
    let decided = -1;
    for (let row = start; row < end; row++) {
      const key = keyOfRow === null ? row : keyOfRow[row]!;
      if (key === decided || this.#versions[row]!.timestamp > at) continue;
      decided = key;
      if (withDeleted || !this.isDeleted(row)) rows[count++] = row;
    }
    return rows.subarray(0, count);
  }

  columns(wanted: readonly RunColumn[]): readonly ColumnVector[] {
    const absent = wanted.filter((column) => column.id >= 0 && !this.#isDecoded(column));
    if (absent.length > 0) this.#decode(absent);
    return wanted.map((column) => this.#columns.get(column.id)?.vector ?? this.#pseudoColumn(column.id));
  }

  #isDecoded(wanted: RunColumn): boolean {
    const column = this.#columns.get(wanted.id)?.column ?? null;
    if (column === wanted) return true;
    return column !== null && column.type === wanted.type && column.missing === wanted.missing;
  }

  #decode(wanted: readonly RunColumn[]): void {
    const reader = new VersionReader(wanted);
    const count = this.rowCount;
    const columns: Datum[][] = wanted.map(() => new Array<Datum>(count));
    for (let row = 0; row < count; row++) {
      const values = reader.read(this.#versions[row]!);
      for (let column = 0; column < columns.length; column++) columns[column]![row] = values[column]!;
    }
    for (const [index, column] of wanted.entries()) {
      this.#columns.set(column.id, { column, vector: vectorOf(column.type, columns[index]!) });
    }
  }

  #pseudoColumn(id: number): ColumnVector {
    invariant(id === keyPseudoColumn || id === versionPseudoColumn, `column ${id} is decoded`);
    const vector: ColumnVector =
      id === keyPseudoColumn
        ? {
            kind: 'datum',
            values: this.#versions.map((_, row) => latin1ToBytes(this.keyAt(row))),
            nulls: null,
          }
        : { kind: 'float64', values: Float64Array.from(this.#versions, versionNumber), nulls: null };
    this.#columns.set(id, { column: null, vector });
    return vector;
  }
}
