import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError } from '../../../base/errors.ts';
import { Interval } from '../../../base/values/datum.ts';
import { intervalFinestField } from '../format-type.ts';
import type { FunctionContext, TypeCodec } from '../function.ts';
import {
  checkTimestamp,
  dateInfinity,
  dateMax,
  dateMin,
  dateNegativeInfinity,
  isInfiniteDate,
  isInfiniteTimestamp,
  joinTimestamp,
  microsPerDay,
} from '../time/calendar.ts';
import {
  formatDate,
  formatInterval,
  formatTime,
  formatTimestamp,
  formatTimestamptz,
} from '../time/format.ts';
import { parseInterval } from '../time/interval-text.ts';
import type { DateInputContext } from '../time/parse.ts';
import { invalidDatetime, julianDays, momentInfinity, momentLocal, parseMoment } from '../time/parse.ts';
import { fromLocal, timeZone } from '../time/zone.ts';
import { decodeInt4, decodeInt8, encodeInt4, encodeInt8, invalidBinary } from './integer.ts';

/** 2000-01-01: the epoch of PostgreSQL's binary forms. */
const epochDays = 10_957;
const epochMicros = epochDays * microsPerDay;

function parseDate(text: string, context: DateInputContext): number {
  const julian = julianDays(text);
  if (julian !== null) return julian;
  const moment = parseMoment(text, 'date', context);
  if (moment.kind !== 'moment') return moment.kind === 'infinity' ? dateInfinity : dateNegativeInfinity;
  if (moment.days === null) throw invalidDatetime('date', text);
  if (moment.days < dateMin || moment.days > dateMax) {
    throw new AlopexError('datetime_field_overflow', `date out of range: "${text}"`);
  }
  return moment.days;
}

export const dateCodec: TypeCodec = {
  parse: (text, _type, context) => parseDate(text, context),
  format: (value, _type, context) => formatDate(value as number, context.dateStyle),
  decode(bytes) {
    const days = decodeInt4(bytes);
    if (isInfiniteDate(days)) return days;
    if (days + epochDays < dateMin || days + epochDays > dateMax) {
      throw new AlopexError('datetime_field_overflow', 'date out of range');
    }
    return days + epochDays;
  },
  encode: (value) => encodeInt4(isInfiniteDate(value as number) ? value : (value as number) - epochDays),
};

function parseTime(text: string, context: DateInputContext): number {
  const compact = /^\s*(\d{2})(\d{2})(\d{2})?(\.\d+)?\s*$/.exec(text);
  const clock =
    compact === null ? text : `${compact[1]}:${compact[2]}:${compact[3] ?? '00'}${compact[4] ?? ''}`;
  const moment = parseMoment(clock, 'time', context);
  if (moment.kind !== 'moment' || moment.micros === null) throw invalidDatetime('time', text);
  return moment.micros;
}

export const timeCodec: TypeCodec = {
  parse: (text, _type, context) => parseTime(text, context),
  format: (value) => formatTime(value as number),
  decode(bytes) {
    const micros = decodeInt8(bytes);
    if (micros < 0 || micros > microsPerDay) {
      throw new AlopexError('datetime_field_overflow', 'time out of range');
    }
    return micros;
  },
  encode: encodeInt8,
};

function parseTimestamp(text: string, context: DateInputContext): number | bigint {
  const julian = julianDays(text);
  if (julian !== null) return joinTimestamp(julian, 0);
  const moment = parseMoment(text, 'timestamp', context);
  if (moment.kind !== 'moment') return momentInfinity(moment)!;
  if (moment.days === null) throw invalidDatetime('timestamp', text);
  return withText(text, () => checkTimestamp(momentLocal(moment)));
}

export function parseTimestamptz(text: string, context: DateInputContext): number | bigint {
  const moment = parseMoment(text, 'timestamp with time zone', context);
  if (moment.kind !== 'moment') return momentInfinity(moment)!;
  if (moment.days === null) throw invalidDatetime('timestamp with time zone', text);
  return withText(text, () =>
    checkTimestamp(fromLocal(momentLocal(moment), moment.zone ?? timeZone(context.timeZone))),
  );
}

/** Names the text where the moment is out of range. */
function withText(text: string, read: () => number | bigint): number | bigint {
  try {
    return read();
  } catch (error) {
    if (error instanceof AlopexError && error.message === 'timestamp out of range') {
      throw new AlopexError('datetime_field_overflow', `timestamp out of range: "${text}"`);
    }
    throw error;
  }
}

function encodeTimestamp(value: number | bigint): Uint8Array {
  return encodeInt8(isInfiniteTimestamp(value) ? value : subtractEpoch(value));
}

function subtractEpoch(value: number | bigint): number | bigint {
  const quick = Number(value) - epochMicros;
  return Number.isSafeInteger(quick) && typeof value === 'number'
    ? quick
    : BigInt(value) - BigInt(epochMicros);
}

function decodeTimestamp(bytes: Uint8Array): number | bigint {
  const value = decodeInt8(bytes);
  return isInfiniteTimestamp(value) ? value : checkTimestamp(BigInt(value) + BigInt(epochMicros));
}

export const timestampCodec: TypeCodec = {
  parse: (text, _type, context) => parseTimestamp(text, context),
  format: (value, _type, context) => formatTimestamp(value as number | bigint, context.dateStyle),
  decode: decodeTimestamp,
  encode: (value) => encodeTimestamp(value as number | bigint),
};

export const timestamptzCodec: TypeCodec = {
  parse: (text, _type, context) => parseTimestamptz(text, context),
  format: (value, _type, context) => formatTimestamptzIn(value as number | bigint, context),
  decode: decodeTimestamp,
  encode: (value) => encodeTimestamp(value as number | bigint),
};

function formatTimestamptzIn(value: number | bigint, context: FunctionContext): string {
  return formatTimestamptz(value, context.dateStyle, context.timeZone);
}

export const intervalCodec: TypeCodec = {
  parse: (text, type, context) =>
    parseInterval(
      text,
      type.modifier < 0 ? 'second' : intervalFinestField(type.modifier),
      context.intervalStyle,
    ),
  format: (value, _type, context) => formatInterval(value as Interval, context.intervalStyle),
  decode(bytes) {
    const reader = new ByteReader(bytes);
    const micros = reader.int64();
    const days = reader.int32();
    const months = reader.int32();
    if (reader.remaining > 0) throw invalidBinary();
    if (typeof micros === 'bigint') throw new AlopexError('datetime_field_overflow', 'interval out of range');
    return new Interval(months, days, micros);
  },
  encode(value) {
    const interval = value as Interval;
    const writer = new ByteWriter(16);
    writer.int64(interval.microseconds);
    writer.int32(interval.days);
    writer.int32(interval.months);
    return writer.bytes;
  },
};
