import { quoteIdentifier } from '../types/identifier.ts';
import type { CatalogSnapshot, IndexDefinition, RelationDefinition } from './definition.ts';
import { primaryKeyIndex } from './primary-key.ts';
import { quoteQualified } from './qualified-name.ts';
import { shownDefault } from './sequence-default.ts';

/** Objects as SQL says them: pg_get_indexdef, pg_get_constraintdef, pg_get_expr. */

/** `CREATE UNIQUE INDEX t_a_idx ON public.t USING btree (a DESC)`; null where `oid` is no index. */
export function indexDefinitionText(catalog: CatalogSnapshot, oid: number, column = 0): string | null {
  const index = catalog.byId(oid);
  if (index?.kind !== 'index') return null;
  const table = tableOf(catalog, index);
  const columns = index.columns.map((each) => {
    const name = columnName(table, each.attribute);
    return { name, text: `${name}${orderText(each.descending, each.nullsFirst)}` };
  });
  if (column > 0) return columns[column - 1]?.name ?? null;
  const unique = index.isUnique ? 'UNIQUE ' : '';
  const target = quoteQualified(namespaceName(catalog, table.namespace), table.name);
  const list = columns.map((each) => each.text).join(', ');
  const nulls = nullsAreDistinct(table, oid) ? '' : ' NULLS NOT DISTINCT';
  return `CREATE ${unique}INDEX ${quoteIdentifier(index.name)} ON ${target} USING btree (${list})${nulls}`;
}

function orderText(descending: boolean, nullsFirst: boolean): string {
  if (descending) return nullsFirst ? ' DESC' : ' DESC NULLS LAST';
  return nullsFirst ? ' NULLS FIRST' : '';
}

export function nullsAreDistinct(table: RelationDefinition, index: number): boolean {
  return table.layout.indexes.find((each) => each.id === index)?.nullsDistinct ?? true;
}

/** A key constraint, by its oid in pg_constraint. */
export type KeyConstraint = { readonly table: RelationDefinition; readonly index: IndexDefinition };

export function* keyConstraints(catalog: CatalogSnapshot): IterableIterator<KeyConstraint> {
  for (const table of catalog.all()) {
    if (table.kind !== 'table') continue;
    if (table.primaryKey !== null) yield { table, index: primaryKeyIndex(table) };
    for (const index of catalog.indexesOf(table.id)) {
      if (index.constraint !== null) yield { table, index };
    }
  }
}

/** `PRIMARY KEY (a, b)`; null where there is no such constraint. */
export function constraintDefinitionText(catalog: CatalogSnapshot, oid: number): string | null {
  for (const { table, index } of keyConstraints(catalog)) {
    if (index.constraint === oid) return keyText(table, index);
  }
  return null;
}

function keyText(table: RelationDefinition, index: IndexDefinition): string {
  const columns = index.columns.map((each) => columnName(table, each.attribute)).join(', ');
  if (index.id === table.primaryKey?.id) return `PRIMARY KEY (${columns})`;
  return `UNIQUE ${nullsAreDistinct(table, index.id) ? '' : 'NULLS NOT DISTINCT '}(${columns})`;
}

/** The default of a column as pg_get_expr prints it, or null. */
export function columnDefaultText(
  catalog: CatalogSnapshot,
  searchPath: readonly string[],
  table: RelationDefinition,
  attribute: number,
): string | null {
  const text = table.columns[attribute - 1]?.defaultText ?? null;
  if (text === null) return null;
  return shownDefault(catalog, text, (sequence) =>
    isVisible(catalog, searchPath, sequence.namespace, sequence.name),
  );
}

/** Whether an unqualified name finds the relation of this namespace. */
export function isVisible(
  catalog: CatalogSnapshot,
  searchPath: readonly string[],
  namespace: number,
  name: string,
): boolean {
  for (const schema of searchPath) {
    const searched = catalog.namespace(schema);
    if (searched === undefined) continue;
    if (searched.id === namespace) return true;
    if (catalog.relation(searched.id, name) !== undefined) return false;
  }
  return false;
}

export function namespaceName(catalog: CatalogSnapshot, id: number): string {
  const namespace = catalog.byId(id);
  return namespace?.kind === 'namespace' ? namespace.name : '';
}

export function tableOf(catalog: CatalogSnapshot, index: IndexDefinition): RelationDefinition {
  const table = catalog.byId(index.table);
  if (table?.kind !== 'table') throw new TypeError(`index ${index.id} has no table`);
  return table;
}

function columnName(table: RelationDefinition, attribute: number): string {
  return quoteIdentifier(table.columns[attribute - 1]!.name);
}
