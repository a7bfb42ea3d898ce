import { invariant } from '../../base/unreachable.ts';
import type { IndexDefinition, RelationDefinition } from './definition.ts';

/**
 * A primary key has an index in pg_class, but none in storage: the rows themselves lie in its order. This is that
 * index as SQL sees it.
 */
export function primaryKeyIndex(table: RelationDefinition): IndexDefinition {
  const key = table.primaryKey;
  invariant(key !== null, 'the table has a primary key');
  return {
    kind: 'index',
    id: key.id,
    table: table.id,
    namespace: table.namespace,
    name: key.name,
    isUnique: true,
    constraint: key.constraint,
    columns: table.layout.key.map((column) => ({
      attribute: column.column,
      descending: column.descending,
      nullsFirst: column.nullsFirst,
    })),
    method: 'btree',
    comment: null,
  };
}
