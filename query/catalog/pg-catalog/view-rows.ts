import type { CatalogSnapshot } from '../definition.ts';
import { indexDefinitionText, namespaceName, tableOf } from '../definition-text.ts';
import { isSystemNamespace } from '../search-path.ts';
import { type NamedRow, type RowsOf, shapes } from '../shape.ts';
import { allIndexes, allSequences, allTables, int8 } from './relation-rows.ts';

/** Views that people read: pg_tables, pg_indexes, pg_sequences, pg_views, and statistics by table. */

function roleName(catalog: CatalogSnapshot, id: number): string | null {
  const role = catalog.byId(id);
  return role?.kind === 'role' ? role.name : null;
}

export const tablesViewRows: RowsOf = function* (catalog) {
  for (const shape of shapes) {
    if (shape.kind === 'table') yield tableRow(shape.schema, shape.name, 'alopex', false);
  }
  for (const table of allTables(catalog)) {
    const hasIndexes = table.primaryKey !== null || catalog.indexesOf(table.id).length > 0;
    const owner = roleName(catalog, table.owner);
    yield tableRow(namespaceName(catalog, table.namespace), table.name, owner, hasIndexes);
  }
};

function tableRow(schema: string, name: string, owner: string | null, hasIndexes: boolean): NamedRow {
  return { schemaname: schema, tablename: name, tableowner: owner, hasindexes: hasIndexes };
}

export const viewsViewRows: RowsOf = function* () {
  for (const shape of shapes) {
    if (shape.kind === 'view') {
      yield { schemaname: shape.schema, viewname: shape.name, viewowner: 'alopex', definition: '' };
    }
  }
};

export const indexesViewRows: RowsOf = function* (catalog) {
  for (const index of allIndexes(catalog)) {
    yield {
      schemaname: namespaceName(catalog, index.namespace),
      tablename: tableOf(catalog, index).name,
      indexname: index.name,
      indexdef: indexDefinitionText(catalog, index.id),
    };
  }
};

export const sequencesViewRows: RowsOf = function* (catalog) {
  for (const sequence of allSequences(catalog)) {
    yield {
      schemaname: namespaceName(catalog, sequence.namespace),
      sequencename: sequence.name,
      sequenceowner: roleName(catalog, sequence.owner),
      data_type: sequence.type,
      start_value: int8(sequence.start),
      min_value: int8(sequence.minimum),
      max_value: int8(sequence.maximum),
      increment_by: int8(sequence.increment),
      cycle: sequence.cycle,
      cache_size: 1,
    };
  }
};

/** pg_stat_*_tables: which tables there are; nothing is counted. */
export function statisticsByTable(of: 'user' | 'all' | 'sys'): RowsOf {
  return function* (catalog) {
    for (const table of allTables(catalog)) {
      const isSystem = isSystemNamespace(table.namespace);
      if (of !== 'all' && isSystem !== (of === 'sys')) continue;
      yield {
        relid: table.id,
        schemaname: namespaceName(catalog, table.namespace),
        relname: table.name,
      };
    }
  };
}

export function statisticsByIndex(of: 'user' | 'all' | 'sys'): RowsOf {
  return function* (catalog) {
    for (const index of allIndexes(catalog)) {
      const isSystem = isSystemNamespace(index.namespace);
      if (of !== 'all' && isSystem !== (of === 'sys')) continue;
      const table = tableOf(catalog, index);
      yield {
        relid: table.id,
        indexrelid: index.id,
        schemaname: namespaceName(catalog, table.namespace),
        relname: table.name,
        indexrelname: index.name,
      };
    }
  };
}

/** The sizes and counts of databases are nobody's here; the row says that the database is there. */
export const statDatabaseRows: RowsOf = function* (catalog) {
  for (const object of catalog.all()) {
    if (object.kind === 'database') yield { datid: object.id, datname: object.name };
  }
};

/** Time zones that the host knows; their offsets change with the date and stand at none here. */
export const timeZoneRows: RowsOf = function* () {
  for (const name of Intl.supportedValuesOf('timeZone')) yield { name };
  yield { name: 'UTC', abbrev: 'UTC', is_dst: false };
};
