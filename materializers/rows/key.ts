import { prefixEnd } from '../../base/bytes/compare.ts';
import { bytesToLatin1, latin1ToBytes } from '../../base/bytes/utf8.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { invariant } from '../../base/unreachable.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { IndexLayout, KeyColumn, TableLayout } from '../../log/events/layout.ts';
import type { KeyRange } from './contract.ts';
import { type KeyType, keyType } from './key-type.ts';

/**
 * Keys whose byte order is SQL's order. Each column is a marker (1 null first, 2 a value, 3 null last) and then
 * the value, which says by itself where it ends; a descending column's value has every bit inverted. So the
 * encoding of the first columns is a prefix of the whole, and a range of values is a range of bytes. The entry of a
 * secondary index is its columns and then the primary key. docs/formats/key.md has every byte.
 */
const nullFirstMarker = 1;
const valueMarker = 2;
const nullLastMarker = 3;

type KeyCodec = { readonly columns: readonly KeyColumn[]; readonly types: readonly KeyType[] };

const codecs = new WeakMap<readonly KeyColumn[], KeyCodec>();

function codecOf(columns: readonly KeyColumn[]): KeyCodec {
  let codec = codecs.get(columns);
  if (codec === undefined) {
    codec = { columns, types: columns.map((column) => keyType(column.type)) };
    codecs.set(columns, codec);
  }
  return codec;
}

const scratch = new ByteWriter(256);

function writeColumn(codec: KeyCodec, place: number, value: Datum): void {
  const column = codec.columns[place]!;
  if (value === null) {
    scratch.uint8(column.nullsFirst ? nullFirstMarker : nullLastMarker);
    return;
  }
  scratch.uint8(valueMarker);
  const start = scratch.length;
  codec.types[place]!.write(scratch, value);
  if (column.descending) invert(scratch.bytes, start, scratch.length);
}

function invert(bytes: Uint8Array, start: number, end: number): void {
  for (let at = start; at < end; at++) bytes[at] = bytes[at]! ^ 255;
}

/** The key of these datums; with fewer datums than columns, the prefix of every key that starts with them. */
export function encodeKeyDatums(columns: readonly KeyColumn[], datums: readonly Datum[]): Uint8Array {
  const codec = codecOf(columns);
  scratch.clear();
  for (let place = 0; place < datums.length; place++) writeColumn(codec, place, datums[place]!);
  return scratch.toBytes();
}

/**
 * The datums of a key or of a prefix. Equal values that are not the same come back as one of them: 1.00 as 1, -0
 * as 0, an interval of 24 hours as one of a day.
 */
export function decodeKey(columns: readonly KeyColumn[], key: Uint8Array): Datum[] {
  const { types } = codecOf(columns);
  const datums: Datum[] = [];
  let position = 0;
  for (let place = 0; place < columns.length && position < key.length; place++) {
    const marker = key[position++];
    if (marker !== valueMarker) {
      datums.push(null);
      continue;
    }
    const mask = columns[place]!.descending ? 255 : 0;
    const end = types[place]!.end(key, position, mask);
    const value = key.slice(position, end);
    if (mask !== 0) invert(value, 0, value.length);
    datums.push(types[place]!.read(value));
    position = end;
  }
  return datums;
}

/** Bytes of the first `columns.length` columns of a key. */
function prefixLength(columns: readonly KeyColumn[], key: Uint8Array): number {
  const { types } = codecOf(columns);
  let position = 0;
  for (let place = 0; place < columns.length; place++) {
    if (key[position++] !== valueMarker) continue;
    position = types[place]!.end(key, position, columns[place]!.descending ? 255 : 0);
  }
  return position;
}

/** Places of a layout's key columns in its rows. */
type Places = { readonly primary: readonly number[]; readonly indexes: Map<IndexLayout, readonly number[]> };

const placesOfLayouts = new WeakMap<TableLayout, Places>();

function placesOf(layout: TableLayout): Places {
  let places = placesOfLayouts.get(layout);
  if (places === undefined) {
    const find = (columns: readonly KeyColumn[]): readonly number[] =>
      columns.map(({ column }) => {
        const place = layout.columns.findIndex((each) => each.id === column);
        invariant(place >= 0, `key column ${column} is a column of table ${layout.table}`);
        return place;
      });
    places = {
      primary: find(layout.key),
      indexes: new Map(layout.indexes.map((index) => [index, find(index.columns)])),
    };
    placesOfLayouts.set(layout, places);
  }
  return places;
}

function writeColumns(columns: readonly KeyColumn[], places: readonly number[], row: readonly Datum[]): void {
  const codec = codecOf(columns);
  for (let place = 0; place < places.length; place++) writeColumn(codec, place, row[places[place]!]!);
}

/** `row`: datums of `layout.columns`. */
export function primaryKeyOf(layout: TableLayout, row: readonly Datum[]): Uint8Array {
  scratch.clear();
  writeColumns(layout.key, placesOf(layout).primary, row);
  return scratch.toBytes();
}

/** `primaryKeyOf` as latin1 text, which compares with `<` in byte order. */
export function primaryKeyTextOf(layout: TableLayout, row: readonly Datum[]): string {
  scratch.clear();
  writeColumns(layout.key, placesOf(layout).primary, row);
  return bytesToLatin1(scratch.bytes, scratch.length);
}

/** A primary key as memory knows it, latin1 text, and as files do, bytes: made where one is asked. */
export class RowKey {
  readonly text: string;
  #bytes: Uint8Array | null;

  constructor(text: string, bytes: Uint8Array | null = null) {
    this.text = text;
    this.#bytes = bytes;
  }

  get bytes(): Uint8Array {
    this.#bytes ??= latin1ToBytes(this.text);
    return this.#bytes;
  }
}

export function rowKeyOf(layout: TableLayout, row: readonly Datum[]): RowKey {
  return new RowKey(primaryKeyTextOf(layout, row));
}

/** The entry of a row in an index: its columns, then the primary key. */
export function indexKeyOf(layout: TableLayout, index: IndexLayout, row: readonly Datum[]): Uint8Array {
  const places = placesOf(layout);
  scratch.clear();
  writeColumns(index.columns, placesOfIndex(places, index), row);
  writeColumns(layout.key, places.primary, row);
  return scratch.toBytes();
}

/**
 * What may stand once in a unique index: the row's index columns. Null where one of them is null and nulls are
 * distinct: then the row collides with none.
 */
export function indexPrefixOf(
  layout: TableLayout,
  index: IndexLayout,
  row: readonly Datum[],
): Uint8Array | null {
  const places = placesOfIndex(placesOf(layout), index);
  if (index.nullsDistinct && places.some((place) => row[place] === null)) return null;
  scratch.clear();
  writeColumns(index.columns, places, row);
  return scratch.toBytes();
}

function placesOfIndex(places: Places, index: IndexLayout): readonly number[] {
  const found = places.indexes.get(index);
  invariant(found !== undefined, `index ${index.id} is of this layout`);
  return found;
}

/** The primary key at the end of an index entry; a view. */
export function primaryKeyOfEntry(index: IndexLayout, entry: Uint8Array): Uint8Array {
  return entry.subarray(prefixLength(index.columns, entry));
}

export type KeyBound = { readonly value: Datum; readonly isInclusive: boolean };

/**
 * Keys whose first columns equal `equal` (null: is null) and whose next column lies between the bounds, in SQL's
 * order of values; a bound leaves out nulls, no bound at all keeps them.
 */
export function keyRange(
  columns: readonly KeyColumn[],
  equal: readonly Datum[],
  lower: KeyBound | null,
  upper: KeyBound | null,
): KeyRange {
  const prefix = encodeKeyDatums(columns, equal);
  if (lower === null && upper === null) {
    return prefix.length === 0 ? { from: null, to: null } : { from: prefix, to: prefixEnd(prefix) };
  }
  const column = columns[equal.length];
  invariant(column !== undefined, 'a range has a column to be over');
  const first = column.descending ? upper : lower;
  const last = column.descending ? lower : upper;
  const edge = (value: Datum): Uint8Array => encodeKeyDatums(columns, [...equal, value]);
  const values = Uint8Array.of(...prefix, valueMarker);
  return {
    from: first === null ? values : first.isInclusive ? edge(first.value) : prefixEnd(edge(first.value)),
    to: last === null ? prefixEnd(values) : last.isInclusive ? prefixEnd(edge(last.value)) : edge(last.value),
  };
}

/** Keys whose first columns equal `equal` and whose next column, a text, starts with `text`. */
export function keyRangeOfTextPrefix(
  columns: readonly KeyColumn[],
  equal: readonly Datum[],
  text: string,
): KeyRange {
  const whole = encodeKeyDatums(columns, [...equal, text]);
  const prefix = whole.subarray(0, whole.length - 2);
  return { from: prefix.slice(), to: prefixEnd(prefix) };
}
