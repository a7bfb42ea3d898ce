import { type ColumnView, type JoinKey, joinKeyOf } from './conditions.ts';
import { costs, estimateOf, selectivityOf } from './estimate.ts';
import type { Expression } from './expression.ts';
import type { Estimate, HashJoin, PhysicalPlan } from './physical.ts';
import { filtered, type Planned } from './request.ts';
import { columnAt, conjunction, hasSubquery, remap, substitute, walk } from './rewrite.ts';

export type OuterKind = 'left' | 'full' | 'semi' | 'anti';

/** The expression with the right side's columns counted from that side's start. */
export function shifted(expression: Expression, leftWidth: number): Expression {
  return substitute(expression, (index, type) => columnAt(index - leftWidth, type));
}

/** Joins two planned sides by hash where a condition is an equality between them, else by trying all pairs. */
export function joined(
  kind: 'inner' | OuterKind,
  left: Planned,
  right: Planned,
  on: readonly Expression[],
  leftWidth: number,
  keepsRight = true,
): Planned {
  const isLeft = (column: number): boolean => column < leftWidth;
  const places = pairPlaces(left, right, keepsRight);
  const joinPlaces = keepsRight ? places : pairPlaces(left, right, true);
  const keys: JoinKey[] = [];
  const rest: Expression[] = [];
  for (const conjunct of on) {
    const key = hasSubquery(conjunct) ? null : joinKeyOf(conjunct, isLeft);
    if (key === null) rest.push(conjunct);
    else keys.push(key);
  }
  const types = keepsRight ? [...left.plan.types, ...right.plan.types] : left.plan.types;
  const tested = rest.filter((conjunct) => !hasSubquery(conjunct));
  const later = rest.filter(hasSubquery);
  const condition = conjunction(tested.map((conjunct) => remap(conjunct, joinPlaces)));
  const rows = joinRows(kind, left.plan.estimate.rows, right.plan.estimate.rows, keys.length, tested);
  const plan: PhysicalPlan =
    keys.length > 0
      ? {
          ...hashJoin(kind, left, right, keys, leftWidth, condition),
          types,
          estimate: hashEstimate(left.plan.estimate, right.plan.estimate, rows, types),
        }
      : {
          kind: 'nested-loop',
          join: kind === 'inner' && condition === null ? 'cross' : kind,
          left: left.plan,
          right: right.plan,
          condition,
          bindings: null,
          types,
          estimate: pairsEstimate(left.plan.estimate, right.plan.estimate, rows, types),
        };
  return filtered({ plan, places, isOrdered: false }, later);
}

function hashJoin(
  kind: 'inner' | OuterKind,
  left: Planned,
  right: Planned,
  keys: readonly JoinKey[],
  leftWidth: number,
  residual: Expression | null,
): HashJoin {
  return {
    kind: 'hash-join',
    join: kind,
    left: left.plan,
    right: right.plan,
    leftKeys: keys.map((key) => remap(key.left, left.places)),
    rightKeys: keys.map((key) => remap(shifted(key.right, leftWidth), right.places)),
    nullsMatch: keys.map((key) => key.nullsMatch),
    residual,
  };
}

export function pairPlaces(left: Planned, right: Planned, keepsRight: boolean): readonly number[] {
  const width = left.plan.types.length;
  const ofRight = right.places.map((place) => (keepsRight && place >= 0 ? place + width : -1));
  return [...left.places, ...ofRight];
}

export function joinRows(
  kind: 'inner' | OuterKind,
  left: number,
  right: number,
  keyCount: number,
  rest: readonly Expression[],
): number {
  const pairs = keyCount > 0 ? (left * right) / Math.max(left, right, 1) : left * right;
  const kept = rest.reduce((rows, conjunct) => rows * selectivityOf(conjunct), pairs);
  switch (kind) {
    case 'inner':
      return kept;
    case 'left':
      return Math.max(left, kept);
    case 'full':
      return Math.max(left + right, kept);
    case 'semi':
    case 'anti':
      return left / 2;
  }
}

function hashEstimate(left: Estimate, right: Estimate, rows: number, types: PhysicalPlan['types']): Estimate {
  const build = right.totalCost + right.rows * costs.hashedRow;
  return estimateOf(
    rows,
    build,
    build + left.totalCost + left.rows * costs.probedRow + rows * costs.probedRow,
    types,
  );
}

function pairsEstimate(
  left: Estimate,
  right: Estimate,
  rows: number,
  types: PhysicalPlan['types'],
): Estimate {
  const pairs = left.rows * right.rows;
  return estimateOf(rows, right.totalCost, left.totalCost + right.totalCost + pairs * costs.operator, types);
}

/** Which columns of a view belong to the right side of a join. */
export function rightView(leftWidth: number, attributes: readonly number[]): ColumnView {
  return {
    attributeOf: (index) => (index < leftWidth ? null : (attributes[index - leftWidth] ?? null)),
    isKnown(expression) {
      let isKnown = true;
      walk(expression, (part) => {
        if (part.kind === 'column' && part.index >= leftWidth) isKnown = false;
        if (part.kind === 'subquery') isKnown = false;
        if (part.kind === 'call' && part.function.volatility === 'volatile') isKnown = false;
      });
      return isKnown;
    },
  };
}
