import { costs, estimateOf } from './estimate.ts';
import type { AggregateCall, Expression } from './expression.ts';
import type { LogicalPlan } from './logical.ts';
import type { PhysicalPlan } from './physical.ts';
import type { Planner } from './planner.ts';
import { filtered, type Planned, precomputed, type Request, withColumns } from './request.ts';
import { columnsOf, isVolatile, substitute } from './rewrite.ts';

/** GROUP BY: conditions on the keys alone go below it, aggregates that nobody reads are dropped. */
export function planAggregate(
  planner: Planner,
  logical: Extract<LogicalPlan, { readonly kind: 'aggregate' }>,
  request: Request,
): Planned {
  const keys = logical.keys.map((key) => planner.lowering.expression(key));
  const isPushed = (condition: Expression): boolean =>
    keys.length > 0 &&
    !isVolatile(condition) &&
    columnsOf(condition).length > 0 &&
    columnsOf(condition).every((column) => column < keys.length && !isVolatile(keys[column]!));
  const kept = request.conditions.filter((condition) => !isPushed(condition));
  const wanted = withColumns(request.needed, kept);
  const calls = logical.aggregates.map((call, at) => ({
    call: lowered(planner, call),
    column: keys.length + at,
  }));
  const computed = calls.filter(({ column }) => wanted.has(column));
  const used = [...keys, ...computed.flatMap(({ call }) => operandsOf(call))];
  const input = planner.plan(logical.input, {
    conditions: request.conditions
      .filter(isPushed)
      .map((condition) => substitute(condition, (index) => keys[index]!)),
    needed: withColumns(new Set(), used),
    order: null,
    rowsWanted: null,
  });
  const { planned, expressions } = precomputed(input, used);
  const take = expressions[Symbol.iterator]();
  const next = (): Expression => take.next().value!;
  const placedKeys = keys.map(next);
  const aggregates = computed.map(({ call }) => withOperands(call, next));
  const places = new Array<number>(logical.columns.length).fill(-1);
  for (let key = 0; key < keys.length; key++) places[key] = key;
  for (const [at, { column }] of computed.entries()) places[column] = keys.length + at;
  const types = [...keys.map((key) => key.type), ...aggregates.map((call) => call.type)];
  const { rows, totalCost } = planned.plan.estimate;
  const groups = keys.length === 0 ? 1 : Math.min(rows, 200);
  const cost =
    totalCost + rows * (costs.hashedRow * Math.min(1, keys.length) + aggregates.length * costs.operator);
  const plan: PhysicalPlan = {
    kind: 'aggregate',
    input: planned.plan,
    keys: placedKeys,
    aggregates,
    types,
    estimate: estimateOf(groups, cost, cost + groups * costs.scannedRow, types),
  };
  return filtered({ plan, places, isOrdered: false }, kept);
}

function lowered(planner: Planner, call: AggregateCall): AggregateCall {
  return withOperands(call, (expression) => planner.lowering.expression(expression));
}

function operandsOf(call: AggregateCall): readonly Expression[] {
  const operands: Expression[] = [];
  withOperands(call, (expression) => {
    operands.push(expression);
    return expression;
  });
  return operands;
}

/** The call with each of its expressions replaced, in the order: arguments, sort keys, filter. */
function withOperands(call: AggregateCall, replace: (expression: Expression) => Expression): AggregateCall {
  return {
    ...call,
    arguments: call.arguments.map((argument) => replace(argument)),
    orderBy: call.orderBy.map((key) => ({ ...key, expression: replace(key.expression) })),
    filter: call.filter === null ? null : replace(call.filter),
  };
}
