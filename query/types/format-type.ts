import { findType, isArrayType } from './registry.ts';
import type { SqlType } from './type.ts';
import { oids } from './type.ts';

const sqlNames: Readonly<Record<number, string>> = {
  [oids.bool]: 'boolean',
  [oids.char]: '"char"',
  [oids.int8]: 'bigint',
  [oids.int2]: 'smallint',
  [oids.int4]: 'integer',
  [oids.float4]: 'real',
  [oids.float8]: 'double precision',
  [oids.any]: '"any"',
};

/** format_type: the SQL name of a type with its modifier, as in messages and `\d`. */
export function formatType(type: SqlType): string {
  const info = findType(type.oid);
  if (info === undefined) return type.oid === 0 ? '-' : '???';
  if (isArrayType(type.oid)) return `${formatType({ oid: info.element, modifier: type.modifier })}[]`;
  const { modifier } = type;
  switch (type.oid) {
    case oids.bpchar:
      return modifier < 4 ? 'character' : `character(${modifier - 4})`;
    case oids.varchar:
      return modifier < 4 ? 'character varying' : `character varying(${modifier - 4})`;
    case oids.numeric:
      return modifier < 4 ? 'numeric' : `numeric(${numericPrecision(modifier)},${numericScale(modifier)})`;
    case oids.time:
      return `time${precision(modifier)} without time zone`;
    case oids.timetz:
      return `time${precision(modifier)} with time zone`;
    case oids.timestamp:
      return `timestamp${precision(modifier)} without time zone`;
    case oids.timestamptz:
      return `timestamp${precision(modifier)} with time zone`;
    case oids.interval:
      return modifier < 0 ? 'interval' : `interval${intervalModifier(modifier)}`;
    case oids.vector:
      return modifier < 0 ? 'vector' : `vector(${modifier})`;
    default:
      return sqlNames[type.oid] ?? info.name;
  }
}

function precision(modifier: number): string {
  return modifier < 0 ? '' : `(${modifier})`;
}

export function numericPrecision(modifier: number): number {
  return ((modifier - 4) >> 16) & 0xffff;
}

/** Eleven bits, signed. */
export function numericScale(modifier: number): number {
  return (((modifier - 4) & 0x7ff) ^ 1024) - 1024;
}

/** Fields of an interval's modifier: bit numbers of year, month, day, hour, minute, second. */
const intervalBits = { year: 4, month: 2, day: 8, hour: 1024, minute: 2048, second: 4096 } as const;
export const intervalFullRange = 0x7fff;
export const intervalFullPrecision = 0xffff;

const intervalRanges: ReadonlyMap<number, string> = makeIntervalRanges();

function makeIntervalRanges(): Map<number, string> {
  const fields = Object.entries(intervalBits);
  const ranges = new Map<number, string>([[intervalFullRange, '']]);
  for (let from = 0; from < fields.length; from++) {
    let mask = 0;
    for (let to = from; to < fields.length; to++) {
      mask |= fields[to]![1];
      const name = from === to ? fields[from]![0] : `${fields[from]![0]} to ${fields[to]![0]}`;
      ranges.set(mask, ` ${name}`);
    }
  }
  return ranges;
}

function intervalModifier(modifier: number): string {
  const digits = modifier & intervalFullPrecision;
  const range = intervalRanges.get((modifier >> 16) & intervalFullRange) ?? '';
  return digits === intervalFullPrecision ? range : `${range}(${digits})`;
}

/** The finest field that an interval's modifier keeps. */
export function intervalFinestField(modifier: number): keyof typeof intervalBits {
  const range = (modifier >> 16) & intervalFullRange;
  if (range === intervalFullRange) return 'second';
  for (const field of ['second', 'minute', 'hour', 'day', 'month'] as const) {
    if (range & intervalBits[field]) return field;
  }
  return 'year';
}
