import type { AnyFunction, Cast } from '../../types/function.ts';
import { allCasts } from '../../types/functions/cast-registry.ts';
import { allFunctions, allOperators } from '../../types/functions/registry.ts';
import { allTypes, isArrayType } from '../../types/registry.ts';
import { oids, type TypeInfo } from '../../types/type.ts';
import type { NamedRow, RowsOf } from '../shape.ts';
import { wellKnown } from '../well-known.ts';
import { collationOf, storageOf, vector } from './relation-rows.ts';
import { allTypeFunctions, typeFunctions } from './type-functions.ts';

/** pg_type, pg_proc, pg_aggregate, pg_operator, pg_cast: what query/types knows. */

const internalLanguage = 12;

export const typeRows: RowsOf = function* () {
  for (const type of allTypes()) yield typeRow(type);
};

function typeRow(type: TypeInfo): NamedRow {
  const isArray = isArrayType(type.oid);
  const functions = typeFunctions(type.oid, isArray);
  const storage = storageOf(type.oid);
  return {
    oid: type.oid,
    typname: type.name,
    typnamespace: wellKnown.pgCatalog,
    typowner: wellKnown.role,
    typlen: type.length,
    typbyval: storage.attbyval!,
    typtype: type.category === 'P' || type.oid === oids.unknown ? 'p' : 'b',
    typcategory: type.category,
    typispreferred: type.isPreferred,
    typisdefined: true,
    typdelim: ',',
    typsubscript: isArray ? arraySubscript : 0,
    typelem: type.element,
    typarray: type.array,
    typinput: functions?.input?.oid ?? 0,
    typoutput: functions?.output?.oid ?? 0,
    typreceive: functions?.receive?.oid ?? 0,
    typsend: functions?.send?.oid ?? 0,
    typmodin: functions?.modifierIn?.oid ?? 0,
    typmodout: functions?.modifierOut?.oid ?? 0,
    typalign: storage.attalign!,
    typstorage: storage.attstorage!,
    typtypmod: -1,
    typcollation: collationOf(type.oid),
  };
}

/** array_subscript_handler. */
const arraySubscript = 6179;

export const procedureRows: RowsOf = function* () {
  for (const each of allFunctions()) yield procedureRow(each);
  for (const [oid, name] of allTypeFunctions()) {
    yield { ...procedure(oid, name), prorettype: oids.cstring, proisstrict: true, provolatile: 'i' };
  }
};

function procedure(oid: number, name: string): NamedRow {
  return {
    oid,
    proname: name,
    pronamespace: wellKnown.pgCatalog,
    proowner: wellKnown.role,
    prolang: internalLanguage,
    procost: 1,
    prokind: 'f',
    proparallel: 's',
    proargtypes: vector([]),
    prosrc: name,
  };
}

function procedureRow(each: AnyFunction): NamedRow {
  const volatilities = { immutable: 'i', stable: 's', volatile: 'v' } as const;
  return {
    ...procedure(each.oid ?? 0, each.name),
    prorows: each.kind === 'table' ? 1000 : 0,
    provariadic: each.kind !== 'table' && each.isVariadic ? (each.arguments.at(-1) ?? 0) : 0,
    prokind: each.kind === 'aggregate' ? 'a' : 'f',
    proisstrict: each.kind !== 'aggregate' && each.isStrict,
    proretset: each.kind === 'table',
    provolatile: each.kind === 'scalar' ? volatilities[each.volatility] : 'i',
    pronargs: each.arguments.length,
    prorettype: resultOf(each),
    proargtypes: vector(each.arguments),
  };
}

function resultOf(each: AnyFunction): number {
  if (each.kind !== 'table') return each.result;
  return each.columns.length === 1 ? each.columns[0]!.type : oids.record;
}

export const aggregateRows: RowsOf = function* () {
  for (const each of allFunctions()) {
    if (each.kind === 'aggregate') {
      yield { aggfnoid: each.oid ?? 0, aggkind: 'n', aggfinalmodify: 'r', aggmfinalmodify: 'r' };
    }
  }
};

export const operatorRows: RowsOf = function* () {
  for (const operator of allOperators()) {
    yield {
      oid: operator.oid ?? 0,
      oprname: operator.name,
      oprnamespace: wellKnown.pgCatalog,
      oprowner: wellKnown.role,
      oprkind: operator.left === null ? 'l' : 'b',
      oprleft: operator.left ?? 0,
      oprright: operator.right,
      oprresult: operator.function.result,
      oprcode: operator.function.oid ?? 0,
    };
  }
};

const castContexts = { implicit: 'i', assignment: 'a', explicit: 'e' } as const;
const castMethods = { function: 'f', io: 'i', binary: 'b' } as const;
/** PostgreSQL numbers its casts from here too. */
const firstCastOid = 10_040;

export const castRows: RowsOf = function* () {
  for (const [index, cast] of allCasts().entries()) yield castRow(cast, firstCastOid + index);
};

function castRow(cast: Cast, oid: number): NamedRow {
  return {
    oid,
    castsource: cast.source,
    casttarget: cast.target,
    castcontext: castContexts[cast.context],
    castmethod: castMethods[cast.method],
  };
}
