import type { ByteWriter } from '../../base/bytes/writer.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import { oids, type SqlType, type TypeOid } from '../../query/types/type.ts';

/** Writes a value that is not null, without its length. */
export type FieldEncoder = (value: Datum, out: ByteWriter, functions: FunctionContext) => void;

/** The format of a column, or a parameter: none given is text, one given is for all. */
export function formatOf(formats: readonly number[], index: number): number {
  return formats.length === 0 ? 0 : formats.length === 1 ? formats[0]! : formats[index]!;
}

type Columns = readonly OutputColumn[];

const allText = new WeakMap<Columns, readonly FieldEncoder[]>();
const allBinary = new WeakMap<Columns, readonly FieldEncoder[]>();

/** One encoder a column: resolved once for a statement where the formats are all the same, run for each row. */
export function fieldEncoders(columns: Columns, formats: readonly number[]): readonly FieldEncoder[] {
  if (formats.length > 1) return columns.map(({ type }, index) => encoderOf(type, formats[index]!));
  const format = formatOf(formats, 0);
  const known = format === 0 ? allText : allBinary;
  let encoders = known.get(columns);
  if (encoders === undefined) {
    encoders = columns.map(({ type }) => encoderOf(type, format));
    known.set(columns, encoders);
  }
  return encoders;
}

function encoderOf(type: SqlType, format: number): FieldEncoder {
  return format === 0 ? textEncoder(type) : binaryEncoder(type);
}

const writeInteger: FieldEncoder = (value, out) => {
  if (typeof value === 'number') out.decimal(value);
  else out.utf8(String(value));
};
const writeText: FieldEncoder = (value, out) => {
  out.utf8(value as string);
};

/** Types whose text needs no other string first. */
const textWriters: ReadonlyMap<TypeOid, FieldEncoder> = new Map([
  [oids.int2, writeInteger],
  [oids.int4, writeInteger],
  [oids.int8, writeInteger],
  [oids.text, writeText],
  [oids.varchar, writeText],
]);

/** Types whose bytes need no other array first. */
const binaryWriters: ReadonlyMap<TypeOid, FieldEncoder> = new Map<TypeOid, FieldEncoder>([
  [oids.int2, (value, out) => out.int16(value as number)],
  [oids.int4, (value, out) => out.int32(value as number)],
  [oids.int8, (value, out) => out.int64(value as number | bigint)],
  [oids.float8, (value, out) => out.float64(value as number)],
  [oids.text, writeText],
  [oids.varchar, writeText],
]);

function textEncoder(type: SqlType): FieldEncoder {
  const direct = textWriters.get(type.oid);
  if (direct !== undefined) return direct;
  const codec = codecOf(type.oid);
  return (value, out, functions) => {
    out.utf8(codec.format(value, type, functions));
  };
}

function binaryEncoder(type: SqlType): FieldEncoder {
  const direct = binaryWriters.get(type.oid);
  if (direct !== undefined) return direct;
  const codec = codecOf(type.oid);
  return (value, out) => out.raw(codec.encode(value, type));
}
