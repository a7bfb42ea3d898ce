import type { ByteReader } from '../../../base/bytes/reader.ts';
import { compareText } from '../../../base/bytes/utf8.ts';
import type { ByteWriter } from '../../../base/bytes/writer.ts';
import type { Datum, PhysicalType } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import type { ZonePredicate } from '../contract.ts';
import { readDatum, writeDatum } from './datum-codec.ts';

/** What a column's values in one group lie between. A null bound is open; text bounds may be prefixes. */
export type Zone = {
  readonly nullCount: number;
  readonly min: Bound | null;
  readonly max: Bound | null;
  /** Every value that starts with `max` is below or at the upper end. */
  readonly maxIsPrefix: boolean;
};
type Bound = number | bigint | string;

/** Longest text of a bound, in UTF-16 units: a uuid fits. */
const textBoundLength = 40;

export function zoneOf(type: PhysicalType, values: readonly Datum[], count: number): Zone {
  switch (type.kind) {
    case 'bool':
    case 'int4':
    case 'int8':
    case 'float4':
    case 'float8':
      return numberZone(values, count);
    case 'numeric':
      return numericZone(values, count);
    case 'text':
    case 'uuid':
      return textZone(values, count);
    default:
      return { nullCount: nullsOf(values, count), min: null, max: null, maxIsPrefix: false };
  }
}

function nullsOf(values: readonly Datum[], count: number): number {
  let nulls = 0;
  for (let row = 0; row < count; row++) if (values[row] === null) nulls++;
  return nulls;
}

/** NaN is PostgreSQL's greatest number: it opens the upper end. */
function numberZone(values: readonly Datum[], count: number): Zone {
  let nullCount = 0;
  let min: number | bigint | null = null;
  let max: number | bigint | null = null;
  let hasNaN = false;
  for (let row = 0; row < count; row++) {
    const datum = values[row]!;
    if (datum === null) nullCount++;
    else if (Number.isNaN(datum)) hasNaN = true;
    else {
      const value = typeof datum === 'boolean' ? Number(datum) : (datum as number | bigint);
      if (min === null || value < min) min = value;
      if (max === null || value > max) max = value;
    }
  }
  return { nullCount, min, max: hasNaN ? null : max, maxIsPrefix: false };
}

function numericZone(values: readonly Datum[], count: number): Zone {
  let nullCount = 0;
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < count; row++) {
    const value = values[row] as Numeric | null;
    if (value === null) {
      nullCount++;
      continue;
    }
    const { low, high } = enclose(value);
    if (low < min) min = low;
    if (high > max) max = high;
  }
  const isEmpty = nullCount === count;
  return {
    nullCount,
    min: isEmpty || min === Number.NEGATIVE_INFINITY ? null : min,
    max: isEmpty || max === Number.POSITIVE_INFINITY ? null : max,
    maxIsPrefix: false,
  };
}

/** Doubles on both sides of a numeric. */
function enclose(value: Numeric): { readonly low: number; readonly high: number } {
  const everything = { low: Number.NEGATIVE_INFINITY, high: Number.POSITIVE_INFINITY };
  if (value.special !== null || value.scale > 300) return everything;
  const near = Number(value.units) / 10 ** value.scale;
  if (!Number.isFinite(near)) return everything;
  const margin = Math.abs(near) * 1e-15 + Number.MIN_VALUE;
  return { low: near - margin, high: near + margin };
}

function textZone(values: readonly Datum[], count: number): Zone {
  let nullCount = 0;
  let min: string | null = null;
  let max: string | null = null;
  for (let row = 0; row < count; row++) {
    const value = values[row] as string | null;
    if (value === null) nullCount++;
    else {
      if (min === null || compareText(value, min) < 0) min = value;
      if (max === null || compareText(value, max) > 0) max = value;
    }
  }
  return {
    nullCount,
    min: min === null ? null : shorten(min),
    max: max === null ? null : shorten(max),
    maxIsPrefix: max !== null && max.length > textBoundLength,
  };
}

/** Never cuts a surrogate pair in two: half a pair has no UTF-8. */
function shorten(text: string): string {
  if (text.length <= textBoundLength) return text;
  const last = text.charCodeAt(textBoundLength - 1);
  return text.slice(0, last >= 0xd800 && last <= 0xdbff ? textBoundLength - 1 : textBoundLength);
}

export function writeZone(writer: ByteWriter, zone: Zone): void {
  writer.uint8(zone.maxIsPrefix ? 1 : 0);
  writer.varint(zone.nullCount);
  writeDatum(writer, zone.min);
  writeDatum(writer, zone.max);
}

export function readZone(reader: ByteReader): Zone {
  const maxIsPrefix = reader.uint8() === 1;
  const nullCount = reader.varint();
  return {
    nullCount,
    min: readDatum(reader) as Bound | null,
    max: readDatum(reader) as Bound | null,
    maxIsPrefix,
  };
}

/** False only where no row of the group can match. */
export function mayMatch(zone: Zone, rowCount: number, predicate: ZonePredicate): boolean {
  const { operator, value } = predicate;
  if (operator === 'is null') return zone.nullCount > 0;
  if (zone.nullCount === rowCount) return false;
  if (operator === 'is not null') return true;
  const { low, high } = boundsOf(value);
  switch (operator) {
    case '=':
      return !(isAbove(zone, low, false) || isBelow(zone, high, false));
    case '<':
      return !isBelow(zone, high, true);
    case '<=':
      return !isBelow(zone, high, false);
    case '>':
      return !isAbove(zone, low, true);
    case '>=':
      return !isAbove(zone, low, false);
  }
}

/** The predicate's value as the kinds that zones have; null where it says nothing. */
function boundsOf(value: Datum): { readonly low: Bound | null; readonly high: Bound | null } {
  if (value instanceof Numeric) {
    const { low, high } = enclose(value);
    return value.special === null ? { low, high } : { low: null, high: null };
  }
  if (typeof value === 'boolean') return { low: Number(value), high: Number(value) };
  if (typeof value === 'string' || typeof value === 'bigint') return { low: value, high: value };
  if (typeof value === 'number' && !Number.isNaN(value)) return { low: value, high: value };
  return { low: null, high: null };
}

/** `value` is above everything in the zone, or (`orEqual`) at its upper end. */
function isAbove(zone: Zone, value: Bound | null, orEqual: boolean): boolean {
  const { max } = zone;
  if (max === null || value === null) return false;
  if (typeof max === 'string' || typeof value === 'string') {
    if (typeof max !== 'string' || typeof value !== 'string') return false;
    if (zone.maxIsPrefix && value.startsWith(max)) return false;
    const order = compareText(value, max);
    return orEqual ? order >= 0 : order > 0;
  }
  return orEqual ? value >= max : value > max;
}

/** `value` is below everything in the zone, or (`orEqual`) at its lower end. */
function isBelow(zone: Zone, value: Bound | null, orEqual: boolean): boolean {
  const { min } = zone;
  if (min === null || value === null) return false;
  if (typeof min === 'string' || typeof value === 'string') {
    if (typeof min !== 'string' || typeof value !== 'string') return false;
    const order = compareText(value, min);
    return orEqual ? order <= 0 : order < 0;
  }
  return orEqual ? value <= min : value < min;
}
