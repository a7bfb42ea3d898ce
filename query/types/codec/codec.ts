import { unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray, SqlRow } from '../../../base/values/datum.ts';
import { formatType } from '../format-type.ts';
import type { FunctionContext, TypeCodec } from '../function.ts';
import { elementType, findType, isArrayType } from '../registry.ts';
import type { SqlType, TypeOid } from '../type.ts';
import { oids } from '../type.ts';
import { arrayCodec } from './array.ts';
import { byteaCodec, uuidCodec } from './bytea.ts';
import { dateCodec, intervalCodec, timeCodec, timestampCodec, timestamptzCodec } from './datetime.ts';
import { float4Codec, float8Codec } from './float.ts';
import { booleanCodec, int2Codec, int4Codec, int8Codec, unsignedCodec } from './integer.ts';
import { jsonbCodec, jsonCodec } from './json.ts';
import { numericCodec } from './numeric.ts';
import { regCodec } from './reg.ts';
import { formatRow } from './row.ts';
import { charCodec, nameCodec, textCodec, voidCodec } from './text.ts';
import { vectorCodec } from './vector.ts';

const codecs = new Map<TypeOid, TypeCodec>([
  [oids.bool, booleanCodec],
  [oids.bytea, byteaCodec],
  [oids.char, charCodec],
  [oids.name, nameCodec],
  [oids.int8, int8Codec],
  [oids.int2, int2Codec],
  [oids.int4, int4Codec],
  [oids.text, textCodec],
  [oids.oid, unsignedCodec('oid')],
  [oids.tid, textCodec],
  [oids.xid, unsignedCodec('xid')],
  [29, unsignedCodec('cid')],
  [5069, int8Codec],
  [oids.json, jsonCodec],
  [oids.pgNodeTree, textCodec],
  [oids.float4, float4Codec],
  [oids.float8, float8Codec],
  [oids.unknown, textCodec],
  [oids.cstring, textCodec],
  [oids.aclitem, textCodec],
  [oids.bpchar, textCodec],
  [oids.varchar, textCodec],
  [oids.date, dateCodec],
  [oids.time, timeCodec],
  [oids.timestamp, timestampCodec],
  [oids.timestamptz, timestamptzCodec],
  [oids.interval, intervalCodec],
  [oids.numeric, numericCodec],
  [oids.uuid, uuidCodec],
  [oids.jsonb, jsonbCodec],
  [oids.vector, vectorCodec],
  [oids.void, voidCodec],
  [oids.regproc, regCodec('regproc')],
  [oids.regprocedure, regCodec('regprocedure')],
  [oids.regoper, regCodec('regoper')],
  [oids.regoperator, regCodec('regoperator')],
  [oids.regclass, regCodec('regclass')],
  [oids.regtype, regCodec('regtype')],
  [oids.regnamespace, regCodec('regnamespace')],
  [oids.regrole, regCodec('regrole')],
  [4191, regCodec('regcollation')],
  [oids.int2vector, blankSeparated(oids.int2, int2Codec)],
  [oids.oidvector, blankSeparated(oids.oid, unsignedCodec('oid'))],
]);

/** Text and binary forms of a type; 0A000 where a type has none here. */
export function codecOf(oid: TypeOid): TypeCodec {
  const known = codecs.get(oid);
  if (known !== undefined) return known;
  if (findType(oid)?.category === 'P' && oid !== oids.recordArray) return untypedCodec;
  if (!isArrayType(oid)) throw unsupported(`type ${formatType({ oid, modifier: -1 })}`);
  const element = elementType(oid);
  const codec = arrayCodec(element, () => codecOf(element));
  codecs.set(oid, codec);
  return codec;
}

/** int2vector and oidvector: one dimension from 0, items between blanks. */
function blankSeparated(element: TypeOid, item: TypeCodec): TypeCodec {
  const type = { oid: element, modifier: -1 };
  const binary = arrayCodec(element, () => item);
  return {
    parse(text, _type, context) {
      const items = text.trim() === '' ? [] : text.trim().split(/\s+/);
      return zeroBased(items.map((word) => item.parse(word, type, context)));
    },
    format: (value, _type, context) =>
      (value as SqlArray).items.map((entry) => item.format(entry, type, context)).join(' '),
    decode: (bytes) => binary.decode(bytes, type),
    encode: (value) => binary.encode(value, type),
  };
}

export function zeroBased(items: readonly Datum[]): SqlArray {
  return new SqlArray(items, [{ length: items.length, lowerBound: 0 }]);
}

/** Rows, and polymorphic values whose type nobody asked for: output alone, in text. */
const untypedCodec: TypeCodec = {
  parse: (_, type) => refuse('input', type),
  format: (value, _type, context) => formatUntyped(value, context),
  decode: (_, type) => refuse('binary input', type),
  encode: (_, type) => refuse('binary output', type),
};

function refuse(direction: string, type: SqlType): never {
  throw unsupported(`${direction} of type ${formatType(type)}`);
}

/** A row value says what its fields are; else a field prints as the datum shows what it is. */
function formatUntyped(value: Datum, context: FunctionContext): string {
  if (value instanceof SqlRow) {
    return formatRow(value, (field, index) => {
      const type = value.shape?.[index]?.type;
      return type === undefined
        ? formatUntyped(field, context)
        : codecOf(type.oid).format(field, type, context);
    });
  }
  return codecOf(untypedOid(value)).format(value, { oid: untypedOid(value), modifier: -1 }, context);
}

function untypedOid(value: Datum): TypeOid {
  switch (typeof value) {
    case 'boolean':
      return oids.bool;
    case 'number':
      return Number.isInteger(value) ? oids.int8 : oids.float8;
    case 'bigint':
      return oids.int8;
    case 'string':
      return oids.text;
    default:
      break;
  }
  if (value instanceof Uint8Array) return oids.bytea;
  if (value instanceof Float32Array) return oids.vector;
  if (value instanceof SqlRow) return oids.record;
  if (value instanceof SqlArray) {
    const first = value.items.find((item) => item !== null) ?? '';
    return findType(untypedOid(first))!.array;
  }
  return value !== null && typeof value === 'object' && 'months' in value ? oids.interval : oids.numeric;
}
