import type { AlterObjectSchemaStmt, AlterOwnerStmt, RenameStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { objectName } from '../../sql/words.ts';
import type { CatalogObject, RelationDefinition, SequenceDefinition } from '../definition.ts';
import { sequencesOf, withSequenceRenamed } from '../sequence-default.ts';
import { requireFreeColumnName, withColumn } from './alter-column.ts';
import type { DdlResult } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import {
  columnNamed,
  creationNamespace,
  findNamespace,
  findRelation,
  nameOf,
  type Relation,
  requireFreeName,
  requireKind,
  requireOwner,
  requireUserNamespace,
  undefinedRelation,
} from './lookup.ts';
import { newOwner, withOwner } from './owner.ts';
import { requireNotIdentity } from './sequence.ts';

export function rename(editor: CatalogEditor, statement: RenameStmt): DdlResult {
  const name = statement.newname ?? '';
  switch (statement.renameType) {
    case 'OBJECT_SCHEMA':
      renameSchema(editor, statement.subname ?? '', name);
      return editor.finish('ALTER SCHEMA');
    case 'OBJECT_ROLE':
      renameRole(editor, statement.subname ?? '', name);
      return editor.finish('ALTER ROLE');
    case 'OBJECT_COLUMN':
    case 'OBJECT_TABCONSTRAINT':
    case 'OBJECT_TABLE':
    case 'OBJECT_INDEX':
    case 'OBJECT_SEQUENCE':
      break;
    default:
      throw unsupported(`ALTER ${objectName(statement.renameType)} … RENAME`);
  }
  const relation = relationOf(editor, statement);
  if (relation !== null) {
    if (statement.renameType === 'OBJECT_COLUMN') {
      renameColumn(editor, requireKind(relation, 'table'), statement.subname ?? '', name);
    } else if (statement.renameType === 'OBJECT_TABCONSTRAINT') {
      renameConstraint(editor, requireKind(relation, 'table'), statement.subname ?? '', name);
    } else {
      renameRelation(editor, relation, name);
    }
  }
  const altered = statement.renameType === 'OBJECT_COLUMN' ? 'OBJECT_TABLE' : statement.renameType;
  return editor.finish(`ALTER ${altered.replace('OBJECT_TABCONSTRAINT', 'TABLE').replace('OBJECT_', '')}`);
}

function relationOf(
  editor: CatalogEditor,
  statement: Pick<RenameStmt, 'relation' | 'missing_ok'>,
): Relation | null {
  const name = nameOf(statement.relation);
  const relation = findRelation(editor, name);
  if (relation !== undefined) {
    requireOwner(editor, relation);
    return relation;
  }
  if (statement.missing_ok !== true) throw undefinedRelation(name);
  editor.notice(`relation "${name.name}" does not exist, skipping`);
  return null;
}

function renameColumn(editor: CatalogEditor, table: RelationDefinition, from: string, to: string): void {
  const column = columnNamed(table, from);
  if (column === undefined) {
    throw new AlopexError('undefined_column', `column "${from}" does not exist`);
  }
  requireFreeColumnName(table, to);
  editor.put(withColumn(table, { ...column, name: to }));
}

function renameConstraint(editor: CatalogEditor, table: RelationDefinition, from: string, to: string): void {
  const index = editor.catalog
    .indexesOf(table.id)
    .find((each) => each.constraint !== null && each.name === from);
  if (index === undefined && table.primaryKey?.name !== from) {
    throw new AlopexError(
      'undefined_object',
      `constraint "${from}" for table "${table.name}" does not exist`,
    );
  }
  requireFreeName(editor, table.namespace, to);
  putIndexName(editor, table, index?.id ?? null, to);
}

/** `index` null: the primary key's, whose name the table keeps. */
function putIndexName(
  editor: CatalogEditor,
  table: RelationDefinition,
  index: number | null,
  name: string,
): void {
  if (index === null) {
    if (table.primaryKey !== null) editor.put({ ...table, primaryKey: { ...table.primaryKey, name } });
    return;
  }
  const object = editor.catalog.byId(index);
  if (object?.kind === 'index') editor.put({ ...object, name });
}

function renameRelation(editor: CatalogEditor, relation: Relation, name: string): void {
  requireFreeName(editor, relation.namespace, name);
  if (relation.kind === 'index') {
    const table = editor.table(relation.table);
    putIndexName(editor, table, table.primaryKey?.id === relation.id ? null : relation.id, name);
  } else if (relation.kind === 'sequence') {
    replaceSequence(editor, relation, { ...relation, name });
  } else {
    editor.put({ ...relation, name });
  }
}

/** Defaults name sequences: those that call this one are rewritten. */
function replaceSequence(editor: CatalogEditor, before: SequenceDefinition, after: SequenceDefinition): void {
  const catalog = editor.catalog;
  editor.put(after);
  rewriteDefaults(editor, { catalog, sequence: before }, { catalog: editor.catalog, sequence: after });
}

type SequenceAt = Parameters<typeof withSequenceRenamed>[1];

function rewriteDefaults(editor: CatalogEditor, before: SequenceAt, after: SequenceAt): void {
  for (const table of before.catalog.all()) {
    if (table.kind !== 'table') continue;
    for (const { attribute, defaultText } of table.columns) {
      if (defaultText === null) continue;
      const uses = sequencesOf(before.catalog, defaultText);
      if (!uses.some((sequence) => sequence.id === before.sequence.id)) continue;
      const current = editor.table(table.id);
      const text = withSequenceRenamed(defaultText, before, after);
      const column = current.columns[attribute - 1]!;
      editor.put(withColumn(current, { ...column, defaultText: text }));
    }
  }
}

function renameSchema(editor: CatalogEditor, from: string, to: string): void {
  const namespace = findNamespace(editor, from);
  requireUserNamespace(namespace);
  requireOwner(editor, namespace);
  requireFreeSchema(editor, to);
  const catalog = editor.catalog;
  editor.put({ ...namespace, name: to });
  for (const object of catalog.all()) {
    if (object.kind === 'sequence' && object.namespace === namespace.id) {
      rewriteDefaults(editor, { catalog, sequence: object }, { catalog: editor.catalog, sequence: object });
    }
  }
  // Events are named `<schema>.<table>`: the tables are touched, so that they get new event schemas.
  for (const table of [...editor.catalog.tablesOf(namespace.id)]) editor.put(table);
}

/** 42P06 where the name is taken, 42939 where it is the system's. */
export function requireFreeSchema(editor: CatalogEditor, name: string): void {
  if (editor.catalog.namespace(name) !== undefined) {
    throw new AlopexError('duplicate_schema', `schema "${name}" already exists`);
  }
  if (name.startsWith('pg_')) {
    throw new AlopexError('reserved_name', `unacceptable schema name "${name}"`, {
      detail: 'The prefix "pg_" is reserved for system schemas.',
    });
  }
}

function renameRole(editor: CatalogEditor, from: string, to: string): void {
  const role = editor.catalog.role(from);
  if (role === undefined) throw new AlopexError('undefined_object', `role "${from}" does not exist`);
  if (!editor.user.isSuperuser) {
    throw new AlopexError('insufficient_privilege', 'permission denied to rename role');
  }
  if (role.id === editor.user.id) {
    throw new AlopexError('feature_not_supported', 'session user cannot be renamed');
  }
  if (editor.catalog.role(to) !== undefined) {
    throw new AlopexError('duplicate_object', `role "${to}" already exists`);
  }
  editor.put({ ...role, name: to });
}

/** ALTER … SET SCHEMA: a table takes its indexes and owned sequences along. */
export function setSchema(editor: CatalogEditor, statement: AlterObjectSchemaStmt): DdlResult {
  const kind = objectName(statement.objectType);
  if (kind !== 'TABLE' && kind !== 'SEQUENCE') throw unsupported(`ALTER ${kind} … SET SCHEMA`);
  const relation = relationOf(editor, statement);
  if (relation === null) return editor.finish(`ALTER ${kind}`);
  const target = creationNamespace(editor, { schema: statement.newschema ?? '', name: relation.name });
  if (relation.namespace === target.id) return editor.finish(`ALTER ${kind}`);
  if (relation.kind === 'sequence') {
    requireNotIdentity(editor, relation);
    moveAll(editor, [relation], target.id);
  } else {
    const table = requireKind(relation, 'table');
    const parts: (RelationDefinition | Relation)[] = [table, ...editor.catalog.indexesOf(table.id)];
    for (const object of editor.catalog.all()) {
      if (object.kind === 'sequence' && object.ownedBy?.table === table.id) parts.push(object);
    }
    moveAll(editor, parts, target.id);
  }
  return editor.finish(`ALTER ${kind}`);
}

function moveAll(editor: CatalogEditor, relations: readonly Relation[], namespace: number): void {
  for (const relation of relations) {
    const keyName = relation.kind === 'table' ? relation.primaryKey?.name : undefined;
    for (const name of [relation.name, keyName]) {
      if (name === undefined || editor.catalog.relation(namespace, name) === undefined) continue;
      const schema = editor.catalog.byId(namespace);
      const schemaName = schema?.kind === 'namespace' ? schema.name : '';
      throw new AlopexError('duplicate_table', `relation "${name}" already exists in schema "${schemaName}"`);
    }
    const current = editor.catalog.byId(relation.id) as Relation;
    if (current.kind === 'sequence') replaceSequence(editor, current, { ...current, namespace });
    else editor.put({ ...current, namespace } as CatalogObject);
  }
}

/** ALTER SCHEMA … OWNER TO, ALTER DATABASE … OWNER TO. Tables' owners change by ALTER TABLE. */
export function alterOwner(editor: CatalogEditor, statement: AlterOwnerStmt): DdlResult {
  const name =
    statement.object !== undefined && 'String' in statement.object
      ? (statement.object.String.sval ?? '')
      : '';
  if (statement.objectType !== 'OBJECT_SCHEMA') {
    throw unsupported(`ALTER ${objectName(statement.objectType)} … OWNER TO`);
  }
  const namespace = findNamespace(editor, name);
  requireUserNamespace(namespace);
  requireOwner(editor, namespace);
  editor.put(withOwner(namespace, newOwner(editor, statement.newowner)));
  return editor.finish('ALTER SCHEMA');
}
