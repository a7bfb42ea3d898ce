import { AlopexError } from '../../../base/errors.ts';
import { Interval } from '../../../base/values/datum.ts';
import { intervalSpan } from '../compare.ts';
import type { FunctionContext } from '../function.ts';
import { divisionByZero } from '../problems.ts';
import {
  addMicros,
  checkTimestamp,
  civilFromDays,
  dateMax,
  dateMin,
  daysFromCivil,
  daysInMonth,
  isInfiniteDate,
  isInfiniteTimestamp,
  joinTimestamp,
  microsPerDay,
  splitTimestamp,
} from '../time/calendar.ts';
import type { TimeZone } from '../time/zone.ts';
import { fromLocal, timeZone, toLocal } from '../time/zone.ts';
import { dateToTimestamp } from './casts.ts';
import type { Implementations } from './define.ts';
import { contextual, pure } from './define.ts';

type Moment = number | bigint;

function intervalOutOfRange(): AlopexError {
  return new AlopexError('datetime_field_overflow', 'interval out of range');
}

/** Checks the fields: months and days of 32 bits, microseconds a safe integer. */
export function makeInterval(months: number, days: number, micros: number): Interval {
  const fits =
    Math.abs(months) <= 2_147_483_647 && Math.abs(days) <= 2_147_483_647 && Number.isSafeInteger(micros);
  if (!fits) throw intervalOutOfRange();
  return new Interval(months + 0, days + 0, micros + 0);
}

function addIntervals(left: Interval, right: Interval): Interval {
  return makeInterval(
    left.months + right.months,
    left.days + right.days,
    left.microseconds + right.microseconds,
  );
}

function negateInterval(value: Interval): Interval {
  return makeInterval(-value.months, -value.days, -value.microseconds);
}

function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const difference = value - floor;
  if (difference === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(value);
}

export function scaleInterval(value: Interval, factor: number): Interval {
  return spread(value.months * factor, value.days * factor, value.microseconds * factor);
}

/** Fractions of months become days, fractions of days microseconds; six decimals are kept on the way. */
function spread(months: number, days: number, micros: number): Interval {
  if (!Number.isFinite(months) || !Number.isFinite(days)) throw intervalOutOfRange();
  const keepSix = (amount: number) => Math.round(amount * 1e6) / 1e6;
  const monthDays = keepSix((months - Math.trunc(months)) * 30);
  const seconds = keepSix((days - Math.trunc(days) + monthDays - Math.trunc(monthDays)) * 86_400);
  const carried = Math.trunc(seconds / 86_400);
  return makeInterval(
    Math.trunc(months),
    Math.trunc(days) + Math.trunc(monthDays) + carried,
    roundHalfEven(micros + (seconds - carried * 86_400) * 1_000_000),
  );
}

/** Months keep the day of the month, or take the last that there is. */
function addMonths(days: number, months: number): number {
  const date = civilFromDays(days);
  const month = date.year * 12 + date.month - 1 + months;
  const year = Math.floor(month / 12);
  const monthOfYear = month - year * 12 + 1;
  return daysFromCivil(year, monthOfYear, Math.min(date.day, daysInMonth(year, monthOfYear)));
}

export function addToTimestamp(value: Moment, interval: Interval): Moment {
  if (isInfiniteTimestamp(value)) return value;
  let moment = value;
  if (interval.months !== 0 || interval.days !== 0) {
    const { days, micros } = splitTimestamp(value);
    const shifted = interval.months === 0 ? days : addMonths(days, interval.months);
    moment = joinTimestamp(shifted + interval.days, micros);
  }
  return checkTimestamp(addMicros(moment, interval.microseconds));
}

/** Months and days go by the wall clock of the zone, the rest by elapsed time. */
export function addToTimestamptz(value: Moment, interval: Interval, zone: TimeZone): Moment {
  if (isInfiniteTimestamp(value)) return value;
  let moment = value;
  if (interval.months !== 0 || interval.days !== 0) {
    const { days, micros } = splitTimestamp(toLocal(value, zone));
    const shifted = interval.months === 0 ? days : addMonths(days, interval.months);
    moment = fromLocal(joinTimestamp(shifted + interval.days, micros), zone);
  }
  return checkTimestamp(addMicros(moment, interval.microseconds));
}

/** In days and microseconds: the difference of two timestamps. */
function subtractTimestamps(left: Moment, right: Moment): Interval {
  if (isInfiniteTimestamp(left) || isInfiniteTimestamp(right)) {
    throw new AlopexError('datetime_field_overflow', 'cannot subtract infinite timestamps');
  }
  const a = splitTimestamp(left);
  const b = splitTimestamp(right);
  const total = (a.days - b.days) * microsPerDay + (a.micros - b.micros);
  if (Number.isSafeInteger(total)) {
    const days = Math.trunc(total / microsPerDay);
    return makeInterval(0, days, total - days * microsPerDay);
  }
  const exact = BigInt(left) - BigInt(right);
  return makeInterval(0, Number(exact / BigInt(microsPerDay)), Number(exact % BigInt(microsPerDay)));
}

function checkDate(days: number): number {
  if (days < dateMin || days > dateMax) throw new AlopexError('datetime_field_overflow', 'date out of range');
  return days;
}

function addDays(days: number, count: number): number {
  return isInfiniteDate(days) ? days : checkDate(days + count);
}

function subtractDates(left: number, right: number): number {
  if (isInfiniteDate(left) || isInfiniteDate(right)) {
    throw new AlopexError('datetime_field_overflow', 'cannot subtract infinite dates');
  }
  return left - right;
}

function wrapTime(micros: number): number {
  return ((micros % microsPerDay) + microsPerDay) % microsPerDay;
}

function dateAndTime(days: number, time: number): Moment {
  if (isInfiniteDate(days)) return dateToTimestamp(days);
  return checkTimestamp(addMicros(dateToTimestamp(days), time));
}

function divideInterval(value: Interval, divisor: number): Interval {
  if (divisor === 0) throw divisionByZero();
  return spread(value.months / divisor, value.days / divisor, value.microseconds / divisor);
}

/** 30-day months out of days; both parts get the same sign. */
function justifyDays(value: Interval): Interval {
  const months = Math.trunc(value.days / 30);
  let total = value.months + months;
  let days = value.days - months * 30;
  if (total > 0 && days < 0) {
    days += 30;
    total--;
  } else if (total < 0 && days > 0) {
    days -= 30;
    total++;
  }
  return makeInterval(total, days, value.microseconds);
}

function justifyHours(value: Interval): Interval {
  const whole = Math.trunc(value.microseconds / microsPerDay);
  let micros = value.microseconds - whole * microsPerDay;
  let days = value.days + whole;
  if (days > 0 && micros < 0) {
    micros += microsPerDay;
    days--;
  } else if (days < 0 && micros > 0) {
    micros -= microsPerDay;
    days++;
  }
  return makeInterval(value.months, days, micros);
}

function justifyInterval(value: Interval): Interval {
  const whole = Math.trunc(value.microseconds / microsPerDay);
  let micros = value.microseconds - whole * microsPerDay;
  const dayTotal = value.days + whole;
  const wholeMonths = Math.trunc(dayTotal / 30);
  let days = dayTotal - wholeMonths * 30;
  let months = value.months + wholeMonths;
  if (months > 0 && (days < 0 || (days === 0 && micros < 0))) {
    days += 30;
    months--;
  } else if (months < 0 && (days > 0 || (days === 0 && micros > 0))) {
    days -= 30;
    months++;
  }
  if (days > 0 && micros < 0) {
    micros += microsPerDay;
    days--;
  } else if (days < 0 && micros > 0) {
    micros -= microsPerDay;
    days++;
  }
  return makeInterval(months, days, micros);
}

const larger = (left: Moment, right: Moment) => (left > right ? left : right);
const smaller = (left: Moment, right: Moment) => (left < right ? left : right);

export const timeArithmetic: Implementations = {
  ...pure({
    date_pli: addDays,
    date_mii: (days: number, count: number) => addDays(days, -count),
    'integer_pl_date(int4,date)': (count: number, days: number) => addDays(days, count),
    date_mi: subtractDates,
    date_pl_interval: (days: number, interval: Interval) => addToTimestamp(dateToTimestamp(days), interval),
    date_mi_interval: (days: number, interval: Interval) =>
      addToTimestamp(dateToTimestamp(days), negateInterval(interval)),
    'interval_pl_date(interval,date)': (interval: Interval, days: number) =>
      addToTimestamp(dateToTimestamp(days), interval),
    datetime_timestamp: dateAndTime,
    'timedate_pl(time,date)': (time: number, days: number) => dateAndTime(days, time),
    time_mi_time: (left: number, right: number) => makeInterval(0, 0, left - right),
    time_pl_interval: (time: number, interval: Interval) =>
      wrapTime(time + (interval.microseconds % microsPerDay)),
    time_mi_interval: (time: number, interval: Interval) =>
      wrapTime(time - (interval.microseconds % microsPerDay)),
    'interval_pl_time(interval,time)': (interval: Interval, time: number) =>
      wrapTime(time + (interval.microseconds % microsPerDay)),
    timestamp_mi: subtractTimestamps,
    timestamp_pl_interval: addToTimestamp,
    timestamp_mi_interval: (value: Moment, interval: Interval) =>
      addToTimestamp(value, negateInterval(interval)),
    'interval_pl_timestamp(interval,timestamp)': (interval: Interval, value: Moment) =>
      addToTimestamp(value, interval),
    interval_pl: addIntervals,
    interval_mi: (left: Interval, right: Interval) => addIntervals(left, negateInterval(right)),
    interval_um: negateInterval,
    interval_mul: scaleInterval,
    mul_d_interval: (factor: number, value: Interval) => scaleInterval(value, factor),
    interval_div: divideInterval,
    interval_justify_days: justifyDays,
    interval_justify_hours: justifyHours,
    interval_justify_interval: justifyInterval,
    interval_larger: (left: Interval, right: Interval) =>
      intervalSpan(left) > intervalSpan(right) ? left : right,
    interval_smaller: (left: Interval, right: Interval) =>
      intervalSpan(left) < intervalSpan(right) ? left : right,
    date_larger: larger,
    date_smaller: smaller,
    time_larger: larger,
    time_smaller: smaller,
    timestamp_larger: larger,
    timestamp_smaller: smaller,
    date_finite: (days: number) => !isInfiniteDate(days),
    timestamp_finite: (value: Moment) => !isInfiniteTimestamp(value),
    interval_finite: () => true,
  }),
  ...contextual({
    timestamptz_pl_interval: (context: FunctionContext, value: Moment, interval: Interval) =>
      addToTimestamptz(value, interval, timeZone(context.timeZone)),
    timestamptz_mi_interval: (context: FunctionContext, value: Moment, interval: Interval) =>
      addToTimestamptz(value, negateInterval(interval), timeZone(context.timeZone)),
    'interval_pl_timestamptz(interval,timestamptz)': (
      context: FunctionContext,
      interval: Interval,
      value: Moment,
    ) => addToTimestamptz(value, interval, timeZone(context.timeZone)),
  }),
};
