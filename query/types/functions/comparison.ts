import { compareBytes } from '../../../base/bytes/compare.ts';
import { compareText } from '../../../base/bytes/utf8.ts';
import type { Datum, SqlArray } from '../../../base/values/datum.ts';
import type { Compare } from '../compare.ts';
import {
  compareFloats,
  compareFunction,
  compareIntegers,
  compareIntervals,
  comparePadded,
  compareUntyped,
  compareVectors,
} from '../compare.ts';
import type { FunctionContext } from '../function.ts';
import { compareNumeric } from '../numeric/compare.ts';
import {
  dateInfinity,
  dateNegativeInfinity,
  infinity,
  joinTimestamp,
  negativeInfinity,
} from '../time/calendar.ts';
import { fromLocal, timeZone } from '../time/zone.ts';
import { oids } from '../type.ts';
import type { ArgumentTypes, Evaluate, Implementations } from './define.ts';
import { contextual, pure, typed } from './define.ts';

const tests: Readonly<Record<string, (order: number) => boolean>> = {
  eq: (order) => order === 0,
  ne: (order) => order !== 0,
  lt: (order) => order < 0,
  le: (order) => order <= 0,
  gt: (order) => order > 0,
  ge: (order) => order >= 0,
};

/** eq, ne, lt, le, gt, ge of a type, under the prefix of its functions' names. */
function ordered<Value>(
  prefix: string,
  compare: (left: Value, right: Value) => number,
): Record<string, Evaluate> {
  const functions: Record<string, Evaluate> = {};
  for (const [suffix, test] of Object.entries(tests)) {
    functions[prefix + suffix] = (left: Value, right: Value) => test(compare(left, right));
  }
  return functions;
}

/** Integers, dates, times, booleans: JavaScript's own comparison is right, and fastest. */
function plain(prefix: string): Record<string, Evaluate> {
  return {
    [`${prefix}eq`]: (left: number, right: number) => left === right,
    [`${prefix}ne`]: (left: number, right: number) => left !== right,
    [`${prefix}lt`]: (left: number, right: number) => left < right,
    [`${prefix}le`]: (left: number, right: number) => left <= right,
    [`${prefix}gt`]: (left: number, right: number) => left > right,
    [`${prefix}ge`]: (left: number, right: number) => left >= right,
  };
}

/** The order alone, for names whose equality is another function. */
function orderOnly<Value>(
  prefix: string,
  compare: (left: Value, right: Value) => number,
): Record<string, Evaluate> {
  return Object.fromEntries(
    Object.entries(ordered(prefix, compare)).filter(([name]) => !/(?:eq|ne)$/.test(name)),
  );
}

/** Text and its kin: equality needs no order. */
function textual(equalityPrefix: string, orderPrefix: string): Record<string, Evaluate> {
  return {
    ...orderOnly(orderPrefix, compareText),
    [`${equalityPrefix}eq`]: (left: string, right: string) => left === right,
    [`${equalityPrefix}ne`]: (left: string, right: string) => left !== right,
  };
}

function textAndName(prefix: string, suffix: string): Record<string, Evaluate> {
  return Object.fromEntries(
    Object.entries(ordered(prefix, compareText)).map(([name, evaluate]) => [name + suffix, evaluate]),
  );
}

function dateToTimestamp(days: number): number | bigint {
  if (days === dateInfinity) return infinity;
  return days === dateNegativeInfinity ? negativeInfinity : joinTimestamp(days, 0);
}

type Moment = number | bigint;
type ToMoment = (value: Moment, context: FunctionContext) => Moment;

function localMoment(value: Moment, context: FunctionContext): Moment {
  return value === infinity || value === negativeInfinity
    ? value
    : fromLocal(value, timeZone(context.timeZone));
}

/** How date and timestamp become what they are compared as. */
const toTimestamp: Readonly<Record<string, ToMoment>> = {
  date: (value) => dateToTimestamp(value as number),
  timestamp: (value) => value,
};
const toTimestamptz: Readonly<Record<string, ToMoment>> = {
  date: (value, context) => localMoment(dateToTimestamp(value as number), context),
  timestamp: localMoment,
  timestamptz: (value) => value,
};

function mixedMoments(left: string, right: string): Record<string, Evaluate> {
  const targets = left === 'timestamptz' || right === 'timestamptz' ? toTimestamptz : toTimestamp;
  const toLeft = targets[left]!;
  const toRight = targets[right]!;
  return Object.fromEntries(
    Object.entries(tests).map(([suffix, test]) => [
      `${left}_${suffix}_${right}`,
      (context: FunctionContext, a: Moment, b: Moment) =>
        test(compareIntegers(toLeft(a, context), toRight(b, context))),
    ]),
  );
}

/** Arrays compare by the order of their element. */
function arrays(): Record<string, (types: ArgumentTypes) => Evaluate> {
  return Object.fromEntries(
    Object.entries(tests).map(([suffix, test]) => [
      `array_${suffix}`,
      (types: ArgumentTypes) => {
        const compare = compareFunction(types[0]!.oid);
        return (left: SqlArray, right: SqlArray) => test(compare(left, right));
      },
    ]),
  );
}

/** Rows compare field by field; nulls equal each other here, as in PostgreSQL's record comparison. */
function records(): Record<string, (types: ArgumentTypes) => Evaluate> {
  const made: Record<string, (types: ArgumentTypes) => Evaluate> = {};
  for (const [suffix, test] of Object.entries(tests)) {
    for (const prefix of ['record_', 'record_image_']) {
      made[prefix + suffix] = () => (left: Datum, right: Datum) => test(compareUntyped(left, right));
    }
  }
  return made;
}

const jsonbCompare: Compare = compareFunction(oids.jsonb);

export const comparisonFunctions: Implementations = {
  ...pure({
    ...plain('bool'),
    ...plain('int2'),
    ...plain('int4'),
    ...plain('int8'),
    ...plain('int24'),
    ...plain('int42'),
    ...plain('int28'),
    ...plain('int82'),
    ...plain('int48'),
    ...plain('int84'),
    ...plain('oid'),
    ...plain('date_'),
    ...plain('time_'),
    ...plain('timestamp_'),
    ...ordered('float4', compareFloats),
    ...ordered('float8', compareFloats),
    ...ordered('float48', compareFloats),
    ...ordered('float84', compareFloats),
    ...ordered('numeric_', compareNumeric),
    ...textual('text', 'text_'),
    ...textual('name', 'name'),
    ...textual('char', 'char'),
    ...textual('uuid_', 'uuid_'),
    ...textual('tid', 'tid'),
    ...ordered('bpchar', comparePadded),
    ...textAndName('name', 'text'),
    ...textAndName('text', 'name'),
    ...ordered('bytea', compareBytes),
    ...ordered('interval_', compareIntervals),
    ...ordered('jsonb_', jsonbCompare),
    ...ordered('vector_', compareVectors),
    ...ordered('oidvector', compareFunction(oids.oidvector)),
    ...orderOnly('text_pattern_', compareText),
    ...orderOnly('bpchar_pattern_', comparePadded),
    xideq: (left: number, right: number) => left === right,
    xidneq: (left: number, right: number) => left !== right,
    cideq: (left: number, right: number) => left === right,
    aclitem_eq: (left: string, right: string) => left === right,
    btint4cmp: compareIntegers,
    bttextcmp: compareText,
    numeric_cmp: compareNumeric,
    text_larger: (left: string, right: string) => (compareText(left, right) > 0 ? left : right),
    text_smaller: (left: string, right: string) => (compareText(left, right) < 0 ? left : right),
    booland_statefunc: (left: boolean, right: boolean) => left && right,
    boolor_statefunc: (left: boolean, right: boolean) => left || right,
  }),
  ...contextual({
    ...mixedMoments('date', 'timestamp'),
    ...mixedMoments('timestamp', 'date'),
    ...mixedMoments('date', 'timestamptz'),
    ...mixedMoments('timestamptz', 'date'),
    ...mixedMoments('timestamp', 'timestamptz'),
    ...mixedMoments('timestamptz', 'timestamp'),
  }),
  ...typed({ ...arrays(), ...records() }),
};
