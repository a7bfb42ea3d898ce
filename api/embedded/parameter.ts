import type { Datum } from '../../base/values/datum.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { oids } from '../../query/types/type.ts';
import { parameterDatum, type Value } from '../database/values.ts';

type ToPostgres = { toPostgres(prepare: (value: unknown) => unknown): unknown };

/**
 * A parameter as node-postgres sends it: bytes as they are, everything else as text that the type's input reads.
 * Vectors take arrays of numbers and Float32Arrays too.
 */
export function clientParameter(value: unknown, oid: number, context: FunctionContext): Datum {
  if (oid === oids.vector) return parameterDatum(value as Value, oid, context);
  const prepared = preparedValue(value);
  if (prepared === null) return null;
  const type = { oid, modifier: -1 };
  return typeof prepared === 'string'
    ? codecOf(oid).parse(prepared, type, context)
    : codecOf(oid).decode(prepared, type);
}

function preparedValue(value: unknown): string | Uint8Array | null {
  if (value === null || value === undefined) return null;
  if (value instanceof Date) return localTimestamp(value);
  if (ArrayBuffer.isView(value)) return bytesOf(value);
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (Array.isArray(value)) return arrayText(value);
  if (typeof value !== 'object') return String(value);
  return hasToPostgres(value) ? preparedValue(value.toPostgres(preparedValue)) : JSON.stringify(value);
}

function hasToPostgres(value: object): value is ToPostgres {
  return 'toPostgres' in value && typeof value.toPostgres === 'function';
}

function bytesOf(view: ArrayBufferView): Uint8Array {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

function arrayText(values: readonly unknown[]): string {
  const items = values.map((value): string => {
    if (Array.isArray(value)) return arrayText(value);
    const prepared = preparedValue(value);
    if (prepared === null) return 'NULL';
    const text = typeof prepared === 'string' ? prepared : `\\x${Buffer.from(prepared).toString('hex')}`;
    return `"${text.replaceAll(/(["\\])/g, '\\$1')}"`;
  });
  return `{${items.join(',')}}`;
}

/** Local time with its distance from UTC: a timestamp column keeps the local time, a timestamptz the instant. */
function localTimestamp(date: Date): string {
  const year = date.getFullYear();
  const fields = [
    String(year < 1 ? 1 - year : year).padStart(4, '0'),
    pad(date.getMonth() + 1),
    pad(date.getDate()),
  ].join('-');
  const time = [date.getHours(), date.getMinutes(), date.getSeconds()].map(pad).join(':');
  const east = -date.getTimezoneOffset();
  const zone = `${east < 0 ? '-' : '+'}${pad(Math.floor(Math.abs(east) / 60))}:${pad(Math.abs(east) % 60)}`;
  const text = `${fields}T${time}.${String(date.getMilliseconds()).padStart(3, '0')}${zone}`;
  return year < 1 ? `${text} BC` : text;
}

function pad(part: number): string {
  return String(part).padStart(2, '0');
}
