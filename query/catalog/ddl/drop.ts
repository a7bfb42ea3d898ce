import type { DropStmt, Node } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { type QualifiedName, qualifiedNameOf, stringsOf } from '../../sql/ast.ts';
import { objectName } from '../../sql/words.ts';
import type {
  IndexDefinition,
  NamespaceDefinition,
  RelationDefinition,
  SequenceDefinition,
} from '../definition.ts';
import type { DdlResult } from './context.ts';
import { dropUse, shownUse, stillNeeded, usesOf } from './dependents.ts';
import type { CatalogEditor } from './editor.ts';
import {
  findNamespace,
  findRelation,
  type Relation,
  requireOwner,
  requireUserNamespace,
  shownName,
} from './lookup.ts';
import { shownRelation, shownRelationName } from './shown.ts';

export function drop(editor: CatalogEditor, statement: DropStmt): DdlResult {
  const cascade = statement.behavior === 'DROP_CASCADE';
  const objects = statement.objects ?? [];
  switch (statement.removeType) {
    case 'OBJECT_TABLE':
      dropTables(editor, namedRelations(editor, objects, 'table', statement), cascade);
      return editor.finish('DROP TABLE');
    case 'OBJECT_INDEX':
      for (const index of namedRelations(editor, objects, 'index', statement)) dropIndex(editor, index);
      return editor.finish('DROP INDEX');
    case 'OBJECT_SEQUENCE':
      dropSequences(editor, namedRelations(editor, objects, 'sequence', statement), cascade);
      return editor.finish('DROP SEQUENCE');
    case 'OBJECT_SCHEMA':
      for (const node of objects) dropSchema(editor, node, statement);
      return editor.finish('DROP SCHEMA');
    case 'OBJECT_VIEW':
    case 'OBJECT_MATVIEW':
    case 'OBJECT_FOREIGN_TABLE':
      dropNothing(editor, objects, statement, statement.removeType);
      return editor.finish(`DROP ${noRelation[statement.removeType].toUpperCase()}`);
    default:
      throw unsupported(`DROP ${objectName(statement.removeType)}`);
  }
}

const dropHints = { table: 'DROP TABLE', index: 'DROP INDEX', sequence: 'DROP SEQUENCE' } as const;
const articles = { table: 'a table', index: 'an index', sequence: 'a sequence' } as const;

function namedRelations<Kind extends Relation['kind']>(
  editor: CatalogEditor,
  nodes: readonly Node[],
  kind: Kind,
  statement: DropStmt,
): Extract<Relation, { readonly kind: Kind }>[] {
  const found: Extract<Relation, { readonly kind: Kind }>[] = [];
  for (const node of nodes) {
    const name = qualifiedNameOf('List' in node ? node.List.items : []);
    const relation = findRelation(editor, name);
    if (relation === undefined) {
      reportMissing(editor, name, kind, statement);
      continue;
    }
    if (relation.kind !== kind) {
      throw new AlopexError('wrong_object_type', `"${name.name}" is not ${articles[kind]}`, {
        hint: `Use ${dropHints[relation.kind]} to remove ${articles[relation.kind]}.`,
      });
    }
    requireOwner(editor, relation);
    const match = relation as Extract<Relation, { readonly kind: Kind }>;
    if (!found.some((each) => each.id === match.id)) found.push(match);
  }
  return found;
}

function reportMissing(editor: CatalogEditor, name: QualifiedName, kind: string, statement: DropStmt): void {
  const schemaIsMissing = name.schema !== null && editor.catalog.namespace(name.schema) === undefined;
  const message = schemaIsMissing
    ? `schema "${name.schema}" does not exist`
    : `${kind} "${shownName(name)}" does not exist`;
  if (statement.missing_ok === true) {
    editor.notice(`${message}, skipping`);
    return;
  }
  if (schemaIsMissing) throw new AlopexError('invalid_schema_name', message);
  throw new AlopexError(kind === 'index' ? 'undefined_object' : 'undefined_table', message);
}

const noRelation = {
  OBJECT_VIEW: 'view',
  OBJECT_MATVIEW: 'materialized view',
  OBJECT_FOREIGN_TABLE: 'foreign table',
} as const;

/** Kinds of relation of which there are none. */
function dropNothing(
  editor: CatalogEditor,
  nodes: readonly Node[],
  statement: DropStmt,
  kind: keyof typeof noRelation,
): void {
  for (const node of nodes) {
    const name = qualifiedNameOf('List' in node ? node.List.items : []);
    const relation = findRelation(editor, name);
    if (relation === undefined) {
      reportMissing(editor, name, noRelation[kind], statement);
      continue;
    }
    throw new AlopexError('wrong_object_type', `"${name.name}" is not a ${noRelation[kind]}`, {
      hint: `Use ${dropHints[relation.kind]} to remove ${articles[relation.kind]}.`,
    });
  }
}

/** With their indexes, and the sequences that their columns own. */
function dropTables(editor: CatalogEditor, tables: readonly RelationDefinition[], cascade: boolean): void {
  const ids = new Set(tables.map((table) => table.id));
  const sequences = ownedSequences(editor, ids);
  const uses = usesOf(editor, sequences, ids);
  if (uses.length > 0 && !cascade) {
    const lines = uses.map(
      (use) => `${shownUse(editor, use)} depends on ${shownRelation(editor, use.sequence)}`,
    );
    const what = tables.length === 1 ? shownRelation(editor, tables[0]!) : 'desired object(s)';
    throw stillNeeded(what, lines);
  }
  editor.cascadeNotice(uses.map((use) => shownUse(editor, use)));
  for (const use of uses) dropUse(editor, use);
  for (const sequence of sequences) removeSequence(editor, sequence);
  for (const table of tables) {
    for (const index of editor.catalog.indexesOf(table.id)) editor.remove(index);
    editor.remove(editor.table(table.id));
    editor.effect({ kind: 'drop-storage', table: table.id, storage: table.layout.storage });
  }
}

export function ownedSequences(editor: CatalogEditor, tables: ReadonlySet<number>): SequenceDefinition[] {
  const owned: SequenceDefinition[] = [];
  for (const object of editor.catalog.all()) {
    if (object.kind === 'sequence' && object.ownedBy !== null && tables.has(object.ownedBy.table)) {
      owned.push(object);
    }
  }
  return owned;
}

export function removeSequence(editor: CatalogEditor, sequence: SequenceDefinition): void {
  editor.remove(sequence);
  editor.effect({ kind: 'drop-sequence', sequence: sequence.id });
}

function dropSequences(
  editor: CatalogEditor,
  sequences: readonly SequenceDefinition[],
  cascade: boolean,
): void {
  for (const sequence of sequences) requireNoIdentity(editor, sequence);
  const uses = usesOf(editor, sequences, new Set());
  if (uses.length > 0 && !cascade) {
    const lines = uses.map(
      (use) => `${shownUse(editor, use)} depends on ${shownRelation(editor, use.sequence)}`,
    );
    throw stillNeeded(
      sequences.length === 1 ? shownRelation(editor, sequences[0]!) : 'desired object(s)',
      lines,
    );
  }
  editor.cascadeNotice(uses.map((use) => shownUse(editor, use)));
  for (const use of uses) dropUse(editor, use);
  for (const sequence of sequences) removeSequence(editor, sequence);
}

function requireNoIdentity(editor: CatalogEditor, sequence: SequenceDefinition): void {
  if (sequence.ownedBy === null) return;
  const table = editor.table(sequence.ownedBy.table);
  const column = table.columns[sequence.ownedBy.attribute - 1]!;
  if (column.identity === null) return;
  const owner = `column ${column.name} of ${shownRelation(editor, table)}`;
  throw new AlopexError(
    'dependent_objects_still_exist',
    `cannot drop ${shownRelation(editor, sequence)} because ${owner} requires it`,
    { hint: `You can drop ${owner} instead.` },
  );
}

function dropIndex(editor: CatalogEditor, index: IndexDefinition): void {
  const table = editor.table(index.table);
  if (index.constraint !== null) {
    const constraint = `constraint ${index.name} on ${shownRelation(editor, table)}`;
    throw new AlopexError(
      'dependent_objects_still_exist',
      `cannot drop index ${shownRelationName(editor, index)} because ${constraint} requires it`,
      { hint: `You can drop ${constraint} instead.` },
    );
  }
  removeIndex(editor, index);
}

/** The index, and its place in the table's layout. */
export function removeIndex(editor: CatalogEditor, index: IndexDefinition): void {
  const table = editor.table(index.table);
  const indexes = table.layout.indexes.filter((each) => each.id !== index.id);
  editor.put({ ...table, layout: { ...table.layout, indexes } });
  editor.remove(index);
}

function dropSchema(editor: CatalogEditor, node: Node, statement: DropStmt): void {
  const name = 'String' in node ? (node.String.sval ?? '') : (stringsOf([node])[0] ?? '');
  if (statement.missing_ok === true && editor.catalog.namespace(name) === undefined) {
    editor.notice(`schema "${name}" does not exist, skipping`);
    return;
  }
  const namespace = findNamespace(editor, name);
  requireUserNamespace(namespace);
  requireOwner(editor, namespace);
  dropContents(editor, namespace, statement.behavior === 'DROP_CASCADE');
  editor.remove(namespace);
}

function dropContents(editor: CatalogEditor, namespace: NamespaceDefinition, cascade: boolean): void {
  const tables = [...editor.catalog.tablesOf(namespace.id)];
  const sequences: SequenceDefinition[] = [];
  for (const object of editor.catalog.all()) {
    if (object.kind === 'sequence' && object.namespace === namespace.id && object.ownedBy === null) {
      sequences.push(object);
    }
  }
  const contents = [...tables, ...sequences].sort((left, right) => left.id - right.id);
  if (contents.length > 0 && !cascade) {
    throw stillNeeded(
      `schema ${namespace.name}`,
      contents.map((each) => `${shownRelation(editor, each)} depends on schema ${namespace.name}`),
    );
  }
  const uses = usesOf(editor, sequences, new Set(tables.map((table) => table.id)));
  editor.cascadeNotice([
    ...contents.map((each) => shownRelation(editor, each)),
    ...uses.map((use) => shownUse(editor, use)),
  ]);
  for (const use of uses) dropUse(editor, use);
  dropTables(editor, tables, true);
  for (const sequence of sequences) removeSequence(editor, sequence);
}
