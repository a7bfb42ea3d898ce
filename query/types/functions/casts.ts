import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { Interval, SqlArray } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { int8Max, int8Min } from '../codec/integer.ts';
import { findRelation, regLookups } from '../codec/reg.ts';
import { charOf, formatChar, parseChar, truncateName } from '../codec/text.ts';
import { checkVectorDimensions, checkVectorElement } from '../codec/vector.ts';
import { trimBlanks } from '../compare.ts';
import type { FunctionContext } from '../function.ts';
import { parseJson } from '../json/parse.ts';
import { jsonTypeName } from '../json/value.ts';
import { numericFromFloat, numericFromInteger, numericToFloat, numericToInteger } from '../numeric/text.ts';
import { outOfRange } from '../problems.ts';
import {
  dateInfinity,
  dateNegativeInfinity,
  infinity,
  isInfiniteTimestamp,
  joinTimestamp,
  microsPerDay,
  negativeInfinity,
  splitTimestamp,
} from '../time/calendar.ts';
import { fromLocal, timeZone, toLocal } from '../time/zone.ts';
import type { Implementations } from './define.ts';
import { contextual, pure } from './define.ts';
import { floatOverflow, floatUnderflow, roundHalfEven } from './float.ts';
import { checkInt2 } from './integer.ts';

type Moment = number | bigint;

function floatToInteger(minimum: number, maximum: number, typeName: string): (value: number) => number {
  return (value) => {
    const rounded = roundHalfEven(value);
    if (!(rounded >= minimum && rounded <= maximum)) throw outOfRange(typeName);
    return rounded + 0;
  };
}

function floatToInt8(value: number): number | bigint {
  const rounded = roundHalfEven(value);
  if (!(rounded >= -(2 ** 63) && rounded < 2 ** 63)) throw outOfRange('bigint');
  return Number.isSafeInteger(rounded) ? rounded + 0 : BigInt(rounded);
}

function toFloat4(value: number): number {
  const single = Math.fround(value);
  if (!Number.isFinite(single) && Number.isFinite(value)) throw floatOverflow();
  if (single === 0 && value !== 0) throw floatUnderflow();
  return single;
}

function int8ToOid(value: number | bigint): number {
  if (value < 0 || value > 4_294_967_295)
    throw new AlopexError('numeric_value_out_of_range', 'OID out of range');
  return Number(value);
}

export function dateToTimestamp(days: number): Moment {
  if (days === dateInfinity) return infinity;
  if (days === dateNegativeInfinity) return negativeInfinity;
  return joinTimestamp(days, 0, 'date out of range for timestamp');
}

function timestampToDate(value: Moment): number {
  if (value === infinity) return dateInfinity;
  return value === negativeInfinity ? dateNegativeInfinity : splitTimestamp(value).days;
}

function timestampToTimestamptz(context: FunctionContext, value: Moment): Moment {
  return isInfiniteTimestamp(value) ? value : fromLocal(value, timeZone(context.timeZone));
}

function timestamptzToTimestamp(context: FunctionContext, value: Moment): Moment {
  return isInfiniteTimestamp(value) ? value : toLocal(value, timeZone(context.timeZone));
}

function timeOf(value: Moment): number | null {
  return isInfiniteTimestamp(value) ? null : splitTimestamp(value).micros;
}

function jsonScalar(text: string, wanted: 'boolean' | 'numeric', typeName: string): boolean | Numeric {
  const value = parseJson(text);
  if (wanted === 'boolean' ? typeof value === 'boolean' : value instanceof Numeric)
    return value as boolean | Numeric;
  const kind = jsonTypeName(value);
  const shown = kind === 'array' || kind === 'object' ? kind : kind === 'number' ? 'numeric' : kind;
  throw new AlopexError('invalid_parameter_value', `cannot cast jsonb ${shown} to type ${typeName}`);
}

function jsonNumber<Result>(typeName: string, convert: (value: Numeric) => Result): (text: string) => Result {
  return (text) => convert(jsonScalar(text, 'numeric', typeName) as Numeric);
}

const toInt2 = (value: Numeric) => Number(numericToInteger(value, -32_768, 32_767, 'smallint'));
const toInt4 = (value: Numeric) => Number(numericToInteger(value, -2_147_483_648, 2_147_483_647, 'integer'));
const toInt8 = (value: Numeric) => numericToInteger(value, int8Min, int8Max, 'bigint');

function arrayToVector(toNumber: (item: Datum) => number): (array: SqlArray) => Float32Array {
  return (array) => {
    if (array.dimensions.length > 1) throw new AlopexError('data_exception', 'array must be 1-D');
    if (array.items.includes(null)) {
      throw new AlopexError('null_value_not_allowed', 'array must not contain nulls');
    }
    checkVectorDimensions(array.items.length);
    return Float32Array.from(array.items, (item) => checkVectorElement(Math.fround(toNumber(item))));
  };
}

const asNumber = (value: Datum) => Number(value);

/** Conversions, named by the functions of pg_cast; those of pgvector by its own. */
export const castFunctions: Implementations = {
  ...pure({
    i2toi4: asNumber,
    i4toi2: checkInt2,
    int28: (value: Moment) => value,
    int48: (value: Moment) => value,
    int82: (value: Moment) => {
      if (value > 32_767 || value < -32_768) throw outOfRange('smallint');
      return Number(value);
    },
    int84: (value: Moment) => {
      if (value > 2_147_483_647 || value < -2_147_483_648) throw outOfRange('integer');
      return Number(value);
    },
    i2tod: asNumber,
    i4tod: asNumber,
    i8tod: asNumber,
    i2tof: Math.fround,
    i4tof: Math.fround,
    i8tof: (value: Moment) => Math.fround(Number(value)),
    ftod: asNumber,
    dtof: toFloat4,
    ftoi2: floatToInteger(-32_768, 32_767, 'smallint'),
    dtoi2: floatToInteger(-32_768, 32_767, 'smallint'),
    ftoi4: floatToInteger(-2_147_483_648, 2_147_483_647, 'integer'),
    dtoi4: floatToInteger(-2_147_483_648, 2_147_483_647, 'integer'),
    ftoi8: floatToInt8,
    dtoi8: floatToInt8,
    int2_numeric: numericFromInteger,
    int4_numeric: numericFromInteger,
    int8_numeric: numericFromInteger,
    float4_numeric: (value: number) => numericFromFloat(value, 6),
    float8_numeric: (value: number) => numericFromFloat(value, 15),
    numeric_int2: toInt2,
    numeric_int4: toInt4,
    numeric_int8: toInt8,
    numeric_float4: (value: Numeric) => toFloat4(numericToFloat(value)),
    numeric_float8: (value: Numeric) => {
      const double = numericToFloat(value);
      if (value.special === null && !Number.isFinite(double)) {
        throw new AlopexError(
          'numeric_value_out_of_range',
          `"${value}" is out of range for type double precision`,
        );
      }
      return double;
    },
    i8tooid: int8ToOid,
    oidtoi8: asNumber,
    bool_int4: (value: boolean) => (value ? 1 : 0),
    int4_bool: (value: number) => value !== 0,
    booltext: (value: boolean) => (value ? 'true' : 'false'),
    rtrim1: trimBlanks,
    text_name: truncateName,
    bpchar_name: (value: string) => truncateName(trimBlanks(value)),
    name_text: (value: string) => value,
    name_bpchar: (value: string) => value,
    text_char: parseChar,
    char_text: formatChar,
    char_bpchar: formatChar,
    chartoi4: (value: string) => (value === '' ? 0 : (value.charCodeAt(0) << 24) >> 24),
    i4tochar: (value: number) => {
      if (value < -128 || value > 127)
        throw new AlopexError('numeric_value_out_of_range', '"char" out of range');
      return charOf(value & 255);
    },
    date_timestamp: dateToTimestamp,
    timestamp_date: timestampToDate,
    timestamp_time: timeOf,
    time_interval: (value: number) => new Interval(0, 0, value),
    interval_time: (value: Interval) => ((value.microseconds % microsPerDay) + microsPerDay) % microsPerDay,
    jsonb_bool: (text: string) => jsonScalar(text, 'boolean', 'boolean'),
    jsonb_numeric: jsonNumber('numeric', (value) => value),
    jsonb_int2: jsonNumber('smallint', toInt2),
    jsonb_int4: jsonNumber('integer', toInt4),
    jsonb_int8: jsonNumber('bigint', toInt8),
    jsonb_float4: jsonNumber('real', (value) => toFloat4(numericToFloat(value))),
    jsonb_float8: jsonNumber('double precision', numericToFloat),
    array_to_vector: arrayToVector((item) => (item instanceof Numeric ? numericToFloat(item) : Number(item))),
    vector_to_float4: (vector: Float32Array) => SqlArray.of(Array.from(vector)),
  }),
  ...contextual({
    date_timestamptz: (context, days: number) => timestampToTimestamptz(context, dateToTimestamp(days)),
    timestamptz_date: (context, value: Moment) => timestampToDate(timestamptzToTimestamp(context, value)),
    timestamptz_time: (context, value: Moment) => timeOf(timestamptzToTimestamp(context, value)),
    timestamp_timestamptz: timestampToTimestamptz,
    timestamptz_timestamp: timestamptzToTimestamp,
    text_regclass: (context: FunctionContext, text: string) => {
      const oid = findRelation(text, context.catalog);
      if (oid === null) throw regLookups.regclass.missing(text);
      return oid;
    },
  }),
};
