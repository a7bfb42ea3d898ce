import { AlopexError } from '../../base/errors.ts';
import { unreachable } from '../../base/unreachable.ts';
import type { Datum, SqlArray } from '../../base/values/datum.ts';
import { narrow } from '../../base/values/numeric.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { findType, typeInfo } from '../../query/types/registry.ts';
import { oids, type SqlType, type TypeOid } from '../../query/types/type.ts';

/**
 * SQL values as a program sees them:
 *
 * | SQL                        | JavaScript                                                            |
 * |----------------------------|-----------------------------------------------------------------------|
 * | boolean                    | boolean                                                               |
 * | int2, int4, oid, floats    | number                                                                |
 * | int8                       | number where it is a safe integer, else bigint                        |
 * | numeric                    | string: decimal digits, exact                                         |
 * | timestamp, timestamptz     | Date (a timestamp is read as UTC); a string where no Date holds it    |
 * | date, time, interval       | string, as SQL prints it                                              |
 * | json, jsonb                | the parsed value                                                      |
 * | bytea                      | Uint8Array                                                            |
 * | vector                     | Float32Array                                                          |
 * | arrays                     | arrays, nested where they have several dimensions                     |
 * | everything else            | string                                                                |
 *
 * NULL is null. Parameters take the same forms, and text that SQL could read.
 */
export type Value =
  | null
  | boolean
  | number
  | bigint
  | string
  | Date
  | Uint8Array
  | Float32Array
  | readonly Value[]
  | { readonly [key: string]: unknown };

/** Milliseconds either side of 1970 that a Date can hold. */
const dateMsMax = 8.64e15;

/** What turns datums into values; how some are printed is the session's to say. */
export type ValueReader = (datum: Datum, context: FunctionContext) => Value;

/** Of a type's datums: resolved once for a result. */
export function valueReader(type: SqlType): ValueReader {
  const reader = readerOf(type);
  return (datum, context) => (datum === null ? null : reader(datum, context));
}

/** Whether the type's datums, nulls among them, are its values. */
export function isValue({ oid }: SqlType): boolean {
  const form = formOf(oid);
  return form === 'datum' || form === 'text';
}

/** The same for text, the form that the wire brings. */
export function textValueReader(type: SqlType, context: FunctionContext): (text: string) => Value {
  const form = formOf(type.oid);
  if (form === 'text' || form === 'printed') return (text) => text;
  const codec = codecOf(type.oid);
  const reader = readerOf(type);
  return (text) => reader(codec.parse(text, type, context), context);
}

/** How a program sees a type: as its datum, as a copy where it could change it, as its printed form … */
type Form = 'datum' | 'text' | 'copy' | 'json' | 'date' | 'array' | 'printed';

function formOf(oid: TypeOid): Form {
  switch (oid) {
    case oids.bool:
    case oids.int2:
    case oids.int4:
    case oids.int8:
    case oids.oid:
    case oids.float4:
    case oids.float8:
      return 'datum';
    case oids.bytea:
    case oids.vector:
      return 'copy';
    case oids.text:
    case oids.varchar:
    case oids.uuid:
      return 'text';
    case oids.json:
    case oids.jsonb:
      return 'json';
    case oids.timestamp:
    case oids.timestamptz:
      return 'date';
    default:
      return findType(oid)?.physical.kind === 'array' ? 'array' : 'printed';
  }
}

function readerOf(type: SqlType): ValueReader {
  const form = formOf(type.oid);
  const codec = codecOf(type.oid);
  const printed: ValueReader = (datum, context) => codec.format(datum, type, context);
  switch (form) {
    case 'datum':
    case 'text':
      return (datum) => datum as Value;
    case 'copy':
      return (datum) =>
        datum instanceof Float32Array ? new Float32Array(datum) : new Uint8Array(datum as Uint8Array);
    case 'json':
      return (datum) => JSON.parse(datum as string) as Value;
    case 'date':
      return (datum, context) => {
        const ms = Math.floor(Number(datum) / 1000);
        return Math.abs(ms) <= dateMsMax ? new Date(ms) : printed(datum, context);
      };
    case 'array':
      return arrayReader(type);
    case 'printed':
      return printed;
    default:
      return unreachable(form);
  }
}

function arrayReader(type: SqlType): ValueReader {
  const element = valueReader({ oid: typeInfo(type.oid).element, modifier: -1 });
  return (datum, context) => {
    const { items, dimensions } = datum as SqlArray;
    let values: readonly Value[] = items.map((item) => element(item, context));
    for (let depth = dimensions.length - 1; depth > 0; depth--)
      values = chunks(values, dimensions[depth]!.length);
    return values;
  };
}

function chunks(values: readonly Value[], size: number): readonly Value[] {
  const parts: Value[] = [];
  for (let start = 0; start < values.length; start += size) parts.push(values.slice(start, start + size));
  return parts;
}

/** A parameter as a datum of its type. Throws what the type's input throws. */
export function parameterDatum(value: Value | undefined, oid: number, context: FunctionContext): Datum {
  if (value === undefined || value === null) return null;
  const direct = directDatum(value, oid);
  if (direct !== undefined) return direct;
  return codecOf(oid).parse(parameterText(value, oid), { oid, modifier: -1 }, context);
}

/** Values that are datums already; undefined: through text. */
function directDatum(value: NonNullable<Value>, oid: number): Datum | undefined {
  switch (typeof value) {
    case 'number':
      if (oid === oids.float8) return value;
      if (oid === oids.int4 && value === (value | 0)) return value;
      if (oid === oids.int8 && Number.isSafeInteger(value)) return narrow(value);
      return undefined;
    case 'bigint':
      return oid === oids.int8 && BigInt.asIntN(64, value) === value ? narrow(value) : undefined;
    case 'string':
      return oid === oids.text || oid === oids.varchar ? checkedText(value) : undefined;
    case 'boolean':
      return oid === oids.bool ? value : undefined;
    default:
      if (value instanceof Uint8Array && oid === oids.bytea) return new Uint8Array(value);
      return value instanceof Date && (oid === oids.timestamp || oid === oids.timestamptz)
        ? microsOf(value)
        : undefined;
  }
}

/** Undefined: not exact as a number. */
function microsOf(value: Date): number | undefined {
  const micros = value.getTime() * 1000;
  return Number.isSafeInteger(micros) ? micros : undefined;
}

function checkedText(text: string): string {
  if (text.includes('\0')) {
    throw new AlopexError('character_not_in_repertoire', 'invalid byte sequence for encoding "UTF8": 0x00');
  }
  return text;
}

/** Text that the type's input reads. */
export function parameterText(value: NonNullable<Value>, oid: number): string {
  if (oid === oids.json || oid === oids.jsonb)
    return typeof value === 'string' ? value : JSON.stringify(value);
  if (typeof value === 'string') return value;
  if (value instanceof Date) {
    if (Number.isNaN(value.getTime()))
      throw new AlopexError('invalid_datetime_format', 'the parameter is an invalid Date');
    return value.toISOString();
  }
  if (value instanceof Uint8Array)
    return `\\x${Array.from(value, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
  if (value instanceof Float32Array) return `[${value.join(',')}]`;
  if (Array.isArray(value)) return oid === oids.vector ? `[${value.join(',')}]` : arrayText(value, oid);
  if (typeof value === 'object') return JSON.stringify(value);
  return Object.is(value, -0) ? '-0' : String(value);
}

function arrayText(values: readonly Value[], oid: number): string {
  const element = typeInfo(oid).element || oids.text;
  const items = values.map((value) => {
    if (value === null || value === undefined) return 'NULL';
    if (Array.isArray(value)) return arrayText(value, oid);
    return `"${parameterText(value, element).replaceAll(/(["\\])/g, '\\$1')}"`;
  });
  return `{${items.join(',')}}`;
}
