import { invariant, unreachable } from '../../base/unreachable.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { EventSchema, TableLayout } from '../../log/events/layout.ts';
import { rowCodec, type WantedColumn } from '../../log/events/row.ts';

/**
 * One version of a key in memory. `timestamp` is the commit's, or, of a pending row, the number of the command. Rows
 * that were read from the log are its own bytes; a transaction's are the datums that it was given, and stay so
 * when the leader commits them. An index entry is its key.
 */
export type Version = {
  /** Changes once: what an undecided transaction wrote gets its timestamp when it commits. */
  timestamp: number;
  older: Version | null;
} & ({ readonly kind: 'deleted' | 'entry' } | EncodedVersion | RowVersion);

/** A row's bytes within its batch: two numbers in place of a view, which alone would take 90 bytes a row. */
type EncodedVersion = {
  readonly kind: 'encoded';
  readonly schema: EventSchema;
  readonly batch: ArrayBufferLike;
  readonly start: number;
  readonly length: number;
};

export function encodedVersion(schema: EventSchema, row: Uint8Array, timestamp: number): Version {
  const { buffer: batch, byteOffset: start, length } = row;
  return { timestamp, older: null, kind: 'encoded', schema, batch, start, length };
}

/**
 * `row`: null where it is deleted. `before`: the row that it replaces, as the transaction saw it, until it commits.
 * `isRestated`: the same row again, for an index that has none of the entries of `before`.
 */
export type RowVersion = {
  kind: 'pending' | 'row';
  readonly layout: TableLayout;
  readonly row: readonly Datum[] | null;
  before: readonly Datum[] | null;
  readonly isRestated: boolean;
};

export function isDeleted(version: Version): boolean {
  switch (version.kind) {
    case 'deleted':
      return true;
    case 'pending':
    case 'row':
      return version.row === null;
    default:
      return false;
  }
}

/** A pending version becomes the only one of its key, of this timestamp. */
export function commitVersion(version: Version, timestamp: number): void {
  version.timestamp = timestamp;
  version.older = null;
  if (version.kind !== 'pending') return;
  version.kind = 'row';
  version.before = null;
}

/** As the version pseudo column has it: the timestamp, or the negated command of a pending row. */
export function versionNumber(version: Version): number {
  return version.kind === 'pending' ? -version.timestamp : version.timestamp;
}

/** The newest version at or below `at`. */
export function visibleVersion(newest: Version | null, at: number): Version | null {
  let version = newest;
  while (version !== null && version.timestamp > at) version = version.older;
  return version;
}

/** Reads columns of many versions: remembers what the last one needed. */
export class VersionReader {
  readonly #columns: readonly WantedColumn[];
  #schema: EventSchema | null = null;
  #decode: ((bytes: Uint8Array) => Datum[]) | null = null;
  #layout: TableLayout | null = null;
  #places: readonly number[] = [];

  constructor(columns: readonly WantedColumn[]) {
    this.#columns = columns;
  }

  /** Nulls where it is deleted. */
  read(version: Version): readonly Datum[] {
    switch (version.kind) {
      case 'encoded':
        return this.#decoder(version.schema)(new Uint8Array(version.batch, version.start, version.length));
      case 'pending':
      case 'row':
        if (version.row !== null) return this.#pick(version.layout, version.row);
        return this.#columns.map(() => null);
      case 'deleted':
      case 'entry':
        return this.#columns.map(() => null);
      default:
        return unreachable(version);
    }
  }

  #decoder(schema: EventSchema): (bytes: Uint8Array) => Datum[] {
    if (this.#schema !== schema || this.#decode === null) {
      this.#schema = schema;
      this.#decode = rowCodec(schema).projection(this.#columns);
    }
    return this.#decode;
  }

  #pick(layout: TableLayout, row: readonly Datum[]): readonly Datum[] {
    invariant(row.length === layout.columns.length, 'a row has the columns of its layout');
    if (this.#layout !== layout) {
      this.#layout = layout;
      this.#places = this.#columns.map(({ id }) => layout.columns.findIndex((column) => column.id === id));
    }
    return this.#places.map((place, index) => (place < 0 ? this.#columns[index]!.missing : row[place]!));
  }
}
