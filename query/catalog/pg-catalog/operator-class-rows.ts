import { findType } from '../../types/registry.ts';
import { oids } from '../../types/type.ts';
import type { RowsOf } from '../shape.ts';
import { wellKnown } from '../well-known.ts';

/** The default btree operator class of each type, with PostgreSQL's oids. */
const classes: readonly (readonly [oid: number, name: string, type: number, family: number])[] = [
  [10000, 'array_ops', oids.anyarray, 397],
  [10003, 'bool_ops', oids.bool, 424],
  [10004, 'bpchar_ops', oids.bpchar, 426],
  [10006, 'bytea_ops', oids.bytea, 428],
  [10007, 'char_ops', oids.char, 429],
  [3122, 'date_ops', oids.date, 434],
  [10012, 'float4_ops', oids.float4, 1970],
  [3123, 'float8_ops', oids.float8, 1970],
  [1979, 'int2_ops', oids.int2, 1976],
  [1978, 'int4_ops', oids.int4, 1976],
  [3124, 'int8_ops', oids.int8, 1976],
  [10022, 'interval_ops', oids.interval, 1982],
  [10028, 'name_ops', oids.name, 1994],
  [3125, 'numeric_ops', oids.numeric, 1988],
  [1981, 'oid_ops', oids.oid, 1989],
  [3126, 'text_ops', oids.text, 1994],
  [10038, 'time_ops', oids.time, 1996],
  [3127, 'timestamptz_ops', oids.timestamptz, 434],
  [3128, 'timestamp_ops', oids.timestamp, 434],
  [10065, 'uuid_ops', oids.uuid, 2968],
  [10088, 'jsonb_ops', oids.jsonb, 4033],
];

const families: readonly (readonly [oid: number, name: string])[] = [
  [397, 'array_ops'],
  [424, 'bool_ops'],
  [426, 'bpchar_ops'],
  [428, 'bytea_ops'],
  [429, 'char_ops'],
  [434, 'datetime_ops'],
  [1970, 'float_ops'],
  [1976, 'integer_ops'],
  [1982, 'interval_ops'],
  [1988, 'numeric_ops'],
  [1989, 'oid_ops'],
  [1994, 'text_ops'],
  [1996, 'time_ops'],
  [2968, 'uuid_ops'],
  [4033, 'jsonb_ops'],
];

const byType = new Map(classes.map(([oid, , type]) => [type, oid]));

/** The oid of the class that an index of the type has. */
export function defaultOperatorClass(type: number): number {
  const category = findType(type)?.category;
  const base = category === 'A' ? oids.anyarray : type === oids.varchar ? oids.text : type;
  return byType.get(base) ?? byType.get(oids.oid)!;
}

const btreeMethod = 403;

export const operatorClassRows: RowsOf = function* () {
  for (const [oid, name, type, family] of classes) {
    yield {
      oid,
      opcmethod: btreeMethod,
      opcname: name,
      opcnamespace: wellKnown.pgCatalog,
      opcowner: wellKnown.role,
      opcfamily: family,
      opcintype: type,
      opcdefault: true,
    };
  }
};

export const operatorFamilyRows: RowsOf = function* () {
  for (const [oid, name] of families) {
    yield {
      oid,
      opfmethod: btreeMethod,
      opfname: name,
      opfnamespace: wellKnown.pgCatalog,
      opfowner: wellKnown.role,
    };
  }
};
