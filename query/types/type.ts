import type { PhysicalType } from '../../base/values/datum.ts';

/** PostgreSQL's oid of a type; `vector` and `_vector` have ours. */
export type TypeOid = number;

/** A type with its modifier as PostgreSQL packs it (atttypmod; -1: none). */
export type SqlType = { readonly oid: TypeOid; readonly modifier: number };

/** PostgreSQL's typcategory. */
export type TypeCategory =
  | 'A'
  | 'B'
  | 'C'
  | 'D'
  | 'E'
  | 'G'
  | 'I'
  | 'N'
  | 'P'
  | 'R'
  | 'S'
  | 'T'
  | 'U'
  | 'V'
  | 'X'
  | 'Z';

export type TypeInfo = {
  readonly oid: TypeOid;
  /** pg_type.typname: 'int4', '_int4'. */
  readonly name: string;
  readonly category: TypeCategory;
  readonly isPreferred: boolean;
  readonly physical: PhysicalType;
  /** Of an array: its element's oid, else 0. */
  readonly element: TypeOid;
  /** Of an element: its array type's oid, or 0. */
  readonly array: TypeOid;
  /** Bytes of the binary form, -1 variable: pg_type.typlen. */
  readonly length: number;
};

/** Oids that code names. PostgreSQL's, from pg_type.dat; vector's are ours (Alopex's own range). */
export const oids = {
  bool: 16,
  bytea: 17,
  char: 18,
  name: 19,
  int8: 20,
  int2: 21,
  int2vector: 22,
  int4: 23,
  regproc: 24,
  text: 25,
  oid: 26,
  tid: 27,
  xid: 28,
  oidvector: 30,
  json: 114,
  xml: 142,
  pgNodeTree: 194,
  float4: 700,
  float8: 701,
  unknown: 705,
  varcharArray: 1015,
  textArray: 1009,
  int4Array: 1007,
  int2Array: 1005,
  oidArray: 1028,
  bpchar: 1042,
  varchar: 1043,
  date: 1082,
  time: 1083,
  timestamp: 1114,
  timestamptz: 1184,
  interval: 1186,
  timetz: 1266,
  numeric: 1700,
  regprocedure: 2202,
  regoper: 2203,
  regoperator: 2204,
  regclass: 2205,
  regtype: 2206,
  cstring: 2275,
  any: 2276,
  anyarray: 2277,
  void: 2278,
  record: 2249,
  recordArray: 2287,
  anyelement: 2283,
  anynonarray: 2776,
  anycompatible: 5077,
  anycompatiblearray: 5078,
  uuid: 2950,
  jsonb: 3802,
  jsonbArray: 3807,
  regrole: 4096,
  regnamespace: 4089,
  aclitem: 1033,
  aclitemArray: 1034,
  charArray: 1002,
  nameArray: 1003,
  vector: 16000,
  vectorArray: 16001,
} as const satisfies Record<string, TypeOid>;
