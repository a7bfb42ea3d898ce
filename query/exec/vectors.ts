import { batchRowsMax, type ColumnBatch, type ColumnVector, datumAt } from '../../base/values/column.ts';
import { type Datum, Interval, SqlArray } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';

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
    case 'int64':
    case 'utf8':
    case 'datum':
      return gatherDatums(column, indexes, count);
  }
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

/**
 * Grows a column by rows of batches; `finish` hands it over as one vector of any length. Numbers stay in a typed
 * array until a value comes that is none.
 */
export class ColumnBuilder {
  length = 0;
  /** About what the column holds in memory. */
  bytes = 0;
  #numbers: Float64Array | null = new Float64Array(64);
  #nulls: Uint8Array | null = null;
  #datums: Datum[] = [];

  append(column: ColumnVector, selection: Uint32Array | null, count: number): void {
    if (this.#numbers !== null && (column.kind === 'float64' || column.kind === 'int32')) {
      this.#appendNumbers(column.values, column.nulls, selection, count);
      return;
    }
    for (let at = 0; at < count; at++) this.push(datumAt(column, selection === null ? at : selection[at]!));
  }

  push(value: Datum): void {
    if (this.#numbers !== null) {
      if (typeof value === 'number') {
        this.#room(1);
        this.#numbers[this.length++] = value;
        this.bytes += 8;
        return;
      }
      if (value === null) {
        this.#room(1);
        this.#nullFlags()[this.length++] = 1;
        this.bytes += 9;
        return;
      }
      this.#toDatums(this.#numbers);
    }
    this.#datums.push(value);
    this.length++;
    this.bytes += datumBytes(value);
  }

  finish(): ColumnVector {
    if (this.#numbers === null) return datumVector(this.#datums);
    const nulls = this.#nulls === null ? null : this.#nulls.subarray(0, this.length);
    return { kind: 'float64', values: this.#numbers.subarray(0, this.length), nulls };
  }

  #appendNumbers(
    values: Float64Array | Int32Array,
    nulls: Uint8Array | null,
    selection: Uint32Array | null,
    count: number,
  ): void {
    this.#room(count);
    const numbers = this.#numbers!;
    const start = this.length;
    if (selection === null) numbers.set(count === values.length ? values : values.subarray(0, count), start);
    else for (let at = 0; at < count; at++) numbers[start + at] = values[selection[at]!]!;
    if (nulls !== null) {
      const flags = this.#nullFlags();
      for (let at = 0; at < count; at++) flags[start + at] = nulls[selection === null ? at : selection[at]!]!;
    }
    this.length += count;
    this.bytes += count * 8;
  }

  #room(count: number): void {
    const numbers = this.#numbers!;
    if (this.length + count <= numbers.length) return;
    const capacity = Math.max(this.length + count, numbers.length * 2);
    const grown = new Float64Array(capacity);
    grown.set(numbers);
    this.#numbers = grown;
    if (this.#nulls !== null) {
      const flags = new Uint8Array(capacity);
      flags.set(this.#nulls);
      this.#nulls = flags;
    }
  }

  #nullFlags(): Uint8Array {
    this.#nulls ??= new Uint8Array(this.#numbers!.length);
    return this.#nulls;
  }

  #toDatums(numbers: Float64Array): void {
    for (let row = 0; row < this.length; row++) {
      this.#datums.push(this.#nulls !== null && this.#nulls[row] === 1 ? null : numbers[row]!);
    }
    this.#numbers = null;
  }
}

/** About what the rows of a batch hold in memory. */
export function batchBytes(batch: ColumnBatch): number {
  const store = new RowStore(batch.columns.length);
  store.append(batch);
  return store.bytes;
}

/** Rows of any number of batches, held as one vector a column. */
export class RowStore {
  readonly #builders: ColumnBuilder[];
  #vectors: ColumnVector[] | null = null;
  rowCount = 0;

  constructor(width: number) {
    this.#builders = Array.from({ length: width }, () => new ColumnBuilder());
  }

  append(batch: ColumnBatch): void {
    const count = liveCount(batch);
    for (let column = 0; column < this.#builders.length; column++) {
      this.#builders[column]!.append(batch.columns[column]!, batch.selection, count);
    }
    this.rowCount += count;
    this.#vectors = null;
  }

  /** About what it holds in memory. */
  get bytes(): number {
    let bytes = 0;
    for (const builder of this.#builders) bytes += builder.bytes;
    return bytes;
  }

  get columns(): readonly ColumnVector[] {
    this.#vectors ??= this.#builders.map((builder) => builder.finish());
    return this.#vectors;
  }

  rows(indexes: Uint32Array | Int32Array, count: number, canMiss: boolean): ColumnVector[] {
    return this.columns.map((column) => gather(column, indexes, count, canMiss));
  }

  /** Rows [from, to) as a batch. */
  slice(from: number, to: number): ColumnBatch {
    const indexes = new Uint32Array(to - from);
    for (let at = 0; at < indexes.length; at++) indexes[at] = from + at;
    return { rowCount: to - from, columns: this.rows(indexes, to - from, false), selection: null };
  }
}
