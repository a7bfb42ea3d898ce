import { costs, estimateOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import type { LogicalPlan, Modification, OnConflict } from './logical.ts';
import type { PhysicalPlan } from './physical.ts';
import type { Planner } from './planner.ts';
import { allOf, exactly, filtered, identityPlaces, type Planned, type Request, typesOf } from './request.ts';
import { columnAt, columnsOf, conjunction, conjunctsOf, substitute } from './rewrite.ts';

/** INSERT, UPDATE, DELETE: the input as the writer takes it, and the writer's expressions ready to be compiled. */
export function planModify(
  planner: Planner,
  logical: Extract<LogicalPlan, { readonly kind: 'modify' }>,
): Planned {
  const { modification } = logical;
  const input = planner.whole(modification.input);
  const types = typesOf(logical);
  const { rows, totalCost } = input.estimate;
  const plan: PhysicalPlan = {
    kind: 'modify',
    modification: lowered(planner, modification),
    input,
    types,
    estimate: estimateOf(rows, 0, totalCost + rows * costs.lookup, types),
  };
  return { plan, places: identityPlaces(types.length), isOrdered: false };
}

type Assignments = readonly { readonly attribute: number; readonly value: Expression }[];

function lowered(planner: Planner, modification: Modification): Modification {
  const one = (expression: Expression): Expression => planner.lowering.expression(expression);
  const orNull = (expression: Expression | null): Expression | null =>
    expression === null ? null : one(expression);
  const assignments = (list: Assignments): Assignments =>
    list.map(({ attribute, value }) => ({ attribute, value: one(value) }));
  const returning = modification.returning?.map(one) ?? null;
  switch (modification.kind) {
    case 'insert':
      return {
        ...modification,
        returning,
        onConflict: loweredConflict(modification.onConflict, assignments, orNull),
      };
    case 'update': {
      const changed = assignments(modification.assignments);
      return { ...modification, returning, assignments: changed, recheck: orNull(modification.recheck) };
    }
    case 'delete':
      return { ...modification, returning, recheck: orNull(modification.recheck) };
  }
}

function loweredConflict(
  onConflict: OnConflict | null,
  assignments: (list: Assignments) => Assignments,
  orNull: (expression: Expression | null) => Expression | null,
): OnConflict | null {
  if (onConflict === null || onConflict.action.kind === 'nothing') return onConflict;
  const { action } = onConflict;
  return {
    ...onConflict,
    action: { ...action, assignments: assignments(action.assignments), condition: orNull(action.condition) },
  };
}

/** FOR UPDATE and its kin. What rows must still satisfy once they are locked are the conditions right beneath. */
export function planLockRows(
  planner: Planner,
  logical: Extract<LogicalPlan, { readonly kind: 'lock-rows' }>,
  request: Request,
): Planned {
  const types = typesOf(logical);
  const columns = [...allOf(types.length)];
  const planned = planner.plan(logical.input, {
    conditions: request.conditions,
    needed: allOf(types.length),
    order: request.order,
    rowsWanted: request.rowsWanted,
  });
  const input = exactly(planned, columns, types);
  const { strength, wait, targets } = logical;
  const { rows, startupCost, totalCost } = input.estimate;
  const plan: PhysicalPlan = {
    kind: 'lock-rows',
    input,
    strength,
    wait,
    targets,
    recheck: conjunction([...recheckOf(planner, logical.input), ...request.conditions]),
    types,
    estimate: estimateOf(rows, startupCost, totalCost + rows * costs.lookup, types),
  };
  return filtered({ plan, places: columns, isOrdered: planned.isOrdered }, []);
}

/** The conditions of a filter beneath, over the output row; those on columns that are not put out are left out. */
function recheckOf(planner: Planner, logical: LogicalPlan): readonly Expression[] {
  switch (logical.kind) {
    case 'filter':
      return [
        ...conjunctsOf(planner.lowering.expression(logical.condition)),
        ...recheckOf(planner, logical.input),
      ];
    case 'sort':
    case 'limit':
      return recheckOf(planner, logical.input);
    case 'project': {
      const outputs = logical.expressions;
      const placeOf = (index: number): number =>
        outputs.findIndex((expression) => expression.kind === 'column' && expression.index === index);
      return recheckOf(planner, logical.input)
        .filter((condition) => columnsOf(condition).every((index) => placeOf(index) >= 0))
        .map((condition) => substitute(condition, (index, type) => columnAt(placeOf(index), type)));
    }
    default:
      return [];
  }
}
