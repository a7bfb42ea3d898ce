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
  const readers = new Map<number, Readers>();
  for (const reader of [logical.input, ...logical.definitions.map((definition) => definition.plan)])
    countScans(reader, false, readers);
  for (const definition of logical.definitions) {
    const isInlined = isInlinable(definition, readers.get(definition.id));
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

/** Scans of a WITH query: those of the same query, and those in subqueries and on lateral sides. */
type Readers = { direct: number; nested: number };

/** Read once, by a scan that stands in the same query, and without effects: PostgreSQL's rule since version 12. */
function isInlinable(definition: CteDefinition, readers: Readers | undefined): boolean {
  if (definition.recursive !== null || hasEffects(definition.plan)) return false;
  return readers?.direct === 1 && readers.nested === 0;
}

function hasEffects(plan: LogicalPlan): boolean {
  if (plan.kind === 'modify' || plan.kind === 'lock-rows') return true;
  if ('input' in plan && hasEffects(plan.input)) return true;
  if ('left' in plan && (hasEffects(plan.left) || hasEffects(plan.right))) return true;
  return isVolatilePlan(plan as unknown as PhysicalPlan);
}

/** Adds the scans in a plan, by the query that they read. */
function countScans(part: unknown, isNested: boolean, readers: Map<number, Readers>): void {
  if (typeof part !== 'object' || part === null) return;
  if (Array.isArray(part)) {
    for (const item of part) countScans(item, isNested, readers);
    return;
  }
  if (Object.getPrototypeOf(part) !== Object.prototype || 'layout' in part || 'evaluate' in part) return;
  if ('kind' in part && part.kind === 'cte-scan' && 'id' in part && typeof part.id === 'number') {
    const counts = readers.get(part.id) ?? { direct: 0, nested: 0 };
    counts[isNested ? 'nested' : 'direct']++;
    readers.set(part.id, counts);
    return;
  }
  const opensScope =
    ('kind' in part && part.kind === 'subquery') || ('isLateral' in part && part.isLateral === true);
  for (const value of Object.values(part)) countScans(value, isNested || opensScope, readers);
}
