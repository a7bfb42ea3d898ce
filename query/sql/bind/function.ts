import type { FuncCall } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import { formatType } from '../../types/format-type.ts';
import type { AnyFunction, ArgumentType } from '../../types/function.ts';
import { functionsByName } from '../../types/functions/registry.ts';
import { typeByName } from '../../types/registry.ts';
import { oids, type SqlType, type TypeOid } from '../../types/type.ts';
import { place, qualifiedNameOf } from '../ast.ts';
import { bindAggregate, refuseAggregateSyntax } from './aggregate-call.ts';
import {
  arrayTypeOf,
  canCoerce,
  castExplicitly,
  coerce,
  isPolymorphic,
  isPolymorphicArray,
} from './coerce.ts';
import type { ExpressionContext } from './context.ts';
import { type Environment, located, typeOf } from './environment.ts';
import { type Candidate, polymorphicElement, resolve, spread } from './resolve.ts';
import { nextPlaceholder } from './scope.ts';

/** A function with its arguments brought to its types, and its polymorphic types made concrete. */
export type ResolvedCall = {
  readonly function: AnyFunction;
  readonly arguments: readonly Expression[];
  /** Of a table function, the type of its only column; record where it has more. */
  readonly result: TypeOid;
};

/** `name(…)` in an expression: a function, an aggregate, a set, or a cast in a function's clothes. */
export function bindFunctionCall(context: ExpressionContext, node: FuncCall): Expression {
  const { environment } = context;
  const location = node.location ?? 0;
  const { schema, name } = qualifiedNameOf(node.funcname);
  refuseUnsupported(node);
  const arguments_ = (node.args ?? []).map((argument) => context.bind(context, argument));
  const cast = castInDisguise(environment, schema, name, arguments_, location);
  if (cast !== null) return located(environment, cast, location);
  const call = resolveFunction(environment, schema, name, arguments_, location, node.agg_star === true);
  const { function: resolved } = call;
  if (resolved.kind === 'aggregate') return bindAggregate(context, node, call);
  refuseAggregateSyntax(node, name);
  if (resolved.kind === 'table') return bindSet(context, call, location);
  return located(environment, callOf(call), location);
}

function refuseUnsupported(node: FuncCall): void {
  const { position } = place(node.location);
  if (node.over !== undefined) throw unsupported('a window function', position);
  if (node.agg_within_group === true) throw unsupported('WITHIN GROUP', position);
  if (node.func_variadic === true) throw unsupported('VARIADIC in a call', position);
  const named = (node.args ?? []).find((argument) => 'NamedArgExpr' in argument);
  if (named !== undefined) throw unsupported('an argument by name', position);
}

/** `type(x)` where no function of that name takes exactly x: PostgreSQL reads it as x::type. */
function castInDisguise(
  environment: Environment,
  schema: string | null,
  name: string,
  arguments_: readonly Expression[],
  location: number,
): Expression | null {
  const [operand] = arguments_;
  if (operand === undefined || arguments_.length !== 1 || !isSystemSchema(schema)) return null;
  const target = typeByName(name);
  if (target === undefined || isPolymorphic(target.oid)) return null;
  const source = operand.type.oid;
  const isFunction = functionsByName(name).some((candidate) => candidate.arguments[0] === source);
  if (isFunction || !canCoerce(source, target.oid, 'explicit')) return null;
  return castExplicitly(environment, operand, typeOf(target.oid), place(location));
}

function isSystemSchema(schema: string | null): boolean {
  return schema === null || schema === 'pg_catalog';
}

/** Finds the function that a call means, by name and argument types; 42883 or 42725 where there is not one. */
export function resolveFunction(
  environment: Environment,
  schema: string | null,
  name: string,
  arguments_: readonly Expression[],
  location: number,
  isStar = false,
): ResolvedCall {
  const types = arguments_.map((argument) => argument.type.oid);
  const named = isSystemSchema(schema) || schema === 'information_schema' ? functionsByName(name) : [];
  const candidates: Candidate<AnyFunction>[] = [];
  for (const value of named) {
    const isVariadic = value.kind !== 'table' && value.isVariadic;
    const spreadTypes = spread(value.arguments, isVariadic, types.length);
    if (spreadTypes !== null) candidates.push({ value, types: spreadTypes });
  }
  const resolution = resolve(candidates, types);
  const signature = isStar ? '*' : types.map((oid) => formatType(typeOf(oid))).join(', ');
  const shown = `${schema === null ? '' : `${schema}.`}${name}(${signature})`;
  if (resolution.kind === 'none') {
    throw new AlopexError('undefined_function', `function ${shown} does not exist`, {
      hint: 'No function matches the given name and argument types. You might need to add explicit type casts.',
      ...place(location),
    });
  }
  if (resolution.kind === 'ambiguous') {
    throw new AlopexError('ambiguous_function', `function ${shown} is not unique`, {
      hint: 'Could not choose a best candidate function. You might need to add explicit type casts.',
      ...place(location),
    });
  }
  const { value, types: declared } = resolution.candidate;
  return finishCall(environment, value, declared, arguments_, location);
}

/** Brings the arguments to the declared types, settles polymorphic ones, and lets the function specialize. */
export function finishCall(
  environment: Environment,
  resolved: AnyFunction,
  declared: readonly TypeOid[],
  arguments_: readonly Expression[],
  location: number,
): ResolvedCall {
  const element = settleElement(resolved, declared, arguments_, location);
  const concrete = (type: TypeOid): TypeOid => {
    if (!isPolymorphic(type) || type === oids.any || element === null) return type;
    return isPolymorphicArray(type) ? arrayTypeOf(environment, element, arguments_[0]) : element;
  };
  const coerced = arguments_.map((argument, index) => {
    const target = declared[index]!;
    const isLiteral = argument.type.oid === oids.unknown && argument.kind !== 'parameter';
    const type = target === oids.any && isLiteral ? oids.text : concrete(target);
    return coerce(environment, argument, typeOf(type), 'implicit') ?? argument;
  });
  const special = specialize(resolved, coerced);
  return { function: special, arguments: coerced, result: concrete(resultOf(special)) };
}

function settleElement(
  resolved: AnyFunction,
  declared: readonly TypeOid[],
  arguments_: readonly Expression[],
  location: number,
): TypeOid | null {
  const types = arguments_.map((argument) => argument.type.oid);
  const element = polymorphicElement(declared, types);
  if (element !== null && element !== 'conflict') return element;
  const polymorphic = declared.filter((type) => isPolymorphic(type) && type !== oids.any);
  if (polymorphic.length === 0) return null;
  const isCompatible = polymorphic.every(
    (type) => type === oids.anycompatible || type === oids.anycompatiblearray,
  );
  if (isCompatible) return oids.text;
  throw new AlopexError(
    'datatype_mismatch',
    'could not determine polymorphic type because input has type unknown',
    resolved.kind === 'aggregate' ? {} : place(location),
  );
}

function resultOf(resolved: AnyFunction): TypeOid {
  if (resolved.kind !== 'table') return resolved.result;
  return resolved.columns.length === 1 ? resolved.columns[0]!.type : oids.record;
}

function specialize(resolved: AnyFunction, arguments_: readonly Expression[]): AnyFunction {
  if (resolved.specialize === undefined) return resolved;
  return resolved.specialize(arguments_.map(argumentType));
}

function argumentType(argument: Expression): ArgumentType {
  if (argument.kind !== 'row') return argument.type;
  const fields = argument.fields.map((field, index) => ({
    name: argument.names?.[index] ?? `f${index + 1}`,
    type: argumentType(field),
  }));
  return { ...argument.type, fields };
}

export function callOf(call: ResolvedCall): Expression {
  if (call.function.kind !== 'scalar') throw unsupported(`${call.function.name} in this place`);
  return {
    kind: 'call',
    type: typeOf(call.result),
    function: call.function,
    arguments: call.arguments,
  };
}

/** A call that the binder makes itself; the result is cast to `type` where one is asked for. */
export function callFunction(
  environment: Environment,
  name: string,
  arguments_: readonly Expression[],
  location: number,
  type: SqlType | null = null,
): Expression {
  const call = callOf(resolveFunction(environment, null, name, arguments_, location));
  const result = located(environment, call, location);
  return type === null ? result : castExplicitly(environment, result, type, place(location));
}

function bindSet(context: ExpressionContext, call: ResolvedCall, location: number): Expression {
  const { environment, scope, clause, allowsSets } = context;
  const { function: set } = call;
  if (set.kind !== 'table') throw unsupported('this function', place(location).position);
  if (!allowsSets) {
    throw new AlopexError(
      'feature_not_supported',
      `set-returning functions are not allowed in ${clause}`,
      place(location),
    );
  }
  if (set.columns.length !== 1) throw unsupported(`${set.name} in a select list`, place(location).position);
  const index = nextPlaceholder(scope.placeholders);
  scope.placeholders.sets.set(index, { function: set, arguments: call.arguments, result: call.result });
  return located(environment, { kind: 'column', type: typeOf(call.result), index }, location);
}
