import type { Node, SelectStmt } from 'libpg-query';
import { unsupported } from '../../../base/errors.ts';
import type { Expression, SortKey } from '../../plan/expression.ts';
import type { LogicalPlan, OutputColumn, ProjectSetItem } from '../../plan/logical.ts';
import { coerceToBoolean, resolveUnknown } from './coerce.ts';
import { type Environment, located, type Surroundings } from './environment.ts';
import { contextOf } from './expression.ts';
import { bindFrom } from './from.ts';
import { bindGroupKeys, group, ownColumn } from './grouping.ts';
import { withLimit } from './limit.ts';
import { refuseLocking, withLocks } from './locking.ts';
import { bindDistinctOn, bindOrder, checkDistinct, isRepeatable } from './order.ts';
import { newScope, type Scope } from './scope.ts';
import { bindTargets, type Target } from './target.ts';
import { isSame, mapExpression } from './traverse.ts';

/** What a SELECT computes above FROM and WHERE, all over one row. */
type Computation = {
  readonly targets: readonly Target[];
  readonly having: Expression | null;
  readonly order: readonly SortKey[];
  /** Null: no DISTINCT; empty: all targets. */
  readonly distinctOn: readonly Expression[] | null;
};

/** One SELECT without set operations; `surroundings.ctes` holds its own WITH queries already. */
export function bindSelect(
  environment: Environment,
  select: SelectStmt,
  surroundings: Surroundings,
): LogicalPlan {
  const { outer, ctes } = surroundings;
  const locks = (select.lockingClause ?? []).length > 0;
  const from = bindFrom(environment, select.fromClause ?? [], outer, ctes, locks);
  const scope = newScope(from, outer, ctes);
  const filtered = filterRows(environment, scope, from.plan, select.whereClause, 'WHERE');
  const targets = bindSelectList(environment, scope, select, surroundings.resolvesUnknowns);
  const keys = bindGroupKeys(contextOf(environment, scope, 'GROUP BY'), select.groupClause ?? [], targets);
  const having = bindHaving(environment, scope, select.havingClause);
  const computation = { targets, having, ...bindOrdering(environment, scope, select, targets) };
  if ((select.windowClause ?? []).length > 0) throw unsupported('WINDOW');
  const isGrouped =
    (select.groupClause ?? []).length > 0 || having !== null || scope.placeholders.aggregates.size > 0;
  refuseLocking(select, lockObstacle(select, scope, isGrouped));
  const grouped = isGrouped
    ? groupRows(environment, scope, filtered, keys, computation)
    : { plan: filtered, computation };
  const spread = spreadSets(scope, grouped.plan, grouped.computation);
  return finish(environment, select, scope, spread.plan, spread.computation);
}

function lockObstacle(select: SelectStmt, scope: Scope, isGrouped: boolean): string | null {
  if (select.distinctClause !== undefined) return 'DISTINCT clause';
  if (select.groupClause !== undefined) return 'GROUP BY clause';
  if (select.havingClause !== undefined) return 'HAVING clause';
  if (isGrouped) return 'aggregate functions';
  return scope.placeholders.sets.size > 0 ? 'set-returning functions in the target list' : null;
}

/** WHERE, over the rows of `input`. */
export function filterRows(
  environment: Environment,
  scope: Scope,
  input: LogicalPlan,
  node: Node | undefined,
  clause: string,
): LogicalPlan {
  if (node === undefined) return input;
  const condition = bindCondition(environment, scope, node, clause);
  return { kind: 'filter', columns: input.columns, input, condition };
}

export function bindCondition(
  environment: Environment,
  scope: Scope,
  node: Node,
  clause: string,
): Expression {
  const context = contextOf(environment, scope, clause);
  return coerceToBoolean(environment, context.bind(context, node), clause);
}

function bindSelectList(
  environment: Environment,
  scope: Scope,
  select: SelectStmt,
  resolvesUnknowns: boolean,
): readonly Target[] {
  const context = contextOf(environment, scope, 'SELECT', { aggregates: true, sets: true });
  const targets = bindTargets(context, select.targetList ?? []);
  const keepsUnknowns = !resolvesUnknowns && select.distinctClause === undefined;
  if (keepsUnknowns) return targets;
  return targets.map((target) => ({ ...target, expression: resolveUnknown(environment, target.expression) }));
}

function bindHaving(environment: Environment, scope: Scope, node: Node | undefined): Expression | null {
  if (node === undefined) return null;
  const context = contextOf(environment, scope, 'HAVING', { aggregates: true });
  return coerceToBoolean(environment, context.bind(context, node), 'HAVING');
}

function bindOrdering(
  environment: Environment,
  scope: Scope,
  select: SelectStmt,
  targets: readonly Target[],
): Pick<Computation, 'order' | 'distinctOn'> {
  const context = contextOf(environment, scope, 'ORDER BY', { aggregates: true, sets: true });
  const order = bindOrder(context, select.sortClause ?? [], targets);
  if (select.distinctClause === undefined) return { order, distinctOn: null };
  const on = select.distinctClause.filter((node) => Object.keys(node).length > 0);
  if (on.length > 0) return { order, distinctOn: bindDistinctOn(context, on, targets, order) };
  checkDistinct(context, targets, order);
  return { order, distinctOn: [] };
}

type Step = { readonly plan: LogicalPlan; readonly computation: Computation };

function mapComputation(
  computation: Computation,
  environment: Environment,
  map: (expression: Expression) => Expression,
): Computation {
  const mapped = (expression: Expression): Expression =>
    located(environment, map(expression), environment.locations.get(expression) ?? -1);
  return {
    targets: computation.targets.map((target) => ({ ...target, expression: mapped(target.expression) })),
    having: computation.having === null ? null : mapped(computation.having),
    order: computation.order.map((key) => ({ ...key, expression: mapped(key.expression) })),
    distinctOn: computation.distinctOn?.map(mapped) ?? null,
  };
}

function expressionsOf(computation: Computation): readonly Expression[] {
  return [
    ...computation.targets.map((target) => target.expression),
    ...(computation.having === null ? [] : [computation.having]),
    ...computation.order.map((key) => key.expression),
    ...(computation.distinctOn ?? []),
  ];
}

/** GROUP BY and aggregates, then HAVING. */
function groupRows(
  environment: Environment,
  scope: Scope,
  input: LogicalPlan,
  keys: readonly Expression[],
  computation: Computation,
): Step {
  const sets = [...scope.placeholders.sets.values()].flatMap((set) => set.arguments);
  const { plan, rewrite } = group(environment, scope, input, keys, [...expressionsOf(computation), ...sets]);
  for (const [index, set] of scope.placeholders.sets) {
    scope.placeholders.sets.set(index, { ...set, arguments: set.arguments.map(rewrite) });
  }
  const rewritten = mapComputation(computation, environment, rewrite);
  const { having } = rewritten;
  if (having === null) return { plan, computation: rewritten };
  const filtered: LogicalPlan = { kind: 'filter', columns: plan.columns, input: plan, condition: having };
  return { plan: filtered, computation: rewritten };
}

/** Set-returning functions of the select list: columns after those of the row they are computed on. */
function spreadSets(scope: Scope, input: LogicalPlan, computation: Computation): Step {
  const { sets } = scope.placeholders;
  if (sets.size === 0) return { plan: input, computation };
  const width = input.columns.length;
  const order = [...sets.keys()];
  const passed = input.columns.map(
    ({ type }, index): ProjectSetItem => ({
      kind: 'scalar',
      expression: { kind: 'column', type, index },
    }),
  );
  const spread = [...sets.values()].map(
    (set): ProjectSetItem => ({ kind: 'set', function: set.function, arguments: set.arguments }),
  );
  const outputs = [...sets.values()].map(
    (set): OutputColumn => ({
      name: set.function.name,
      type: { oid: set.result, modifier: -1 },
      table: 0,
      attribute: 0,
    }),
  );
  const plan: LogicalPlan = {
    kind: 'project-set',
    columns: [...input.columns, ...outputs],
    input,
    items: [...passed, ...spread],
  };
  const place = (expression: Expression): Expression =>
    mapExpression(expression, (part, depth) => {
      const index = ownColumn(part, depth);
      if (index === null || !sets.has(index)) return null;
      return { ...part, index: width + order.indexOf(index) } as Expression;
    });
  const targets = computation.targets.map((target) => ({ ...target, expression: place(target.expression) }));
  const keys = computation.order.map((key) => ({ ...key, expression: place(key.expression) }));
  const distinctOn = computation.distinctOn?.map(place) ?? null;
  return { plan, computation: { ...computation, targets, order: keys, distinctOn } };
}

/** Projection, DISTINCT, ORDER BY, row locks and LIMIT, in the order that computes least. */
function finish(
  environment: Environment,
  select: SelectStmt,
  scope: Scope,
  input: LogicalPlan,
  computation: Computation,
): LogicalPlan {
  const { targets, order, distinctOn } = computation;
  const limited = (plan: LogicalPlan): LogicalPlan => withLimit(environment, select, scope, plan);
  const locks = (select.lockingClause ?? []).length > 0;
  const sortsInput = distinctOn === null && (locks || order.every((key) => isRepeatable(key.expression)));
  if (sortsInput) {
    const sorted = sortRows(input, order);
    return project(limited(withLocks(select, scope, sorted)), targets);
  }
  const extended = [...targets];
  const positionOf = (expression: Expression): Expression => {
    let index = extended.findIndex((target) => isSame(target.expression, expression));
    if (index === -1) {
      index = extended.push({ name: '?column?', expression, table: 0, attribute: 0 }) - 1;
    }
    return located(
      environment,
      { kind: 'column', type: expression.type, index },
      environment.locations.get(expression) ?? -1,
    );
  };
  const keys = order.map((key) => ({ ...key, expression: positionOf(key.expression) }));
  const on = distinctOn === null || distinctOn.length === 0 ? null : distinctOn.map(positionOf);
  let plan = project(input, extended);
  if (distinctOn !== null && on === null) plan = { kind: 'distinct', columns: plan.columns, input: plan, on };
  plan = sortRows(plan, keys);
  if (on !== null) plan = { kind: 'distinct', columns: plan.columns, input: plan, on };
  return dropExtra(limited(plan), targets.length);
}

export function sortRows(input: LogicalPlan, keys: readonly SortKey[]): LogicalPlan {
  return keys.length === 0 ? input : { kind: 'sort', columns: input.columns, input, keys };
}

export function project(input: LogicalPlan, targets: readonly Target[]): LogicalPlan {
  const columns = targets.map(({ name, expression, table, attribute }) => ({
    name,
    type: expression.type,
    table,
    attribute,
  }));
  return { kind: 'project', columns, input, expressions: targets.map((target) => target.expression) };
}

function dropExtra(input: LogicalPlan, width: number): LogicalPlan {
  if (input.columns.length === width) return input;
  const columns = input.columns.slice(0, width);
  const expressions = columns.map(({ type }, index): Expression => ({ kind: 'column', type, index }));
  return { kind: 'project', columns, input, expressions };
}
