import type { Node } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { AggregateCall, Expression } from '../../plan/expression.ts';
import type { LogicalPlan, OutputColumn } from '../../plan/logical.ts';
import { formatType } from '../../types/format-type.ts';
import { equalsFunction } from '../../types/functions/registry.ts';
import { locationOf, place } from '../ast.ts';
import { resolveUnknown } from './coerce.ts';
import { columnAt } from './column.ts';
import type { ExpressionContext } from './context.ts';
import { type Environment, placeOf, typeOf } from './environment.ts';
import { findOutput } from './output-name.ts';
import type { Scope, ScopeColumn, ScopeRelation } from './scope.ts';
import type { Target } from './target.ts';
import { isSame, mapExpression } from './traverse.ts';

/** Binds GROUP BY: expressions, ordinals of the select list, and its names where FROM has no such column. */
export function bindGroupKeys(
  context: ExpressionContext,
  nodes: readonly Node[],
  targets: readonly Target[],
): readonly Expression[] {
  const keys: Expression[] = [];
  for (const node of nodes) {
    if ('GroupingSet' in node) {
      if (node.GroupingSet.kind === 'GROUPING_SET_EMPTY') continue;
      throw unsupported('GROUPING SETS, ROLLUP and CUBE', place(node.GroupingSet.location).position);
    }
    const parts = 'RowExpr' in node ? (node.RowExpr.args ?? []) : [node];
    for (const part of parts) {
      const key = bindGroupKey(context, part, targets);
      requireEquality(context.environment, key, locationOf(part));
      if (!keys.some((known) => isSame(known, key))) keys.push(key);
    }
  }
  return keys;
}

function bindGroupKey(context: ExpressionContext, node: Node, targets: readonly Target[]): Expression {
  const output = findOutput(context, node, targets, 'GROUP BY');
  if (output === null) return resolveUnknown(context.environment, context.bind(context, node));
  const { expression } = targets[output]!;
  if (holdsPlaceholder(context.scope, expression)) {
    throw new AlopexError(
      'grouping_error',
      'aggregate functions are not allowed in GROUP BY',
      placeOf(context.environment, expression),
    );
  }
  return expression;
}

function holdsPlaceholder(scope: Scope, expression: Expression): boolean {
  let found = false;
  mapExpression(expression, (part, depth) => {
    found ||= depth === 0 && part.kind === 'column' && scope.placeholders.aggregates.has(part.index);
    return null;
  });
  return found;
}

/** Grouping, DISTINCT and UNION need to know when two values are equal. */
export function requireEquality(environment: Environment, expression: Expression, location: number): void {
  if (equalsFunction(expression.type.oid) !== null) return;
  throw new AlopexError(
    'undefined_function',
    `could not identify an equality operator for type ${formatType(typeOf(expression.type.oid))}`,
    place(environment.locations.get(expression) ?? location),
  );
}

/** A query's expressions over the rows that grouping makes. */
export type Grouped = {
  readonly plan: LogicalPlan;
  readonly rewrite: (expression: Expression) => Expression;
};

/**
 * Puts the aggregate node over `input`. `expressions` are all that is computed above it: what they read beside
 * keys and aggregates must depend on the keys (42803 otherwise).
 */
export function group(
  environment: Environment,
  scope: Scope,
  input: LogicalPlan,
  groupKeys: readonly Expression[],
  expressions: readonly Expression[],
): Grouped {
  const keys = [...groupKeys];
  const aggregates = [...scope.placeholders.aggregates];
  const need: Need = (column, read, depth) => {
    if (column.kind !== 'column') return -1;
    const known = keys.findIndex((key) => isSame(key, column));
    if (known !== -1) return known;
    if (!isDependent(scope, groupKeys, column.index))
      throw ungrouped(environment, scope, column.index, read, depth);
    return keys.push(column) - 1;
  };
  for (const expression of expressions) rewriteGrouped(expression, scope, keys, need, () => 0);
  const rewrite = (expression: Expression): Expression =>
    rewriteGrouped(expression, scope, keys, need, (index) => {
      const ordinal = aggregates.findIndex(([placeholder]) => placeholder === index);
      return keys.length + ordinal;
    });
  const calls = aggregates.map(([, call]) => call);
  const columns = [...keys.map((key) => keyOutput(scope, key)), ...calls.map(aggregateOutput)];
  return { plan: { kind: 'aggregate', columns, input, keys, aggregates: calls }, rewrite };
}

/** The grouped column that holds a column of the input: `read` is where it is read, `depth` subplans below. */
type Need = (column: Expression, read: Expression, depth: number) => number;

/** Replaces keys and aggregates by the columns that hold them, in subplans too. */
function rewriteGrouped(
  expression: Expression,
  scope: Scope,
  keys: readonly Expression[],
  need: Need,
  aggregateIndex: (placeholder: number) => number,
): Expression {
  return mapExpression(expression, (part, depth) => {
    if (depth === 0) {
      const key = part.kind === 'constant' ? -1 : keys.findIndex((known) => isSame(known, part));
      if (key !== -1) return { kind: 'column', type: part.type, index: key };
    }
    const index = ownColumn(part, depth);
    if (index === null || scope.placeholders.sets.has(index)) return null;
    const column: Expression = part.kind === 'column' ? part : { kind: 'column', type: part.type, index };
    const target = scope.placeholders.aggregates.has(index)
      ? aggregateIndex(index)
      : need(column, part, depth);
    return depth === 0
      ? { kind: 'column', type: part.type, index: target }
      : { kind: 'outer-column', type: part.type, level: depth, index: target };
  });
}

/** The column of the query's own row that a part reads, seen from `depth` subplans below. */
export function ownColumn(part: Expression, depth: number): number | null {
  if (part.kind === 'column') return depth === 0 ? part.index : null;
  return part.kind === 'outer-column' && depth > 0 && part.level === depth ? part.index : null;
}

function relationOf(scope: Scope, index: number): { relation: ScopeRelation; column: ScopeColumn } | null {
  for (const relation of scope.relations) {
    const column = relation.columns.find((candidate) => candidate.index === index);
    if (column !== undefined) return { relation, column };
  }
  return null;
}

/** Whether the column's table is grouped by its whole primary key. */
function isDependent(scope: Scope, keys: readonly Expression[], index: number): boolean {
  const relation = relationOf(scope, index)?.relation;
  const table = relation?.table;
  if (relation === undefined || table === null || table === undefined || table.primaryKey === null)
    return false;
  return table.layout.key.every(({ column: attribute }) => {
    const keyColumn = relation.columns.find((column) => column.attribute === attribute);
    return keyColumn !== undefined && keys.some((key) => isSame(key, columnAt(0, keyColumn)));
  });
}

function ungrouped(
  environment: Environment,
  scope: Scope,
  index: number,
  read: Expression,
  depth: number,
): AlopexError {
  const found = relationOf(scope, index);
  const name = found === null ? '?' : `${found.relation.alias}.${found.column.name}`;
  const message =
    depth === 0
      ? `column "${name}" must appear in the GROUP BY clause or be used in an aggregate function`
      : `subquery uses ungrouped column "${name}" from outer query`;
  return new AlopexError('grouping_error', message, placeOf(environment, read));
}

function keyOutput(scope: Scope, key: Expression): OutputColumn {
  const column = key.kind === 'column' ? relationOf(scope, key.index)?.column : undefined;
  return {
    name: column?.name ?? '?column?',
    type: key.type,
    table: column?.table ?? 0,
    attribute: column?.attribute ?? 0,
  };
}

function aggregateOutput(call: AggregateCall): OutputColumn {
  return { name: call.function.name, type: call.type, table: 0, attribute: 0 };
}
