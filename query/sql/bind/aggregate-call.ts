import type { FuncCall } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { AggregateCall, Expression } from '../../plan/expression.ts';
import { place } from '../ast.ts';
import { coerceToBoolean } from './coerce.ts';
import type { ExpressionContext } from './context.ts';
import { located, placeOf, typeOf } from './environment.ts';
import type { ResolvedCall } from './function.ts';
import { nextPlaceholder, type Scope } from './scope.ts';
import { bindSortKey } from './sort-key.ts';
import { isSame, levelsOf, mapAggregate, mapExpression, someExpression } from './traverse.ts';

/**
 * Registers the aggregate with the query that it belongs to (the innermost one whose columns it reads), and gives
 * the placeholder for its value.
 */
export function bindAggregate(context: ExpressionContext, node: FuncCall, call: ResolvedCall): Expression {
  const { environment } = context;
  const location = node.location ?? 0;
  const aggregate = aggregateOf(context, node, call);
  const parts = partsOf(aggregate);
  const levels = new Set(parts.flatMap((part) => [...levelsOf(part)]));
  const level = levels.size === 0 ? 0 : Math.min(...levels);
  if (level === 0 && !context.allowsAggregates) {
    throw new AlopexError(
      'grouping_error',
      `aggregate functions are not allowed in ${context.clause}`,
      place(location),
    );
  }
  const owner = scopeAt(context.scope, level);
  if (parts.some((part) => holdsAggregate(part, owner, level))) {
    throw new AlopexError(
      'grouping_error',
      'aggregate function calls cannot be nested',
      placeOfNested(context, parts, owner, level, location),
    );
  }
  const index = register(owner, level === 0 ? aggregate : raise(aggregate, level));
  const type = aggregate.type;
  const value: Expression =
    level === 0 ? { kind: 'column', type, index } : { kind: 'outer-column', type, level, index };
  return located(environment, value, location);
}

function aggregateOf(context: ExpressionContext, node: FuncCall, call: ResolvedCall): AggregateCall {
  const { function: resolved, arguments: arguments_ } = call;
  if (resolved.kind !== 'aggregate') throw new TypeError(`${resolved.name} is no aggregate`);
  const orderBy = (node.agg_order ?? []).map((key) => bindSortKey(context, key, 'ORDER BY'));
  const isDistinct = node.agg_distinct === true;
  const isArgument = (expression: Expression): boolean =>
    arguments_.some((argument) => isSame(argument, expression));
  const stray = isDistinct ? orderBy.find(({ expression }) => !isArgument(expression)) : undefined;
  if (stray !== undefined) {
    throw new AlopexError(
      'invalid_column_reference',
      'in an aggregate with DISTINCT, ORDER BY expressions must appear in argument list',
      placeOf(context.environment, stray.expression),
    );
  }
  const inFilter: ExpressionContext = {
    ...context,
    clause: 'FILTER',
    allowsAggregates: false,
    allowsSets: false,
  };
  const filter =
    node.agg_filter === undefined
      ? null
      : coerceToBoolean(context.environment, context.bind(inFilter, node.agg_filter), 'FILTER');
  return {
    function: resolved,
    arguments: arguments_,
    isDistinct,
    orderBy,
    filter,
    type: typeOf(call.result),
  };
}

/** DISTINCT, FILTER and ORDER BY within a call are for aggregates alone. */
export function refuseAggregateSyntax(node: FuncCall, name: string): void {
  const construct =
    node.agg_star === true
      ? `${name}(*)`
      : node.agg_distinct === true
        ? 'DISTINCT'
        : node.agg_filter !== undefined
          ? 'FILTER'
          : (node.agg_order ?? []).length > 0
            ? 'ORDER BY'
            : null;
  if (construct === null) return;
  throw new AlopexError(
    'wrong_object_type',
    `${construct} specified, but ${name} is not an aggregate function`,
    place(node.location),
  );
}

function partsOf(call: AggregateCall): readonly Expression[] {
  const keys = call.orderBy.map((key) => key.expression);
  return [...call.arguments, ...keys, ...(call.filter === null ? [] : [call.filter])];
}

function scopeAt(scope: Scope, level: number): Scope {
  let at = scope;
  for (let hop = 0; hop < level && at.parent !== null; hop += 1) at = at.parent;
  return at;
}

function isAggregateOf(owner: Scope, level: number, part: Expression, depth: number): boolean {
  if (part.kind === 'column') return level + depth === 0 && owner.placeholders.aggregates.has(part.index);
  return (
    part.kind === 'outer-column' &&
    part.level === level + depth &&
    owner.placeholders.aggregates.has(part.index)
  );
}

function holdsAggregate(expression: Expression, owner: Scope, level: number): boolean {
  return someExpression(expression, (part, depth) => isAggregateOf(owner, level, part, depth));
}

function placeOfNested(
  context: ExpressionContext,
  parts: readonly Expression[],
  owner: Scope,
  level: number,
  location: number,
): { readonly position?: number } {
  let inner = location;
  for (const part of parts) {
    someExpression(part, (at, depth) => {
      if (!isAggregateOf(owner, level, at, depth)) return false;
      inner = context.environment.locations.get(at) ?? location;
      return true;
    });
  }
  return place(inner);
}

/** The same call is computed once. */
function register(owner: Scope, call: AggregateCall): number {
  const { aggregates } = owner.placeholders;
  for (const [index, known] of aggregates) if (isSame(known, call)) return index;
  const index = nextPlaceholder(owner.placeholders);
  aggregates.set(index, call);
  return index;
}

/** Rewrites an aggregate's expressions for the row of the query `level` hops out. */
function raise(call: AggregateCall, level: number): AggregateCall {
  const raised = (expression: Expression): Expression =>
    mapExpression(expression, (part, depth) => {
      if (part.kind !== 'outer-column' || part.level < depth + level) return null;
      const { type, index } = part;
      return part.level === level && depth === 0
        ? { kind: 'column', type, index }
        : { ...part, level: part.level - level };
    });
  return mapAggregate(call, raised);
}
