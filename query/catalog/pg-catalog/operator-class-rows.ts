import { findType } from '../../types/registry.ts';
import { oids } from '../../types/type.ts';
import type { RowsOf } from '../shape.ts';
import { wellKnown } from '../well-known.ts';

/** The default btree operator class of each type, with PostgreSQL's oids: oid, name, type. */
const classes: readonly (readonly [oid: number, name: string, type: number])[] = [
  [10000, 'array_ops', oids.anyarray],
  [10003, 'bool_ops', oids.bool],
  [10004, 'bpchar_ops', oids.bpchar],
  [10006, 'bytea_ops', oids.bytea],
  [10007, 'char_ops', oids.char],
  [3122, 'date_ops', oids.date],
  [10012, 'float4_ops', oids.float4],
  [3123, 'float8_ops', oids.float8],
  [1979, 'int2_ops', oids.int2],
  [1978, 'int4_ops', oids.int4],
  [3124, 'int8_ops', oids.int8],
  [10022, 'interval_ops', oids.interval],
  [10028, 'name_ops', oids.name],
  [3125, 'numeric_ops', oids.numeric],
  [1981, 'oid_ops', oids.oid],
  [3126, 'text_ops', oids.text],
  [10038, 'time_ops', oids.time],
  [3127, 'timestamptz_ops', oids.timestamptz],
  [3128, 'timestamp_ops', oids.timestamp],
  [10065, 'uuid_ops', oids.uuid],
  [10088, 'jsonb_ops', oids.jsonb],
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
  for (const [oid, name, type] of classes) {
    yield {
      oid,
      opcmethod: btreeMethod,
      opcname: name,
      opcnamespace: wellKnown.pgCatalog,
      opcowner: wellKnown.role,
      opcintype: type,
      opcdefault: true,
    };
  }
};
