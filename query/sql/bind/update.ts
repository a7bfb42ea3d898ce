import type { DeleteStmt, Node, UpdateStmt } from 'libpg-query';
import type { Expression } from '../../plan/expression.ts';
import type { LogicalPlan, Modification } from '../../plan/logical.ts';
import { some } from '../../plan/rewrite.ts';
import { rangeVarOf } from '../ast.ts';
import { bindAssignments } from './assignment.ts';
import type { Environment } from './environment.ts';
import { contextOf } from './expression.ts';
import { joinFrom } from './from.ts';
import { findTarget, versionedItem } from './relation.ts';
import { bindReturning, modifyPlan } from './returning.ts';
import { newScope } from './scope.ts';
import { bindCondition } from './select.ts';
import { type BoundWith, bindWith, wrapWith } from './with.ts';

type Source = {
  readonly scope: ReturnType<typeof newScope>;
  readonly found: ReturnType<typeof findTarget>;
  readonly input: LogicalPlan;
  readonly recheck: Expression | null;
};

/** The target's whole rows with key and version, joined with FROM or USING, and filtered. */
function bindSource(
  environment: Environment,
  bound: BoundWith,
  node: UpdateStmt | DeleteStmt,
  others: readonly Node[],
  privilege: 'UPDATE' | 'DELETE',
): Source {
  const reference = rangeVarOf(node.relation);
  const found = findTarget(environment, reference, privilege);
  if (node.whereClause !== undefined || node.returningClause !== undefined) {
    environment.accesses.push({ table: found.table, privilege: 'SELECT' });
  }
  const from = joinFrom(environment, versionedItem(found, reference), others, bound.ctes);
  const scope = newScope(from, null, bound.ctes);
  if (node.whereClause === undefined) return { scope, found, input: from.plan, recheck: null };
  const condition = bindCondition(environment, scope, node.whereClause, 'WHERE');
  const { columns } = from.plan;
  const input: LogicalPlan = { kind: 'filter', columns, input: from.plan, condition };
  return { scope, found, input, recheck: condition };
}

export function bindUpdate(environment: Environment, node: UpdateStmt): LogicalPlan {
  const bound = bindWith(environment, node.withClause, null, null);
  const { scope, found, input, recheck } = bindSource(
    environment,
    bound,
    node,
    node.fromClause ?? [],
    'UPDATE',
  );
  const { table } = found;
  const assignments = bindAssignments(contextOf(environment, scope, 'UPDATE'), table, node.targetList ?? []);
  if (assignments.some(({ value }) => some(value, ({ kind }) => kind === 'column'))) {
    environment.accesses.push({ table, privilege: 'SELECT' });
  }
  const returning = bindReturning(environment, scope, node.returningClause);
  const modification: Modification = {
    kind: 'update',
    table,
    input,
    assignments,
    recheck,
    returning: returning?.map((target) => target.expression) ?? null,
  };
  return wrapWith(bound, modifyPlan(modification, returning));
}

export function bindDelete(environment: Environment, node: DeleteStmt): LogicalPlan {
  const bound = bindWith(environment, node.withClause, null, null);
  const { scope, found, input, recheck } = bindSource(
    environment,
    bound,
    node,
    node.usingClause ?? [],
    'DELETE',
  );
  const returning = bindReturning(environment, scope, node.returningClause);
  const modification: Modification = {
    kind: 'delete',
    table: found.table,
    input,
    recheck,
    returning: returning?.map((target) => target.expression) ?? null,
  };
  return wrapWith(bound, modifyPlan(modification, returning));
}
