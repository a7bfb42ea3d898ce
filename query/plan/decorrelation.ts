import { comparisonOf, hashesAlike } from './comparison.ts';
import type { Expression, Subplan } from './expression.ts';
import type { LogicalPlan } from './logical.ts';
import { booleanType, columnAt, conjunction, conjunctsOf, isVolatile, some, transform } from './rewrite.ts';

/**
 * EXISTS, NOT EXISTS and IN as a semi or anti join of the rows with the subquery's: where the subquery refers to
 * the outer row only in conditions at its top. NOT IN stays a subquery, as its nulls are no join's.
 */
export function semiJoinOf(input: LogicalPlan, conjunct: Expression): LogicalPlan | null {
  const isNegated = conjunct.kind === 'not';
  const subquery = conjunct.kind === 'not' ? conjunct.operand : conjunct;
  if (subquery.kind !== 'subquery') return null;
  const { form, subplan } = subquery;
  if (form.kind === 'exists') {
    const opened = openExists(subplan);
    return opened === null
      ? null
      : joinOf(isNegated ? 'anti' : 'semi', input, opened.plan, opened.conditions);
  }
  if (form.kind !== 'quantified' || isNegated || form.quantifier !== 'any') return null;
  const isEquality = form.comparisons.every(
    (comparison) => comparisonOf(comparison) === '=' && hashesAlike(comparison),
  );
  if (!isEquality || form.left.some(readsSubquery)) return null;
  return inJoin(input, form, subplan);
}

type Opened = { readonly plan: LogicalPlan; readonly conditions: readonly Expression[] };

/** The FROM clause of an EXISTS subquery, and its conditions that read the outer row. */
function openExists(subplan: Subplan): Opened | null {
  let plan = subplan.plan;
  while (plan.kind === 'project' || plan.kind === 'sort' || (plan.kind === 'distinct' && plan.on === null)) {
    if (plan.kind === 'project' && plan.expressions.some(isVolatile)) return null;
    plan = plan.input;
  }
  return openFilter(plan);
}

function openFilter(plan: LogicalPlan): Opened | null {
  if (plan.kind !== 'filter') return readsOuter(plan) ? null : { plan, conditions: [] };
  const conjuncts = conjunctsOf(plan.condition);
  const outer = conjuncts.filter((conjunct) => readsOuter(conjunct));
  if (outer.some((conjunct) => readsSubquery(conjunct) || isVolatile(conjunct)) || readsOuter(plan.input))
    return null;
  const inner = conjunction(conjuncts.filter((conjunct) => !outer.includes(conjunct)));
  return { plan: inner === null ? plan.input : { ...plan, condition: inner }, conditions: outer };
}

/** `(a, b) IN (SELECT x, y …)`: a plain projection over the FROM clause, or any subquery that is uncorrelated. */
function inJoin(
  input: LogicalPlan,
  form: Extract<Extract<Expression, { readonly kind: 'subquery' }>['form'], { readonly kind: 'quantified' }>,
  subplan: Subplan,
): LogicalPlan | null {
  const { plan } = subplan;
  const leftWidth = input.columns.length;
  const opened = plan.kind === 'project' ? openFilter(plan.input) : null;
  const isProjection =
    plan.kind === 'project' &&
    opened !== null &&
    !plan.expressions.some((value) => readsOuter(value) || readsSubquery(value) || isVolatile(value));
  if (!isProjection && readsOuter(plan)) return null;
  const right = isProjection ? opened.plan : plan;
  const outputs: readonly Expression[] =
    isProjection && plan.kind === 'project'
      ? plan.expressions
      : plan.columns.map((column, at) => columnAt(at, column.type));
  const matches = form.comparisons.map(
    (comparison, at): Expression => ({
      kind: 'call',
      type: booleanType,
      function: comparison,
      arguments: [form.left[at]!, moved(outputs[at]!, leftWidth)],
    }),
  );
  const correlated = isProjection ? opened.conditions.map((condition) => overBoth(condition, leftWidth)) : [];
  return semiJoin('semi', input, right, [...matches, ...correlated]);
}

/**
 * No row with `a OR b` is no row with a and no row with b: two anti joins, which hash where one would compare every
 * pair. 7,698 airports without any of 67,663 routes: 82 s as one, 0.1 s as two.
 */
function joinOf(
  kind: 'semi' | 'anti',
  left: LogicalPlan,
  right: LogicalPlan,
  conditions: readonly Expression[],
): LogicalPlan | null {
  if (conditions.length === 0) return null;
  const on = conditions.map((condition) => overBoth(condition, left.columns.length));
  const choice = on.find((condition) => condition.kind === 'or');
  if (kind === 'semi' || choice?.kind !== 'or') return semiJoin(kind, left, right, on);
  return choice.operands.reduce<LogicalPlan>(
    (input, alternative) =>
      semiJoin(
        'anti',
        input,
        right,
        on.map((condition) => (condition === choice ? alternative : condition)),
      ),
    left,
  );
}

function semiJoin(
  kind: 'semi' | 'anti',
  left: LogicalPlan,
  right: LogicalPlan,
  on: readonly Expression[],
): LogicalPlan {
  return {
    kind: 'join',
    join: kind,
    left,
    right,
    condition: conjunction(on),
    isLateral: false,
    columns: left.columns,
  };
}

/** A condition of the subquery over the joined row: its own columns after the outer row's. */
function overBoth(condition: Expression, leftWidth: number): Expression {
  return transform(condition, (part) => {
    if (part.kind === 'column') return columnAt(part.index + leftWidth, part.type);
    if (part.kind !== 'outer-column') return part;
    return part.level === 1 ? columnAt(part.index, part.type) : { ...part, level: part.level - 1 };
  });
}

function moved(expression: Expression, distance: number): Expression {
  return transform(expression, (part) =>
    part.kind === 'column' ? columnAt(part.index + distance, part.type) : part,
  );
}

function readsSubquery(expression: Expression): boolean {
  return some(expression, (part) => part.kind === 'subquery');
}

/** Whether anything in a plan or an expression refers to an enclosing row, at any depth: then it cannot be moved. */
function readsOuter(part: unknown): boolean {
  if (typeof part !== 'object' || part === null) return false;
  if (Array.isArray(part)) return part.some(readsOuter);
  const prototype: unknown = Object.getPrototypeOf(part);
  if (prototype !== Object.prototype && prototype !== null) return false;
  if ('kind' in part && part.kind === 'outer-column') return true;
  if ('layout' in part || 'evaluate' in part) return false;
  return Object.values(part).some(readsOuter);
}
