import { AlopexError, unsupported } from '../../../base/errors.ts';
import { keyPseudoColumn, versionPseudoColumn } from '../../../materializers/rows/contract.ts';
import type { ColumnDefinition, RelationDefinition } from '../../catalog/definition.ts';
import type { Privilege } from '../../catalog/privileges.ts';
import { sequenceRelation } from '../../catalog/sequence-relation.ts';
import type { Expression } from '../../plan/expression.ts';
import type { AsOf, LogicalPlan, OutputColumn, VirtualRelation } from '../../plan/logical.ts';
import { hasSubquery } from '../../plan/rewrite.ts';
import { oids } from '../../types/type.ts';
import { place, type QualifiedName, type TableReference } from '../ast.ts';
import type { SystemTime } from '../parse.ts';
import { coerceToColumn } from './coerce.ts';
import { type Environment, placeOf, typeOf } from './environment.ts';
import { contextOf } from './expression.ts';
import { emptyScope, type FromItem, type ScopeColumn, type ScopeRelation } from './scope.ts';

export type FoundTable =
  | { readonly kind: 'table'; readonly schema: string; readonly table: RelationDefinition }
  | { readonly kind: 'virtual'; readonly schema: string; readonly relation: VirtualRelation };

/** Looks a table up by its schema, or along the search path; 42P01 where there is none. */
export function findTable(
  environment: Environment,
  { schema, name }: QualifiedName,
  location: number,
): FoundTable {
  const { searchPath, virtualRelation } = environment;
  const catalog = environment.pastCatalogs?.get(location) ?? environment.catalog;
  const implicit = searchPath.includes('pg_catalog') ? [] : ['pg_catalog'];
  for (const searched of schema === null ? [...implicit, ...searchPath] : [schema]) {
    const virtual = virtualRelation(searched, name);
    if (virtual !== undefined) return { kind: 'virtual', schema: searched, relation: virtual };
    const namespace = catalog.namespace(searched);
    const found = namespace === undefined ? undefined : catalog.relation(namespace.id, name);
    if (found?.kind === 'table') return { kind: 'table', schema: searched, table: found };
    if (found?.kind === 'sequence') {
      return { kind: 'virtual', schema: searched, relation: sequenceRelation(searched, found) };
    }
    if (found !== undefined) {
      throw new AlopexError('wrong_object_type', `cannot open relation "${name}"`, {
        detail: 'This operation is not supported for indexes.',
        ...place(location),
      });
    }
  }
  const shown = schema === null ? name : `${schema}.${name}`;
  throw new AlopexError('undefined_table', `relation "${shown}" does not exist`, {
    ...place(location),
    ...(catalog === environment.catalog ? {} : { hint: 'There was none at the moment that is read.' }),
  });
}

/** A table that a statement changes: virtual relations are refused. */
export function findTarget(
  environment: Environment,
  reference: TableReference,
  privilege: Privilege,
): FoundTable & { kind: 'table' } {
  if (environment.systemTimes.has(reference.location)) {
    throw unsupported('changing the past: FOR SYSTEM_TIME here', place(reference.location).position);
  }
  const found = findTable(environment, reference, reference.location);
  if (found.kind === 'table') {
    environment.accesses.push({ table: found.table, privilege });
    return found;
  }
  if (found.relation.kind === 'sequence') {
    throw new AlopexError(
      'wrong_object_type',
      `cannot change sequence "${reference.name}"`,
      place(reference.location),
    );
  }
  throw new AlopexError(
    'insufficient_privilege',
    `permission denied: "${reference.name}" is a system catalog`,
    place(reference.location),
  );
}

/** Columns that SQL can name, in table order. */
export function visibleColumns(table: RelationDefinition): readonly ColumnDefinition[] {
  return table.columns.filter((column) => !column.isDropped && !column.isHidden);
}

/** The definition of a column of the table's layout: of every column that rows are made of. */
export function layoutColumns(table: RelationDefinition): readonly ColumnDefinition[] {
  return table.layout.columns.map(({ id }) => {
    const column = table.columns.find((definition) => definition.attribute === id);
    if (column === undefined) throw new TypeError(`column ${id} of "${table.name}" has no definition`);
    return column;
  });
}

/** The columns that a row of `layout.columns` offers by name. */
export function layoutScope(table: RelationDefinition, offset: number): readonly ScopeColumn[] {
  return layoutColumns(table).flatMap((column, position) =>
    column.isHidden ? [] : [scopeColumn(table, column, offset + position)],
  );
}

function scopeColumn(table: RelationDefinition, column: ColumnDefinition, index: number): ScopeColumn {
  const { name, type, attribute } = column;
  return { name, index, type, table: table.id, attribute };
}

function outputColumn(table: RelationDefinition, column: ColumnDefinition): OutputColumn {
  return { name: column.name, type: column.type, table: table.id, attribute: column.attribute };
}

/** A table of FROM. `withVersions`: the whole row, its key and its version, for what locks or changes it. */
export function tableItem(
  environment: Environment,
  reference: TableReference,
  withVersions: boolean,
): FromItem {
  const found = findTable(environment, reference, reference.location);
  const asOf = asOfOf(environment, reference);
  if (asOf !== null && found.kind === 'virtual' && found.relation.kind === 'sequence')
    throw unsupported('FOR SYSTEM_TIME of a sequence', place(reference.location).position);
  if (found.kind === 'virtual' && found.relation.isSecret)
    environment.accesses.push({ secret: found.relation });
  if (found.kind === 'virtual') return virtualItem(found.relation, found.schema, reference, asOf);
  environment.accesses.push({ table: found.table, privilege: 'SELECT' });
  if (withVersions) environment.accesses.push({ table: found.table, privilege: 'UPDATE' });
  if (withVersions && asOf === null) return versionedItem(found, reference);
  const columns = visibleColumns(found.table);
  const plan: LogicalPlan = {
    kind: 'scan',
    columns: columns.map((column) => outputColumn(found.table, column)),
    table: found.table,
    asOf,
    attributes: columns.map((column) => column.attribute),
  };
  const offered = columns.map((column, index) => scopeColumn(found.table, column, index));
  return itemOf(plan, relationOf(reference, found.schema, found.table, offered, null));
}

/** Rows of `layout.columns`, then the key and the version. */
export function versionedItem(found: FoundTable & { kind: 'table' }, reference: TableReference): FromItem {
  const { table, schema } = found;
  const columns = layoutColumns(table);
  const plan: LogicalPlan = {
    kind: 'scan',
    columns: [
      ...columns.map((column) => outputColumn(table, column)),
      { name: 'key', type: typeOf(oids.bytea), table: 0, attribute: 0 },
      { name: 'version', type: typeOf(oids.float8), table: 0, attribute: 0 },
    ],
    table,
    asOf: null,
    attributes: [...columns.map((column) => column.attribute), keyPseudoColumn, versionPseudoColumn],
  };
  return itemOf(plan, relationOf(reference, schema, table, layoutScope(table, 0), columns.length));
}

function virtualItem(
  relation: VirtualRelation,
  schema: string,
  reference: TableReference,
  asOf: AsOf | null,
): FromItem {
  const plan: LogicalPlan = {
    kind: 'virtual-scan',
    columns: relation.columns.map(({ name, type }, index) => ({
      name,
      type,
      table: relation.oid,
      attribute: index + 1,
    })),
    relation,
    asOf,
  };
  const offered = plan.columns.map((column, index) => ({ ...column, index }));
  return itemOf(plan, { ...relationOf(reference, schema, null, offered, null), oid: relation.oid });
}

function relationOf(
  reference: TableReference,
  schema: string,
  table: RelationDefinition | null,
  columns: readonly ScopeColumn[],
  keyIndex: number | null,
): ScopeRelation {
  const alias = reference.alias ?? reference.name;
  return {
    alias,
    schema: reference.alias === null ? schema : null,
    table,
    ...(table === null ? {} : { oid: table.id }),
    columns: renameColumns(columns, reference.columnAliases, alias),
    keyIndex,
  };
}

export function itemOf(plan: LogicalPlan, relation: ScopeRelation): FromItem {
  return { plan, relations: [relation], columns: relation.columns };
}

/** `AS t(a, b)`: names for the first columns. */
export function renameColumns(
  columns: readonly ScopeColumn[],
  names: readonly string[],
  alias: string,
): readonly ScopeColumn[] {
  if (names.length > columns.length) {
    throw new AlopexError(
      'invalid_column_reference',
      `table "${alias}" has ${columns.length} columns available but ${names.length} columns specified`,
    );
  }
  return columns.map((column, index) => ({ ...column, name: names[index] ?? column.name }));
}

function asOfOf(environment: Environment, { location }: TableReference): AsOf | null {
  const clause = environment.systemTimes.get(location);
  if (clause === undefined) return null;
  return { kind: clause.kind, expression: bindMoment(environment, clause), moment: location };
}

/** The expression of FOR SYSTEM_TIME AS OF, as a timestamptz or an int8: it is evaluated before the statement is planned. */
export function bindMoment(environment: Environment, { kind, expression }: SystemTime): Expression {
  const context = contextOf(environment, emptyScope, 'FOR SYSTEM_TIME');
  const value = context.bind(context, expression);
  if (hasSubquery(value))
    throw unsupported('a subquery in FOR SYSTEM_TIME', placeOf(environment, value).position);
  const type = typeOf(kind === 'offset' ? oids.int8 : oids.timestamptz);
  return coerceToColumn(environment, value, { name: 'FOR SYSTEM_TIME', type });
}
