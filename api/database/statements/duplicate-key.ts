import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { IndexLayout } from '../../../log/events/layout.ts';
import type { RelationDefinition } from '../../../query/catalog/definition.ts';
import { keyDescription } from '../../../query/txn/violations.ts';
import type { EngineSession } from '../session.ts';

/** 23505 of a unique index that cannot be made: `row` is one of two with its key. `index` null is the primary key. */
export function duplicateKey(
  session: EngineSession,
  table: RelationDefinition,
  index: IndexLayout | null,
  row: readonly Datum[],
): AlopexError {
  const object = index === null ? undefined : session.catalog.byId(index.id);
  const name = object?.kind === 'index' ? object.name : (table.primaryKey?.name ?? table.name);
  const { names, values } = keyDescription(table, index, row, session.functions);
  return new AlopexError('unique_violation', `could not create unique index "${name}"`, {
    detail: `Key (${names})=(${values}) is duplicated.`,
    table: table.name,
    constraint: name,
  });
}
