import type { VirtualRelation } from '../plan/logical.ts';
import { informationSchemaRows } from './information-schema/rows.ts';
import * as cluster from './pg-catalog/cluster-rows.ts';
import { operatorClassRows, operatorFamilyRows } from './pg-catalog/operator-class-rows.ts';
import * as relations from './pg-catalog/relation-rows.ts';
import * as types from './pg-catalog/type-rows.ts';
import * as views from './pg-catalog/view-rows.ts';
import { type RowsOf, relationOf, type Shape, shapes } from './shape.ts';

/** What stands in the relations of pg_catalog that have rows; the others are empty. */
const pgCatalogRows: Readonly<Record<string, RowsOf>> = {
  pg_aggregate: types.aggregateRows,
  pg_am: cluster.accessMethodRows,
  pg_attrdef: relations.defaultRows,
  pg_attribute: relations.attributeRows,
  pg_auth_members: cluster.memberRows,
  pg_authid: cluster.secretRoleRows,
  pg_cast: types.castRows,
  pg_class: relations.classRows,
  pg_collation: cluster.collationRows,
  pg_constraint: relations.constraintRows,
  pg_cursors: fromServer('pg_cursors'),
  pg_database: cluster.databaseRows,
  pg_depend: relations.dependRows,
  pg_description: relations.descriptionRows,
  pg_extension: cluster.extensionRows,
  pg_index: relations.indexRows,
  pg_indexes: views.indexesViewRows,
  pg_language: cluster.languageRows,
  pg_locks: fromServer('pg_locks'),
  pg_namespace: cluster.namespaceRows,
  pg_opclass: operatorClassRows,
  pg_opfamily: operatorFamilyRows,
  pg_operator: types.operatorRows,
  pg_prepared_statements: fromServer('pg_prepared_statements'),
  pg_proc: types.procedureRows,
  pg_roles: cluster.roleRows,
  pg_sequence: relations.sequenceRows,
  pg_sequences: views.sequencesViewRows,
  pg_settings: fromServer('pg_settings'),
  pg_shadow: cluster.secretUserRows,
  pg_stat_activity: fromServer('pg_stat_activity'),
  pg_stat_all_indexes: views.statisticsByIndex('all'),
  pg_stat_all_tables: views.statisticsByTable('all'),
  pg_stat_database: views.statDatabaseRows,
  pg_stat_replication: fromServer('pg_stat_replication'),
  pg_stat_sys_indexes: views.statisticsByIndex('sys'),
  pg_stat_sys_tables: views.statisticsByTable('sys'),
  pg_stat_user_indexes: views.statisticsByIndex('user'),
  pg_stat_user_tables: views.statisticsByTable('user'),
  pg_statio_all_tables: views.statisticsByTable('all'),
  pg_statio_user_tables: views.statisticsByTable('user'),
  pg_tables: views.tablesViewRows,
  pg_tablespace: cluster.tablespaceRows,
  pg_timezone_names: views.timeZoneRows,
  pg_type: types.typeRows,
  pg_user: cluster.userRows,
  pg_views: views.viewsViewRows,
};

function fromServer(relation: string): RowsOf {
  return (_catalog, context) => context.systemRows?.(relation) ?? [];
}

const noRows: RowsOf = () => [];

/** Where the rows of a relation come from. */
export function rowsOf(shape: Shape): RowsOf {
  if (shape.schema === 'alopex') return fromServer(`alopex.${shape.name}`);
  const rows = shape.schema === 'pg_catalog' ? pgCatalogRows : informationSchemaRows;
  return rows[shape.name] ?? noRows;
}

const byName: ReadonlyMap<string, VirtualRelation> = new Map(
  shapes.map((shape) => [`${shape.schema}.${shape.name}`, relationOf(shape, rowsOf(shape))]),
);

/** A relation of pg_catalog, information_schema or alopex; undefined where there is none of that name. */
export function virtualRelation(schema: string, name: string): VirtualRelation | undefined {
  return byName.get(`${schema}.${name}`);
}
