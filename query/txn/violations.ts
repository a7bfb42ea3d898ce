import { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { IndexLayout } from '../../log/events/layout.ts';
import type { ColumnDefinition, RelationDefinition } from '../catalog/definition.ts';
import { codecOf } from '../types/codec/codec.ts';
import type { FunctionContext } from '../types/function.ts';

type Row = readonly Datum[];

/** Characters of a value that an error's detail shows; PostgreSQL's limit for a failing row. */
const shownCharactersMax = 64;

function shown(
  table: RelationDefinition,
  column: ColumnDefinition,
  row: Row,
  context: FunctionContext,
): string {
  const value = row[table.layout.columns.findIndex((one) => one.id === column.attribute)]!;
  if (value === null) return 'null';
  const text = codecOf(column.type.oid).format(value, column.type, context);
  return text.length > shownCharactersMax ? `${text.slice(0, shownCharactersMax)}...` : text;
}

/** 23502, as PostgreSQL words it. */
export function notNullViolation(
  table: RelationDefinition,
  column: ColumnDefinition,
  row: Row,
  context: FunctionContext,
): AlopexError {
  const columns = table.columns.filter((one) => !one.isDropped && !one.isHidden);
  return new AlopexError(
    'not_null_violation',
    `null value in column "${column.name}" of relation "${table.name}" violates not-null constraint`,
    {
      detail: `Failing row contains (${columns.map((one) => shown(table, one, row, context)).join(', ')}).`,
      table: table.name,
      column: column.name,
    },
  );
}

/** 23505; `index` null is the primary key. `indexName` is the constraint's or index's name. */
export function uniqueViolation(
  table: RelationDefinition,
  index: IndexLayout | null,
  indexName: string,
  row: Row,
  context: FunctionContext,
): AlopexError {
  const { names, values } = keyDescription(table, index, row, context);
  return new AlopexError(
    'unique_violation',
    `duplicate key value violates unique constraint "${indexName}"`,
    {
      detail: `Key (${names})=(${values}) already exists.`,
      table: table.name,
      constraint: indexName,
    },
  );
}

/** Names and values of a key, for an error's detail. */
export function keyDescription(
  table: RelationDefinition,
  index: IndexLayout | null,
  row: Row,
  context: FunctionContext,
): { readonly names: string; readonly values: string } {
  const key = index === null ? table.layout.key : index.columns;
  const columns = key.map(({ column }) => table.columns[column - 1]!);
  return {
    names: columns.map((column) => column.name).join(', '),
    values: columns.map((column) => shown(table, column, row, context)).join(', '),
  };
}
