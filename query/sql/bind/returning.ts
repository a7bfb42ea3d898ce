import type { ReturningClause } from 'libpg-query';
import { unsupported } from '../../../base/errors.ts';
import type { LogicalPlan, Modification } from '../../plan/logical.ts';
import { resolveUnknown } from './coerce.ts';
import type { Environment } from './environment.ts';
import { contextOf } from './expression.ts';
import type { Scope } from './scope.ts';
import { bindTargets, type Target } from './target.ts';

/** RETURNING's columns, or null where the statement returns no rows. */
export function bindReturning(
  environment: Environment,
  scope: Scope,
  node: ReturningClause | undefined,
): readonly Target[] | null {
  if (node === undefined) return null;
  if ((node.options ?? []).length > 0) throw unsupported('RETURNING WITH (OLD AS …, NEW AS …)');
  const targets = bindTargets(contextOf(environment, scope, 'RETURNING'), node.exprs ?? []);
  return targets.map((target) => ({ ...target, expression: resolveUnknown(environment, target.expression) }));
}

export function modifyPlan(modification: Modification, returning: readonly Target[] | null): LogicalPlan {
  const columns = (returning ?? []).map(({ name, expression, table, attribute }) => ({
    name,
    type: expression.type,
    table,
    attribute,
  }));
  return { kind: 'modify', columns, modification };
}
