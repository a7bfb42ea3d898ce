import type { CatalogSnapshot, ColumnDefinition, RelationDefinition } from '../definition.ts';
import {
  columnDefaultText,
  type KeyConstraint,
  keyConstraints,
  namespaceName,
  nullsAreDistinct,
} from '../definition-text.ts';
import { allSequences, allTables } from '../pg-catalog/relation-rows.ts';
import { aclOf, privilegeOfLetter, publicRole } from '../privileges.ts';
import { type NamedRow, type RowsOf, shapes } from '../shape.ts';
import { typeFacts } from './type-facts.ts';

/** The SQL standard's views of the catalog. Roles are not kept apart: everybody sees everything. */

function databaseName(catalog: CatalogSnapshot): string {
  for (const object of catalog.all()) if (object.kind === 'database') return object.name;
  return '';
}

function yesNo(flag: boolean): 'YES' | 'NO' {
  return flag ? 'YES' : 'NO';
}

const tables: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const shape of shapes) {
    const type = shape.kind === 'table' ? 'BASE TABLE' : 'VIEW';
    yield tableRow(database, shape.schema, shape.name, type, false);
  }
  for (const table of allTables(catalog)) {
    yield tableRow(database, namespaceName(catalog, table.namespace), table.name, 'BASE TABLE', true);
  }
};

function tableRow(
  database: string,
  schema: string,
  name: string,
  type: string,
  isInsertable: boolean,
): NamedRow {
  return {
    table_catalog: database,
    table_schema: schema,
    table_name: name,
    table_type: type,
    is_insertable_into: yesNo(isInsertable),
    is_typed: 'NO',
  };
}

const views: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const shape of shapes) {
    if (shape.kind !== 'view') continue;
    yield {
      table_catalog: database,
      table_schema: shape.schema,
      table_name: shape.name,
      check_option: 'NONE',
      is_updatable: 'NO',
      is_insertable_into: 'NO',
      is_trigger_updatable: 'NO',
      is_trigger_deletable: 'NO',
      is_trigger_insertable_into: 'NO',
    };
  }
};

const columns: RowsOf = function* (catalog, context) {
  const database = databaseName(catalog);
  for (const shape of shapes) {
    for (const [index, column] of shape.columns.entries()) {
      yield {
        ...columnRow(database, shape.schema, shape.name, index + 1),
        column_name: column.name,
        is_nullable: 'YES',
        ...typeFacts(column.type),
        udt_catalog: database,
        is_updatable: 'NO',
      };
    }
  }
  for (const table of allTables(catalog)) {
    for (const column of table.columns) {
      if (column.isHidden || column.isDropped) continue;
      yield {
        ...columnRow(database, namespaceName(catalog, table.namespace), table.name, column.attribute),
        column_name: column.name,
        column_default: columnDefaultText(catalog, context.searchPath, table, column.attribute),
        is_nullable: yesNo(!column.notNull),
        ...typeFacts(column.type),
        udt_catalog: database,
        ...identityFacts(catalog, column),
        is_updatable: 'YES',
      };
    }
  }
};

function columnRow(database: string, schema: string, table: string, position: number): NamedRow {
  return {
    table_catalog: database,
    table_schema: schema,
    table_name: table,
    ordinal_position: position,
    dtd_identifier: String(position),
    is_self_referencing: 'NO',
    is_identity: 'NO',
    identity_cycle: 'NO',
    is_generated: 'NEVER',
  };
}

function identityFacts(catalog: CatalogSnapshot, column: ColumnDefinition): NamedRow {
  const sequence = catalog.byId(column.ownedSequence ?? 0);
  if (column.identity === null || sequence?.kind !== 'sequence') return {};
  return {
    is_identity: 'YES',
    identity_generation: column.identity.toUpperCase(),
    identity_start: sequence.start,
    identity_increment: sequence.increment,
    identity_maximum: sequence.maximum,
    identity_minimum: sequence.minimum,
    identity_cycle: yesNo(sequence.cycle),
  };
}

const schemata: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const object of catalog.all()) {
    if (object.kind !== 'namespace') continue;
    const owner = catalog.byId(object.owner);
    yield {
      catalog_name: database,
      schema_name: object.name,
      schema_owner: owner?.kind === 'role' ? owner.name : null,
    };
  }
};

const sequences: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const sequence of allSequences(catalog)) {
    const { data_type, numeric_precision } = typeFacts({ oid: sequence.type, modifier: -1 });
    yield {
      sequence_catalog: database,
      sequence_schema: namespaceName(catalog, sequence.namespace),
      sequence_name: sequence.name,
      data_type: data_type!,
      numeric_precision: numeric_precision!,
      numeric_precision_radix: 2,
      numeric_scale: 0,
      start_value: sequence.start,
      minimum_value: sequence.minimum,
      maximum_value: sequence.maximum,
      increment: sequence.increment,
      cycle_option: yesNo(sequence.cycle),
    };
  }
};

const tableConstraints: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const key of keyConstraints(catalog)) {
    const isPrimary = key.table.primaryKey?.id === key.index.id;
    yield {
      ...constraintRow(catalog, database, key),
      ...notDeferrable,
      constraint_type: isPrimary ? 'PRIMARY KEY' : 'UNIQUE',
      nulls_distinct: isPrimary ? null : yesNo(nullsAreDistinct(key.table, key.index.id)),
    };
  }
  for (const { table, name } of notNullColumns(catalog)) {
    const schema = namespaceName(catalog, table.namespace);
    yield { ...checkRow(database, schema, table, name), ...notDeferrable, constraint_type: 'CHECK' };
  }
};

function constraintRow(
  catalog: CatalogSnapshot,
  database: string,
  { table, index }: KeyConstraint,
): NamedRow {
  return checkRow(database, namespaceName(catalog, table.namespace), table, index.name);
}

function checkRow(database: string, schema: string, table: RelationDefinition, name: string): NamedRow {
  return {
    constraint_catalog: database,
    constraint_schema: schema,
    constraint_name: name,
    table_catalog: database,
    table_schema: schema,
    table_name: table.name,
  };
}

const notDeferrable = { is_deferrable: 'NO', initially_deferred: 'NO', enforced: 'YES' } as const;

/** The standard sees NOT NULL as a check; PostgreSQL names it by its numbers. */
function* notNullColumns(catalog: CatalogSnapshot): IterableIterator<{
  readonly table: RelationDefinition;
  readonly column: ColumnDefinition;
  readonly name: string;
}> {
  for (const table of allTables(catalog)) {
    for (const column of table.columns) {
      if (!column.notNull || column.isHidden || column.isDropped) continue;
      yield { table, column, name: `${table.namespace}_${table.id}_${column.attribute}_not_null` };
    }
  }
}

const checkConstraints: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const { table, column, name } of notNullColumns(catalog)) {
    yield {
      constraint_catalog: database,
      constraint_schema: namespaceName(catalog, table.namespace),
      constraint_name: name,
      check_clause: `${column.name} IS NOT NULL`,
    };
  }
};

const keyColumnUsage: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const key of keyConstraints(catalog)) {
    for (const [index, { attribute }] of key.index.columns.entries()) {
      yield {
        ...constraintRow(catalog, database, key),
        column_name: key.table.columns[attribute - 1]!.name,
        ordinal_position: index + 1,
      };
    }
  }
};

const constraintColumnUsage: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const key of keyConstraints(catalog)) {
    for (const { attribute } of key.index.columns) {
      const row = constraintRow(catalog, database, key);
      yield { ...row, column_name: key.table.columns[attribute - 1]!.name };
    }
  }
};

const constraintTableUsage: RowsOf = function* (catalog) {
  const database = databaseName(catalog);
  for (const key of keyConstraints(catalog)) yield constraintRow(catalog, database, key);
};

const catalogName: RowsOf = (catalog) => [{ catalog_name: databaseName(catalog) }];

const enabledRoles: RowsOf = function* (catalog) {
  for (const object of catalog.all()) if (object.kind === 'role') yield { role_name: object.name };
};

const characterSets: RowsOf = (catalog) => [
  {
    character_set_name: 'UTF8',
    character_repertoire: 'UCS',
    form_of_use: 'UTF8',
    default_collate_catalog: databaseName(catalog),
    default_collate_schema: 'pg_catalog',
    default_collate_name: 'C.UTF-8',
  },
];

/** Rows of the views that have some; the others are empty. */
const tablePrivileges: RowsOf = function* (catalog) {
  const table_catalog = databaseName(catalog);
  const roleName = (id: number): string => {
    const role = catalog.byId(id);
    return id === publicRole ? 'PUBLIC' : role?.kind === 'role' ? role.name : String(id);
  };
  for (const table of allTables(catalog)) {
    for (const { grantee, grantor, privileges, grantable } of aclOf(table)) {
      for (const letter of privileges) {
        yield {
          grantor: roleName(grantor),
          grantee: roleName(grantee),
          table_catalog,
          table_schema: namespaceName(catalog, table.namespace),
          table_name: table.name,
          privilege_type: privilegeOfLetter(letter),
          is_grantable: yesNo(grantee === table.owner || grantable.includes(letter)),
          with_hierarchy: yesNo(letter === 'r'),
        };
      }
    }
  }
};

export const informationSchemaRows: Readonly<Record<string, RowsOf>> = {
  character_sets: characterSets,
  check_constraints: checkConstraints,
  columns,
  constraint_column_usage: constraintColumnUsage,
  constraint_table_usage: constraintTableUsage,
  enabled_roles: enabledRoles,
  information_schema_catalog_name: catalogName,
  key_column_usage: keyColumnUsage,
  schemata,
  sequences,
  role_table_grants: tablePrivileges,
  table_constraints: tableConstraints,
  table_privileges: tablePrivileges,
  tables,
  views,
};
