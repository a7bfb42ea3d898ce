import { AlopexError, asAlopexError } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import { codecOf } from '../../types/codec/codec.ts';
import { formatType } from '../../types/format-type.ts';
import type { Cast } from '../../types/function.ts';
import { findCast } from '../../types/functions/cast-registry.ts';
import { isArrayType, typeInfo } from '../../types/registry.ts';
import { oids, type SqlType, type TypeOid } from '../../types/type.ts';
import { type Environment, placeOf, typeOf } from './environment.ts';

export type CoercionContext = Cast['context'];

const ranks: Readonly<Record<CoercionContext, number>> = { implicit: 0, assignment: 1, explicit: 2 };

/** Pseudo types that stand for any type, or any array, in a function's signature. */
const polymorphicElements: ReadonlySet<TypeOid> = new Set([
  oids.any,
  oids.anyelement,
  oids.anynonarray,
  oids.anycompatible,
]);
const polymorphicArrays: ReadonlySet<TypeOid> = new Set([oids.anyarray, oids.anycompatiblearray]);

export function isPolymorphic(oid: TypeOid): boolean {
  return polymorphicElements.has(oid) || polymorphicArrays.has(oid);
}

export function isPolymorphicArray(oid: TypeOid): boolean {
  return polymorphicArrays.has(oid);
}

function castWithin(source: TypeOid, target: TypeOid, context: CoercionContext): Cast | null {
  const cast = findCast(source, target);
  return cast !== null && ranks[cast.context] <= ranks[context] ? cast : null;
}

/** PostgreSQL's can_coerce_type for one type. */
export function canCoerce(source: TypeOid, target: TypeOid, context: CoercionContext): boolean {
  if (source === target || source === oids.unknown) return true;
  if (polymorphicArrays.has(target)) return isArrayType(source);
  if (target === oids.anynonarray) return !isArrayType(source);
  if (polymorphicElements.has(target)) return true;
  return castWithin(source, target, context) !== null;
}

/** The expression as `target`, or null where no coercion of this context leads there. */
export function coerce(
  environment: Environment,
  expression: Expression,
  target: SqlType,
  context: CoercionContext,
): Expression | null {
  const source = expression.type.oid;
  if (isPolymorphic(target.oid)) return expression;
  if (source === oids.unknown && target.oid !== oids.unknown) {
    return withPlace(environment, expression, coerceUnknown(environment, expression, target, context));
  }
  if (source === target.oid) {
    return withPlace(environment, expression, applyModifier(expression, target, context));
  }
  const cast = castWithin(source, target.oid, context);
  if (cast === null) return null;
  const isExplicit = context === 'explicit';
  const converted: Expression = { kind: 'cast', type: target, cast, operand: expression, isExplicit };
  return withPlace(environment, expression, converted);
}

function withPlace(environment: Environment, source: Expression, result: Expression): Expression {
  const location = environment.locations.get(source);
  if (location !== undefined && !environment.locations.has(result)) {
    environment.locations.set(result, location);
  }
  return result;
}

function applyModifier(operand: Expression, target: SqlType, context: CoercionContext): Expression {
  if (target.modifier < 0 || target.modifier === operand.type.modifier) return operand;
  return { kind: 'cast', type: target, cast: null, operand, isExplicit: context === 'explicit' };
}

/** A literal is read as the type, a parameter becomes of it, and anything else goes through its text. */
function coerceUnknown(
  environment: Environment,
  expression: Expression,
  target: SqlType,
  context: CoercionContext,
): Expression {
  if (expression.kind === 'parameter') {
    const location = environment.locations.get(expression) ?? -1;
    const resolved = environment.parameters.resolve(expression.index, target, location);
    return applyModifier(resolved, target, context);
  }
  if (expression.kind === 'constant') {
    const value =
      expression.value === null ? null : readLiteral(environment, expression, expression.value, target);
    return applyModifier({ kind: 'constant', type: typeOf(target.oid), value }, target, context);
  }
  const cast = findCast(oids.text, target.oid);
  return { kind: 'cast', type: target, cast, operand: expression, isExplicit: true };
}

function readLiteral(environment: Environment, expression: Expression, value: unknown, target: SqlType) {
  try {
    return codecOf(target.oid).parse(value as string, target, environment.functionContext);
  } catch (error) {
    throw asAlopexError(error).with(placeOf(environment, expression));
  }
}

/** An explicit cast: `expression::type`. */
export function castExplicitly(
  environment: Environment,
  expression: Expression,
  target: SqlType,
  place: { readonly position?: number },
): Expression {
  const result = coerce(environment, expression, target, 'explicit');
  if (result !== null) return result;
  const from = formatType(typeOf(expression.type.oid));
  throw new AlopexError(
    'cannot_coerce',
    `cannot cast type ${from} to ${formatType(typeOf(target.oid))}`,
    place,
  );
}

/** A condition. `clause` is what the message names: WHERE, JOIN/ON, NOT … */
export function coerceToBoolean(
  environment: Environment,
  expression: Expression,
  clause: string,
): Expression {
  const result = coerce(environment, expression, typeOf(oids.bool), 'assignment');
  if (result !== null) return result;
  throw new AlopexError(
    'datatype_mismatch',
    `argument of ${clause} must be type boolean, not type ${formatType(typeOf(expression.type.oid))}`,
    placeOf(environment, expression),
  );
}

/**
 * PostgreSQL's select_common_type (manual, 10.5): the type that all can become, or null where categories differ.
 * Literals have no say; where there is nothing else, it is text.
 */
export function findCommonType(expressions: readonly Expression[]): TypeOid | null {
  const mismatch = commonTypeOf(expressions);
  return typeof mismatch === 'number' ? mismatch : null;
}

/** As `findCommonType`, but 42804 where there is none; `construct` is what the message names: CASE, UNION … */
export function requireCommonType(
  environment: Environment,
  expressions: readonly Expression[],
  construct: string,
): TypeOid {
  const common = commonTypeOf(expressions);
  if (typeof common === 'number') return common;
  const left = formatType(typeOf(common.left));
  const right = formatType(typeOf(common.right.type.oid));
  throw new AlopexError(
    'datatype_mismatch',
    `${construct} types ${left} and ${right} cannot be matched`,
    placeOf(environment, common.right),
  );
}

function commonTypeOf(
  expressions: readonly Expression[],
): TypeOid | { readonly left: TypeOid; readonly right: Expression } {
  let common: TypeOid = oids.unknown;
  for (const expression of expressions) {
    const type = expression.type.oid;
    if (type === oids.unknown || type === common) continue;
    if (common === oids.unknown) {
      common = type;
      continue;
    }
    if (typeInfo(common).category !== typeInfo(type).category) return { left: common, right: expression };
    const widens = canCoerce(common, type, 'implicit') && !canCoerce(type, common, 'implicit');
    if (!typeInfo(common).isPreferred && widens) common = type;
  }
  return common === oids.unknown ? oids.text : common;
}

/** Brings an expression to the common type that was selected for it and its peers. */
export function coerceToCommon(
  environment: Environment,
  expression: Expression,
  common: TypeOid,
  construct: string,
): Expression {
  const result = coerce(environment, expression, typeOf(common), 'implicit');
  if (result !== null) return result;
  const from = formatType(typeOf(expression.type.oid));
  throw new AlopexError(
    'cannot_coerce',
    `${construct} could not convert type ${from} to ${formatType(typeOf(common))}`,
    placeOf(environment, expression),
  );
}

/** The modifier that all expressions of one type share, else none: a CASE of varchar(3)s is a varchar(3). */
export function commonType(expressions: readonly Expression[], oid: TypeOid): SqlType {
  const [first] = expressions;
  const isShared = expressions.every(
    ({ type }) => type.oid === first?.type.oid && type.modifier === first.type.modifier,
  );
  return first !== undefined && first.type.oid === oid && isShared ? first.type : typeOf(oid);
}

/** A value for a column: assignment casts, then 42804 with PostgreSQL's hint. */
export function coerceToColumn(
  environment: Environment,
  expression: Expression,
  column: { readonly name: string; readonly type: SqlType },
): Expression {
  const result = coerce(environment, expression, column.type, 'assignment');
  if (result !== null) return result;
  const target = formatType(typeOf(column.type.oid));
  const source = formatType(typeOf(expression.type.oid));
  throw new AlopexError(
    'datatype_mismatch',
    `column "${column.name}" is of type ${target} but expression is of type ${source}`,
    { hint: 'You will need to rewrite or cast the expression.', ...placeOf(environment, expression) },
  );
}

/** What stays of unknown type at the end of a select list is text. */
export function resolveUnknown(environment: Environment, expression: Expression): Expression {
  if (expression.type.oid !== oids.unknown) return expression;
  return coerce(environment, expression, typeOf(oids.text), 'implicit') ?? expression;
}

/** The array type over an element type; 42704 where it has none. */
export function arrayTypeOf(
  environment: Environment,
  element: TypeOid,
  near: Expression | undefined,
): TypeOid {
  const info = typeInfo(element);
  if (info.array !== 0) return info.array;
  throw new AlopexError(
    'undefined_object',
    `could not find array type for data type ${formatType(typeOf(element))}`,
    near === undefined ? {} : placeOf(environment, near),
  );
}
