import type { Condition } from '../../../base/errors.ts';
import { AlopexError } from '../../../base/errors.ts';
import { Interval } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { formatType } from '../format-type.ts';
import { divideRounded } from '../numeric/digits.ts';
import { numericToFloat } from '../numeric/text.ts';
import {
  civilFromDays,
  civilFromTimestamp,
  dayOfWeek,
  dayOfYear,
  daysFromCivil,
  daysInMonth,
  infinity,
  isInfiniteTimestamp,
  isoWeek,
  joinTimestamp,
  julianOffset,
  microsFromClock,
  microsPerDay,
  microsPerHour,
  microsPerMinute,
  microsPerSecond,
  splitTimestamp,
} from '../time/calendar.ts';
import { intervalUnit } from '../time/interval-text.ts';
import type { TimeZone } from '../time/zone.ts';
import { fromLocal, offsetOf, toLocal } from '../time/zone.ts';
import { makeInterval } from './time-arithmetic.ts';

type Moment = number | bigint;

/** Names of date_part, date_trunc and extract that are no units of an interval. */
const fieldNames: Readonly<Record<string, string>> = {
  epoch: 'epoch',
  dow: 'dow',
  isodow: 'isodow',
  doy: 'doy',
  quarter: 'quarter',
  qtr: 'quarter',
  isoyear: 'isoyear',
  julian: 'julian',
  j: 'julian',
  jd: 'julian',
  timezone: 'timezone',
  timezone_h: 'timezone_hour',
  timezone_hour: 'timezone_hour',
  timezone_m: 'timezone_minute',
  timezone_minute: 'timezone_minute',
};

function fieldOf(name: string): string | null {
  return fieldNames[name.toLowerCase()] ?? intervalUnit(name);
}

function badField(condition: Condition, verb: string, field: string, type: number): AlopexError {
  return new AlopexError(
    condition,
    `unit "${field.toLowerCase()}" not ${verb} for type ${formatType({ oid: type, modifier: -1 })}`,
  );
}

/** What a field that is not there says: known to SQL, or no field at all. */
function wrongField(name: string, type: number): AlopexError {
  return fieldOf(name) === null
    ? badField('invalid_parameter_value', 'recognized', name, type)
    : badField('feature_not_supported', 'supported', name, type);
}

const whole = (value: number) => Numeric.of(value, 0);

function centuryOf(year: number): number {
  return year > 0 ? Math.floor((year + 99) / 100) : -Math.floor((99 - (year - 1)) / 100);
}

function millenniumOf(year: number): number {
  return year > 0 ? Math.floor((year + 999) / 1000) : -Math.floor((999 - (year - 1)) / 1000);
}

function clockField(field: string, micros: number): Numeric | null {
  switch (field) {
    case 'hour':
      return whole(Math.floor(micros / microsPerHour));
    case 'minute':
      return whole(Math.floor(micros / microsPerMinute) % 60);
    case 'second':
      return Numeric.of(micros % microsPerMinute, 6);
    case 'millisecond':
      return Numeric.of(micros % microsPerMinute, 3);
    case 'microsecond':
      return whole(micros % microsPerMinute);
    default:
      return null;
  }
}

function dateField(field: string, days: number): Numeric | null {
  const date = civilFromDays(days);
  const shownYear = date.year > 0 ? date.year : date.year - 1;
  switch (field) {
    case 'day':
      return whole(date.day);
    case 'month':
      return whole(date.month);
    case 'quarter':
      return whole(Math.floor((date.month - 1) / 3) + 1);
    case 'week':
      return whole(isoWeek(days).week);
    case 'year':
      return whole(shownYear);
    case 'decade':
      return whole(Math.floor(date.year / 10));
    case 'century':
      return whole(centuryOf(date.year));
    case 'millennium':
      return whole(millenniumOf(date.year));
    case 'isoyear': {
      const { year } = isoWeek(days);
      return whole(year > 0 ? year : year - 1);
    }
    case 'dow':
      return whole(dayOfWeek(days));
    case 'isodow':
      return whole(dayOfWeek(days) || 7);
    case 'doy':
      return whole(dayOfYear(date));
    default:
      return null;
  }
}

/** Of an infinite moment: fields that grow are infinite, the rest are null. */
function infiniteField(name: string, value: Moment, type: number): Numeric | null {
  const field = fieldOf(name);
  if (field === null) throw wrongField(name, type);
  const grows = /^(year|decade|century|millennium|julian|isoyear|epoch)$/.test(field);
  if (!grows) return null;
  return value === infinity ? Numeric.infinity : Numeric.negativeInfinity;
}

/** extract() of a timestamp; `zone` null: one without zone. */
export function extractFromTimestamp(
  name: string,
  value: Moment,
  zone: TimeZone | null,
  type: number,
): Numeric | null {
  if (isInfiniteTimestamp(value)) return infiniteField(name, value, type);
  const field = fieldOf(name);
  if (field === 'epoch') return Numeric.of(value, 6);
  const offset = zone === null ? 0 : offsetOf(value, zone);
  if (zone !== null && field === 'timezone') return whole(offset);
  if (zone !== null && field === 'timezone_hour') return whole(Math.trunc(offset / 3600));
  if (zone !== null && field === 'timezone_minute') return whole(Math.trunc(offset / 60) % 60);
  const { days, micros } = splitTimestamp(zone === null ? value : toLocal(value, zone));
  if (field === 'julian') return julianDay(days, micros);
  const found = field === null ? null : (clockField(field, micros) ?? dateField(field, days));
  if (found === null) throw wrongField(name, type);
  return found;
}

function julianDay(days: number, micros: number): Numeric {
  const fraction = micros === 0 ? 0n : divideRounded(BigInt(micros) * 10n ** 20n, BigInt(microsPerDay));
  return Numeric.of(BigInt(days + julianOffset) * 10n ** 20n + fraction, 20);
}

export function extractFromDate(name: string, days: number, type: number): Numeric | null {
  const field = fieldOf(name);
  if (field === 'epoch') return whole(days * 86_400);
  if (field === 'julian') return whole(days + julianOffset);
  const found = field === null ? null : dateField(field, days);
  if (found === null) throw wrongField(name, type);
  return found;
}

export function extractFromTime(name: string, micros: number, type: number): Numeric {
  const field = fieldOf(name);
  if (field === 'epoch') return Numeric.of(micros, 6);
  const found = field === null ? null : clockField(field, micros);
  if (found === null) throw wrongField(name, type);
  return found;
}

export function extractFromInterval(name: string, value: Interval, type: number): Numeric {
  const field = fieldOf(name);
  const years = Math.trunc(value.months / 12);
  const months = value.months % 12;
  switch (field) {
    case 'epoch':
      return intervalEpoch(value);
    case 'day':
      return whole(value.days);
    case 'month':
      return whole(months + 0);
    case 'quarter':
      return whole(Math.trunc(months / 3) + 1);
    case 'year':
      return whole(years + 0);
    case 'decade':
      return whole(Math.trunc(years / 10) + 0);
    case 'century':
      return whole(Math.trunc(years / 100) + 0);
    case 'millennium':
      return whole(Math.trunc(years / 1000) + 0);
    case 'hour':
      return whole(Math.trunc(value.microseconds / microsPerHour) + 0);
    case 'minute':
      return whole((Math.trunc(value.microseconds / microsPerMinute) % 60) + 0);
    case null:
      throw wrongField(name, type);
    default: {
      const found = clockField(field, value.microseconds);
      if (found === null) throw wrongField(name, type);
      return found;
    }
  }
}

/** Years of 365.25 days, months of 30. */
function intervalEpoch(value: Interval): Numeric {
  const years = BigInt(Math.trunc(value.months / 12));
  const months = BigInt(value.months % 12);
  const days = years * 36_525n + months * 3000n + BigInt(value.days) * 100n;
  return Numeric.of(days * 864n * 1_000_000n + BigInt(value.microseconds), 6);
}

export function asFloat(value: Numeric | null): number | null {
  return value === null ? null : numericToFloat(value);
}

/** Cuts a local time to the start of a unit. */
export function truncateTimestamp(name: string, value: Moment, type: number): Moment {
  const unit = fieldOf(name);
  if (isInfiniteTimestamp(value)) return value;
  const { days, micros } = splitTimestamp(value);
  const { year, month } = civilFromDays(days);
  const startOfYear = (first: number) => joinTimestamp(daysFromCivil(first, 1, 1), 0);
  switch (unit) {
    case 'microsecond':
      return value;
    case 'millisecond':
      return joinTimestamp(days, micros - (micros % 1000));
    case 'second':
      return joinTimestamp(days, micros - (micros % microsPerSecond));
    case 'minute':
      return joinTimestamp(days, micros - (micros % microsPerMinute));
    case 'hour':
      return joinTimestamp(days, micros - (micros % microsPerHour));
    case 'day':
      return joinTimestamp(days, 0);
    case 'week':
      return joinTimestamp(days - ((dayOfWeek(days) + 6) % 7), 0);
    case 'month':
      return joinTimestamp(daysFromCivil(year, month, 1), 0);
    case 'quarter':
      return joinTimestamp(daysFromCivil(year, month - ((month - 1) % 3), 1), 0);
    case 'year':
      return startOfYear(year);
    case 'decade':
      return startOfYear(Math.floor(year / 10) * 10);
    case 'century':
      return startOfYear(Math.floor((year - 1) / 100) * 100 + 1);
    case 'millennium':
      return startOfYear(Math.floor((year - 1) / 1000) * 1000 + 1);
    default:
      throw wrongField(name, type);
  }
}

export function truncateTimestamptz(name: string, value: Moment, zone: TimeZone, type: number): Moment {
  if (isInfiniteTimestamp(value)) return truncateTimestamp(name, value, type);
  return fromLocal(truncateTimestamp(name, toLocal(value, zone), type), zone);
}

export function truncateInterval(name: string, value: Interval, type: number): Interval {
  const unit = fieldOf(name);
  const { months, days, microseconds } = value;
  const yearsCut = (size: number) => new Interval(Math.trunc(months / (12 * size)) * 12 * size + 0, 0, 0);
  const clockCut = (size: number) => new Interval(months, days, Math.trunc(microseconds / size) * size + 0);
  switch (unit) {
    case 'microsecond':
      return value;
    case 'millisecond':
      return clockCut(1000);
    case 'second':
      return clockCut(microsPerSecond);
    case 'minute':
      return clockCut(microsPerMinute);
    case 'hour':
      return clockCut(microsPerHour);
    case 'day':
      return new Interval(months, days, 0);
    case 'month':
      return new Interval(months, 0, 0);
    case 'quarter':
      return new Interval(Math.trunc(months / 3) * 3 + 0, 0, 0);
    case 'year':
      return yearsCut(1);
    case 'decade':
      return yearsCut(10);
    case 'century':
      return yearsCut(100);
    case 'millennium':
      return yearsCut(1000);
    case 'week':
      throw wrongField(name, type).with({ detail: 'Months usually have fractional weeks.' });
    default:
      throw wrongField(name, type);
  }
}

/** The difference in years, months and days of the calendar, as age() has it. */
export function ageBetween(later: Moment, earlier: Moment): Interval {
  if (later < earlier) {
    const reversed = ageBetween(earlier, later);
    return makeInterval(-reversed.months, -reversed.days, -reversed.microseconds);
  }
  const a = civilFromTimestamp(later);
  const b = civilFromTimestamp(earlier);
  let months = (a.year - b.year) * 12 + (a.month - b.month);
  let days = a.day - b.day;
  let micros =
    microsFromClock(a.hour, a.minute, a.second, a.micros) -
    microsFromClock(b.hour, b.minute, b.second, b.micros);
  if (micros < 0) {
    micros += microsPerDay;
    days--;
  }
  if (days < 0) {
    days += daysInMonth(b.year, b.month);
    months--;
  }
  return makeInterval(months, days, micros);
}
