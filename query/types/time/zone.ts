import { AlopexError } from '../../../base/errors.ts';
import { daysFromCivil, splitTimestamp } from './calendar.ts';

/**
 * Time zones: names of the IANA database through Intl, abbreviations, and fixed offsets. Offsets are seconds
 * east of UTC. Transitions fall on quarter hours of UTC, so offsets are kept for each quarter.
 */
export type TimeZone = {
  readonly name: string;
  /** Seconds east of UTC at a moment, in seconds since 1970 UTC. */
  offsetAt(seconds: number): number;
};

const quarterSeconds = 900;
const cachedQuartersMax = 20_000;
const zonesMax = 2_000;
/** Intl has no moments beyond; the Gregorian calendar repeats after 400 years. */
const cycleSeconds = 146_097 * 86_400;
const latestSeconds = daysFromCivil(2400, 1, 1) * 86_400;
const earliestSeconds = daysFromCivil(1, 1, 1) * 86_400;

/** PostgreSQL's default abbreviations that stand for one offset, in hours. */
const abbreviations: Readonly<Record<string, number>> = {
  utc: 0,
  gmt: 0,
  z: 0,
  zulu: 0,
  ut: 0,
  uct: 0,
  wet: 0,
  west: 1,
  bst: 1,
  cet: 1,
  cest: 2,
  met: 1,
  mest: 2,
  eet: 2,
  eest: 3,
  msk: 3,
  msd: 4,
  est: -5,
  edt: -4,
  cst: -6,
  cdt: -5,
  mst: -7,
  mdt: -6,
  pst: -8,
  pdt: -7,
  akst: -9,
  akdt: -8,
  hst: -10,
  ast: -4,
  adt: -3,
  nst: -3.5,
  ndt: -2.5,
  jst: 9,
  kst: 9,
  sgt: 8,
  hkt: 8,
  pht: 8,
  ist: 2,
  sast: 2,
  aest: 10,
  aedt: 11,
  acst: 9.5,
  acdt: 10.5,
  awst: 8,
  nzst: 12,
  nzdt: 13,
  brt: -3,
  art: -3,
  clt: -4,
};

const zones = new Map<string, TimeZone | null>();

/** Undefined names give null. Names are as SET TIME ZONE takes them: 'Europe/Rome', 'est', '+02', 'UTC+3'. */
export function findTimeZone(name: string): TimeZone | null {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = makeZone(name);
  if (zones.size >= zonesMax) zones.clear();
  zones.set(name, zone);
  return zone;
}

export function timeZone(name: string): TimeZone {
  const zone = findTimeZone(name);
  if (zone === null) throw new AlopexError('invalid_parameter_value', `time zone "${name}" not recognized`);
  return zone;
}

/** Seconds east of UTC for an abbreviation ('est', 'z'), or null. */
export function abbreviationOffset(name: string): number | null {
  const hours = abbreviations[name.toLowerCase()];
  return hours === undefined ? null : hours * 3600;
}

export function fixedZone(offset: number, name: string): TimeZone {
  return { name, offsetAt: () => offset };
}

/** An abbreviation, and an offset that counts west. */
const posixZone = /^(?:[A-Za-z]{3,}|<[^>]+>)?([+-]?)(\d{1,2})(?::?(\d{2}))?(?::?(\d{2}))?$/;

export function isPosixZone(name: string): boolean {
  return posixZone.test(name);
}

/** `<+05>-05`: what PostgreSQL calls a zone that is given by its seconds east of Greenwich. */
export function zoneOfOffset(seconds: number): string {
  const east = formatOffset(seconds);
  return `<${east}>${seconds < 0 ? '+' : '-'}${east.slice(1)}`;
}

function makeZone(name: string): TimeZone | null {
  const abbreviation = abbreviationOffset(name);
  if (abbreviation !== null) return fixedZone(abbreviation, name);
  const posix = posixZone.exec(name);
  if (posix !== null) {
    const [, sign, hours, minutes = '0', seconds = '0'] = posix;
    const offset = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds);
    return fixedZone(sign === '-' ? offset : 0 - offset, name);
  }
  try {
    return namedZone(name);
  } catch {
    return null;
  }
}

function namedZone(name: string): TimeZone {
  const format = new Intl.DateTimeFormat('en-US', {
    timeZone: name,
    hourCycle: 'h23',
    era: 'short',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  });
  const quarters = new Map<number, number>();
  const offsetAt = (seconds: number): number => {
    const inCycle = withinCycle(seconds);
    const quarter = Math.floor(inCycle / quarterSeconds);
    const known = quarters.get(quarter);
    if (known !== undefined) return known;
    const offset = offsetFromFormat(format, quarter * quarterSeconds);
    if (quarters.size >= cachedQuartersMax) quarters.clear();
    quarters.set(quarter, offset);
    return offset;
  };
  return { name: format.resolvedOptions().timeZone, offsetAt };
}

function withinCycle(seconds: number): number {
  if (seconds >= latestSeconds)
    return seconds - Math.ceil((seconds - latestSeconds + 1) / cycleSeconds) * cycleSeconds;
  if (seconds < earliestSeconds) return earliestSeconds;
  return seconds;
}

function offsetFromFormat(format: Intl.DateTimeFormat, seconds: number): number {
  const fields: Record<string, string> = {};
  for (const part of format.formatToParts(seconds * 1000)) fields[part.type] = part.value;
  const year = fields.era === 'BC' ? 1 - Number(fields.year) : Number(fields.year);
  const days = gregorianDays(year, Number(fields.month), Number(fields.day), seconds);
  const local =
    days * 86_400 + Number(fields.hour) * 3600 + Number(fields.minute) * 60 + Number(fields.second);
  return local - seconds;
}

/** Intl writes dates before 1582-10-15 in the Julian calendar; the day is the one nearest to the moment. */
function gregorianDays(year: number, month: number, day: number, seconds: number): number {
  const days = daysFromCivil(year, month, day);
  const expected = Math.floor(seconds / 86_400);
  if (Math.abs(days - expected) <= 1) return days;
  for (const near of [expected - 1, expected, expected + 1]) {
    if (julianDayOfMonth(near) === day) return near;
  }
  return expected;
}

function julianDayOfMonth(days: number): number {
  const c = days + 2_440_588 + 32_082;
  const d = Math.floor((4 * c + 3) / 1461);
  const e = c - Math.floor((1461 * d) / 4);
  const m = Math.floor((5 * e + 2) / 153);
  return e - Math.floor((153 * m + 2) / 5) + 1;
}

/** The local wall time of a moment, as a timestamp without zone. */
export function toLocal(micros: number | bigint, zone: TimeZone): number | bigint {
  return shift(micros, offsetOf(micros, zone));
}

export function offsetOf(micros: number | bigint, zone: TimeZone): number {
  const { days, micros: rest } = splitTimestamp(micros);
  return zone.offsetAt(days * 86_400 + Math.floor(rest / 1_000_000));
}

/**
 * The moment of a local wall time. As PostgreSQL: a time that a transition skipped is read with the offset
 * before it, and one that occurs twice is read with standard time, the offset after it.
 */
export function fromLocal(micros: number | bigint, zone: TimeZone): number | bigint {
  const { days, micros: rest } = splitTimestamp(micros);
  const local = days * 86_400 + Math.floor(rest / 1_000_000);
  const before = zone.offsetAt(local - 86_400);
  const after = zone.offsetAt(local + 86_400);
  if (before === after && zone.offsetAt(local - before) === before) return shift(micros, -before);
  const fitsAfter = zone.offsetAt(local - after) === after;
  const fitsBefore = zone.offsetAt(local - before) === before;
  if (fitsAfter && fitsBefore) return shift(micros, -Math.min(after, before));
  if (fitsBefore) return shift(micros, -before);
  if (fitsAfter) return shift(micros, -after);
  return shift(micros, -Math.min(before, after));
}

function shift(micros: number | bigint, seconds: number): number | bigint {
  if (typeof micros === 'number') {
    const shifted = micros + seconds * 1_000_000;
    if (Number.isSafeInteger(shifted)) return shifted;
  }
  const exact = BigInt(micros) + BigInt(seconds) * 1_000_000n;
  return exact >= -9007199254740991n && exact <= 9007199254740991n ? Number(exact) : exact;
}

/** `+02`, `-03:30`, `+00:19:32`. */
export function formatOffset(seconds: number): string {
  const magnitude = Math.abs(seconds);
  const pad = (value: number) => String(value).padStart(2, '0');
  let text = `${seconds < 0 ? '-' : '+'}${pad(Math.floor(magnitude / 3600))}`;
  if (magnitude % 3600 !== 0) text += `:${pad(Math.floor(magnitude / 60) % 60)}`;
  if (magnitude % 60 !== 0) text += `:${pad(magnitude % 60)}`;
  return text;
}

/** The abbreviation that `TZ` of to_char prints, where Intl has one; else the offset. */
export function zoneAbbreviation(zone: TimeZone, micros: number | bigint): string {
  const seconds = Number(BigInt(typeof micros === 'bigint' ? micros : Math.floor(micros)) / 1_000_000n);
  if (zone.offsetAt(seconds) === 0 && /^(utc|gmt|etc)/i.test(zone.name)) return 'UTC';
  try {
    const parts = new Intl.DateTimeFormat('en-US', {
      timeZone: zone.name,
      timeZoneName: 'short',
    }).formatToParts(withinCycle(seconds) * 1000);
    const name = parts.find((part) => part.type === 'timeZoneName')?.value ?? '';
    if (/^[A-Z]+$/.test(name)) return name;
  } catch {
    return zone.name.toUpperCase();
  }
  return formatOffset(zone.offsetAt(seconds));
}
