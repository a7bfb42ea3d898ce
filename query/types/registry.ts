import type { PhysicalKind, PhysicalType } from '../../base/values/datum.ts';
import type { TypeCategory, TypeInfo, TypeOid } from './type.ts';
import { oids } from './type.ts';

/**
 * Every type: oid, name, category (`!`: preferred), physical kind, oid of the array type (0: none), length of
 * the binary form. PostgreSQL's pg_type, and pgvector's type with oids of ours.
 */
const baseTypes = `
16 bool B! bool 1000 1
17 bytea U bytes 1001 -1
18 char Z text 1002 1
19 name S text 1003 64
20 int8 N int8 1016 8
21 int2 N int4 1005 2
23 int4 N int4 1007 4
24 regproc N int4 1008 4
25 text S! text 1009 -1
26 oid N! int4 1028 4
27 tid U text 1010 6
28 xid U int4 1011 4
29 cid U int4 1012 4
114 json U text 199 -1
142 xml U text 143 -1
194 pg_node_tree Z text 0 -1
700 float4 N float4 1021 4
701 float8 N! float8 1022 8
705 unknown X text 0 -2
1033 aclitem U text 1034 12
1042 bpchar S text 1014 -1
1043 varchar S text 1015 -1
1082 date D int4 1182 4
1083 time D int8 1183 8
1114 timestamp D int8 1115 8
1184 timestamptz D! int8 1185 8
1186 interval T! interval 1187 16
1266 timetz D text 1270 12
1700 numeric N numeric 1231 -1
2202 regprocedure N int4 2207 4
2203 regoper N int4 2208 4
2204 regoperator N int4 2209 4
2205 regclass N int4 2210 4
2206 regtype N int4 2211 4
2249 record P text 2287 -1
2275 cstring P text 1263 -2
2276 any P text 0 4
2277 anyarray P text 0 -1
2278 void P text 0 4
2279 trigger P text 0 4
2281 internal P text 0 8
2283 anyelement P text 0 4
2776 anynonarray P text 0 4
2950 uuid U uuid 2951 16
3500 anyenum P text 0 4
3802 jsonb U text 3807 -1
4089 regnamespace N int4 4090 4
4096 regrole N int4 4097 4
4191 regcollation N int4 4192 4
5069 xid8 U int8 271 8
5077 anycompatible P text 0 4
5078 anycompatiblearray P text 0 -1
5079 anycompatiblenonarray P text 0 4
16000 vector U vector 16001 -1
`;

const types: readonly TypeInfo[] = makeTypes();
const byOid = new Map(types.map((type) => [type.oid, type]));
const byName = new Map(types.map((type) => [type.name, type]));

function makeTypes(): TypeInfo[] {
  const made: TypeInfo[] = [];
  for (const line of baseTypes.trim().split('\n')) {
    const [oid, name, category, physical, array, length] = line.split(' ') as [
      string,
      string,
      string,
      PhysicalKind,
      string,
      string,
    ];
    const type: TypeInfo = {
      oid: Number(oid),
      name,
      category: category[0] as TypeCategory,
      isPreferred: category.endsWith('!'),
      physical: { kind: physical } as PhysicalType,
      element: name === 'name' ? oids.char : 0,
      array: Number(array),
      length: Number(length),
    };
    made.push(type);
    if (type.array !== 0) made.push(arrayOf(type, type.array, `_${name}`, 0));
  }
  const int2 = made.find((type) => type.oid === oids.int2)!;
  const oid = made.find((type) => type.oid === oids.oid)!;
  for (const vector of [
    arrayOf(int2, oids.int2vector, 'int2vector', 1006),
    arrayOf(oid, oids.oidvector, 'oidvector', 1013),
  ]) {
    made.push(vector, arrayOf(vector, vector.array, `_${vector.name}`, 0));
  }
  return made;
}

function arrayOf(element: TypeInfo, oid: TypeOid, name: string, array: TypeOid): TypeInfo {
  return {
    oid,
    name,
    category: element.oid === oids.record ? 'P' : 'A',
    isPreferred: false,
    physical: { kind: 'array', element: element.physical },
    element: element.oid,
    array,
    length: -1,
  };
}

/** All types, base types before their arrays. */
export function allTypes(): readonly TypeInfo[] {
  return types;
}

/** Undefined where no such type exists. */
export function findType(oid: TypeOid): TypeInfo | undefined {
  return byOid.get(oid);
}

/** Of an oid that is known to exist. */
export function typeInfo(oid: TypeOid): TypeInfo {
  const type = byOid.get(oid);
  if (type === undefined) throw new Error(`no type has oid ${oid}`);
  return type;
}

/** By pg_type.typname ('int4', '_int4'); SQL's own spellings ('integer') are the parser's to translate. */
export function typeByName(name: string): TypeInfo | undefined {
  return byName.get(name);
}

/** A true array: not int2vector, oidvector or name, which are subscripted too. */
export function isArrayType(oid: TypeOid): boolean {
  const type = byOid.get(oid);
  return type !== undefined && type.element !== 0 && typeInfo(type.element).array === oid;
}

/** Of an array, the element's oid; else 0. */
export function elementType(oid: TypeOid): TypeOid {
  const type = byOid.get(oid);
  return type === undefined || type.oid === oids.name ? 0 : type.element;
}
