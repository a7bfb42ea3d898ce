import { AlopexError } from '../../../base/errors.ts';
import type { Interval } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import type { FunctionContext } from '../function.ts';
import { numericFromFloat } from '../numeric/text.ts';
import {
  civilFromTimestamp,
  clockFromMicros,
  dayOfWeek,
  dayOfYear,
  daysFromCivil,
  daysInMonth,
  isInfiniteTimestamp,
  isoWeek,
  joinTimestamp,
  julianOffset,
  microsFromClock,
  splitTimestamp,
} from '../time/calendar.ts';
import { formatOffset, fromLocal, offsetOf, timeZone, toLocal, zoneAbbreviation } from '../time/zone.ts';
import type { Implementations } from './define.ts';
import { contextual, pure } from './define.ts';
import { formatNumber, parseNumber } from './number-template.ts';

type Moment = number | bigint;

const monthNames = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];
const dayNames = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const romanMonths = ['I', 'II', 'III', 'IV', 'V', 'VI', 'VII', 'VIII', 'IX', 'X', 'XI', 'XII'];

/** What a template shows. `zone`: offset and name, or empty where the value has none. */
type Shown = {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly micros: number;
  /** Days since 1970; null for an interval. */
  readonly days: number | null;
  readonly offset: number | null;
  readonly zoneName: string;
};

const patterns = [
  'HH24',
  'HH12',
  'HH',
  'MI',
  'SSSSS',
  'SSSS',
  'SS',
  'MS',
  'US',
  'FF1',
  'FF2',
  'FF3',
  'FF4',
  'FF5',
  'FF6',
  'A.M.',
  'P.M.',
  'AM',
  'PM',
  'Y,YYY',
  'YYYY',
  'YYY',
  'YY',
  'Y',
  'IYYY',
  'IYY',
  'IY',
  'IDDD',
  'ID',
  'IW',
  'I',
  'B.C.',
  'A.D.',
  'BC',
  'AD',
  'MONTH',
  'MON',
  'MM',
  'DAY',
  'DY',
  'DDD',
  'DD',
  'D',
  'WW',
  'W',
  'CC',
  'J',
  'Q',
  'RM',
  'TZH',
  'TZM',
  'TZ',
  'OF',
] as const;
type Pattern = (typeof patterns)[number];
type Piece =
  | { readonly kind: 'text'; readonly text: string }
  | {
      readonly kind: 'pattern';
      readonly pattern: Pattern;
      readonly written: string;
      readonly isFill: boolean;
      readonly isOrdinal: boolean;
    };

/** Longer patterns first, so that `MONTH` is not `MON`, then TH. */
function splitTemplate(template: string): readonly Piece[] {
  const pieces: Piece[] = [];
  const sorted = patterns.toSorted((left, right) => right.length - left.length);
  for (let at = 0; at < template.length; ) {
    const quoted = /^"((?:[^"\\]|\\.)*)"?/s.exec(template.slice(at));
    if (quoted !== null) {
      pieces.push({ kind: 'text', text: quoted[1]!.replace(/\\(.)/gs, '$1') });
      at += quoted[0].length;
      continue;
    }
    const prefix = /^(FM|TM|FX)/i.exec(template.slice(at))?.[0] ?? '';
    const rest = template.slice(at + prefix.length);
    const pattern = sorted.find((name) => rest.slice(0, name.length).toUpperCase() === name);
    if (pattern === undefined) {
      pieces.push({ kind: 'text', text: prefix === '' ? template[at]! : '' });
      at += prefix.length || 1;
      continue;
    }
    const written = rest.slice(0, pattern.length);
    const ordinal = /^th/i.exec(rest.slice(pattern.length));
    pieces.push({ kind: 'pattern', pattern, written, isFill: prefix !== '', isOrdinal: ordinal !== null });
    at += prefix.length + pattern.length + (ordinal?.[0].length ?? 0);
  }
  return pieces;
}

/** In the letters of the template: MONTH, Month, month. */
function asWritten(name: string, written: string): string {
  if (written === written.toUpperCase() && written.length > 1 && /[A-Z]/.test(written[1]!))
    return name.toUpperCase();
  return /^[A-Z]/.test(written) ? name : name.toLowerCase();
}

function number(value: number, width: number, isFill: boolean): string {
  const digits = String(Math.abs(value)).padStart(isFill ? 0 : width, '0');
  return value < 0 ? `-${digits}` : digits;
}

function ordinalSuffix(text: string): string {
  const value = Number(text.slice(-2));
  if (value >= 11 && value <= 13) return 'th';
  return ['th', 'st', 'nd', 'rd'][value % 10] ?? 'th';
}

function showPattern(piece: Piece & { readonly kind: 'pattern' }, shown: Shown): string {
  const { pattern, written, isFill } = piece;
  const digits = (value: number, width: number) => number(value, width, isFill);
  const name = (text: string) => (isFill ? asWritten(text, written) : asWritten(text, written).padEnd(9));
  const days = shown.days ?? 0;
  const shownYear = shown.days === null || shown.year > 0 ? shown.year : 1 - shown.year;
  const halfDay = shown.hour % 12 || 12;
  switch (pattern) {
    case 'HH24':
      return digits(shown.hour, 2);
    case 'HH12':
    case 'HH':
      return digits(halfDay, 2);
    case 'MI':
      return digits(shown.minute, 2);
    case 'SS':
      return digits(shown.second, 2);
    case 'SSSS':
    case 'SSSSS':
      return digits(shown.hour * 3600 + shown.minute * 60 + shown.second, 0);
    case 'MS':
      return digits(Math.floor(shown.micros / 1000), 3);
    case 'US':
      return digits(shown.micros, 6);
    case 'FF1':
    case 'FF2':
    case 'FF3':
    case 'FF4':
    case 'FF5':
    case 'FF6':
      return String(shown.micros).padStart(6, '0').slice(0, Number(pattern[2]));
    case 'AM':
    case 'PM':
      return asWritten(shown.hour >= 12 ? 'PM' : 'AM', written);
    case 'A.M.':
    case 'P.M.': {
      const half = shown.hour >= 12 ? 'P.M.' : 'A.M.';
      return /^[A-Z]/.test(written) ? half : half.toLowerCase();
    }
    case 'Y,YYY':
      return `${number(Math.floor(shownYear / 1000), 1, true)},${String(shownYear % 1000).padStart(3, '0')}`;
    case 'YYYY':
      return digits(shownYear, 4);
    case 'YYY':
      return digits(shownYear % 1000, 3);
    case 'YY':
      return digits(shownYear % 100, 2);
    case 'Y':
      return digits(shownYear % 10, 1);
    case 'IYYY':
      return digits(isoWeek(days).year, 4);
    case 'IYY':
      return digits(isoWeek(days).year % 1000, 3);
    case 'IY':
      return digits(isoWeek(days).year % 100, 2);
    case 'I':
      return digits(isoWeek(days).year % 10, 1);
    case 'IDDD':
      return digits((isoWeek(days).week - 1) * 7 + (dayOfWeek(days) || 7), 3);
    case 'ID':
      return digits(dayOfWeek(days) || 7, 1);
    case 'IW':
      return digits(isoWeek(days).week, 2);
    case 'BC':
    case 'AD':
      return asWritten(shown.year > 0 ? 'AD' : 'BC', written);
    case 'B.C.':
    case 'A.D.': {
      const era = shown.year > 0 ? 'A.D.' : 'B.C.';
      return /^[A-Z]/.test(written) ? era : era.toLowerCase();
    }
    case 'MONTH':
      return shown.month === 0 ? '' : name(monthNames[shown.month - 1]!);
    case 'MON':
      return shown.month === 0 ? '' : asWritten(monthNames[shown.month - 1]!.slice(0, 3), written);
    case 'MM':
      return digits(shown.month, 2);
    case 'RM':
      return shown.month === 0
        ? ''
        : asWritten(romanMonths[shown.month - 1]!, written).padEnd(isFill ? 0 : 4);
    case 'DAY':
      return name(dayNames[dayOfWeek(days)]!);
    case 'DY':
      return asWritten(dayNames[dayOfWeek(days)]!.slice(0, 3), written);
    case 'DDD':
      return digits(shown.days === null ? shown.day : dayOfYear(shown), 3);
    case 'DD':
      return digits(shown.day, 2);
    case 'D':
      return digits(dayOfWeek(days) + 1, 1);
    case 'WW':
      return digits(Math.floor((dayOfYear(shown) - 1) / 7) + 1, 2);
    case 'W':
      return digits(Math.floor((shown.day - 1) / 7) + 1, 1);
    case 'CC':
      return digits(shown.year > 0 ? Math.ceil(shown.year / 100) : Math.floor((shown.year - 1) / 100), 2);
    case 'J':
      return digits(days + julianOffset, 0);
    case 'Q':
      return digits(Math.floor((shown.month - 1) / 3) + 1, 1);
    case 'TZH':
      return `${(shown.offset ?? 0) < 0 ? '-' : '+'}${String(Math.floor(Math.abs(shown.offset ?? 0) / 3600)).padStart(2, '0')}`;
    case 'TZM':
      return String(Math.floor(Math.abs(shown.offset ?? 0) / 60) % 60).padStart(2, '0');
    case 'TZ':
      return /^[A-Z]/.test(written) ? shown.zoneName : shown.zoneName.toLowerCase();
    case 'OF':
      return shown.offset === null ? '+00' : formatOffset(shown.offset);
  }
}

function show(template: string, shown: Shown): string {
  return splitTemplate(template)
    .map((piece) => {
      if (piece.kind === 'text') return piece.text;
      const text = showPattern(piece, shown);
      return piece.isOrdinal ? text + ordinalSuffix(text) : text;
    })
    .join('');
}

function showTimestamp(value: Moment, template: string): string | null {
  if (isInfiniteTimestamp(value) || template === '') return null;
  return show(template, {
    ...civilFromTimestamp(value),
    days: splitTimestamp(value).days,
    offset: null,
    zoneName: '',
  });
}

function showTimestamptz(context: FunctionContext, value: Moment, template: string): string | null {
  if (isInfiniteTimestamp(value) || template === '') return null;
  const zone = timeZone(context.timeZone);
  const local = toLocal(value, zone);
  const offset = offsetOf(value, zone);
  const zoneName = zoneAbbreviation(zone, value);
  return show(template, { ...civilFromTimestamp(local), days: splitTimestamp(local).days, offset, zoneName });
}

function showInterval(value: Interval, template: string): string | null {
  if (template === '') return null;
  const sign = value.microseconds < 0 ? -1 : 1;
  const clock = clockFromMicros(Math.abs(value.microseconds));
  return show(template, {
    year: Math.trunc(value.months / 12),
    month: value.months % 12,
    day: value.days,
    hour: clock.hour * sign,
    minute: clock.minute * sign,
    second: clock.second * sign,
    micros: clock.micros * sign,
    days: null,
    offset: null,
    zoneName: '',
  });
}

/** Fields that a template reads; widths are the most digits that each takes. */
const readers: Readonly<Partial<Record<Pattern, { readonly field: string; readonly width: number }>>> = {
  YYYY: { field: 'year', width: 9 },
  YYY: { field: 'shortYear', width: 3 },
  YY: { field: 'shortYear', width: 2 },
  MM: { field: 'month', width: 2 },
  DD: { field: 'day', width: 2 },
  DDD: { field: 'dayOfYear', width: 3 },
  HH24: { field: 'hour', width: 2 },
  HH12: { field: 'hour', width: 2 },
  HH: { field: 'hour', width: 2 },
  MI: { field: 'minute', width: 2 },
  SS: { field: 'second', width: 2 },
  MS: { field: 'millis', width: 3 },
  US: { field: 'micros', width: 6 },
  J: { field: 'julian', width: 9 },
};

type ReadFields = {
  readonly values: Record<string, number>;
  isAfternoon: boolean | null;
  isBC: boolean;
  offset: number | null;
};

function readTemplate(text: string, template: string): ReadFields {
  const read: ReadFields = { values: {}, isAfternoon: null, isBC: false, offset: null };
  const pieces = splitTemplate(template);
  let at = /^\s*/.exec(text)![0].length;
  for (const [index, piece] of pieces.entries()) {
    if (piece.kind === 'text') {
      if (/[\s\W]/.test(piece.text)) at += /^[^A-Za-z0-9]?\s*/.exec(text.slice(at))![0].length;
      else at += piece.text.length;
    } else at += readPattern(piece, pieces[index + 1], text.slice(at), read);
  }
  return read;
}

function readPattern(
  piece: Piece & { readonly kind: 'pattern' },
  next: Piece | undefined,
  rest: string,
  read: ReadFields,
): number {
  const blanks = /^\s*/.exec(rest)![0].length;
  const text = rest.slice(blanks);
  const bad = () =>
    new AlopexError(
      'invalid_datetime_format',
      `invalid value "${text.slice(0, piece.pattern.length)}" for "${piece.written}"`,
      {
        detail: 'Value must be an integer.',
      },
    );
  const reader = readers[piece.pattern];
  if (reader !== undefined) {
    const isBounded = next?.kind === 'pattern' && readers[next.pattern] !== undefined;
    const width = isBounded && piece.pattern === 'YYYY' ? 4 : reader.width;
    const match = new RegExp(`^[+-]?\\d{1,${width}}`).exec(text);
    if (match === null && text === '') return blanks;
    if (match === null) throw bad();
    const isFraction = piece.pattern === 'MS' || piece.pattern === 'US';
    read.values[reader.field] = Number(isFraction ? match[0].padEnd(reader.width, '0') : match[0]);
    return blanks + match[0].length;
  }
  return blanks + readWord(piece.pattern, text, read, bad);
}

function readWord(pattern: Pattern, text: string, read: ReadFields, bad: () => AlopexError): number {
  const word = /^[A-Za-z.]+/.exec(text)?.[0] ?? '';
  switch (pattern) {
    case 'MONTH':
    case 'MON': {
      const month = monthNames.findIndex((name) =>
        word.toLowerCase().startsWith(name.slice(0, 3).toLowerCase()),
      );
      if (month < 0) throw bad();
      read.values.month = month + 1;
      const full = monthNames[month]!;
      const length =
        pattern === 'MONTH' && word.toLowerCase().startsWith(full.toLowerCase()) ? full.length : 3;
      return length;
    }
    case 'DAY':
    case 'DY':
      return word.length;
    case 'AM':
    case 'PM':
    case 'A.M.':
    case 'P.M.':
      read.isAfternoon = /^p/i.test(word);
      return word.length;
    case 'BC':
    case 'AD':
    case 'B.C.':
    case 'A.D.':
      read.isBC = /^b/i.test(word);
      return word.length;
    case 'TZH': {
      const match = /^[+-]?\d{1,2}/.exec(text);
      if (match === null) throw bad();
      read.offset = Number(match[0]) * 3600;
      return match[0].length;
    }
    default:
      throw new AlopexError(
        'feature_not_supported',
        `template pattern "${pattern}" is not supported yet in input`,
      );
  }
}

/** The local moment that a text in the form of a template names. */
function readTimestamp(
  text: string,
  template: string,
): { readonly local: Moment; readonly offset: number | null } {
  const { values, isAfternoon, isBC, offset } = readTemplate(text, template);
  const problem = () =>
    new AlopexError('datetime_field_overflow', `date/time field value out of range: "${text}"`);
  const { month = 1, day = 1, minute = 0, second = 0, millis = 0, micros = 0 } = values;
  const short =
    values.shortYear === undefined ? undefined : values.shortYear + (values.shortYear < 70 ? 2000 : 1900);
  const written = values.year ?? short ?? (isBC ? 1 : 1);
  const year = isBC ? 1 - written : written;
  let hour = values.hour ?? 0;
  if (isAfternoon !== null) hour = (hour % 12) + (isAfternoon ? 12 : 0);
  if (month < 1 || month > 12 || day < 1 || day > daysInMonth(year, month)) throw problem();
  if (hour > 24 || minute > 59 || second > 59) throw problem();
  let days = daysFromCivil(year, month, day);
  if (values.julian !== undefined) days = values.julian - julianOffset;
  else if (values.dayOfYear !== undefined) days = daysFromCivil(year, 1, 1) + values.dayOfYear - 1;
  return {
    local: joinTimestamp(days, microsFromClock(hour, minute, second, millis * 1000 + micros)),
    offset,
  };
}

export const templateFunctions: Implementations = {
  ...pure({
    timestamp_to_char: showTimestamp,
    interval_to_char: showInterval,
    to_date: (text: string, template: string) => splitTimestamp(readTimestamp(text, template).local).days,
    int4_to_char: (value: number, template: string) => formatNumber(Numeric.of(value, 0), template),
    int8_to_char: (value: number | bigint, template: string) => formatNumber(Numeric.of(value, 0), template),
    numeric_to_char: formatNumber,
    float4_to_char: (value: number, template: string) => formatNumber(numericFromFloat(value, 6), template),
    float8_to_char: (value: number, template: string) => formatNumber(numericFromFloat(value, 15), template),
    numeric_to_number: parseNumber,
  }),
  ...contextual({
    timestamptz_to_char: showTimestamptz,
    to_timestamp: (context: FunctionContext, text: string, template: string) => {
      const { local, offset } = readTimestamp(text, template);
      return fromLocal(
        local,
        offset === null ? timeZone(context.timeZone) : { name: '', offsetAt: () => offset },
      );
    },
  }),
};
