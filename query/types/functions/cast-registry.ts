import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray } from '../../../base/values/datum.ts';
import { codecOf } from '../codec/codec.ts';
import type { Cast, FunctionContext } from '../function.ts';
import { elementType, findType, isArrayType, typeByName } from '../registry.ts';
import type { SqlType, TypeOid } from '../type.ts';
import { oids } from '../type.ts';
import { castTable } from './cast-table.ts';
import { implementations } from './implementations.ts';

const contexts: Readonly<Record<string, Cast['context']>> = { i: 'implicit', a: 'assignment', e: 'explicit' };

const casts = new Map<string, Cast>();
for (const entry of castTable.trim().split(/;\s*/)) {
  const [source, target, context, method] = entry.split(' ') as [string, string, string, string?];
  const sourceOid = typeByName(source)!.oid;
  const targetOid = typeByName(target)!.oid;
  casts.set(`${sourceOid} ${targetOid}`, makeCast(sourceOid, targetOid, contexts[context]!, method));
}

function makeCast(
  source: TypeOid,
  target: TypeOid,
  context: Cast['context'],
  method: string | undefined,
): Cast {
  if (method === undefined)
    return { source, target, context, method: 'binary', evaluate: (_, value) => value };
  if (method === 'io') return ioCast(source, target, context);
  const implementation = implementations[method]!;
  if (implementation.kind !== 'scalar') throw new Error(`${method} is not a scalar function`);
  const { evaluate, usesContext } = implementation;
  return {
    source,
    target,
    context,
    method: 'function',
    evaluate: usesContext
      ? (functionContext, value) => (value === null ? null : evaluate(functionContext, value))
      : (_, value) => (value === null ? null : evaluate(value)),
  };
}

/** Through the text form of both types. */
function ioCast(source: TypeOid, target: TypeOid, context: Cast['context']): Cast {
  const sourceType: SqlType = { oid: source, modifier: -1 };
  const targetType: SqlType = { oid: target, modifier: -1 };
  return {
    source,
    target,
    context,
    method: 'io',
    evaluate: (functionContext: FunctionContext, value: Datum) => {
      if (value === null) return null;
      const text = codecOf(source).format(value, sourceType, functionContext);
      return codecOf(target).parse(text, targetType, functionContext);
    },
  };
}

function arrayCast(source: TypeOid, target: TypeOid, element: Cast): Cast {
  return {
    source,
    target,
    context: element.context,
    method: element.method === 'binary' ? 'binary' : 'function',
    evaluate: (context, value) => {
      if (value === null || element.method === 'binary') return value;
      const array = value as SqlArray;
      return new SqlArray(
        array.items.map((item) => (item === null ? null : element.evaluate(context, item))),
        array.dimensions,
      );
    },
  };
}

/**
 * The cast from one type to another, or null where there is none: pg_cast, then elements of arrays, then text.
 * Any type may be assigned to a string type through its text, and an explicit cast reads any type from one. An
 * unknown literal becomes any type implicitly.
 */
export function findCast(source: TypeOid, target: TypeOid): Cast | null {
  const key = `${source} ${target}`;
  const known = casts.get(key);
  if (known !== undefined) return known;
  const made = deriveCast(source, target);
  if (made !== null) casts.set(key, made);
  return made;
}

function deriveCast(source: TypeOid, target: TypeOid): Cast | null {
  const sourceType = findType(source);
  const targetType = findType(target);
  if (sourceType === undefined || targetType === undefined) return null;
  if (source === target) return makeCast(source, target, 'implicit', undefined);
  if (source === oids.unknown) return targetType.category === 'P' ? null : ioCast(source, target, 'implicit');
  if (target === oids.int2vector || target === oids.oidvector) return null;
  if (source === oids.int2vector && target === oids.int2Array)
    return makeCast(source, target, 'implicit', undefined);
  if (source === oids.oidvector && target === oids.oidArray)
    return makeCast(source, target, 'implicit', undefined);
  if (isArrayType(source) && isArrayType(target)) {
    const element = findCast(elementType(source), elementType(target));
    return element === null ? null : arrayCast(source, target, element);
  }
  if (targetType.category === 'S') return ioCast(source, target, 'assignment');
  if (sourceType.category === 'S' && targetType.category !== 'P') return ioCast(source, target, 'explicit');
  return null;
}

/** The casts that pg_cast lists. */
export function allCasts(): readonly Cast[] {
  return [...casts.values()];
}
