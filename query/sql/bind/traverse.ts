import { unreachable } from '../../../base/unreachable.ts';
import type { AggregateCall, Expression, SortKey } from '../../plan/expression.ts';
import type { LogicalPlan, Modification, ProjectSetItem } from '../../plan/logical.ts';
import { mapOperands } from '../../plan/operands.ts';

/**
 * Called for each expression from the outside in, with the number of subplans and lateral sides around it. What
 * it gives takes the expression's place; null goes on into its parts.
 */
export type Replacement = (expression: Expression, depth: number) => Expression | null;

/** Rebuilds an expression with parts replaced, subplans included. */
export function mapExpression(expression: Expression, replace: Replacement, depth = 0): Expression {
  const replaced = replace(expression, depth);
  if (replaced !== null) return replaced;
  const mapped = mapOperands(expression, (part) => mapExpression(part, replace, depth));
  if (mapped.kind !== 'subquery') return mapped;
  const plan = mapPlan(mapped.subplan.plan, replace, depth + 1);
  return { ...mapped, subplan: { ...mapped.subplan, plan } };
}

export function mapAggregate(call: AggregateCall, map: (part: Expression) => Expression): AggregateCall {
  return {
    ...call,
    arguments: call.arguments.map(map),
    orderBy: mapKeys(call.orderBy, map),
    filter: call.filter === null ? null : map(call.filter),
  };
}

function mapKeys(keys: readonly SortKey[], map: (part: Expression) => Expression): readonly SortKey[] {
  return keys.map((key) => ({ ...key, expression: map(key.expression) }));
}

/** Rebuilds a plan with the expressions of all its nodes replaced. */
export function mapPlan(plan: LogicalPlan, replace: Replacement, depth = 0): LogicalPlan {
  const map = (part: Expression): Expression => mapExpression(part, replace, depth);
  const mapOptional = (part: Expression | null): Expression | null => (part === null ? null : map(part));
  const input = (below: LogicalPlan): LogicalPlan => mapPlan(below, replace, depth);
  switch (plan.kind) {
    case 'scan':
    case 'virtual-scan':
    case 'single-row':
    case 'cte-scan':
      return plan;
    case 'values':
      return { ...plan, rows: plan.rows.map((row) => row.map(map)) };
    case 'function-scan':
      return { ...plan, arguments: plan.arguments.map(map) };
    case 'filter':
      return { ...plan, input: input(plan.input), condition: map(plan.condition) };
    case 'project':
      return { ...plan, input: input(plan.input), expressions: plan.expressions.map(map) };
    case 'project-set':
      return { ...plan, input: input(plan.input), items: plan.items.map((item) => mapItem(item, map)) };
    case 'join': {
      const right = mapPlan(plan.right, replace, plan.isLateral ? depth + 1 : depth);
      return { ...plan, left: input(plan.left), right, condition: mapOptional(plan.condition) };
    }
    case 'aggregate': {
      const aggregates = plan.aggregates.map((call) => mapAggregate(call, map));
      return { ...plan, input: input(plan.input), keys: plan.keys.map(map), aggregates };
    }
    case 'distinct':
      return { ...plan, input: input(plan.input), on: plan.on?.map(map) ?? null };
    case 'sort':
      return { ...plan, input: input(plan.input), keys: mapKeys(plan.keys, map) };
    case 'limit': {
      const count = mapOptional(plan.count);
      return { ...plan, input: input(plan.input), count, offset: mapOptional(plan.offset) };
    }
    case 'set-operation':
      return { ...plan, left: input(plan.left), right: input(plan.right) };
    case 'with': {
      const definitions = plan.definitions.map((definition) => {
        const { recursive } = definition;
        const mapped = recursive === null ? null : { ...recursive, step: input(recursive.step) };
        return { ...definition, plan: input(definition.plan), recursive: mapped };
      });
      return { ...plan, definitions, input: input(plan.input) };
    }
    case 'lock-rows':
      return { ...plan, input: input(plan.input) };
    case 'modify':
      return { ...plan, modification: mapModification(plan.modification, input, map) };
    default:
      return unreachable(plan);
  }
}

function mapItem(item: ProjectSetItem, map: (part: Expression) => Expression): ProjectSetItem {
  return item.kind === 'scalar'
    ? { ...item, expression: map(item.expression) }
    : { ...item, arguments: item.arguments.map(map) };
}

function mapModification(
  modification: Modification,
  mapInput: (plan: LogicalPlan) => LogicalPlan,
  map: (part: Expression) => Expression,
): Modification {
  const input = mapInput(modification.input);
  const returning = modification.returning?.map(map) ?? null;
  const mapAssignments = <A extends { readonly value: Expression }>(assignments: readonly A[]): A[] =>
    assignments.map((assignment) => ({ ...assignment, value: map(assignment.value) }));
  switch (modification.kind) {
    case 'insert': {
      const { onConflict } = modification;
      if (onConflict === null || onConflict.action.kind === 'nothing') {
        return { ...modification, input, returning };
      }
      const { action } = onConflict;
      const condition = action.condition === null ? null : map(action.condition);
      const mapped = { ...action, assignments: mapAssignments(action.assignments), condition };
      return { ...modification, input, returning, onConflict: { ...onConflict, action: mapped } };
    }
    case 'update': {
      const recheck = modification.recheck === null ? null : map(modification.recheck);
      return {
        ...modification,
        input,
        returning,
        recheck,
        assignments: mapAssignments(modification.assignments),
      };
    }
    case 'delete': {
      const recheck = modification.recheck === null ? null : map(modification.recheck);
      return { ...modification, input, returning, recheck };
    }
    default:
      return unreachable(modification);
  }
}

/** Whether any part of an expression passes a test. */
export function someExpression(
  expression: Expression,
  test: (expression: Expression, depth: number) => boolean,
): boolean {
  let found = false;
  mapExpression(expression, (part, depth) => {
    found ||= test(part, depth);
    return found ? part : null;
  });
  return found;
}

/** Levels of the columns that an expression reads: 0 for its own row, 1 for the nearest enclosing query … */
export function levelsOf(expression: Expression): ReadonlySet<number> {
  const levels = new Set<number>();
  mapExpression(expression, (part, depth) => {
    if (part.kind === 'column' && depth === 0) levels.add(0);
    if (part.kind === 'outer-column' && part.level >= depth) levels.add(part.level - depth);
    return null;
  });
  return levels;
}

/** Whether a plan reads columns of the row `level` hops outside of it; any row outside where it is null. */
export function readsOuter(plan: LogicalPlan, level: number | null): boolean {
  let found = false;
  mapPlan(plan, (part, depth) => {
    if (part.kind !== 'outer-column') return null;
    found ||= level === null ? part.level > depth : part.level === depth + level;
    return null;
  });
  return found;
}

/** Takes one hop out of the references to rows beyond it: the lateral side turned out to read nothing of its left. */
export function lowerOuterLevels(plan: LogicalPlan): LogicalPlan {
  return mapPlan(plan, (part, depth) =>
    part.kind === 'outer-column' && part.level > depth + 1 ? { ...part, level: part.level - 1 } : null,
  );
}

/** Whether two expressions, or aggregates, are the same computation. */
export function isSame<T extends Expression | AggregateCall>(left: T, right: T): boolean {
  return sameValue(left, right);
}

function sameValue(left: unknown, right: unknown): boolean {
  if (Object.is(left, right)) return true;
  if (typeof left !== 'object' || typeof right !== 'object' || left === null || right === null) return false;
  if (Object.getPrototypeOf(left) !== Object.getPrototypeOf(right)) return false;
  const keys = Object.keys(left);
  if (keys.length !== Object.keys(right).length) return false;
  return keys.every((key) => sameValue(left[key as keyof typeof left], right[key as keyof typeof right]));
}
