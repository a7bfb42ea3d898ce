import { AlopexError } from '../../../base/errors.ts';
import { Interval } from '../../../base/values/datum.ts';
import { microsPerDay, microsPerHour, microsPerMinute, microsPerSecond } from './calendar.ts';

type Unit =
  | 'microsecond'
  | 'millisecond'
  | 'second'
  | 'minute'
  | 'hour'
  | 'day'
  | 'week'
  | 'month'
  | 'year'
  | 'decade'
  | 'century'
  | 'millennium';

const unitNames: Readonly<Record<string, Unit>> = {
  us: 'microsecond',
  usec: 'microsecond',
  usecs: 'microsecond',
  microsecond: 'microsecond',
  microseconds: 'microsecond',
  usecond: 'microsecond',
  useconds: 'microsecond',
  ms: 'millisecond',
  msec: 'millisecond',
  msecs: 'millisecond',
  millisecond: 'millisecond',
  milliseconds: 'millisecond',
  mseconds: 'millisecond',
  s: 'second',
  sec: 'second',
  secs: 'second',
  second: 'second',
  seconds: 'second',
  m: 'minute',
  min: 'minute',
  mins: 'minute',
  minute: 'minute',
  minutes: 'minute',
  h: 'hour',
  hr: 'hour',
  hrs: 'hour',
  hour: 'hour',
  hours: 'hour',
  d: 'day',
  day: 'day',
  days: 'day',
  w: 'week',
  week: 'week',
  weeks: 'week',
  mon: 'month',
  mons: 'month',
  month: 'month',
  months: 'month',
  y: 'year',
  yr: 'year',
  yrs: 'year',
  year: 'year',
  years: 'year',
  decade: 'decade',
  decades: 'decade',
  dec: 'decade',
  decs: 'decade',
  c: 'century',
  cent: 'century',
  century: 'century',
  centuries: 'century',
  mil: 'millennium',
  mils: 'millennium',
  millennium: 'millennium',
  millennia: 'millennium',
};
const monthsOf: Readonly<Partial<Record<Unit, number>>> = {
  month: 1,
  year: 12,
  decade: 120,
  century: 1200,
  millennium: 12_000,
};
const microsOf: Readonly<Partial<Record<Unit, number>>> = {
  microsecond: 1,
  millisecond: 1000,
  second: microsPerSecond,
  minute: microsPerMinute,
  hour: microsPerHour,
};

/** The name of a unit in any spelling and plural ('hrs', 'mons'), or null. */
export function intervalUnit(name: string): Unit | null {
  return unitNames[name.toLowerCase()] ?? null;
}

/** Adds parts; fractions flow down as PostgreSQL has it: years to months, months to days, days to microseconds. */
class IntervalBuilder {
  #months = 0;
  #days = 0;
  #micros = 0;

  add(amount: number, unit: Unit): void {
    const months = monthsOf[unit];
    const whole = Math.trunc(amount);
    const rest = amount - whole;
    if (months === 1) {
      this.#months += whole;
      this.#addDays(rest * 30);
    } else if (months !== undefined) {
      this.#months += whole * months + roundEven(rest * months);
    } else if (unit === 'week') {
      this.#days += whole * 7;
      this.#addDays(rest * 7);
    } else if (unit === 'day') {
      this.#days += whole;
      this.#micros += roundEven(rest * microsPerDay);
    } else {
      this.#micros += whole * microsOf[unit]! + roundEven(rest * microsOf[unit]!);
    }
  }

  #addDays(days: number): void {
    const precise = Math.round(days * 1e9) / 1e9;
    const whole = Math.trunc(precise);
    this.#days += whole;
    this.#micros += roundEven((precise - whole) * microsPerDay);
  }

  addClock(micros: number): void {
    this.#micros += micros;
  }

  build(sign: 1 | -1): Interval | null {
    const months = this.#months * sign + 0;
    const days = this.#days * sign + 0;
    const micros = this.#micros * sign + 0;
    if (Math.abs(months) > 2_147_483_647 || Math.abs(days) > 2_147_483_647) return null;
    return Number.isSafeInteger(micros) ? new Interval(months, days, micros) : null;
  }
}

function roundEven(value: number): number {
  const floor = Math.floor(value);
  const difference = value - floor;
  if (difference === 0.5) return floor % 2 === 0 ? floor : floor + 1;
  return Math.round(value);
}

function intervalOverflow(text: string): AlopexError {
  return new AlopexError('datetime_field_overflow', `interval field value out of range: "${text}"`);
}

function invalid(text: string): AlopexError {
  return new AlopexError('invalid_datetime_format', `invalid input syntax for type interval: "${text}"`);
}

/**
 * interval_in. A number without a unit counts `finest` (seconds, or the finest field of the type's modifier).
 */
export function parseInterval(text: string, finest: Unit = 'second', intervalStyle = 'postgres'): Interval {
  const trimmed = text.trim();
  const value = /^-?P/i.test(trimmed) ? parseIso(trimmed) : parseTraditional(trimmed, finest, intervalStyle);
  if (value === undefined) throw invalid(text);
  if (value === null) throw intervalOverflow(text);
  return value;
}

const isoPart = /([+-]?(?:\d+(?:\.\d*)?|\.\d+))([YMWDHS])/giy;

/** `P1Y2M3DT4H5M6S`, and `P0001-02-03T04:05:06`. */
function parseIso(text: string): Interval | null | undefined {
  const sign = text.startsWith('-') ? -1 : 1;
  const [date = '', clock] = text.slice(sign < 0 ? 2 : 1).split(/T/i);
  const builder = new IntervalBuilder();
  const alternative = /^([+-]?\d+)-(\d+)-(\d+)$/.exec(date);
  if (alternative !== null) {
    builder.add(Number(alternative[1]), 'year');
    builder.add(Number(alternative[2]), 'month');
    builder.add(Number(alternative[3]), 'day');
  } else if (!addIsoParts(builder, date, { Y: 'year', M: 'month', W: 'week', D: 'day' })) return undefined;
  if (clock !== undefined) {
    const colons = parseClock(clock);
    if (colons !== null) builder.addClock(colons);
    else if (!addIsoParts(builder, clock, { H: 'hour', M: 'minute', S: 'second' })) return undefined;
  }
  if (date === '' && (clock === undefined || clock === '')) return undefined;
  return builder.build(sign);
}

function addIsoParts(builder: IntervalBuilder, text: string, units: Readonly<Record<string, Unit>>): boolean {
  isoPart.lastIndex = 0;
  let end = 0;
  for (let match = isoPart.exec(text); match !== null; match = isoPart.exec(text)) {
    const unit = units[match[2]!.toUpperCase()];
    if (unit === undefined) return false;
    builder.add(Number(match[1]), unit);
    end = isoPart.lastIndex;
  }
  return end === text.length;
}

/** `[+-]h:m[:s[.f]]` in microseconds, or null. */
function parseClock(text: string): number | null {
  const match = /^([+-]?)(\d+):(\d+)(?::(\d+))?(?:\.(\d*))?$/.exec(text);
  if (match === null) return null;
  const [, sign, first, second, third, digits] = match;
  const isMinuteSecond = third === undefined && digits !== undefined;
  const fraction = digits === undefined ? 0 : Math.round(Number(`0.${digits}0`) * microsPerSecond);
  const [hour, minute, seconds] = isMinuteSecond
    ? [0, Number(first), Number(second)]
    : [Number(first), Number(second), Number(third ?? 0)];
  if ((!isMinuteSecond && minute > 59) || seconds > 60) return Number.NaN;
  const micros = hour * microsPerHour + minute * microsPerMinute + seconds * microsPerSecond + fraction;
  return sign === '-' ? 0 - micros : micros;
}

const token =
  /\s*(?:(@)|([+-]?\d+-\d+)(?![\d.])|([+-]?\d+:[\d:.]+)|([+-]?(?:\d+(?:\.\d*)?|\.\d+))|([a-z]+))/iy;

type Words = {
  readonly amounts: readonly {
    readonly kind: 'number' | 'unit' | 'clock' | 'months';
    readonly text: string;
  }[];
  readonly isAgo: boolean;
};

function splitWords(text: string): Words | undefined {
  const amounts: { kind: 'number' | 'unit' | 'clock' | 'months'; text: string }[] = [];
  let isAgo = false;
  token.lastIndex = 0;
  let end = 0;
  for (let match = token.exec(text); match !== null; match = token.exec(text)) {
    end = token.lastIndex;
    const [, at, months, clock, number, word] = match;
    if (at !== undefined) continue;
    if (isAgo) return undefined;
    if (word?.toLowerCase() === 'ago') isAgo = true;
    else if (months !== undefined) amounts.push({ kind: 'months', text: months });
    else if (clock !== undefined) amounts.push({ kind: 'clock', text: clock });
    else if (number !== undefined) amounts.push({ kind: 'number', text: number });
    else amounts.push({ kind: 'unit', text: word! });
  }
  return text.slice(end).trim() === '' && amounts.length > 0 ? { amounts, isAgo } : undefined;
}

/** `1 year -2 days 03:04:05`, `1-2 3 4:05:06`, `@ 5 mins ago`. */
function parseTraditional(text: string, finest: Unit, intervalStyle: string): Interval | null | undefined {
  const words = splitWords(text);
  if (words === undefined) return undefined;
  const builder = new IntervalBuilder();
  const isStandardNegative =
    intervalStyle === 'sql_standard' && /^-[^+-]*$/.test(text.replace(/(\d)-(\d)/g, '$1 $2'));
  const sign = (amount: number) => (isStandardNegative && amount > 0 ? -amount : amount);
  const { amounts } = words;
  for (let index = 0; index < amounts.length; index++) {
    const word = amounts[index]!;
    switch (word.kind) {
      case 'clock': {
        const micros = parseClock(word.text);
        if (micros === null) return undefined;
        if (Number.isNaN(micros)) return null;
        builder.addClock(sign(micros));
        break;
      }
      case 'months': {
        const [years, months] = word.text.replace(/^[+-]/, '').split('-').map(Number) as [number, number];
        if (months > 11) return null;
        builder.add(sign(word.text.startsWith('-') ? -(years * 12 + months) : years * 12 + months), 'month');
        break;
      }
      case 'number': {
        const next = amounts[index + 1];
        const unit =
          next?.kind === 'unit' ? intervalUnit(next.text) : next?.kind === 'clock' ? 'day' : finest;
        if (unit === null || next?.kind === 'number') return undefined;
        if (next?.kind === 'unit') index++;
        builder.add(sign(Number(word.text)), unit);
        break;
      }
      case 'unit':
        return undefined;
    }
  }
  return builder.build(words.isAgo ? -1 : 1);
}
