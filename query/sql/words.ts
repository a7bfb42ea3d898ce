import type { AlterTableType, Node, ObjectType } from 'libpg-query';
import type { AlopexError } from '../../base/errors.ts';
import { tokenize } from './lexer.ts';
import type { ParsedStatement } from './parse.ts';

/** Statements that the parser calls otherwise than SQL does. */
const statementWords: Readonly<Record<string, string>> = {
  AlterDatabaseRefreshCollStmt: 'ALTER DATABASE … REFRESH COLLATION VERSION',
  AlterDatabaseSetStmt: 'ALTER DATABASE … SET',
  AlterEnumStmt: 'ALTER TYPE',
  AlterEventTrigStmt: 'ALTER EVENT TRIGGER',
  AlterExtensionContentsStmt: 'ALTER EXTENSION',
  AlterFdwStmt: 'ALTER FOREIGN DATA WRAPPER',
  AlterForeignServerStmt: 'ALTER SERVER',
  AlterObjectDependsStmt: 'ALTER … DEPENDS ON EXTENSION',
  AlterOpFamilyStmt: 'ALTER OPERATOR FAMILY',
  AlterRoleSetStmt: 'ALTER ROLE … SET',
  AlterSeqStmt: 'ALTER SEQUENCE',
  AlterStatsStmt: 'ALTER STATISTICS',
  AlterTSConfigurationStmt: 'ALTER TEXT SEARCH CONFIGURATION',
  AlterTSDictionaryStmt: 'ALTER TEXT SEARCH DICTIONARY',
  AlterTableMoveAllStmt: 'ALTER … ALL IN TABLESPACE',
  AlterTableSpaceOptionsStmt: 'ALTER TABLESPACE',
  CompositeTypeStmt: 'CREATE TYPE',
  ConstraintsSetStmt: 'SET CONSTRAINTS',
  CreateAmStmt: 'CREATE ACCESS METHOD',
  CreateEnumStmt: 'CREATE TYPE',
  CreateEventTrigStmt: 'CREATE EVENT TRIGGER',
  CreateFdwStmt: 'CREATE FOREIGN DATA WRAPPER',
  CreateForeignServerStmt: 'CREATE SERVER',
  CreateOpClassStmt: 'CREATE OPERATOR CLASS',
  CreateOpFamilyStmt: 'CREATE OPERATOR FAMILY',
  CreatePLangStmt: 'CREATE LANGUAGE',
  CreateRangeStmt: 'CREATE TYPE',
  CreateSeqStmt: 'CREATE SEQUENCE',
  CreateStatsStmt: 'CREATE STATISTICS',
  CreateStmt: 'CREATE TABLE',
  CreateTableSpaceStmt: 'CREATE TABLESPACE',
  CreateTrigStmt: 'CREATE TRIGGER',
  CreatedbStmt: 'CREATE DATABASE',
  DropTableSpaceStmt: 'DROP TABLESPACE',
  DropdbStmt: 'DROP DATABASE',
  IndexStmt: 'CREATE INDEX',
  RefreshMatViewStmt: 'REFRESH MATERIALIZED VIEW',
  RuleStmt: 'CREATE RULE',
  SecLabelStmt: 'SECURITY LABEL',
  TruncateStmt: 'TRUNCATE TABLE',
  ViewStmt: 'CREATE VIEW',
};

const isPartOfTable: ReadonlySet<ObjectType | undefined> = new Set<ObjectType | undefined>([
  'OBJECT_COLUMN',
  'OBJECT_TABCONSTRAINT',
]);

/** What a statement is called: 'CREATE DOMAIN' for a CreateDomainStmt. */
export function statementName(node: Node): string {
  if ('CreateFunctionStmt' in node) {
    return node.CreateFunctionStmt.is_procedure === true ? 'CREATE PROCEDURE' : 'CREATE FUNCTION';
  }
  if ('DropStmt' in node) return `DROP ${objectName(node.DropStmt.removeType)}`;
  if ('AlterTableStmt' in node) return `ALTER ${objectName(node.AlterTableStmt.objtype)}`;
  if ('RenameStmt' in node) {
    const { renameType, relationType } = node.RenameStmt;
    return `ALTER ${objectName(isPartOfTable.has(renameType) ? relationType : renameType)}`;
  }
  if ('AlterObjectSchemaStmt' in node) return `ALTER ${objectName(node.AlterObjectSchemaStmt.objectType)}`;
  if ('GrantStmt' in node) return node.GrantStmt.is_grant === true ? 'GRANT' : 'REVOKE';
  if ('DefineStmt' in node) return `CREATE ${objectName(node.DefineStmt.kind)}`;
  const [kind = ''] = Object.keys(node);
  return statementWords[kind] ?? spaced(kind.replace(/Stmt$/, ''));
}

const objectWords: Readonly<Partial<Record<ObjectType, string>>> = {
  OBJECT_DOMCONSTRAINT: 'CONSTRAINT ON DOMAIN',
  OBJECT_FDW: 'FOREIGN DATA WRAPPER',
  OBJECT_FOREIGN_SERVER: 'SERVER',
  OBJECT_LARGEOBJECT: 'LARGE OBJECT',
  OBJECT_MATVIEW: 'MATERIALIZED VIEW',
  OBJECT_OPCLASS: 'OPERATOR CLASS',
  OBJECT_OPFAMILY: 'OPERATOR FAMILY',
  OBJECT_PARAMETER_ACL: 'PARAMETER',
  OBJECT_STATISTIC_EXT: 'STATISTICS',
  OBJECT_TABCONSTRAINT: 'CONSTRAINT',
  OBJECT_TSCONFIGURATION: 'TEXT SEARCH CONFIGURATION',
  OBJECT_TSDICTIONARY: 'TEXT SEARCH DICTIONARY',
  OBJECT_TSPARSER: 'TEXT SEARCH PARSER',
  OBJECT_TSTEMPLATE: 'TEXT SEARCH TEMPLATE',
};

/** What a kind of object is called in ALTER, DROP, COMMENT ON. */
export function objectName(type: ObjectType | undefined): string {
  if (type === undefined) return '';
  return objectWords[type] ?? type.replace('OBJECT_', '').replaceAll('_', ' ');
}

const alterTableWords: Readonly<Partial<Record<AlterTableType, string>>> = {
  AT_AddIdentity: 'ALTER COLUMN … ADD GENERATED',
  AT_AddInherit: 'INHERIT',
  AT_AddOf: 'OF',
  AT_AlterColumnGenericOptions: 'ALTER COLUMN … OPTIONS',
  AT_AlterColumnType: 'ALTER COLUMN … TYPE',
  AT_DetachPartitionFinalize: 'DETACH PARTITION … FINALIZE',
  AT_DisableTrigAll: 'DISABLE TRIGGER ALL',
  AT_DisableTrigUser: 'DISABLE TRIGGER USER',
  AT_DisableTrig: 'DISABLE TRIGGER',
  AT_DropIdentity: 'ALTER COLUMN … DROP IDENTITY',
  AT_DropInherit: 'NO INHERIT',
  AT_DropOf: 'NOT OF',
  AT_EnableAlwaysTrig: 'ENABLE ALWAYS TRIGGER',
  AT_EnableReplicaTrig: 'ENABLE REPLICA TRIGGER',
  AT_EnableTrigAll: 'ENABLE TRIGGER ALL',
  AT_EnableTrigUser: 'ENABLE TRIGGER USER',
  AT_EnableTrig: 'ENABLE TRIGGER',
  AT_ForceRowSecurity: 'FORCE ROW LEVEL SECURITY',
  AT_EnableRowSecurity: 'ENABLE ROW LEVEL SECURITY',
  AT_DisableRowSecurity: 'DISABLE ROW LEVEL SECURITY',
  AT_NoForceRowSecurity: 'NO FORCE ROW LEVEL SECURITY',
  AT_GenericOptions: 'OPTIONS',
  AT_SetIdentity: 'ALTER COLUMN … SET GENERATED',
  AT_SetUnLogged: 'SET UNLOGGED',
};

/** What a command of ALTER TABLE is called: 'VALIDATE CONSTRAINT' for AT_ValidateConstraint. */
export function alterTableName(type: AlterTableType | undefined): string {
  if (type === undefined) return '';
  return alterTableWords[type] ?? spaced(type.replace('AT_', ''));
}

function spaced(name: string): string {
  return name.replaceAll(/(?<=[a-z])(?=[A-Z])/g, ' ').toUpperCase();
}

/** Where 0A000 does not know the place of the construct itself, it stands at the statement. */
export function placedAt(error: AlopexError, { start, source }: ParsedStatement): AlopexError {
  if (error.condition !== 'feature_not_supported' || error.position !== undefined) return error;
  const before = source.slice(0, tokenize(source)[0]?.start ?? 0);
  return error.with({ position: start + [...before].length + 1 });
}
