import { compareBytes } from '../../base/bytes/compare.ts';
import { bytesToLatin1, compareText } from '../../base/bytes/utf8.ts';
import type { Datum } from '../../base/values/datum.ts';
import { Interval, SqlArray, SqlRow } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import { parseJson } from './json/parse.ts';
import { compareJson, type Json, jsonHashKey } from './json/value.ts';
import { compareNumeric, numericHashKey } from './numeric/compare.ts';
import { elementType, isArrayType } from './registry.ts';
import { microsPerDay } from './time/calendar.ts';
import type { TypeOid } from './type.ts';
import { oids } from './type.ts';

/** Orders two values that are not null. */
export type Compare = (left: Datum, right: Datum) => number;
export type HashKey = (value: Datum) => string | number | bigint;

/** Integers and dates: numbers, and bigints where they are not safe. */
export function compareIntegers(left: number | bigint, right: number | bigint): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** NaN is greater than all and equals itself; -0 equals 0. */
export function compareFloats(left: number, right: number): number {
  if (left < right) return -1;
  if (left > right) return 1;
  if (left === right) return 0;
  return Number(Number.isNaN(left)) - Number(Number.isNaN(right));
}

export function trimBlanks(text: string): string {
  let end = text.length;
  while (end > 0 && text.charCodeAt(end - 1) === 32) end--;
  return end === text.length ? text : text.slice(0, end);
}

export function comparePadded(left: string, right: string): number {
  return compareText(trimBlanks(left), trimBlanks(right));
}

/** In days of 24 hours and months of 30 days. */
export function compareIntervals(left: Interval, right: Interval): number {
  const days = left.months * 30 + left.days - (right.months * 30 + right.days);
  const micros = left.microseconds - right.microseconds;
  const quick = days * microsPerDay + micros;
  if (Number.isSafeInteger(quick)) return quick;
  return compareIntegers(BigInt(days) * BigInt(microsPerDay) + BigInt(micros), 0n);
}

export function intervalSpan(value: Interval): number | bigint {
  const days = value.months * 30 + value.days;
  const quick = days * microsPerDay + value.microseconds;
  return Number.isSafeInteger(quick)
    ? quick
    : BigInt(days) * BigInt(microsPerDay) + BigInt(value.microseconds);
}

export function compareVectors(left: Float32Array, right: Float32Array): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const difference = compareFloats(left[index]!, right[index]!);
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

/** Items first, then their count, dimensions, lengths and lower bounds; null items come last. */
function compareArrays(left: SqlArray, right: SqlArray, compareItems: Compare): number {
  const length = Math.min(left.items.length, right.items.length);
  for (let index = 0; index < length; index++) {
    const difference = compareNullable(left.items[index]!, right.items[index]!, compareItems);
    if (difference !== 0) return difference;
  }
  if (left.items.length !== right.items.length) return left.items.length - right.items.length;
  if (left.dimensions.length !== right.dimensions.length)
    return left.dimensions.length - right.dimensions.length;
  for (const [index, dimension] of left.dimensions.entries()) {
    const other = right.dimensions[index]!;
    const difference = dimension.length - other.length || dimension.lowerBound - other.lowerBound;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Nulls equal each other and sort last, as inside arrays and rows. */
export function compareNullable(left: Datum, right: Datum, compare: Compare): number {
  if (left === null) return right === null ? 0 : 1;
  return right === null ? -1 : compare(left, right);
}

/** Without a type: by what the datum shows. Right for all but char(n) and jsonb, whose datum is plain text. */
export function compareUntyped(left: Datum, right: Datum): number {
  if (typeof left === 'number' && typeof right === 'number') return compareFloats(left, right);
  if (typeof left === 'string') return compareText(left, right as string);
  if (left instanceof Numeric) return compareNumeric(left, right as Numeric);
  if (left instanceof Interval) return compareIntervals(left, right as Interval);
  if (left instanceof Uint8Array) return compareBytes(left, right as Uint8Array);
  if (left instanceof Float32Array) return compareVectors(left, right as Float32Array);
  if (left instanceof SqlArray) return compareArrays(left, right as SqlArray, compareUntyped);
  if (left instanceof SqlRow) return compareRows(left, right as SqlRow);
  return compareIntegers(left as bigint, right as bigint);
}

function compareRows(left: SqlRow, right: SqlRow): number {
  for (let index = 0; index < Math.min(left.fields.length, right.fields.length); index++) {
    const difference = compareNullable(left.fields[index]!, right.fields[index]!, compareUntyped);
    if (difference !== 0) return difference;
  }
  return left.fields.length - right.fields.length;
}

function asCompare<Value>(compare: (left: Value, right: Value) => number): Compare {
  return compare as unknown as Compare;
}

/** Whether values are ordered, and are equal, as their texts are. */
export function isTextOrdered(type: TypeOid): boolean {
  switch (type) {
    case oids.text:
    case oids.varchar:
    case oids.name:
    case oids.unknown:
    case oids.uuid:
    case oids.char:
      return true;
    default:
      return false;
  }
}

/** Values that a sort compares again and again, in two generations of at most so many characters. */
const parsedCharactersMax = 1_048_576;

function jsonbOrder(): (left: string, right: string) => number {
  let young = new Map<string, Json>();
  let old = young;
  let characters = 0;
  const parsed = (text: string): Json => {
    const known = young.get(text) ?? old.get(text);
    if (known !== undefined) return known;
    characters += text.length + 64;
    if (characters > parsedCharactersMax) {
      old = young;
      young = new Map();
      characters = text.length + 64;
    }
    const value = parseJson(text);
    young.set(text, value);
    return value;
  };
  return (left, right) => (left === right ? 0 : compareJson(parsed(left), parsed(right)));
}

/** The default btree order of a type. */
export function compareFunction(type: TypeOid): Compare {
  if (isTextOrdered(type)) return asCompare(compareText);
  if (isArrayType(type) || type === oids.int2vector || type === oids.oidvector) {
    const compareItems = compareFunction(elementType(type));
    return asCompare((left: SqlArray, right: SqlArray) => compareArrays(left, right, compareItems));
  }
  switch (type) {
    case oids.float4:
    case oids.float8:
      return asCompare(compareFloats);
    case oids.numeric:
      return asCompare(compareNumeric);
    case oids.bpchar:
      return asCompare(comparePadded);
    case oids.bytea:
      return asCompare(compareBytes);
    case oids.interval:
      return asCompare(compareIntervals);
    case oids.vector:
      return asCompare(compareVectors);
    case oids.jsonb:
      return asCompare(jsonbOrder());
    case oids.bool:
    case oids.int2:
    case oids.int4:
    case oids.int8:
    case oids.oid:
    case oids.date:
    case oids.time:
    case oids.timestamp:
    case oids.timestamptz:
      return asCompare(compareIntegers);
    default:
      return compareUntyped;
  }
}

/** A key for grouping and hashing: equal values, and only they, have equal keys. */
export function hashKey(type: TypeOid): HashKey {
  if (isArrayType(type) || type === oids.int2vector || type === oids.oidvector) {
    const itemKey = hashKey(elementType(type));
    return (value) => arrayKey(value as SqlArray, itemKey);
  }
  switch (type) {
    case oids.float4:
    case oids.float8:
      return (value) => (Number.isNaN(value) ? 'NaN' : (value as number) + 0);
    case oids.bpchar:
      return (value) => trimBlanks(value as string);
    case oids.jsonb:
      return (value) => jsonHashKey(parseJson(value as string));
    default:
      return untypedKey;
  }
}

function untypedKey(value: Datum): string | number | bigint {
  switch (typeof value) {
    case 'string':
    case 'bigint':
      return value;
    case 'number':
      return Number.isNaN(value) ? 'NaN' : value + 0;
    case 'boolean':
      return value ? 1 : 0;
    default:
      return objectKey(value);
  }
}

function objectKey(value: Exclude<Datum, string | number | bigint | boolean>): string | number | bigint {
  if (value instanceof Numeric) return numericHashKey(value);
  if (value instanceof Interval) return intervalSpan(value);
  if (value instanceof Uint8Array) return bytesToLatin1(value);
  if (value instanceof Float32Array) return value.map((element) => element + 0).join(',');
  if (value instanceof SqlArray) return arrayKey(value, untypedKey);
  if (value === null) return 'null';
  return value.fields.map((field) => keyPart(field, untypedKey)).join(',');
}

function arrayKey(array: SqlArray, itemKey: HashKey): string {
  const shape = array.dimensions.map(({ length, lowerBound }) => `${lowerBound}:${length}`).join(' ');
  return `${shape};${array.items.map((item) => keyPart(item, itemKey)).join(',')}`;
}

/** With its length in front, so that items cannot run together. */
function keyPart(value: Datum, itemKey: HashKey): string {
  if (value === null) return 'n';
  const key = String(itemKey(value));
  return `${key.length}:${key}`;
}
