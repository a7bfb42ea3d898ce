import type { Interval } from '../../../base/values/datum.ts';
import type { CivilDate } from './calendar.ts';
import {
  civilFromDays,
  civilFromTimestamp,
  clockFromMicros,
  dateInfinity,
  dateNegativeInfinity,
  dayOfWeek,
  infinity,
  negativeInfinity,
  splitTimestamp,
} from './calendar.ts';
import { formatOffset, offsetOf, timeZone, toLocal, zoneAbbreviation } from './zone.ts';

type Style = 'ISO' | 'SQL' | 'Postgres' | 'German';
const dayNames = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const monthNames = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function styleOf(dateStyle: string): { readonly style: Style; readonly isDayFirst: boolean } {
  const style = (['SQL', 'Postgres', 'German'] as const).find((name) =>
    dateStyle.toLowerCase().includes(name.toLowerCase()),
  );
  return { style: style ?? 'ISO', isDayFirst: /dmy/i.test(dateStyle) };
}

function pad(value: number, width = 2): string {
  return String(value).padStart(width, '0');
}

function formatCivil(date: CivilDate, dateStyle: string): string {
  const { style, isDayFirst } = styleOf(dateStyle);
  const year = pad(date.year > 0 ? date.year : 1 - date.year, 4);
  const month = pad(date.month);
  const day = pad(date.day);
  switch (style) {
    case 'ISO':
      return `${year}-${month}-${day}`;
    case 'SQL':
      return isDayFirst ? `${day}/${month}/${year}` : `${month}/${day}/${year}`;
    case 'German':
      return `${day}.${month}.${year}`;
    case 'Postgres':
      return isDayFirst ? `${day}-${month}-${year}` : `${month}-${day}-${year}`;
  }
}

export function formatDate(days: number, dateStyle: string): string {
  if (days === dateInfinity) return 'infinity';
  if (days === dateNegativeInfinity) return '-infinity';
  const date = civilFromDays(days);
  return formatCivil(date, dateStyle) + (date.year > 0 ? '' : ' BC');
}

/** `04:05:06.789`; zeros at the end of the fraction are not shown. */
export function formatTime(micros: number | bigint): string {
  const clock = clockFromMicros(Number(micros));
  return `${pad(clock.hour)}:${pad(clock.minute)}:${pad(clock.second)}${fraction(clock.micros)}`;
}

function fraction(micros: number): string {
  return micros === 0 ? '' : `.${pad(micros, 6).replace(/0+$/, '')}`;
}

export function formatTimestamp(value: number | bigint, dateStyle: string): string {
  return specialTimestamp(value) ?? formatLocal(value, dateStyle, null);
}

export function formatTimestamptz(value: number | bigint, dateStyle: string, zoneName: string): string {
  const special = specialTimestamp(value);
  if (special !== null) return special;
  const zone = timeZone(zoneName);
  const { style } = styleOf(dateStyle);
  const offset = offsetOf(value, zone);
  const suffix = style === 'ISO' ? formatOffset(offset) : ` ${zoneAbbreviation(zone, value)}`;
  return formatLocal(toLocal(value, zone), dateStyle, suffix);
}

function specialTimestamp(value: number | bigint): string | null {
  if (value === infinity) return 'infinity';
  return value === negativeInfinity ? '-infinity' : null;
}

function formatLocal(value: number | bigint, dateStyle: string, zone: string | null): string {
  const civil = civilFromTimestamp(value);
  const clock = formatTime(splitTimestamp(value).micros);
  const { style, isDayFirst } = styleOf(dateStyle);
  const era = civil.year > 0 ? '' : ' BC';
  if (style !== 'Postgres') return `${formatCivil(civil, dateStyle)} ${clock}${zone ?? ''}${era}`;
  const day = pad(civil.day);
  const month = monthNames[civil.month - 1];
  const weekday = dayNames[dayOfWeek(splitTimestamp(value).days)];
  const year = pad(civil.year > 0 ? civil.year : 1 - civil.year, 4);
  return `${weekday} ${isDayFirst ? `${day} ${month}` : `${month} ${day}`} ${clock} ${year}${zone ?? ''}${era}`;
}

/** ISO 8601 as JSON wants it: `2024-01-02T03:04:05+00:00`. */
export function formatJsonTimestamp(text: string): string {
  const [date = '', clock] = text.split(' ');
  if (clock === undefined) return text;
  const era = text.endsWith(' BC') ? ' BC' : '';
  return `${date}T${clock.replace(/([+-]\d\d)$/, '$1:00')}${era}`;
}

export function formatInterval(value: Interval, intervalStyle: string): string {
  switch (intervalStyle) {
    case 'iso_8601':
      return formatIso(value);
    case 'sql_standard':
      return formatSqlStandard(value);
    case 'postgres_verbose':
      return formatVerbose(value);
    default:
      return formatPostgres(value);
  }
}

type Parts = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly micros: number;
  readonly isNegativeTime: boolean;
};

function partsOf(value: Interval): Parts {
  const magnitude = Math.abs(value.microseconds);
  const clock = clockFromMicros(magnitude);
  return {
    year: Math.trunc(value.months / 12),
    month: value.months % 12,
    day: value.days,
    ...clock,
    isNegativeTime: value.microseconds < 0,
  };
}

function clockText(parts: Parts): string {
  return `${pad(parts.hour)}:${pad(parts.minute)}:${pad(parts.second)}${fraction(parts.micros)}`;
}

/** A positive part after a negative one shows its sign. */
function formatPostgres(value: Interval): string {
  const parts = partsOf(value);
  let text = '';
  let isAfterNegative = false;
  for (const [amount, unit] of [
    [parts.year, 'year'],
    [parts.month, 'mon'],
    [parts.day, 'day'],
  ] as const) {
    if (amount === 0) continue;
    const sign = isAfterNegative && amount > 0 ? '+' : '';
    text += `${text === '' ? '' : ' '}${sign}${amount} ${unit}${amount === 1 ? '' : 's'}`;
    isAfterNegative = amount < 0;
  }
  if (text !== '' && value.microseconds === 0) return text;
  const sign = parts.isNegativeTime ? '-' : isAfterNegative ? '+' : '';
  return `${text}${text === '' ? '' : ' '}${sign}${clockText(parts)}`;
}

function formatIso(value: Interval): string {
  const parts = partsOf(value);
  const sign = parts.isNegativeTime ? '-' : '';
  let text = 'P';
  if (parts.year !== 0) text += `${parts.year}Y`;
  if (parts.month !== 0) text += `${parts.month}M`;
  if (parts.day !== 0) text += `${parts.day}D`;
  if (value.microseconds !== 0) {
    text += 'T';
    if (parts.hour !== 0) text += `${sign}${parts.hour}H`;
    if (parts.minute !== 0) text += `${sign}${parts.minute}M`;
    if (parts.second !== 0 || parts.micros !== 0) text += `${sign}${parts.second}${fraction(parts.micros)}S`;
  }
  return text === 'P' ? 'PT0S' : text;
}

function formatSqlStandard(value: Interval): string {
  const parts = partsOf(value);
  const isNegative = value.months < 0 || value.days < 0 || value.microseconds < 0;
  const isPositive = value.months > 0 || value.days > 0 || value.microseconds > 0;
  const hasMonths = value.months !== 0;
  const hasTime = value.days !== 0 || value.microseconds !== 0;
  if (!isNegative && !isPositive) return '0';
  const clock = clockText(parts).replace(/^0(\d:)/, '$1');
  if ((isNegative && isPositive) || (hasMonths && hasTime)) {
    const sign = (negative: boolean) => (negative ? '-' : '+');
    const months = `${sign(value.months < 0)}${Math.abs(parts.year)}-${Math.abs(parts.month)}`;
    return `${months} ${sign(value.days < 0)}${Math.abs(parts.day)} ${sign(parts.isNegativeTime)}${clock}`;
  }
  const sign = isNegative ? '-' : '';
  if (hasMonths) return `${sign}${Math.abs(parts.year)}-${Math.abs(parts.month)}`;
  return value.days !== 0 ? `${sign}${Math.abs(parts.day)} ${clock}` : `${sign}${clock}`;
}

/** `@ 1 year 2 mons ago`: the first part decides the sign of all. */
function formatVerbose(value: Interval): string {
  const parts = partsOf(value);
  const timeSign = parts.isNegativeTime ? -1 : 1;
  const fields: [number, string][] = [
    [parts.year, 'year'],
    [parts.month, 'mon'],
    [parts.day, 'day'],
    [parts.hour * timeSign, 'hour'],
    [parts.minute * timeSign, 'min'],
  ];
  const first = fields.find(([amount]) => amount !== 0);
  const isAgo = first === undefined ? parts.isNegativeTime : first[0] < 0;
  const sign = isAgo ? -1 : 1;
  let text = '@';
  for (const [amount, unit] of fields) {
    if (amount !== 0) text += ` ${amount * sign} ${unit}${amount * sign === 1 ? '' : 's'}`;
  }
  if (parts.second !== 0 || parts.micros !== 0) {
    const minus = timeSign * sign < 0 ? '-' : '';
    const plural = parts.second === 1 && parts.micros === 0 ? '' : 's';
    text += ` ${minus}${parts.second}${fraction(parts.micros)} sec${plural}`;
  }
  if (text === '@') return '@ 0';
  return isAgo ? `${text} ago` : text;
}
