import { AlopexError } from '../../../base/errors.ts';
import type { RelationDefinition } from '../../../query/catalog/definition.ts';
import type { TableReference } from '../../../query/sql/ast.ts';
import { quoteIdentifier } from '../../../query/types/identifier.ts';
import type { EngineSession } from '../session.ts';

/** A table's name as SQL writes it, with its schema. */
export function qualifiedName(session: EngineSession, table: RelationDefinition): string {
  const namespace = session.catalog.byId(table.namespace);
  const schema = namespace?.kind === 'namespace' ? `${quoteIdentifier(namespace.name)}.` : '';
  return `${schema}${quoteIdentifier(table.name)}`;
}

/** A table that a utility statement names; 42P01 and 42809 as PostgreSQL words them. */
export function requireTable(
  session: EngineSession,
  reference: Pick<TableReference, 'schema' | 'name'>,
): RelationDefinition {
  const { catalog } = session;
  const { schema, name } = reference;
  const schemas = schema === null ? session.functions.searchPath : [schema];
  for (const one of schemas) {
    const namespace = catalog.namespace(one);
    if (namespace === undefined) continue;
    const found = catalog.relation(namespace.id, name);
    if (found === undefined) continue;
    if (found.kind === 'table') return found;
    throw new AlopexError('wrong_object_type', `"${name}" is not a table`);
  }
  throw new AlopexError(
    'undefined_table',
    `relation "${schema === null ? '' : `${schema}.`}${name}" does not exist`,
  );
}
