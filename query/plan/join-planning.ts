import { unsupported } from '../../base/errors.ts';
import { estimateOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import { planInnerJoins } from './join-order.ts';
import { joined, type OuterKind, pairPlaces, shifted } from './join-parts.ts';
import type { LogicalPlan } from './logical.ts';
import { lookupJoin } from './lookup-planning.ts';
import type { Binding, PhysicalPlan } from './physical.ts';
import type { Planner } from './planner.ts';
import { filtered, type Planned, type Request } from './request.ts';
import { columnAt, columnsOf, conjunction, conjunctsOf, hasSubquery, remap, substitute } from './rewrite.ts';

export type JoinNode = Extract<LogicalPlan, { readonly kind: 'join' }>;

/** Joins: inner ones in any order, outer ones as they are written. */
export function planJoin(planner: Planner, logical: JoinNode, request: Request): Planned {
  if (logical.isLateral) return planLateral(planner, logical, request);
  const isInner = logical.join === 'inner' || logical.join === 'cross';
  if (isInner) return planInnerJoins(planner, logical, request);
  if (logical.join === 'right') return planRight(planner, logical, request);
  const kind = logical.join as OuterKind;
  const leftWidth = logical.left.columns.length;
  if (
    kind === 'left' &&
    request.conditions.some((condition) => rejectsNulls(condition, (column) => column >= leftWidth))
  ) {
    return planInnerJoins(planner, { ...logical, join: 'inner' }, request);
  }
  return planOuter(planner, logical, kind, request);
}

/** A right join is a left join with its sides exchanged. */
function planRight(planner: Planner, logical: JoinNode, request: Request): Planned {
  const leftWidth = logical.left.columns.length;
  const rightWidth = logical.right.columns.length;
  const swap = (column: number): number => (column < leftWidth ? column + rightWidth : column - leftWidth);
  const swapped = (expression: Expression): Expression =>
    substitute(expression, (index, type) => columnAt(swap(index), type));
  const condition =
    logical.condition === null ? null : swapped(planner.lowering.expression(logical.condition));
  const exchanged: JoinNode = {
    ...logical,
    join: 'left',
    left: logical.right,
    right: logical.left,
    condition,
    columns: [...logical.right.columns, ...logical.left.columns],
  };
  const planned = planJoin(planner, exchanged, {
    ...request,
    conditions: request.conditions.map(swapped),
    needed: new Set([...request.needed].map(swap)),
    order: null,
  });
  return {
    ...planned,
    places: logical.columns.map((_column, at) => planned.places[swap(at)]!),
    isOrdered: false,
  };
}

/** Conditions of WHERE go to the left side where they read it alone; those of ON to the right side, likewise. */
function planOuter(planner: Planner, logical: JoinNode, kind: OuterKind, request: Request): Planned {
  const leftWidth = logical.left.columns.length;
  const isLeft = (column: number): boolean => column < leftWidth;
  const on = conjunctsOf(logical.condition === null ? null : planner.lowering.expression(logical.condition));
  const toLeft =
    kind === 'full' ? [] : request.conditions.filter((condition) => columnsOf(condition).every(isLeft));
  const above = request.conditions.filter((condition) => !toLeft.includes(condition));
  const isOfRight = (condition: Expression): boolean =>
    kind !== 'full' && !columnsOf(condition).some(isLeft) && columnsOf(condition).length > 0;
  const toRight = on.filter(isOfRight);
  const onBoth = on.filter((condition) => !isOfRight(condition));
  const used = [...above, ...onBoth].flatMap(columnsOf);
  const needed = new Set([...request.needed, ...used]);
  const keepsRight = kind === 'left' || kind === 'full';
  const left = planner.plan(logical.left, {
    conditions: toLeft,
    needed: new Set([...needed].filter(isLeft)),
    order: null,
    rowsWanted: null,
  });
  const rightRequest: Request = {
    conditions: toRight.map((condition) => shifted(condition, leftWidth)),
    needed: new Set([...needed].filter((column) => !isLeft(column)).map((column) => column - leftWidth)),
    order: null,
    rowsWanted: null,
  };
  const lookup =
    kind === 'full'
      ? null
      : lookupJoin(planner, { kind, left, leftWidth, right: logical.right, rightRequest, on: onBoth });
  if (lookup !== null) return filtered(lookup, above);
  const right = planner.plan(logical.right, rightRequest);
  if (onBoth.some(hasSubquery)) return filtered(driven(planner, kind, left, right, onBoth, leftWidth), above);
  return filtered(joined(kind, left, right, onBoth, leftWidth, keepsRight), above);
}

/** Conditions with subqueries are tested in a filter on the right side, which runs for each left row. */
function driven(
  planner: Planner,
  kind: OuterKind,
  left: Planned,
  right: Planned,
  on: readonly Expression[],
  leftWidth: number,
): Planned {
  if (kind === 'full') throw unsupported('FULL JOIN with a subquery in its condition');
  const { bindings, expressions } = planner.lowering.bound(on, (column) => column < leftWidth);
  const tested = filtered(
    right,
    expressions.map((expression) => shifted(expression, leftWidth)),
  );
  return lateral(kind, left, tested, bindings, []);
}

/** LATERAL: the right side runs for each left row. */
function planLateral(planner: Planner, logical: JoinNode, request: Request): Planned {
  const leftWidth = logical.left.columns.length;
  const isLeft = (column: number): boolean => column < leftWidth;
  const on = conjunctsOf(logical.condition === null ? null : planner.lowering.expression(logical.condition));
  const toLeft = request.conditions.filter(
    (condition) => columnsOf(condition).length > 0 && columnsOf(condition).every(isLeft),
  );
  const above = request.conditions.filter((condition) => !toLeft.includes(condition));
  const needed = new Set([...request.needed, ...[...above, ...on].flatMap(columnsOf)]);
  const rightColumns = [...needed].filter((column) => !isLeft(column)).map((column) => column - leftWidth);
  let right: Planned | null = null;
  const nested = planner.lowering.nested(() => {
    right = planner.plan(logical.right, {
      conditions: [],
      needed: new Set(rightColumns),
      order: null,
      rowsWanted: null,
    });
    return right.plan;
  });
  const bound = nested.bindings.flatMap(({ expression }) => columnsOf(expression));
  const left = planner.plan(logical.left, {
    conditions: toLeft,
    needed: new Set([...[...needed].filter(isLeft), ...bound]),
    order: null,
    rowsWanted: null,
  });
  const own = planner.lowering.bound(on.filter(hasSubquery), isLeft);
  const inner = filtered(
    { ...right!, plan: nested.physical },
    own.expressions.map((expression) => shifted(expression, leftWidth)),
  );
  const bindings = [...nested.bindings, ...own.bindings];
  const plain = on.filter((conjunct) => !hasSubquery(conjunct));
  return filtered(lateral(logical.join as DrivenKind, left, inner, bindings, plain), above);
}

type DrivenKind = 'inner' | 'left' | 'cross' | 'semi' | 'anti';

/** The right side runs again for each left row, with these bound. */
function lateral(
  kind: DrivenKind,
  left: Planned,
  right: Planned,
  bindings: readonly Binding[],
  on: readonly Expression[],
): Planned {
  const keepsRight = kind !== 'semi' && kind !== 'anti';
  const joinPlaces = pairPlaces(left, right, true);
  const types = keepsRight ? [...left.plan.types, ...right.plan.types] : left.plan.types;
  const rows = left.plan.estimate.rows * (keepsRight ? right.plan.estimate.rows : 0.5);
  const cost = left.plan.estimate.totalCost + left.plan.estimate.rows * right.plan.estimate.totalCost;
  const plan: PhysicalPlan = {
    kind: 'nested-loop',
    join: kind,
    left: left.plan,
    right: right.plan,
    condition: conjunction(on.map((conjunct) => remap(conjunct, joinPlaces))),
    bindings: bindings.map(({ slot, expression }) => ({ slot, expression: remap(expression, left.places) })),
    types,
    estimate: estimateOf(rows, 0, cost, types),
  };
  return { plan, places: pairPlaces(left, right, keepsRight), isOrdered: false };
}

/** Whether a condition cannot be true where all of some columns are null. */
function rejectsNulls(condition: Expression, isOfSide: (column: number) => boolean): boolean {
  if (condition.kind === 'is-null') return condition.negated && isStrictOver(condition.operand, isOfSide);
  if (condition.kind === 'and') return condition.operands.some((operand) => rejectsNulls(operand, isOfSide));
  if (condition.kind === 'or') return condition.operands.every((operand) => rejectsNulls(operand, isOfSide));
  if (condition.kind === 'list-comparison')
    return condition.quantifier === 'any' && isStrictOver(condition.left, isOfSide);
  return isStrictOver(condition, isOfSide);
}

/** Whether an expression is null where a column of the side is. */
function isStrictOver(expression: Expression, isOfSide: (column: number) => boolean): boolean {
  switch (expression.kind) {
    case 'column':
      return isOfSide(expression.index);
    case 'call':
      return (
        expression.function.isStrict &&
        expression.arguments.some((argument) => isStrictOver(argument, isOfSide))
      );
    case 'cast':
    case 'not':
      return isStrictOver(expression.operand, isOfSide);
    default:
      return false;
  }
}
