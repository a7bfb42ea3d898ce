import { AlopexError } from '../../../base/errors.ts';
import type { Interval } from '../../../base/values/datum.ts';
import { intervalSpan } from '../compare.ts';
import type { FunctionContext } from '../function.ts';
import { invalidParameter } from '../problems.ts';
import {
  checkTimestamp,
  dateMax,
  dateMin,
  daysFromCivil,
  daysInMonth,
  infinity,
  isInfiniteTimestamp,
  joinTimestamp,
  microsPerDay,
  negativeInfinity,
  splitTimestamp,
} from '../time/calendar.ts';
import { formatTimestamptz } from '../time/format.ts';
import type { TimeZone } from '../time/zone.ts';
import { fixedZone, fromLocal, timeZone, toLocal } from '../time/zone.ts';
import { oids } from '../type.ts';
import { dateToTimestamp } from './casts.ts';
import type { Implementations } from './define.ts';
import { contextual, pure } from './define.ts';
import { addToTimestamp, makeInterval } from './time-arithmetic.ts';
import {
  ageBetween,
  asFloat,
  extractFromDate,
  extractFromInterval,
  extractFromTime,
  extractFromTimestamp,
  truncateInterval,
  truncateTimestamp,
  truncateTimestamptz,
} from './time-fields.ts';

type Moment = number | bigint;

const sessionZone = (context: FunctionContext): TimeZone => timeZone(context.timeZone);

function fieldOutOfRange(what: string): AlopexError {
  return new AlopexError('datetime_field_overflow', `${what} field value out of range`);
}

function makeDate(year: number, month: number, day: number): number {
  const shown = `${String(Math.abs(year)).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}`;
  const problem = (what: string) =>
    new AlopexError('datetime_field_overflow', `date ${what}: ${year < 0 ? '-' : ''}${shown}`);
  const civil = year < 0 ? year + 1 : year;
  if (year === 0 || month < 1 || month > 12 || day < 1 || day > daysInMonth(civil, month)) {
    throw problem('field value out of range');
  }
  const days = daysFromCivil(civil, month, day);
  if (days < dateMin || days > dateMax) throw problem('out of range');
  return days;
}

function makeTime(hour: number, minute: number, second: number): number {
  const micros = hour * 3_600_000_000 + minute * 60_000_000 + Math.round(second * 1_000_000);
  const isValid =
    hour >= 0 && minute >= 0 && minute < 60 && second >= 0 && second <= 60 && micros <= microsPerDay;
  if (!isValid) throw fieldOutOfRange('time');
  return micros;
}

function makeTimestamp(
  year: number,
  month: number,
  day: number,
  hour: number,
  minute: number,
  second: number,
): Moment {
  return checkTimestamp(joinTimestamp(makeDate(year, month, day), makeTime(hour, minute, second)));
}

function fromEpoch(seconds: number): Moment {
  if (Number.isNaN(seconds)) throw new AlopexError('datetime_field_overflow', 'timestamp cannot be NaN');
  if (!Number.isFinite(seconds)) return seconds > 0 ? infinity : negativeInfinity;
  const micros = Math.round(seconds * 1_000_000);
  if (Number.isSafeInteger(micros)) return micros;
  if (Math.abs(seconds) > 1e13) {
    throw new AlopexError('datetime_field_overflow', `timestamp out of range: "${seconds}"`);
  }
  return checkTimestamp(BigInt(Math.trunc(seconds)) * 1_000_000n);
}

function intervalZone(offset: Interval): TimeZone {
  if (offset.months !== 0 || offset.days !== 0) {
    throw invalidParameter('interval time zone must not include months or days');
  }
  return fixedZone(Math.trunc(offset.microseconds / 1_000_000), '');
}

const toZone = (value: Moment, zone: TimeZone) => (isInfiniteTimestamp(value) ? value : toLocal(value, zone));
const fromZone = (value: Moment, zone: TimeZone) =>
  isInfiniteTimestamp(value) ? value : checkTimestamp(fromLocal(value, zone));

/** The start of the stride, counted from the origin, that a moment falls into. */
function bin(stride: Interval, value: Moment, origin: Moment): Moment {
  if (stride.months !== 0) {
    throw new AlopexError(
      'feature_not_supported',
      'timestamps cannot be binned into intervals containing months or years',
    );
  }
  if (isInfiniteTimestamp(value)) return value;
  if (isInfiniteTimestamp(origin)) throw new AlopexError('datetime_field_overflow', 'origin out of range');
  const span = BigInt(intervalSpan(stride));
  if (span <= 0n) throw new AlopexError('datetime_field_overflow', 'stride must be greater than zero');
  const offset = BigInt(value) - BigInt(origin);
  const remainder = ((offset % span) + span) % span;
  return checkTimestamp(BigInt(value) - remainder);
}

function overlaps(
  start1: Moment | null,
  end1: Moment | null,
  start2: Moment | null,
  end2: Moment | null,
): boolean | null {
  if (start1 === null || end1 === null || start2 === null || end2 === null) return null;
  const [from1, to1] = start1 <= end1 ? [start1, end1] : [end1, start1];
  const [from2, to2] = start2 <= end2 ? [start2, end2] : [end2, start2];
  if (from1 === from2) return true;
  return from1 < from2 ? from2 < to1 : from1 < to2;
}

export const timeFunctions: Implementations = {
  ...pure({
    make_date: makeDate,
    make_time: makeTime,
    make_timestamp: makeTimestamp,
    make_interval: (years = 0, months = 0, weeks = 0, days = 0, hours = 0, minutes = 0, seconds = 0) =>
      makeInterval(
        years * 12 + months,
        weeks * 7 + days,
        hours * 3_600_000_000 + minutes * 60_000_000 + Math.round(seconds * 1_000_000),
      ),
    float8_timestamptz: fromEpoch,
    extract_date: (field: string, days: number) => extractFromDate(field, days, oids.date),
    extract_time: (field: string, micros: number) => extractFromTime(field, micros, oids.time),
    extract_timestamp: (field: string, value: Moment) =>
      extractFromTimestamp(field, value, null, oids.timestamp),
    extract_interval: (field: string, value: Interval) => extractFromInterval(field, value, oids.interval),
    'date_part(text,date)': (field: string, days: number) =>
      asFloat(extractFromTimestamp(field, dateToTimestamp(days), null, oids.timestamp)),
    time_part: (field: string, micros: number) => asFloat(extractFromTime(field, micros, oids.time)),
    timestamp_part: (field: string, value: Moment) =>
      asFloat(extractFromTimestamp(field, value, null, oids.timestamp)),
    interval_part: (field: string, value: Interval) =>
      asFloat(extractFromInterval(field, value, oids.interval)),
    timestamp_trunc: (field: string, value: Moment) => truncateTimestamp(field, value, oids.timestamp),
    interval_trunc: (field: string, value: Interval) => truncateInterval(field, value, oids.interval),
    timestamptz_trunc_zone: (field: string, value: Moment, zone: string) =>
      truncateTimestamptz(field, value, timeZone(zone), oids.timestamptz),
    timestamp_bin: bin,
    timestamptz_bin: bin,
    timestamp_age: ageBetween,
    timestamp_izone: (zone: Interval, value: Moment) => fromZone(value, intervalZone(zone)),
    timestamp_zone: (zone: string, value: Moment) => fromZone(value, timeZone(zone)),
    timestamptz_izone: (zone: Interval, value: Moment) => toZone(value, intervalZone(zone)),
    timestamptz_zone: (zone: string, value: Moment) => toZone(value, timeZone(zone)),
    overlaps_timestamp: overlaps,
    overlaps_time: overlaps,
    'overlaps(timestamp,interval,timestamp,interval)': (
      a: Moment | null,
      b: Interval | null,
      c: Moment | null,
      d: Interval | null,
    ) =>
      overlaps(
        a,
        a === null || b === null ? null : addToTimestamp(a, b),
        c,
        c === null || d === null ? null : addToTimestamp(c, d),
      ),
  }),
  ...contextual({
    now: (context) => context.transactionMicros,
    statement_timestamp: (context) => context.statementMicros,
    clock_timestamp: (context) => context.clockMicros(),
    timeofday: (context) => formatTimestamptz(context.clockMicros(), 'Postgres, MDY', context.timeZone),
    extract_timestamptz: (context, field: string, value: Moment) =>
      extractFromTimestamp(field, value, sessionZone(context), oids.timestamptz),
    timestamptz_part: (context, field: string, value: Moment) =>
      asFloat(extractFromTimestamp(field, value, sessionZone(context), oids.timestamptz)),
    timestamptz_trunc: (context, field: string, value: Moment) =>
      truncateTimestamptz(field, value, sessionZone(context), oids.timestamptz),
    timestamptz_age: (context, later: Moment, earlier: Moment) =>
      ageBetween(toLocal(later, sessionZone(context)), toLocal(earlier, sessionZone(context))),
    'age(timestamp)': (context, value: Moment) => ageBetween(today(context), value),
    'age(timestamptz)': (context, value: Moment) =>
      ageBetween(today(context), toLocal(value, sessionZone(context))),
    make_timestamptz: (context, ...fields: [number, number, number, number, number, number]) =>
      fromLocal(makeTimestamp(...fields), sessionZone(context)),
    make_timestamptz_at_timezone: (
      _context,
      year: number,
      month: number,
      day: number,
      hour: number,
      minute: number,
      second: number,
      zone: string,
    ) => fromLocal(makeTimestamp(year, month, day, hour, minute, second), timeZone(zone)),
  }),
};

/** Midnight of the statement's day, local. */
function today(context: FunctionContext): Moment {
  return joinTimestamp(splitTimestamp(toLocal(context.transactionMicros, sessionZone(context))).days, 0);
}
