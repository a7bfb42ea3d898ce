import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray, SqlRow } from '../../../base/values/datum.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { codecOf } from '../codec/codec.ts';
import type { ArgumentType, FunctionContext } from '../function.ts';
import { elementType, isArrayType, typeInfo } from '../registry.ts';
import { formatJsonTimestamp } from '../time/format.ts';
import { oids } from '../type.ts';
import { parseJson } from './parse.ts';
import { formatJson, quoteJson } from './value.ts';

/** Turns values of a type into JSON text: to_json, to_jsonb, json_build_object, json_agg … */
export type ToJson = (value: Datum, context: FunctionContext) => string;

function scalarToJson(type: ArgumentType): ToJson {
  const codec = codecOf(type.oid);
  const text: ToJson = (value, context) => codec.format(value, type, context);
  switch (type.oid) {
    case oids.bool:
      return (value) => (value === true ? 'true' : 'false');
    case oids.json:
    case oids.jsonb:
      return (value) => value as string;
    case oids.int2:
    case oids.int4:
    case oids.int8:
      return String;
    case oids.float4:
    case oids.float8:
      return (value, context) =>
        Number.isFinite(value) ? text(value, context) : quoteJson(text(value, context));
    case oids.numeric:
      return (value) => ((value as Numeric).special === null ? String(value) : quoteJson(String(value)));
    case oids.date:
    case oids.timestamp:
    case oids.timestamptz:
      return (value, context) => quoteJson(formatJsonTimestamp(text(value, context)));
    default:
      return (value, context) => quoteJson(text(value, context));
  }
}

/** Items of the innermost lists; outer lists of a multidimensional array nest them. */
function arrayToJson(toItem: ToJson, separator: string): ToJson {
  return (value, context) => {
    const { items, dimensions } = value as SqlArray;
    let at = 0;
    const list = (depth: number): string => {
      const parts: string[] = [];
      for (let index = 0; index < (dimensions[depth]?.length ?? 0); index++) {
        if (depth < dimensions.length - 1) parts.push(list(depth + 1));
        else {
          const item = items[at++]!;
          parts.push(item === null ? 'null' : toItem(item, context));
        }
      }
      return `[${parts.join(depth === 0 ? separator : ',')}]`;
    };
    return list(0);
  };
}

function rowToJson(type: ArgumentType, separator: string): ToJson {
  const fields = type.fields?.map(jsonField);
  return (value, context) => {
    const row = value as SqlRow;
    const known = fields ?? row.shape?.map((field) => jsonField(field));
    const members = row.fields.map((field, index) => {
      const { key, toJson } = known?.[index] ?? { key: `"f${index + 1}"`, toJson: untypedToJson };
      return `${key}:${field === null ? 'null' : toJson(field, context)}`;
    });
    return `{${members.join(separator)}}`;
  };
}

function jsonField({ name, type }: { readonly name: string; readonly type: ArgumentType }) {
  return { key: quoteJson(name), toJson: toJsonOf(type) };
}

/** `separator`: array_to_json and row_to_json put line feeds at the top level where asked to be pretty. */
export function toJsonOf(type: ArgumentType, separator = ','): ToJson {
  if (isArrayType(type.oid))
    return arrayToJson(toJsonOf({ oid: elementType(type.oid), modifier: -1 }), separator);
  if (type.oid === oids.record) return rowToJson(type, separator);
  if (typeInfo(type.oid).category === 'P') return untypedToJson;
  return scalarToJson(type);
}

/** By what the datum shows: fields of a row whose types are not known. */
const untypedToJson: ToJson = (value, context) => {
  switch (typeof value) {
    case 'boolean':
      return String(value);
    case 'number':
    case 'bigint':
      return String(value);
    case 'string':
      return quoteJson(value);
    default:
      break;
  }
  if (value === null) return 'null';
  if (value instanceof Numeric) return String(value);
  if (value instanceof SqlArray) return arrayToJson(untypedToJson, ',')(value, context);
  if (value instanceof SqlRow) return rowToJson({ oid: oids.record, modifier: -1 }, ',')(value, context);
  return quoteJson(String(value));
};

/** jsonb's canonical text of what `toJson` writes. */
export function toJsonbOf(type: ArgumentType): ToJson {
  const toJson = toJsonOf(type);
  if (type.oid === oids.jsonb) return toJson;
  return (value, context) => formatJson(parseJson(toJson(value, context)));
}
