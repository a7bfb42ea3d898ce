import {
  batchRowsMax,
  type ColumnBatch,
  type ColumnVector,
  datumAt,
  type LazyText,
} from '../../base/values/column.ts';
import { type Datum, Interval, SqlArray } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import { Utf8Rows } from '../../materializers/rows/sstable/column-decoder.ts';
import { vectorBytes } from '../../materializers/rows/sstable/vector.ts';
import { copyBytes, Texts } from './texts.ts';

/** Live rows of a batch. */
export function liveCount(batch: ColumnBatch): number {
  return batch.selection === null ? batch.rowCount : batch.selection.length;
}

export function datumVector(values: readonly Datum[]): ColumnVector {
  return { kind: 'datum', values, nulls: null };
}

export function isNullAt(column: ColumnVector, row: number): boolean {
  return column.kind === 'datum'
    ? column.values[row] === null
    : column.nulls !== null && column.nulls[row] === 1;
}

/** Rows `indexes[0..count)` of a vector; where `canMiss`, -1 makes a null. The result shares nothing mutable. */
export function gather(
  column: ColumnVector,
  indexes: Uint32Array | Int32Array,
  count: number,
  canMiss: boolean,
): ColumnVector {
  if (canMiss) return gatherWithMisses(column, indexes, count);
  const nulls = column.nulls === null ? null : pick(column.nulls, indexes, new Uint8Array(count));
  switch (column.kind) {
    case 'float64':
      return { kind: 'float64', values: pick(column.values, indexes, new Float64Array(count)), nulls };
    case 'int32':
      return { kind: 'int32', values: pick(column.values, indexes, new Int32Array(count)), nulls };
    case 'bool':
      return { kind: 'bool', values: pick(column.values, indexes, new Uint8Array(count)), nulls };
    case 'scaled':
      return {
        kind: 'scaled',
        units: pick(column.units, indexes, new Float64Array(count)),
        scale: column.scale,
        nulls,
      };
    case 'dictionary':
      return {
        kind: 'dictionary',
        codes: pick(column.codes, indexes, new Uint16Array(count)),
        dictionary: column.dictionary,
        nulls,
      };
    case 'utf8':
      return { kind: 'utf8', text: gatherTexts(column.text, indexes, count), nulls };
    case 'int64':
    case 'datum':
      return gatherDatums(column, indexes, count);
  }
}

/** Copied as bytes: a string is made when somebody asks for it. */
function gatherTexts(text: LazyText, indexes: Uint32Array | Int32Array, count: number): LazyText {
  const source = text.offsets;
  const offsets = new Int32Array(count + 1);
  for (let at = 0; at < count; at++) {
    const row = indexes[at]!;
    offsets[at + 1] = offsets[at]! + source[row + 1]! - source[row]!;
  }
  const bytes = new Uint8Array(offsets[count]!);
  for (let at = 0; at < count; at++) {
    const row = indexes[at]!;
    copyBytes(text.bytes, source[row]!, source[row + 1]!, bytes, offsets[at]!);
  }
  return new Utf8Rows(bytes, offsets);
}

function pick<Values extends { [index: number]: number }>(
  source: Values,
  indexes: Uint32Array | Int32Array,
  target: Values,
): Values {
  const count = (target as unknown as { length: number }).length;
  for (let at = 0; at < count; at++) target[at] = source[indexes[at]!]!;
  return target;
}

function gatherDatums(column: ColumnVector, indexes: Uint32Array | Int32Array, count: number): ColumnVector {
  const values = new Array<Datum>(count);
  for (let at = 0; at < count; at++) values[at] = datumAt(column, indexes[at]!);
  return datumVector(values);
}

function gatherWithMisses(
  column: ColumnVector,
  indexes: Uint32Array | Int32Array,
  count: number,
): ColumnVector {
  if (column.kind === 'float64' || column.kind === 'int32') {
    const values = column.kind === 'float64' ? new Float64Array(count) : new Int32Array(count);
    const nulls = new Uint8Array(count);
    for (let at = 0; at < count; at++) {
      const index = indexes[at]!;
      if (index < 0 || (column.nulls !== null && column.nulls[index] === 1)) nulls[at] = 1;
      else values[at] = column.values[index]!;
    }
    return { kind: column.kind, values, nulls } as ColumnVector;
  }
  const values = new Array<Datum>(count);
  for (let at = 0; at < count; at++) {
    const index = indexes[at]!;
    values[at] = index < 0 ? null : datumAt(column, index);
  }
  return datumVector(values);
}

/** About what the vectors of a batch hold in memory. */
export function batchBytes(batch: ColumnBatch): number {
  return batch.columns.reduce((sum, column) => sum + vectorBytes(column), 0);
}

/** Row `rows[i]` of vector `sources[i]`, for i in [0, count). */
export function gatherFrom(
  vectors: readonly ColumnVector[],
  sources: Uint32Array,
  rows: Uint32Array,
  count: number,
): ColumnVector {
  if (vectors.every((vector) => vector.kind === 'float64' && vector.nulls === null)) {
    const numbers = vectors.map((vector) => (vector as { readonly values: Float64Array }).values);
    const values = new Float64Array(count);
    for (let at = 0; at < count; at++) values[at] = numbers[sources[at]!]![rows[at]!]!;
    return { kind: 'float64', values, nulls: null };
  }
  if (vectors.every((vector) => vector.kind === 'utf8' && vector.nulls === null)) {
    const texts = vectors.map((vector) => (vector as { readonly text: LazyText }).text);
    const gathered = new Texts();
    for (let at = 0; at < count; at++) {
      const { bytes, offsets } = texts[sources[at]!]!;
      const row = rows[at]!;
      gathered.pushBytes(bytes, offsets[row]!, offsets[row + 1]!);
    }
    return { kind: 'utf8', text: gathered, nulls: null };
  }
  const values = new Array<Datum>(count);
  for (let at = 0; at < count; at++) values[at] = datumAt(vectors[sources[at]!]!, rows[at]!);
  return datumVector(values);
}

/** The same rows without a selection. */
export function compact(batch: ColumnBatch): ColumnBatch {
  const selection = batch.selection;
  if (selection === null) return batch;
  return {
    rowCount: selection.length,
    columns: batch.columns.map((column) => gather(column, selection, selection.length, false)),
    selection: null,
  };
}

/** Rows [from, to) of a batch's live rows. */
export function sliceBatch(batch: ColumnBatch, from: number, to: number): ColumnBatch {
  if (from === 0 && to >= liveCount(batch)) return batch;
  if (batch.selection !== null) return { ...batch, selection: batch.selection.subarray(from, to) };
  const selection = new Uint32Array(to - from);
  for (let at = 0; at < selection.length; at++) selection[at] = from + at;
  return { ...batch, selection };
}

/** Batches of rows that are held as arrays of datums. */
export function batchOfRows(rows: readonly (readonly Datum[])[], width: number): ColumnBatch {
  const columns: ColumnVector[] = [];
  for (let column = 0; column < width; column++) {
    const values = new Array<Datum>(rows.length);
    for (let row = 0; row < rows.length; row++) values[row] = rows[row]![column]!;
    columns.push(datumVector(values));
  }
  return { rowCount: rows.length, columns, selection: null };
}

/** Splits rows into batches of the largest size. */
export function* batchesOfRows(rows: Iterable<readonly Datum[]>, width: number): Generator<ColumnBatch> {
  let pending: (readonly Datum[])[] = [];
  for (const row of rows) {
    pending.push(row);
    if (pending.length === batchRowsMax) {
      yield batchOfRows(pending, width);
      pending = [];
    }
  }
  if (pending.length > 0) yield batchOfRows(pending, width);
}

/** Bytes that a datum holds in memory, about. */
export function datumBytes(value: Datum): number {
  if (value === null || typeof value === 'boolean' || typeof value === 'number') return 8;
  if (typeof value === 'string') return 24 + value.length;
  if (typeof value === 'bigint') return 24;
  if (value instanceof Uint8Array || value instanceof Float32Array) return 96 + value.byteLength;
  if (value instanceof Numeric) return 48;
  if (value instanceof Interval) return 48;
  let bytes = 64;
  for (const item of value instanceof SqlArray ? value.items : value.fields) bytes += datumBytes(item);
  return bytes;
}
