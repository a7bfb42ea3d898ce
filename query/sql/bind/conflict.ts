import type { InferClause, OnConflictClause } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { RelationDefinition } from '../../catalog/definition.ts';
import type { OnConflict } from '../../plan/logical.ts';
import { place } from '../ast.ts';
import { bindAssignments, targetColumn } from './assignment.ts';
import type { Environment } from './environment.ts';
import { contextOf } from './expression.ts';
import { layoutScope } from './relation.ts';
import { newScope, type ScopeRelation } from './scope.ts';
import { bindCondition } from './select.ts';
import type { CteScope } from './with.ts';

/** ON CONFLICT: which index decides, and what happens to the row that is there. */
export function bindOnConflict(
  environment: Environment,
  table: RelationDefinition,
  alias: string,
  node: OnConflictClause,
  ctes: CteScope | null,
): OnConflict {
  const index = node.infer === undefined ? null : arbiterOf(environment, table, node.infer);
  if (node.action === 'ONCONFLICT_NOTHING') return { index, action: { kind: 'nothing' } };
  if (index === null) {
    throw new AlopexError(
      'syntax_error',
      'ON CONFLICT DO UPDATE requires inference specification or constraint name',
      { hint: 'For example, ON CONFLICT (column_name).', ...place(node.location) },
    );
  }
  const relation = (name: string, offset: number): ScopeRelation => ({
    alias: name,
    schema: null,
    table,
    columns: layoutScope(table, offset),
    keyIndex: null,
  });
  const relations = [relation(alias, 0), relation('excluded', table.layout.columns.length)];
  const columns = relations.flatMap((side) => side.columns);
  const scope = newScope({ relations, columns }, null, ctes);
  const assignments = bindAssignments(contextOf(environment, scope, 'UPDATE'), table, node.targetList ?? []);
  const condition =
    node.whereClause === undefined ? null : bindCondition(environment, scope, node.whereClause, 'WHERE');
  return { index, action: { kind: 'update', assignments, condition } };
}

/** The unique index that the clause names, or whose columns it lists: 0 is the primary key. */
function arbiterOf(environment: Environment, table: RelationDefinition, infer: InferClause): number {
  const isPublic = (id: number): boolean =>
    table.layout.indexes.find((each) => each.id === id)?.state === 'public';
  const unique = environment.catalog
    .indexesOf(table.id)
    .filter((index) => index.isUnique && isPublic(index.id));
  if (infer.conname !== undefined) {
    if (table.primaryKey?.name === infer.conname) return 0;
    const named = unique.find((index) => index.name === infer.conname && index.constraint !== null);
    if (named !== undefined) return named.id;
    throw new AlopexError(
      'undefined_object',
      `constraint "${infer.conname}" for table "${table.name}" does not exist`,
    );
  }
  const wanted = new Set<number>();
  for (const element of infer.indexElems ?? []) {
    if (!('IndexElem' in element)) continue;
    if (element.IndexElem.name === undefined) {
      throw unsupported('an expression in ON CONFLICT', place(infer.location).position);
    }
    wanted.add(targetColumn(table, element.IndexElem.name, infer.location).attribute);
  }
  const isWanted = (attributes: readonly number[]): boolean =>
    attributes.length === wanted.size && attributes.every((attribute) => wanted.has(attribute));
  if (table.primaryKey !== null && isWanted(table.layout.key.map(({ column }) => column))) return 0;
  const index = unique.find(({ columns }) => isWanted(columns.map(({ attribute }) => attribute)));
  if (index !== undefined) return index.id;
  throw new AlopexError(
    'invalid_column_reference',
    'there is no unique or exclusion constraint matching the ON CONFLICT specification',
  );
}
