import { costs, estimateOf } from './estimate.ts';
import type { CteDefinition, LogicalPlan } from './logical.ts';
import { isVolatilePlan } from './lowering.ts';
import type { CommonTablePlan, PhysicalPlan } from './physical.ts';
import type { Planner } from './planner.ts';
import type { Planned, Request } from './request.ts';

/** WITH: a query that is read once takes the place of its scan; the others are kept for all their readers. */
export function planWith(
  planner: Planner,
  logical: Extract<LogicalPlan, { readonly kind: 'with' }>,
  request: Request,
): Planned {
  const kept: CommonTablePlan[] = [];
  const readers = [logical.input, ...logical.definitions.map((definition) => definition.plan)];
  for (const definition of logical.definitions) {
    const isInlined = isInlinable(definition, readers);
    const depth = planner.lowering.depth;
    if (isInlined) {
      planner.ctes.set(definition.id, { definition, isInlined, depth, rows: 0 });
      continue;
    }
    kept.push(planDefinition(planner, definition));
  }
  const input = planner.plan(logical.input, request);
  if (kept.length === 0) return input;
  const { types, estimate } = input.plan;
  const own = kept.reduce((sum, { plan }) => sum + plan.estimate.totalCost, 0);
  const plan: PhysicalPlan = {
    kind: 'with',
    definitions: kept,
    input: input.plan,
    types,
    estimate: estimateOf(estimate.rows, own + estimate.startupCost, own + estimate.totalCost, types),
  };
  return { ...input, plan };
}

function planDefinition(planner: Planner, definition: CteDefinition): CommonTablePlan {
  const { id, name, recursive } = definition;
  const depth = planner.lowering.depth;
  const plan = planner.whole(definition.plan);
  const rows = recursive === null ? plan.estimate.rows : plan.estimate.rows * 10;
  planner.ctes.set(id, { definition, isInlined: false, depth, rows });
  if (recursive === null) return { id, name, plan, recursive: null };
  const step = planner.whole(recursive.step);
  return {
    id,
    name,
    plan: { ...plan, estimate: recursiveEstimate(plan, step) },
    recursive: { step, all: recursive.all },
  };
}

function recursiveEstimate(plan: PhysicalPlan, step: PhysicalPlan): PhysicalPlan['estimate'] {
  const rows = plan.estimate.rows * 10;
  return estimateOf(
    rows,
    0,
    plan.estimate.totalCost + step.estimate.totalCost * 10 + rows * costs.scannedRow,
    plan.types,
  );
}

/** Read once, by a scan that stands in the same query, and without effects: PostgreSQL's rule since version 12. */
function isInlinable(definition: CteDefinition, readers: readonly LogicalPlan[]): boolean {
  if (definition.recursive !== null || hasEffects(definition.plan)) return false;
  const counts = { direct: 0, nested: 0 };
  for (const reader of readers) countScans(reader, definition.id, false, counts);
  return counts.direct === 1 && counts.nested === 0;
}

function hasEffects(plan: LogicalPlan): boolean {
  if (plan.kind === 'modify' || plan.kind === 'lock-rows') return true;
  if ('input' in plan && hasEffects(plan.input)) return true;
  if ('left' in plan && (hasEffects(plan.left) || hasEffects(plan.right))) return true;
  return isVolatilePlan(plan as unknown as PhysicalPlan);
}

/** Scans of a WITH query: those of the same query, and those in subqueries and on lateral sides. */
function countScans(
  part: unknown,
  id: number,
  isNested: boolean,
  counts: { direct: number; nested: number },
): void {
  if (typeof part !== 'object' || part === null) return;
  if (Array.isArray(part)) {
    for (const item of part) countScans(item, id, isNested, counts);
    return;
  }
  if (Object.getPrototypeOf(part) !== Object.prototype || 'layout' in part || 'evaluate' in part) return;
  if ('kind' in part && part.kind === 'cte-scan' && 'id' in part && part.id === id) {
    if (isNested) counts.nested++;
    else counts.direct++;
    return;
  }
  const opensScope =
    ('kind' in part && part.kind === 'subquery') || ('isLateral' in part && part.isLateral === true);
  for (const value of Object.values(part)) countScans(value, id, isNested || opensScope, counts);
}
