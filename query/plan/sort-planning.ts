import { costs, estimateOf } from './estimate.ts';
import type { Expression, SortKey } from './expression.ts';
import type { LogicalPlan } from './logical.ts';
import type { PhysicalPlan } from './physical.ts';
import type { Planner } from './planner.ts';
import { filtered, type Planned, precomputed, type Request, withColumns } from './request.ts';

type Node<Kind extends LogicalPlan['kind']> = Extract<LogicalPlan, { readonly kind: Kind }>;

/** ORDER BY: by an index where that is cheaper, else by sorting. */
export function planSort(planner: Planner, logical: Node<'sort'>, request: Request): Planned {
  const keys = logical.keys.map((key) => ({
    ...key,
    expression: planner.lowering.expression(key.expression),
  }));
  const columns = keys.map(({ expression }) => (expression.kind === 'column' ? expression.index : -1));
  const order = columns.includes(-1)
    ? null
    : keys.map(({ descending, nullsFirst }, at) => ({ column: columns[at]!, descending, nullsFirst }));
  const input = planner.plan(logical.input, {
    conditions: request.conditions,
    needed: withColumns(
      request.needed,
      keys.map(({ expression }) => expression),
    ),
    order,
    rowsWanted: order === null ? null : request.rowsWanted,
  });
  if (order !== null && input.isOrdered) return input;
  const { planned, expressions } = precomputed(
    input,
    keys.map(({ expression }) => expression),
  );
  const sortKeys = keys.map((key, at): SortKey => ({ ...key, expression: expressions[at]! }));
  return { ...planned, plan: sortPlan(planned.plan, sortKeys, null), isOrdered: false };
}

type SortLimit = Extract<PhysicalPlan, { readonly kind: 'sort' }>['limit'];

function sortPlan(input: PhysicalPlan, keys: readonly SortKey[], limit: SortLimit): PhysicalPlan {
  const { rows, totalCost } = input.estimate;
  const cost = totalCost + rows * Math.log2(rows + 2) * costs.comparedRow;
  return {
    kind: 'sort',
    input,
    keys,
    limit,
    types: input.types,
    estimate: estimateOf(rows, cost, cost, input.types),
  };
}

/** LIMIT and OFFSET. A sort beneath need only keep the first rows. */
export function planLimit(planner: Planner, logical: Node<'limit'>, request: Request): Planned {
  const lower = (expression: Expression | null): Expression | null =>
    expression === null ? null : planner.lowering.expression(expression);
  const count = lower(logical.count);
  const offset = lower(logical.offset);
  const wanted = rowsWanted(count, offset);
  const input = planner.plan(logical.input, {
    conditions: [],
    needed: withColumns(request.needed, request.conditions),
    order: null,
    rowsWanted: wanted,
  });
  const topped = count === null ? input.plan : withTop(input.plan, { count, offset });
  const { rows, startupCost, totalCost } = topped.estimate;
  const taken = Math.min(rows, wanted ?? rows / 10);
  const cost = startupCost + ((totalCost - startupCost) * taken) / Math.max(1, rows);
  const plan: PhysicalPlan = {
    kind: 'limit',
    input: topped,
    count,
    offset,
    types: topped.types,
    estimate: estimateOf(taken, startupCost, cost, topped.types),
  };
  return filtered({ plan, places: input.places, isOrdered: false }, request.conditions);
}

/** Rows of LIMIT and OFFSET where both are constants; a parameter counts as a hundred. */
function rowsWanted(count: Expression | null, offset: Expression | null): number | null {
  if (count === null) return null;
  const rowsOf = (expression: Expression | null, otherwise: number): number =>
    expression?.kind === 'constant' && expression.value !== null ? Number(expression.value) : otherwise;
  if (count.kind === 'constant' && count.value === null) return null;
  return rowsOf(count, 100) + rowsOf(offset, 0);
}

function withTop(plan: PhysicalPlan, limit: SortLimit): PhysicalPlan {
  if (plan.kind === 'sort') return { ...plan, limit };
  if (plan.kind === 'project') return { ...plan, input: withTop(plan.input, limit) };
  return plan;
}
