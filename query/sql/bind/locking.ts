import type { LockingClause, Node, SelectStmt } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { LockTarget, LogicalPlan } from '../../plan/logical.ts';
import { place, rangeVarOf } from '../ast.ts';
import type { Scope } from './scope.ts';

type LockRows = LogicalPlan & { readonly kind: 'lock-rows' };

const strengths = {
  LCS_FORUPDATE: 'update',
  LCS_FORNOKEYUPDATE: 'no key update',
  LCS_FORSHARE: 'share',
  LCS_FORKEYSHARE: 'key share',
} as const satisfies Record<string, LockRows['strength']>;

const waits = {
  LockWaitBlock: 'wait',
  LockWaitSkip: 'skip locked',
  LockWaitError: 'nowait',
} as const satisfies Record<string, LockRows['wait']>;

function strengthOf(clause: LockingClause): LockRows['strength'] {
  return strengths[clause.strength as keyof typeof strengths] ?? 'update';
}

function clauseName(clause: LockingClause): string {
  return `FOR ${strengthOf(clause).toUpperCase()}`;
}

function clausesOf(nodes: readonly Node[] | undefined): readonly LockingClause[] {
  return (nodes ?? []).flatMap((node) => ('LockingClause' in node ? [node.LockingClause] : []));
}

/** Rows can only be locked where each result row stands for rows of tables. */
export function refuseLocking(select: SelectStmt, construct: string | null): void {
  const [clause] = clausesOf(select.lockingClause);
  if (clause === undefined || construct === null) return;
  throw new AlopexError('feature_not_supported', `${clauseName(clause)} is not allowed with ${construct}`);
}

/** FOR UPDATE and its kin, over the rows that FROM and WHERE leave. */
export function withLocks(select: SelectStmt, scope: Scope, input: LogicalPlan): LogicalPlan {
  return clausesOf(select.lockingClause).reduce<LogicalPlan>((plan, clause) => {
    const targets = targetsOf(clause, scope);
    if (targets.length === 0) return plan;
    const wait = waits[clause.waitPolicy as keyof typeof waits] ?? 'wait';
    const strength = strengthOf(clause);
    return { kind: 'lock-rows', columns: plan.columns, input: plan, strength, wait, targets };
  }, input);
}

function targetsOf(clause: LockingClause, scope: Scope): readonly LockTarget[] {
  const named = (clause.lockedRels ?? []).flatMap((node) =>
    'RangeVar' in node ? [rangeVarOf(node.RangeVar)] : [],
  );
  for (const { name, location } of named) {
    if (scope.relations.some((relation) => relation.alias === name)) continue;
    throw new AlopexError(
      'undefined_table',
      `relation "${name}" in ${clauseName(clause)} clause not found in FROM clause`,
      place(location),
    );
  }
  return scope.relations.flatMap(({ alias, table, keyIndex }) => {
    if (table === null || keyIndex === null) return [];
    if (named.length > 0 && !named.some(({ name }) => name === alias)) return [];
    return [{ table, keyColumn: keyIndex, versionColumn: keyIndex + 1 }];
  });
}
