import { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import { Interval, SqlArray } from '../../base/values/datum.ts';
import { Numeric } from '../../base/values/numeric.ts';
import {
  formatType,
  intervalFinestField,
  intervalFullPrecision,
  intervalFullRange,
  numericPrecision,
  numericScale,
} from './format-type.ts';
import { roundNumeric } from './numeric/arithmetic.ts';
import { digitCount } from './numeric/digits.ts';
import { invalidParameter } from './problems.ts';
import { findType, isArrayType } from './registry.ts';
import { isInfiniteTimestamp } from './time/calendar.ts';
import type { SqlType, TypeOid } from './type.ts';
import { oids } from './type.ts';

const textLengthMax = 10_485_760;
const numericPrecisionMax = 1000;
const timePrecisionMax = 6;
export const vectorDimensionsMax = 16_000;

/** The packed modifier for the numbers that stand in parentheses after a type's name; -1 for none. */
export function parseTypeModifier(oid: TypeOid, values: readonly number[]): number {
  if (values.length === 0) return -1;
  const info = findType(oid);
  const base = isArrayType(oid) ? info!.element : oid;
  switch (base) {
    case oids.varchar:
    case oids.bpchar:
      return textModifier(base === oids.varchar ? 'varchar' : 'char', values);
    case oids.numeric:
      return numericModifier(values);
    case oids.time:
    case oids.timetz:
      return timeModifier('TIME', base === oids.timetz, values);
    case oids.timestamp:
    case oids.timestamptz:
      return timeModifier('TIMESTAMP', base === oids.timestamptz, values);
    case oids.interval:
      return intervalModifier(values);
    case oids.vector:
      return vectorModifier(values);
    default:
      throw new AlopexError('syntax_error', `type modifier is not allowed for type "${info?.name ?? oid}"`);
  }
}

function textModifier(name: string, values: readonly number[]): number {
  const [length] = values as [number];
  if (values.length !== 1) throw invalidParameter('invalid type modifier');
  if (length < 1) throw invalidParameter(`length for type ${name} must be at least 1`);
  if (length > textLengthMax)
    throw invalidParameter(`length for type ${name} cannot exceed ${textLengthMax}`);
  return length + 4;
}

function numericModifier(values: readonly number[]): number {
  if (values.length > 2) throw invalidParameter('invalid NUMERIC type modifier');
  const [precision, scale = 0] = values as [number, number?];
  if (precision < 1 || precision > numericPrecisionMax) {
    throw invalidParameter(`NUMERIC precision ${precision} must be between 1 and ${numericPrecisionMax}`);
  }
  if (scale < -numericPrecisionMax || scale > numericPrecisionMax) {
    throw invalidParameter(
      `NUMERIC scale ${scale} must be between -${numericPrecisionMax} and ${numericPrecisionMax}`,
    );
  }
  return ((precision << 16) | (scale & 0x7ff)) + 4;
}

function timeModifier(name: string, withZone: boolean, values: readonly number[]): number {
  const [precision] = values as [number];
  if (values.length !== 1) throw invalidParameter('invalid type modifier');
  if (precision < 0) {
    const zone = withZone ? ' WITH TIME ZONE' : '';
    throw invalidParameter(`${name}(${precision})${zone} precision must not be negative`);
  }
  return Math.min(precision, timePrecisionMax);
}

/** As the parser gives them: a mask of fields, then the precision of the seconds. */
function intervalModifier(values: readonly number[]): number {
  if (values.length > 2) throw invalidParameter('invalid INTERVAL type modifier');
  const [range, precision] = values as [number, number?];
  if (precision === undefined) {
    return range === intervalFullRange ? -1 : ((range << 16) | intervalFullPrecision) >>> 0;
  }
  if (precision < 0) throw invalidParameter(`INTERVAL(${precision}) precision must not be negative`);
  return (range << 16) | Math.min(precision, timePrecisionMax);
}

function vectorModifier(values: readonly number[]): number {
  const [dimensions] = values as [number];
  if (values.length !== 1) throw invalidParameter('invalid type modifier');
  if (dimensions < 1) throw invalidParameter('dimensions for type vector must be at least 1');
  if (dimensions > vectorDimensionsMax) {
    throw invalidParameter(`dimensions for type vector cannot exceed ${vectorDimensionsMax}`);
  }
  return dimensions;
}

/**
 * Makes a value of the type fit the type's modifier: length, scale, precision, dimensions. Explicit casts cut
 * text silently; elsewhere only blanks are cut, and the rest is 22001.
 */
export function applyModifier(value: Datum, type: SqlType, isExplicit: boolean): Datum {
  if (value === null || type.modifier < 0) return value;
  if (value instanceof SqlArray) {
    const info = findType(type.oid);
    if (info === undefined || !isArrayType(type.oid)) return value;
    const element = { oid: info.element, modifier: type.modifier };
    return new SqlArray(
      value.items.map((item) => applyModifier(item, element, isExplicit)),
      value.dimensions,
    );
  }
  switch (type.oid) {
    case oids.varchar:
      return fitText(value as string, type.modifier - 4, type, isExplicit);
    case oids.bpchar:
      return padText(fitText(value as string, type.modifier - 4, type, isExplicit), type.modifier - 4);
    case oids.numeric:
      return fitNumeric(value as Numeric, type.modifier);
    case oids.time:
    case oids.timestamp:
    case oids.timestamptz:
      return roundMicroseconds(value as number | bigint, type.modifier);
    case oids.interval:
      return fitInterval(value as Interval, type.modifier);
    case oids.vector:
      return fitVector(value as Float32Array, type.modifier);
    default:
      return value;
  }
}

function fitText(text: string, length: number, type: SqlType, isExplicit: boolean): string {
  if (text.length <= length) return text;
  const end = codePointOffset(text, length);
  if (end === text.length) return text;
  if (!isExplicit && /[^ ]/.test(text.slice(end))) {
    throw new AlopexError('string_data_right_truncation', `value too long for type ${formatType(type)}`);
  }
  return text.slice(0, end);
}

/** Where the code point of that number starts; the text's length where it has no more. */
export function codePointOffset(text: string, count: number): number {
  let offset = 0;
  for (let index = 0; index < count && offset < text.length; index++) {
    offset += text.codePointAt(offset)! > 0xffff ? 2 : 1;
  }
  return offset;
}

function padText(text: string, length: number): string {
  let count = text.length;
  if (/[\ud800-\udbff]/.test(text)) count = [...text].length;
  return count >= length ? text : text + ' '.repeat(length - count);
}

function fitNumeric(value: Numeric, modifier: number): Numeric {
  const precision = numericPrecision(modifier);
  const scale = numericScale(modifier);
  if (value.special === 'NaN') return value;
  if (value.special !== null) {
    throw fieldOverflow(`A field with precision ${precision}, scale ${scale} cannot hold an infinite value.`);
  }
  const rounded = roundNumeric(value, scale);
  const fitted = scale < 0 ? Numeric.of(rounded.units, 0) : rounded;
  if (digitCount(fitted.units) - fitted.scale > precision - scale) {
    const bound = precision - scale === 0 ? '1' : `10^${precision - scale}`;
    throw fieldOverflow(
      `A field with precision ${precision}, scale ${scale} must round to an absolute value less than ${bound}.`,
    );
  }
  return fitted;
}

function fieldOverflow(detail: string): AlopexError {
  return new AlopexError('numeric_value_out_of_range', 'numeric field overflow', { detail });
}

/** To that many decimals of a second, half away from zero. */
function roundMicroseconds(value: number | bigint, precision: number): number | bigint {
  if (precision >= timePrecisionMax || isInfiniteTimestamp(value)) return value;
  const unit = 10 ** (timePrecisionMax - precision);
  if (typeof value === 'number') {
    const magnitude = Math.floor((Math.abs(value) + unit / 2) / unit) * unit;
    return value < 0 ? 0 - magnitude : magnitude;
  }
  const half = BigInt(unit) / 2n;
  const shifted = value < 0n ? value - half : value + half;
  return (shifted / BigInt(unit)) * BigInt(unit);
}

function fitInterval(value: Interval, modifier: number): Interval {
  const cut = (unit: number) => Math.trunc(value.microseconds / unit) * unit + 0;
  switch (intervalFinestField(modifier)) {
    case 'year':
      return new Interval(Math.trunc(value.months / 12) * 12 + 0, 0, 0);
    case 'month':
      return new Interval(value.months, 0, 0);
    case 'day':
      return new Interval(value.months, value.days, 0);
    case 'hour':
      return new Interval(value.months, value.days, cut(3_600_000_000));
    case 'minute':
      return new Interval(value.months, value.days, cut(60_000_000));
    case 'second': {
      const precision = modifier & intervalFullPrecision;
      if (precision === intervalFullPrecision) return value;
      return new Interval(value.months, value.days, Number(roundMicroseconds(value.microseconds, precision)));
    }
  }
}

function fitVector(value: Float32Array, dimensions: number): Float32Array {
  if (value.length === dimensions) return value;
  throw new AlopexError('data_exception', `expected ${dimensions} dimensions, not ${value.length}`);
}
