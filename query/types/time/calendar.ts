import { AlopexError } from '../../../base/errors.ts';
import { narrow } from '../../../base/values/numeric.ts';

/** Gregorian calendar without a break, with the year 0 = 1 BC. Days count from 1970-01-01. */
export const microsPerSecond = 1_000_000;
export const microsPerMinute = 60_000_000;
export const microsPerHour = 3_600_000_000;
export const microsPerDay = 86_400_000_000;

export const infinity = 9_223_372_036_854_775_807n;
export const negativeInfinity = -9_223_372_036_854_775_808n;
export const dateInfinity = 2_147_483_647;
export const dateNegativeInfinity = -2_147_483_648;

/** 4714-11-24 BC, day 0 of the Julian count. */
export const julianOffset = 2_440_588;
export const dateMin = -julianOffset;
/** The last day of 5874897. */
export const dateMax = daysFromCivil(5_874_898, 1, 1) - 1;
const timestampMin: bigint = BigInt(dateMin) * BigInt(microsPerDay);
/** The first moment of 294277: no longer a timestamp. */
const timestampEnd: bigint = BigInt(daysFromCivil(294_277, 1, 1)) * BigInt(microsPerDay);

export type CivilDate = { readonly year: number; readonly month: number; readonly day: number };

/** Days since 1970-01-01 (Hinnant, "chrono-Compatible Low-Level Date Algorithms"). */
export function daysFromCivil(year: number, month: number, day: number): number {
  const shifted = month <= 2 ? year - 1 : year;
  const era = Math.floor(shifted / 400);
  const yearOfEra = shifted - era * 400;
  const dayOfYear = Math.floor((153 * (month + (month > 2 ? -3 : 9)) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

export function civilFromDays(days: number): CivilDate {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra -
      Math.floor(dayOfEra / 1460) +
      Math.floor(dayOfEra / 36_524) -
      Math.floor(dayOfEra / 146_096)) /
      365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const shiftedMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = shiftedMonth + (shiftedMonth < 10 ? 3 : -9);
  return {
    year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0),
    month,
    day: dayOfYear - Math.floor((153 * shiftedMonth + 2) / 5) + 1,
  };
}

function isLeapYear(year: number): boolean {
  return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
}

export function daysInMonth(year: number, month: number): number {
  if (month === 2) return isLeapYear(year) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** 0 Sunday to 6 Saturday. */
export function dayOfWeek(days: number): number {
  return (((days + 4) % 7) + 7) % 7;
}

export function dayOfYear(date: CivilDate): number {
  return daysFromCivil(date.year, date.month, date.day) - daysFromCivil(date.year, 1, 1) + 1;
}

/** ISO 8601: week 1 holds the year's first Thursday. */
export function isoWeek(days: number): { readonly year: number; readonly week: number } {
  const thursday = days - ((dayOfWeek(days) + 6) % 7) + 3;
  const { year } = civilFromDays(thursday);
  return { year, week: Math.floor((thursday - daysFromCivil(year, 1, 1)) / 7) + 1 };
}

export function isInfiniteTimestamp(value: number | bigint): boolean {
  return typeof value === 'bigint' && (value === infinity || value === negativeInfinity);
}

export function isInfiniteDate(value: number): boolean {
  return value === dateInfinity || value === dateNegativeInfinity;
}

/** Whole days since 1970, and microseconds since midnight. */
export function splitTimestamp(value: number | bigint): { readonly days: number; readonly micros: number } {
  if (typeof value === 'number') {
    const days = Math.floor(value / microsPerDay);
    return { days, micros: value - days * microsPerDay };
  }
  const perDay = BigInt(microsPerDay);
  let days = value / perDay;
  if (value % perDay < 0n) days--;
  return { days: Number(days), micros: Number(value - days * perDay) };
}

/** `what` is for the error: timestamps end at 294276 AD. */
export function joinTimestamp(days: number, micros: number, what = 'timestamp'): number | bigint {
  const quick = days * microsPerDay + micros;
  if (Number.isSafeInteger(quick)) return quick;
  return checkTimestamp(BigInt(days) * BigInt(microsPerDay) + BigInt(Math.trunc(micros)), what);
}

export function checkTimestamp(value: number | bigint, what = 'timestamp'): number | bigint {
  if (typeof value === 'number' && Number.isSafeInteger(value)) return value;
  const exact = BigInt(value);
  if (exact < timestampMin || exact >= timestampEnd) throw timestampOutOfRange(what);
  return narrow(exact);
}

function timestampOutOfRange(what = 'timestamp'): AlopexError {
  return new AlopexError('datetime_field_overflow', `${what} out of range`);
}

/** Adds microseconds to a finite timestamp. */
export function addMicros(value: number | bigint, micros: number | bigint): number | bigint {
  if (typeof value === 'number' && typeof micros === 'number') {
    const sum = value + micros;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return checkTimestamp(BigInt(value) + BigInt(micros));
}

/** Civil fields of a finite timestamp without zone. */
export type CivilTime = CivilDate & {
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  /** Microseconds within the second. */
  readonly micros: number;
};

export function civilFromTimestamp(value: number | bigint): CivilTime {
  const { days, micros } = splitTimestamp(value);
  return { ...civilFromDays(days), ...clockFromMicros(micros) };
}

export function clockFromMicros(micros: number): Omit<CivilTime, keyof CivilDate> {
  return {
    hour: Math.floor(micros / microsPerHour),
    minute: Math.floor(micros / microsPerMinute) % 60,
    second: Math.floor(micros / microsPerSecond) % 60,
    micros: micros % microsPerSecond,
  };
}

export function microsFromClock(hour: number, minute: number, second: number, micros: number): number {
  return hour * microsPerHour + minute * microsPerMinute + second * microsPerSecond + micros;
}
