import type { Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { Expression, SortKey } from '../../plan/expression.ts';
import { locationOf, place } from '../ast.ts';
import { resolveUnknown } from './coerce.ts';
import type { ExpressionContext } from './context.ts';
import { requireEquality } from './grouping.ts';
import { findOutput, type OutputClause } from './output-name.ts';
import { sortByOf, sortKeyOf } from './sort-key.ts';
import type { Target } from './target.ts';
import { isSame, someExpression } from './traverse.ts';

/** ORDER BY's keys, over what the select list is over. */
export function bindOrder(
  context: ExpressionContext,
  nodes: readonly Node[],
  targets: readonly Target[],
): readonly SortKey[] {
  return nodes.map((node) => {
    const sortBy = sortByOf(node);
    const expression = bindItem(context, sortBy.node!, targets, 'ORDER BY');
    return sortKeyOf(sortBy, expression);
  });
}

function bindItem(
  context: ExpressionContext,
  node: Node,
  targets: readonly Target[],
  clause: OutputClause,
): Expression {
  const output = findOutput(context, node, targets, clause);
  if (output !== null) return targets[output]!.expression;
  return resolveUnknown(context.environment, context.bind(context, node));
}

/** DISTINCT: all targets must be comparable, and ORDER BY may only use them. */
export function checkDistinct(
  context: ExpressionContext,
  targets: readonly Target[],
  order: readonly SortKey[],
): void {
  for (const { expression } of targets) requireEquality(context.environment, expression, -1);
  for (const { expression } of order) {
    if (targets.some((target) => isSame(target.expression, expression))) continue;
    throw new AlopexError(
      'invalid_column_reference',
      'for SELECT DISTINCT, ORDER BY expressions must appear in select list',
      place(context.environment.locations.get(expression) ?? -1),
    );
  }
}

/** DISTINCT ON: its expressions must be the first keys of ORDER BY, in any order. */
export function bindDistinctOn(
  context: ExpressionContext,
  nodes: readonly Node[],
  targets: readonly Target[],
  order: readonly SortKey[],
): readonly Expression[] {
  const on = nodes.map((node) => {
    const expression = bindItem(context, node, targets, 'DISTINCT ON');
    requireEquality(context.environment, expression, locationOf(node));
    return expression;
  });
  const initial = order.findIndex(({ expression }) => !on.some((item) => isSame(item, expression)));
  if (initial === -1) return on;
  const keys = order.slice(0, initial);
  const stray = on.findIndex((item) => !keys.some(({ expression }) => isSame(item, expression)));
  if (stray === -1) return on;
  throw new AlopexError(
    'invalid_column_reference',
    'SELECT DISTINCT ON expressions must match initial ORDER BY expressions',
    place(locationOf(nodes[stray])),
  );
}

/** Whether an expression gives the same value each time: then it may be computed twice. */
export function isRepeatable(expression: Expression): boolean {
  return !someExpression(
    expression,
    (part) => part.kind === 'subquery' || (part.kind === 'call' && part.function.volatility === 'volatile'),
  );
}
