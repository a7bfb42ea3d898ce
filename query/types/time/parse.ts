import { AlopexError } from '../../../base/errors.ts';
import {
  daysFromCivil,
  daysInMonth,
  infinity,
  joinTimestamp,
  julianOffset,
  microsFromClock,
  microsPerDay,
  negativeInfinity,
  splitTimestamp,
} from './calendar.ts';
import type { TimeZone } from './zone.ts';
import { abbreviationOffset, findTimeZone, fixedZone, timeZone, toLocal } from './zone.ts';

/** What reading a date asks of its statement: the current time, its zone, the order of day and month. */
export type DateInputContext = {
  readonly transactionMicros: number;
  readonly timeZone: string;
  readonly dateStyle: string;
};

/** A date and time of day as they were written; `zone` null: none was given. */
export type ParsedMoment =
  | { readonly kind: 'infinity' | '-infinity' }
  | {
      readonly kind: 'moment';
      readonly days: number | null;
      readonly micros: number | null;
      readonly zone: TimeZone | null;
    };

const months = ['jan', 'feb', 'mar', 'apr', 'may', 'jun', 'jul', 'aug', 'sep', 'oct', 'nov', 'dec'];
const monthWords = new Map<string, number>();
for (const [index, name] of [
  'january',
  'february',
  'march',
  'april',
  'may',
  'june',
  'july',
  'august',
  'september',
  'october',
  'november',
  'december',
].entries()) {
  monthWords.set(name, index + 1);
  monthWords.set(months[index]!, index + 1);
}
monthWords.set('sept', 9);
const weekdayWords =
  /^(sun|sunday|mon|monday|tue|tues|tuesday|wed|weds|wednesday|thu|thur|thurs|thursday|fri|friday|sat|saturday)$/;

export function invalidDatetime(typeName: string, text: string): AlopexError {
  return new AlopexError('invalid_datetime_format', `invalid input syntax for type ${typeName}: "${text}"`);
}

function fieldOutOfRange(text: string, isDateOrder = false): AlopexError {
  return new AlopexError(
    'datetime_field_overflow',
    `date/time field value out of range: "${text}"`,
    isDateOrder ? { hint: 'Perhaps you need a different "datestyle" setting.' } : {},
  );
}

/** What the reading loop fills in. */
class Fields {
  numbers: { readonly text: string; readonly separator: string }[] = [];
  month: number | null = null;
  days: number | null = null;
  micros: number | null = null;
  zone: TimeZone | null = null;
  isBC = false;
  meridiem: 'am' | 'pm' | null = null;
  special: ParsedMoment | null = null;
}

const tokenPattern =
  /\s*(?:(\d{1,2}:\d{2}(?::\d{2}(?:\.\d*)?)?)|(T)(?=\d)|([+-]\d{1,2}(?::?\d{2}(?::?\d{2})?)?)(?=\s*(?:$|[A-Za-z(\s]))|([A-Za-z_]+(?:\/[A-Za-z_+\-0-9/]+)?)|(\d+(?:\.\d*)?)|([-/.,]))/iy;

/** Reads any form that PostgreSQL's own reader takes: ISO 8601, numbers with separators, month names, words. */
export function parseMoment(text: string, typeName: string, context: DateInputContext): ParsedMoment {
  const fields = new Fields();
  let separator = '';
  tokenPattern.lastIndex = 0;
  let end = 0;
  const trimmed = text.trim();
  if (trimmed === '') throw invalidDatetime(typeName, text);
  if (trimmed.toLowerCase() === '-infinity') return { kind: '-infinity' };
  for (let match = nextToken(trimmed, fields); match !== null; match = nextToken(trimmed, fields)) {
    end = tokenPattern.lastIndex;
    const [, clock, , offset, word, number, punctuation] = match;
    if (clock !== undefined) fields.micros = clockMicros(clock, text);
    else if (offset !== undefined) fields.zone = offsetZone(offset, text);
    else if (word !== undefined) readWord(fields, word, text, typeName, context);
    else if (number !== undefined)
      readNumber(fields, number, separator, text, /^[-/.]/.test(trimmed.slice(end)));
    separator = punctuation ?? '';
  }
  if (trimmed.slice(end).trim() !== '') throw invalidDatetime(typeName, text);
  if (fields.special !== null) return fields.special;
  resolveDate(fields, text, typeName, context);
  applyMeridiem(fields, text);
  return { kind: 'moment', days: fields.days, micros: fields.micros, zone: fields.zone };
}

/** After a time of day, `-05` is an offset; before one, `-05` is a separator and a number. */
function nextToken(text: string, fields: Fields): RegExpExecArray | null {
  const start = tokenPattern.lastIndex;
  const match = tokenPattern.exec(text);
  if (match?.[3] === undefined || fields.micros !== null) return match;
  tokenPattern.lastIndex = start;
  const separator = /\s*([-+])/y;
  separator.lastIndex = start;
  const found = separator.exec(text)!;
  if (found[1] === '+') return null;
  tokenPattern.lastIndex = separator.lastIndex;
  const made = [
    '-',
    undefined,
    undefined,
    undefined,
    undefined,
    undefined,
    '-',
  ] as unknown as RegExpExecArray;
  return made;
}

function clockMicros(text: string, whole: string): number {
  const [clock = '', fraction = ''] = text.split('.');
  const [hour, minute, second = 0] = clock.split(':').map(Number) as [number, number, number?];
  const micros = fraction === '' ? 0 : Math.round(Number(`0.${fraction}`) * 1_000_000);
  const total = microsFromClock(hour, minute, second, micros);
  if (minute > 59 || second > 60 || total > microsPerDay) throw fieldOutOfRange(whole);
  return total;
}

function offsetZone(text: string, whole: string): TimeZone {
  const digits = text.slice(1).replaceAll(':', '');
  const width = digits.length % 2 === 1 ? 1 : 2;
  const hour = Number(digits.slice(0, width));
  const minute = Number(digits.slice(width, width + 2) || 0);
  const second = Number(digits.slice(width + 2, width + 4) || 0);
  if (hour > 15 || minute > 59 || second > 59) {
    throw new AlopexError(
      'invalid_time_zone_displacement_value',
      `time zone displacement out of range: "${whole}"`,
    );
  }
  const offset = hour * 3600 + minute * 60 + second;
  return fixedZone(text.startsWith('-') ? -offset : offset, text);
}

function readNumber(
  fields: Fields,
  number: string,
  separator: string,
  text: string,
  isSeparated: boolean,
): void {
  const [whole = '', fraction] = number.split('.');
  const isCompactTime = fields.days !== null || (fields.numbers.length >= 3 && fields.micros === null);
  if (isCompactTime && fields.micros === null && (whole.length === 6 || whole.length === 4)) {
    const clock = `${whole.slice(0, 2)}:${whole.slice(2, 4)}:${whole.slice(4, 6) || '00'}`;
    fields.micros = clockMicros(fraction === undefined ? clock : `${clock}.${fraction}`, text);
  } else if (
    fields.numbers.length === 0 &&
    fields.month === null &&
    (whole.length === 8 || whole.length === 6) &&
    fields.days === null &&
    !isSeparated
  ) {
    const yearWidth = whole.length - 4;
    const year = yearWidth === 2 ? shortYear(Number(whole.slice(0, 2))) : Number(whole.slice(0, yearWidth));
    fields.days = civilDays(
      year,
      Number(whole.slice(yearWidth, yearWidth + 2)),
      Number(whole.slice(-2)),
      text,
    );
  } else if (fraction !== undefined && fraction !== '') {
    for (const part of [whole, fraction]) fields.numbers.push({ text: part, separator: '.' });
  } else {
    fields.numbers.push({ text: whole, separator });
  }
}

function readWord(
  fields: Fields,
  word: string,
  text: string,
  typeName: string,
  context: DateInputContext,
): void {
  const lower = word.toLowerCase();
  const month = monthWords.get(lower);
  if (month !== undefined && fields.month === null) fields.month = month;
  else if (lower === 'am' || lower === 'pm') fields.meridiem = lower;
  else if (lower === 'bc' || lower === 'ad') fields.isBC = lower === 'bc';
  else if (lower === 't' && (fields.days !== null || fields.numbers.length > 0)) return;
  else if (weekdayWords.test(lower) || lower === 'at' || lower === 'on') return;
  else if (!readSpecial(fields, lower, context)) readZone(fields, word, text, typeName);
}

function readSpecial(fields: Fields, word: string, context: DateInputContext): boolean {
  switch (word) {
    case 'infinity':
      fields.special = { kind: 'infinity' };
      return true;
    case 'epoch':
      fields.special = { kind: 'moment', days: 0, micros: 0, zone: fixedZone(0, 'UTC') };
      return true;
    case 'allballs':
      fields.micros = 0;
      fields.zone = fixedZone(0, 'UTC');
      return true;
    case 'now':
    case 'today':
    case 'tomorrow':
    case 'yesterday': {
      const local = splitTimestamp(toLocal(context.transactionMicros, timeZone(context.timeZone)));
      const shift = word === 'tomorrow' ? 1 : word === 'yesterday' ? -1 : 0;
      fields.days = local.days + shift;
      if (word === 'now') fields.micros = local.micros;
      else fields.micros ??= 0;
      return true;
    }
    default:
      return false;
  }
}

function readZone(fields: Fields, word: string, text: string, typeName: string): void {
  const offset = abbreviationOffset(word);
  if (offset !== null) {
    fields.zone = fixedZone(offset, word);
    return;
  }
  const zone = /^[A-Za-z]+\/|^[A-Za-z]{3,}$/.test(word) ? findTimeZone(word) : null;
  if (zone === null) {
    if (word.includes('/'))
      throw new AlopexError('invalid_parameter_value', `time zone "${word.toLowerCase()}" not recognized`);
    throw invalidDatetime(typeName, text);
  }
  fields.zone = zone;
}

function resolveDate(fields: Fields, text: string, typeName: string, context: DateInputContext): void {
  if (fields.days !== null) {
    if (fields.numbers.length > 0) throw invalidDatetime(typeName, text);
    return;
  }
  const { numbers } = fields;
  if (numbers.length === 0 && fields.month === null) return;
  const wanted = fields.month === null ? 3 : 2;
  if (
    fields.month === null &&
    numbers.length === 2 &&
    numbers[0]!.text.length >= 4 &&
    numbers[1]!.text.length === 3
  ) {
    fields.days = daysFromCivil(Number(numbers[0]!.text), 1, 1) + Number(numbers[1]!.text) - 1;
    return;
  }
  if (numbers.length !== wanted) throw invalidDatetime(typeName, text);
  const { year, month, day } = orderFields(fields, context.dateStyle);
  const isBareYear = year.length <= 2 && !fields.isBC;
  const written = Number(year);
  if (written === 0 && fields.isBC) throw fieldOutOfRange(text);
  const full = isBareYear ? shortYear(written) : fields.isBC ? 1 - written : written;
  if (full === 0 && !isBareYear && !fields.isBC) throw fieldOutOfRange(text);
  fields.days = civilDays(full, month, day, text);
}

function orderFields(
  fields: Fields,
  dateStyle: string,
): { readonly year: string; readonly month: number; readonly day: number } {
  const [first, second, third] = fields.numbers.map((number) => number.text) as [string, string, string];
  if (fields.month !== null) {
    const isYearFirst = first.length > 2 || (/ymd/i.test(dateStyle) && second.length <= 2);
    return isYearFirst
      ? { year: first, month: fields.month, day: Number(second) }
      : { year: second, month: fields.month, day: Number(first) };
  }
  if (first.length > 2 || /ymd/i.test(dateStyle))
    return { year: first, month: Number(second), day: Number(third) };
  if (/dmy/i.test(dateStyle) || /german/i.test(dateStyle)) {
    return { year: third, month: Number(second), day: Number(first) };
  }
  return { year: third, month: Number(first), day: Number(second) };
}

function shortYear(year: number): number {
  return year < 70 ? year + 2000 : year < 100 ? year + 1900 : year;
}

function civilDays(year: number, month: number, day: number, text: string): number {
  if (month < 1 || month > 12 || day < 1 || day > 31) throw fieldOutOfRange(text, true);
  if (day > daysInMonth(year, month)) throw fieldOutOfRange(text);
  return daysFromCivil(year, month, day);
}

function applyMeridiem(fields: Fields, text: string): void {
  if (fields.meridiem === null) return;
  if (fields.micros === null && fields.numbers.length === 1) {
    fields.micros = microsFromClock(Number(fields.numbers[0]!.text), 0, 0, 0);
  }
  if (fields.micros === null) throw fieldOutOfRange(text);
  const hour = Math.floor(fields.micros / 3_600_000_000);
  if (hour > 12) throw fieldOutOfRange(text);
  if (fields.meridiem === 'pm' && hour !== 12) fields.micros += 12 * 3_600_000_000;
  if (fields.meridiem === 'am' && hour === 12) fields.micros -= 12 * 3_600_000_000;
}

/** Julian day numbers, `J2451187`. */
export function julianDays(text: string): number | null {
  const match = /^\s*j(\d+)\s*$/i.exec(text);
  return match === null ? null : Number(match[1]) - julianOffset;
}

export function momentInfinity(moment: ParsedMoment): bigint | null {
  if (moment.kind === 'moment') return null;
  return moment.kind === 'infinity' ? infinity : negativeInfinity;
}

/** Local wall time, without looking at the zone. */
export function momentLocal(moment: ParsedMoment & { readonly kind: 'moment' }): number | bigint {
  return joinTimestamp(moment.days ?? 0, moment.micros ?? 0);
}
