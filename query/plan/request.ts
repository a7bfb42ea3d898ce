import type { SqlType } from '../types/type.ts';
import { costs, estimateOf, selectivityOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import type { LogicalPlan } from './logical.ts';
import type { PhysicalPlan } from './physical.ts';
import { columnAt, columnsOf, conjunction, hasSubquery, remap } from './rewrite.ts';

type ColumnOrder = readonly {
  readonly column: number;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
}[];

/**
 * What a plan node is asked for by the one above it, in terms of its logical output columns. The answer meets all
 * the conditions, and has at least the needed columns.
 */
export type Request = {
  readonly conditions: readonly Expression[];
  readonly needed: ReadonlySet<number>;
  /** An order that would save a sort. */
  readonly order: ColumnOrder | null;
  /** About how many rows will be taken, where that is known. */
  readonly rowsWanted: number | null;
};

/** `places[i]`: where the node's logical column i stands in the plan's rows, or -1 where it was left out. */
export type Planned = {
  readonly plan: PhysicalPlan;
  readonly places: readonly number[];
  /** The order that was asked for holds. */
  readonly isOrdered: boolean;
};

export function allOf(count: number): ReadonlySet<number> {
  return new Set(Array.from({ length: count }, (_unused, at) => at));
}

export function identityPlaces(count: number): readonly number[] {
  return Array.from({ length: count }, (_unused, at) => at);
}

export function withColumns(
  needed: ReadonlySet<number>,
  expressions: readonly Expression[],
): ReadonlySet<number> {
  return new Set([...needed, ...expressions.flatMap(columnsOf)]);
}

/** The rows that meet the conditions: conjuncts with subqueries are tested after the cheaper ones. */
export function filtered(planned: Planned, conditions: readonly Expression[]): Planned {
  let plan = planned.plan;
  const cheap = conjunction(conditions.filter((condition) => !hasSubquery(condition)));
  const dear = conjunction(conditions.filter(hasSubquery));
  for (const condition of [cheap, dear]) {
    if (condition !== null) plan = filterPlan(plan, remap(condition, planned.places));
  }
  return { ...planned, plan };
}

function filterPlan(input: PhysicalPlan, condition: Expression): PhysicalPlan {
  const { rows, startupCost, totalCost } = input.estimate;
  const estimate = estimateOf(
    rows * selectivityOf(condition),
    startupCost,
    totalCost + rows * costs.operator,
    input.types,
  );
  return { kind: 'filter', input, condition, types: input.types, estimate };
}

export function projectPlan(input: PhysicalPlan, expressions: readonly Expression[]): PhysicalPlan {
  const types = expressions.map((expression) => expression.type);
  const { rows, startupCost, totalCost } = input.estimate;
  const computed = expressions.filter((expression) => expression.kind !== 'column').length;
  const estimate = estimateOf(rows, startupCost, totalCost + rows * computed * costs.operator, types);
  return { kind: 'project', input, expressions, types, estimate };
}

/** The plan with exactly these logical columns, in this order. */
export function exactly(
  planned: Planned,
  columns: readonly number[],
  types: readonly SqlType[],
): PhysicalPlan {
  const isAsIs =
    columns.length === planned.plan.types.length &&
    columns.every((column, at) => planned.places[column] === at);
  if (isAsIs) return planned.plan;
  return projectPlan(
    planned.plan,
    columns.map((column) => columnAt(planned.places[column]!, types[column]!)),
  );
}

/**
 * Expressions over a plan's rows without subqueries: those that have one are computed by a projection below, and
 * then are columns.
 */
export function precomputed(
  planned: Planned,
  expressions: readonly Expression[],
): { readonly planned: Planned; readonly expressions: readonly Expression[] } {
  const placed = expressions.map((expression) => remap(expression, planned.places));
  if (!placed.some(hasSubquery)) return { planned, expressions: placed };
  const width = planned.plan.types.length;
  const kept = planned.plan.types.map((type, at) => columnAt(at, type));
  const computed = placed.filter(hasSubquery);
  const plan = projectPlan(planned.plan, [...kept, ...computed]);
  let next = width;
  return {
    planned: { ...planned, plan },
    expressions: placed.map((expression) =>
      hasSubquery(expression) ? columnAt(next++, expression.type) : expression,
    ),
  };
}

export function typesOf(logical: LogicalPlan): readonly SqlType[] {
  return logical.columns.map((column) => column.type);
}
