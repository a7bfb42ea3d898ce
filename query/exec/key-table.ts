import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { hashKey, isTextOrdered } from '../types/compare.ts';
import { typeInfo } from '../types/registry.ts';
import type { TypeOid } from '../types/type.ts';
import { grownCapacity } from './growth.ts';
import { ColumnBuilder } from './row-store.ts';
import { TextTable } from './text-table.ts';
import { gather } from './vectors.ts';

/** Whole numbers below this are found by one array access. */
const directKeys = 65_536;
const missing = -1;

/** An entry of a `Map`, at the mean load of tables that double. */
const otherEntryBytes = 48;

/** Numbers to dense ids from 0, in order of arrival. NaN is one key; -0 is 0. Open addressing. */
export class NumberTable {
  #slots = new Int32Array(64).fill(missing);
  #keys = new Float64Array(16);
  readonly #bits = new Float64Array(1);
  readonly #words = new Uint32Array(this.#bits.buffer);
  size = 0;

  /** The key's id, or -1. */
  find(key: number): number {
    return this.#slots[this.#slotOf(key + 0)]!;
  }

  /** The key's id, a new one where it has none. */
  add(key: number): number {
    if (this.size * 2 >= this.#slots.length) this.#grow();
    const slot = this.#slotOf(key + 0);
    const found = this.#slots[slot]!;
    if (found !== missing) return found;
    this.#slots[slot] = this.size;
    if (this.size === this.#keys.length) {
      this.#keys = new Float64Array(this.#keys.buffer.transfer(grownCapacity(this.size) * 8));
    }
    this.#keys[this.size] = key + 0;
    return this.size++;
  }

  /** What it holds in memory. */
  get bytes(): number {
    return this.#slots.byteLength + this.#keys.byteLength;
  }

  keyOf(id: number): number {
    return this.#keys[id]!;
  }

  /** The slot that holds the key, or the empty one where it belongs. */
  #slotOf(key: number): number {
    const slots = this.#slots;
    const mask = slots.length - 1;
    let slot = this.#hashOf(key) & mask;
    for (;;) {
      const id = slots[slot]!;
      if (id === missing) return slot;
      const held = this.#keys[id]!;
      if (held === key || (Number.isNaN(key) && Number.isNaN(held))) return slot;
      slot = (slot + 1) & mask;
    }
  }

  /** The finalizer of MurmurHash3 (Appleby) over an int32, or over the two halves of a double. */
  #hashOf(key: number): number {
    let hash = key | 0;
    if (hash !== key) {
      this.#bits[0] = key;
      hash = this.#words[0]! ^ Math.imul(this.#words[1]!, 0x9e3779b1);
    }
    hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
    hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
    return hash ^ (hash >>> 16);
  }

  #grow(): void {
    const length = this.#slots.length * 2;
    this.#slots.buffer.transfer(0);
    this.#slots = new Int32Array(length).fill(missing);
    for (let id = 0; id < this.size; id++) this.#slots[this.#slotOf(this.#keys[id]!)] = id;
  }
}

/**
 * The inner loop of GROUP BY over small whole numbers: about 1 ns a row. One function for each kind of array, so
 * that each stays monomorphic. Returns whether any id is missing.
 */
function directInts(values: Int32Array, count: number, direct: Int32Array, ids: Int32Array): boolean {
  let missed = false;
  for (let row = 0; row < count; row++) {
    const value = values[row]!;
    const id = value >= 0 && value < directKeys ? direct[value]! : missing;
    ids[row] = id;
    if (id === missing) missed = true;
  }
  return missed;
}

function directFloats(values: Float64Array, count: number, direct: Int32Array, ids: Int32Array): boolean {
  let missed = false;
  for (let row = 0; row < count; row++) {
    const value = values[row]!;
    const whole = value | 0;
    const id = whole === value && whole >= 0 && whole < directKeys ? direct[whole]! : missing;
    ids[row] = id;
    if (id === missing) missed = true;
  }
  return missed;
}

/** The values of one key column, to dense ids: equal values (as the type says) have one id. */
class ColumnKeys {
  readonly #key: (value: Datum) => unknown;
  readonly #isNumber: boolean;
  /** Ids of small whole numbers, by the number. */
  #direct: Int32Array | null = null;
  readonly #numbers = new NumberTable();
  /** Of texts that are equal where their bytes are. */
  readonly #texts: TextTable | null;
  readonly #others = new Map<unknown, number>();
  /** Ids of `#numbers` to ids of the column. */
  #numberIds = new Int32Array(64).fill(missing);
  #nullId = missing;
  /** The first value of each id, but of those in `#texts`. */
  readonly #values = new ColumnBuilder();
  #dictionary: readonly string[] | null = null;
  #dictionaryIds = new Int32Array(0);

  constructor(type: TypeOid) {
    this.#key = hashKey(type);
    const kind = typeInfo(type).physical.kind;
    this.#isNumber = kind === 'int4' || kind === 'int8' || kind === 'float4' || kind === 'float8';
    this.#texts = isTextOrdered(type) ? new TextTable() : null;
  }

  get size(): number {
    return this.#texts?.size ?? this.#values.length;
  }

  /** About what the values and the tables hold. */
  get bytes(): number {
    if (this.#texts !== null) return this.#texts.bytes;
    const numbers = this.#numbers.bytes + this.#numberIds.byteLength;
    return this.#values.bytes + this.#others.size * otherEntryBytes + numbers;
  }

  /** The values of some ids. */
  values(ids: Uint32Array): ColumnVector {
    if (this.#texts === null) return gather(this.#values.finish(), ids, ids.length, false);
    const texts = gather({ kind: 'utf8', text: this.#texts.texts, nulls: null }, ids, ids.length, false);
    if (this.#nullId === missing) return texts;
    return { ...texts, nulls: Uint8Array.from(ids, (id) => Number(id === this.#nullId)) } as ColumnVector;
  }

  /** Writes the id of each live row at its index in `ids`; with `insert` false, -1 for values that have none. */
  assign(
    column: ColumnVector,
    selection: Uint32Array | null,
    count: number,
    insert: boolean,
    ids: Int32Array,
  ): void {
    if (this.#isNumber && (column.kind === 'float64' || column.kind === 'int32')) {
      this.#assignNumbers(column.values, column.nulls, selection, count, insert, ids);
      return;
    }
    if (column.kind === 'dictionary') {
      this.#assignDictionary(column, selection, count, insert, ids);
      return;
    }
    if (column.kind === 'utf8' && this.#texts !== null) {
      this.#assignTexts(column, this.#texts, selection, count, insert, ids);
      return;
    }
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      ids[row] = this.#datum(datumAt(column, row), insert);
    }
  }

  find(value: Datum): number {
    return this.#datum(value, false);
  }

  #assignTexts(
    { text, nulls }: Extract<ColumnVector, { readonly kind: 'utf8' }>,
    texts: TextTable,
    selection: Uint32Array | null,
    count: number,
    insert: boolean,
    ids: Int32Array,
  ): void {
    const { bytes, offsets } = text;
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      ids[row] =
        nulls !== null && nulls[row] === 1
          ? this.#null(insert)
          : texts.idOfBytes(bytes, offsets[row]!, offsets[row + 1]!, insert);
    }
  }

  #assignNumbers(
    values: Float64Array | Int32Array,
    nulls: Uint8Array | null,
    selection: Uint32Array | null,
    count: number,
    insert: boolean,
    ids: Int32Array,
  ): void {
    this.#direct ??= new Int32Array(directKeys).fill(missing);
    const direct = this.#direct;
    if (selection === null && nulls === null) {
      const missed =
        values instanceof Int32Array
          ? directInts(values, count, direct, ids)
          : directFloats(values, count, direct, ids);
      if (missed)
        for (let row = 0; row < count; row++)
          if (ids[row] === missing) ids[row] = this.#number(values[row]!, insert);
      return;
    }
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      if (nulls !== null && nulls[row] === 1) {
        ids[row] = this.#null(insert);
        continue;
      }
      const value = values[row]!;
      const isDirect = value >= 0 && value < directKeys && (value | 0) === value;
      const id = isDirect ? direct[value]! : missing;
      ids[row] = id === missing ? this.#number(value, insert) : id;
    }
  }

  #assignDictionary(
    column: Extract<ColumnVector, { readonly kind: 'dictionary' }>,
    selection: Uint32Array | null,
    count: number,
    insert: boolean,
    ids: Int32Array,
  ): void {
    const { codes, dictionary, nulls } = column;
    if (this.#dictionary !== dictionary) {
      this.#dictionary = dictionary;
      this.#dictionaryIds = new Int32Array(dictionary.length).fill(missing);
    }
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      if (nulls !== null && nulls[row] === 1) {
        ids[row] = this.#null(insert);
        continue;
      }
      const code = codes[row]!;
      let id = this.#dictionaryIds[code]!;
      if (id === missing) {
        id = this.#datum(dictionary[code]!, insert);
        this.#dictionaryIds[code] = id;
      }
      ids[row] = id;
    }
  }

  #number(value: number, insert: boolean): number {
    const isDirect = value >= 0 && value < directKeys && (value | 0) === value;
    if (isDirect) return this.#directId(value, insert);
    if (!insert) {
      const found = this.#numbers.find(value);
      return found === missing ? missing : this.#numberIds[found]!;
    }
    const number = this.#numbers.add(value);
    if (number >= this.#numberIds.length) this.#growNumberIds();
    const id = this.#numberIds[number]!;
    if (id !== missing) return id;
    const appended = this.#append(value);
    this.#numberIds[number] = appended;
    return appended;
  }

  #directId(value: number, insert: boolean): number {
    this.#direct ??= new Int32Array(directKeys).fill(missing);
    const id = this.#direct[value]!;
    if (id !== missing || !insert) return id;
    const appended = this.#append(value);
    this.#direct[value] = appended;
    return appended;
  }

  #growNumberIds(): void {
    const { length } = this.#numberIds;
    this.#numberIds = new Int32Array(this.#numberIds.buffer.transfer(length * 8)).fill(missing, length);
  }

  #datum(value: Datum, insert: boolean): number {
    if (value === null) return this.#null(insert);
    if (this.#isNumber && typeof value === 'number') return this.#number(value, insert);
    if (this.#texts !== null) return this.#texts.idOf(value as string, insert);
    const key = this.#key(value);
    const found = this.#others.get(key);
    if (found !== undefined || !insert) return found ?? missing;
    const id = this.#append(value);
    this.#others.set(key, id);
    return id;
  }

  #null(insert: boolean): number {
    if (this.#nullId === missing && insert) this.#nullId = this.#texts?.reserve() ?? this.#append(null);
    return this.#nullId;
  }

  #append(value: Datum): number {
    this.#values.push(value);
    return this.#values.length - 1;
  }
}

/** Ids of one column fit beside another's in a safe integer: 2^26 distinct values each. */
const pairBase = 67_108_864;

/**
 * Rows to dense group ids by any number of key columns. Each column has ids of its own; two ids make a pair, and
 * pairs have ids again, so that only numbers are hashed twice.
 */
export class KeyTable {
  readonly #columns: readonly ColumnKeys[];
  readonly #pairs: readonly NumberTable[];
  #columnIds = new Int32Array(4096);

  constructor(types: readonly TypeOid[]) {
    this.#columns = types.map((type) => new ColumnKeys(type));
    this.#pairs = types.slice(1).map(() => new NumberTable());
  }

  get size(): number {
    const last = this.#pairs[this.#pairs.length - 1];
    return last === undefined ? (this.#columns[0]?.size ?? 1) : last.size;
  }

  /** Bytes that the table holds, about. */
  get bytes(): number {
    let bytes = 0;
    for (const column of this.#columns) bytes += column.bytes;
    for (const pairs of this.#pairs) bytes += pairs.bytes;
    return bytes;
  }

  /** The id of each live row at its index in `ids` (as long as the batch); -1 where it has none and may not get one. */
  assign(
    keys: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    insert: boolean,
    ids: Int32Array,
  ): void {
    if (keys.length === 0) {
      ids.fill(0);
      return;
    }
    this.#columns[0]!.assign(keys[0]!, selection, count, insert, ids);
    if (this.#columnIds.length < ids.length) this.#columnIds = new Int32Array(ids.length);
    for (let next = 1; next < keys.length; next++) {
      this.#columns[next]!.assign(keys[next]!, selection, count, insert, this.#columnIds);
      const pairs = this.#pairs[next - 1]!;
      for (let at = 0; at < count; at++) {
        const row = selection === null ? at : selection[at]!;
        const left = ids[row]!;
        const right = this.#columnIds[row]!;
        if (left < 0 || right < 0) ids[row] = missing;
        else ids[row] = insert ? pairs.add(left * pairBase + right) : pairs.find(left * pairBase + right);
      }
    }
  }

  /** Whether a value has an id, of the first column. */
  has(value: Datum): boolean {
    return this.#columns[0]!.find(value) !== missing;
  }

  /** The key values of groups [from, to): one vector a key column. */
  keys(from: number, to: number): ColumnVector[] {
    const ids = this.#columns.map(() => new Uint32Array(to - from));
    for (let group = from; group < to; group++) {
      let id = group;
      for (let column = this.#columns.length - 1; column > 0; column--) {
        const pair = this.#pairs[column - 1]!.keyOf(id);
        ids[column]![group - from] = pair % pairBase;
        id = Math.floor(pair / pairBase);
      }
      if (this.#columns.length > 0) ids[0]![group - from] = id;
    }
    return this.#columns.map((column, at) => column.values(ids[at]!));
  }
}
