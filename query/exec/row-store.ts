import { type ColumnBatch, type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { grownCapacity } from './growth.ts';
import { Texts } from './texts.ts';
import { datumBytes, datumVector, gather, liveCount } from './vectors.ts';

/**
 * Grows a column by rows of batches; `finish` hands it over as one vector of any length, valid until it grows. Numbers
 * stay in a typed array, texts in UTF-8, until a value comes that is neither; nulls may come first.
 */
export class ColumnBuilder {
  length = 0;
  #numbers: Float64Array<ArrayBuffer> | null = new Float64Array(64);
  #texts: Texts | null = null;
  #nulls: Uint8Array<ArrayBuffer> | null = null;
  #hasValue = false;
  #datums: Datum[] = [];
  #datumsBytes = 0;

  /** About what the column holds in memory. */
  get bytes(): number {
    const held = this.#numbers?.byteLength ?? this.#texts?.heldBytes ?? this.#datumsBytes;
    return held + (this.#nulls?.length ?? 0);
  }

  append(column: ColumnVector, selection: Uint32Array | null, count: number): void {
    if (this.#numbers !== null && (column.kind === 'float64' || column.kind === 'int32')) {
      this.#appendNumbers(column.values, column.nulls, selection, count);
    } else if (column.kind === 'utf8' && this.#takesTexts()) {
      this.#appendTexts(column, selection, count);
    } else {
      for (let at = 0; at < count; at++) this.push(datumAt(column, selection === null ? at : selection[at]!));
    }
  }

  push(value: Datum): void {
    if (this.#numbers !== null && typeof value === 'number') {
      this.#hasValue = true;
      this.#roomOfNumbers(1);
      this.#numbers[this.length++] = value;
    } else if (value === null && (this.#numbers !== null || this.#texts !== null)) {
      this.#pushNull();
    } else if (typeof value === 'string' && this.#takesTexts()) {
      this.#hasValue = true;
      this.#texts!.push(value);
      this.length++;
    } else {
      if (this.#numbers !== null || this.#texts !== null) this.#toDatums();
      this.#datums.push(value);
      this.length++;
      this.#datumsBytes += 8 + datumBytes(value);
    }
  }

  finish(): ColumnVector {
    const nulls = this.#nulls === null ? null : this.#nullFlags(0).subarray(0, this.length);
    if (this.#texts !== null) return { kind: 'utf8', text: this.#texts, nulls };
    if (this.#numbers === null) return datumVector(this.#datums);
    return { kind: 'float64', values: this.#numbers.subarray(0, this.length), nulls };
  }

  /** Whether it holds texts, or may begin to. */
  #takesTexts(): boolean {
    if (this.#texts !== null) return true;
    if (this.#numbers === null || this.#hasValue) return false;
    this.#texts = new Texts();
    for (let row = 0; row < this.length; row++) this.#texts.push('');
    this.#numbers = null;
    return true;
  }

  #pushNull(): void {
    this.#roomOfNumbers(1);
    this.#texts?.push('');
    this.#nullFlags(1)[this.length++] = 1;
  }

  #appendTexts(
    { text, nulls }: Extract<ColumnVector, { readonly kind: 'utf8' }>,
    selection: Uint32Array | null,
    count: number,
  ): void {
    const texts = this.#texts!;
    const { bytes, offsets } = text;
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      if (nulls !== null && nulls[row] === 1) texts.pushBytes(bytes, 0, 0);
      else texts.pushBytes(bytes, offsets[row]!, offsets[row + 1]!);
    }
    this.#appendNulls(nulls, selection, count);
    this.#hasValue = true;
    this.length += count;
  }

  #appendNumbers(
    values: Float64Array | Int32Array,
    nulls: Uint8Array | null,
    selection: Uint32Array | null,
    count: number,
  ): void {
    this.#roomOfNumbers(count);
    const numbers = this.#numbers!;
    const start = this.length;
    if (selection === null) numbers.set(count === values.length ? values : values.subarray(0, count), start);
    else for (let at = 0; at < count; at++) numbers[start + at] = values[selection[at]!]!;
    this.#appendNulls(nulls, selection, count);
    this.#hasValue = true;
    this.length += count;
  }

  #appendNulls(nulls: Uint8Array | null, selection: Uint32Array | null, count: number): void {
    if (nulls === null && this.#nulls === null) return;
    const flags = this.#nullFlags(count);
    if (nulls === null) return;
    for (let at = 0; at < count; at++)
      flags[this.length + at] = nulls[selection === null ? at : selection[at]!]!;
  }

  #roomOfNumbers(count: number): void {
    const numbers = this.#numbers;
    if (numbers === null || this.length + count <= numbers.length) return;
    const capacity = Math.max(this.length + count, grownCapacity(numbers.length));
    this.#numbers = new Float64Array(numbers.buffer.transfer(capacity * 8));
  }

  /** A flag for each row, with room for `count` more. */
  #nullFlags(count: number): Uint8Array {
    const needed = this.length + count;
    const flags = this.#nulls ?? new Uint8Array(Math.max(64, needed));
    if (needed <= flags.length) this.#nulls = flags;
    else this.#nulls = new Uint8Array(flags.buffer.transfer(Math.max(needed, grownCapacity(flags.length))));
    return this.#nulls;
  }

  #toDatums(): void {
    const values = this.finish();
    for (let row = 0; row < this.length; row++) {
      const value = datumAt(values, row);
      this.#datums.push(value);
      this.#datumsBytes += 8 + datumBytes(value);
    }
    this.#numbers = null;
    this.#texts = null;
    this.#nulls = null;
  }
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

  /** Valid until the next `append`. */
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
