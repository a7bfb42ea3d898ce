import type { Constraint, CreateStmt, TableLikeClause } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { schemaId, storageId, tableId } from '../../../base/ids.ts';
import { place, stringsOf } from '../../sql/ast.ts';
import type { ColumnDefinition, RelationDefinition } from '../definition.ts';
import { type ColumnDeclaration, declareColumn, makeColumn, refuseConstraint } from './column.ts';
import type { DdlResult } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import { layoutColumns } from './event-schema.ts';
import { addUnique, multiplePrimaryKeys, withHiddenKey, withPrimaryKey } from './key.ts';
import {
  creationNamespace,
  findRelation,
  nameOf,
  requireFreeName,
  requireKind,
  undefinedRelation,
} from './lookup.ts';
import { historyMsDefault, historyMsOf, historyParameter, storageParameters } from './options.ts';

export const tableColumnsMax = 1600;

export function createTable(editor: CatalogEditor, statement: CreateStmt): DdlResult {
  refuseClauses(statement);
  const name = nameOf(statement.relation);
  const namespace = creationNamespace(editor, name);
  if (editor.catalog.relation(namespace.id, name.name) !== undefined && statement.if_not_exists === true) {
    editor.notice(`relation "${name.name}" already exists, skipping`, '42P07');
    return editor.finish('CREATE TABLE');
  }
  const elements = elementsOf(editor, statement, name.name);
  requireFreeName(editor, namespace.id, name.name);
  const options = storageParameters(statement.options, 'table');
  const bare = bareTable(editor, name.name, namespace.id, options);
  // The name is taken from here on, so that names made for sequences and indexes step aside.
  editor.put(bare);
  const columns = elements.columns.map((declaration, index): ColumnDefinition => {
    const target = { table: bare.id, tableName: bare.name, namespace: namespace.id, attribute: index + 1 };
    return makeColumn(editor, declaration, target).column;
  });
  const table = withColumns(bare, columns);
  const keyed =
    elements.primaryKey === null ? withHiddenKey(table) : withPrimaryKey(editor, table, elements.primaryKey);
  editor.put(keyed);
  for (const unique of elements.unique) addUnique(editor, editor.table(bare.id), unique, 'new table');
  return editor.finish('CREATE TABLE');
}

function refuseClauses(statement: CreateStmt): void {
  const { position } = place(statement.relation?.location);
  if (statement.relation?.relpersistence === 't') throw unsupported('a temporary table', position);
  if (statement.inhRelations !== undefined) throw unsupported('INHERITS', position);
  if (statement.partspec !== undefined || statement.partbound !== undefined) {
    throw unsupported('partitioning', position);
  }
  if (statement.ofTypename !== undefined) throw unsupported('a table of a composite type', position);
  if (statement.accessMethod !== undefined && statement.accessMethod !== 'heap') {
    throw new AlopexError('undefined_object', `access method "${statement.accessMethod}" does not exist`);
  }
  requireTablespace(statement.tablespacename);
}

export function requireTablespace(name: string | undefined): void {
  if (name === undefined || name === 'pg_default') return;
  throw new AlopexError('undefined_object', `tablespace "${name}" does not exist`);
}

type TableElements = {
  readonly columns: readonly ColumnDeclaration[];
  readonly primaryKey: Constraint | null;
  readonly unique: readonly Constraint[];
};

function elementsOf(editor: CatalogEditor, statement: CreateStmt, table: string): TableElements {
  const columns: ColumnDeclaration[] = [];
  const keys: Constraint[] = [];
  for (const node of statement.tableElts ?? []) {
    if ('ColumnDef' in node) {
      const column = declareColumn(node.ColumnDef, table);
      columns.push(column);
      keys.push(...column.keys);
    } else if ('TableLikeClause' in node) {
      const copied = likeColumns(editor, node.TableLikeClause);
      columns.push(...copied.columns);
      keys.push(...copied.keys);
    } else if ('Constraint' in node) {
      refuseConstraint(node.Constraint);
      keys.push(node.Constraint);
    }
  }
  requireDistinctColumns(columns);
  const primary = keys.filter((key) => key.contype === 'CONSTR_PRIMARY');
  if (primary.length > 1) throw multiplePrimaryKeys(table, primary[1]!.location);
  return { columns, primaryKey: primary[0] ?? null, unique: distinctUniques(keys, primary[0]) };
}

function requireDistinctColumns(columns: readonly ColumnDeclaration[]): void {
  if (columns.length > tableColumnsMax) throw tooManyColumns();
  const seen = new Set<string>();
  for (const { name } of columns) {
    if (seen.has(name)) {
      throw new AlopexError('duplicate_column', `column "${name}" specified more than once`);
    }
    seen.add(name);
  }
}

export function tooManyColumns(): AlopexError {
  return new AlopexError('too_many_columns', `tables can have at most ${tableColumnsMax} columns`);
}

/** A unique constraint without a name that says what another says already is not made twice. */
function distinctUniques(keys: readonly Constraint[], primary: Constraint | undefined): Constraint[] {
  const seen = new Set<string>(primary === undefined ? [] : [columnList(primary)]);
  return keys.filter((key) => {
    if (key.contype !== 'CONSTR_UNIQUE') return false;
    const isRepeated = seen.has(columnList(key));
    seen.add(columnList(key));
    return key.conname !== undefined || !isRepeated;
  });
}

function columnList(key: Constraint): string {
  return JSON.stringify(stringsOf(key.keys));
}

/** Bits of LIKE's INCLUDING options, as the parser gives them. */
const likeDefaults = 1 << 3;
const likeIndexes = 1 << 6;
const likeIdentity = 1 << 5;

function likeColumns(
  editor: CatalogEditor,
  clause: TableLikeClause,
): { readonly columns: readonly ColumnDeclaration[]; readonly keys: readonly Constraint[] } {
  const name = nameOf(clause.relation);
  const relation = findRelation(editor, name);
  if (relation === undefined) throw undefinedRelation(name).with(place(clause.relation?.location));
  const source = requireKind(relation, 'table');
  const options = clause.options ?? 0;
  const live = source.columns.filter((column) => !column.isDropped && !column.isHidden);
  const columns = live.map((column): ColumnDeclaration => {
    const isIdentity = column.identity !== null && (options & likeIdentity) !== 0;
    return {
      name: column.name,
      type: column.type,
      notNull: column.notNull,
      defaultExpression: null,
      defaultText: (options & likeDefaults) === 0 ? null : column.defaultText,
      isSerial: false,
      identity: isIdentity ? { when: column.identity, options: [] } : null,
      keys: [],
    };
  });
  return { columns, keys: (options & likeIndexes) === 0 ? [] : likeKeys(editor, source, clause) };
}

function likeKeys(editor: CatalogEditor, source: RelationDefinition, clause: TableLikeClause): Constraint[] {
  const keysOf = (attributes: readonly number[]): NonNullable<Constraint['keys']> =>
    attributes.map((attribute) => ({ String: { sval: source.columns[attribute - 1]!.name } }));
  const keys: Constraint[] = [];
  if (source.primaryKey !== null) {
    keys.push({ contype: 'CONSTR_PRIMARY', keys: keysOf(source.layout.key.map((key) => key.column)) });
  }
  for (const index of editor.catalog.indexesOf(source.id)) {
    if (index.constraint === null) {
      throw unsupported(
        'LIKE … INCLUDING INDEXES of a table with plain indexes',
        place(clause.relation?.location).position,
      );
    }
    keys.push({ contype: 'CONSTR_UNIQUE', keys: keysOf(index.columns.map((column) => column.attribute)) });
  }
  return keys;
}

function bareTable(
  editor: CatalogEditor,
  name: string,
  namespace: number,
  options: Readonly<Record<string, string>>,
): RelationDefinition {
  const id = editor.newId();
  const history = options[historyParameter];
  return {
    kind: 'table',
    id,
    namespace,
    name,
    owner: editor.user.id,
    columns: [],
    primaryKey: null,
    options,
    comment: null,
    layout: {
      table: tableId(id),
      storage: storageId(editor.newId()),
      schema: schemaId(0),
      columns: [],
      key: [],
      indexes: [],
      historyMs: history === undefined ? historyMsDefault : historyMsOf(history),
    },
  };
}

function withColumns(table: RelationDefinition, columns: readonly ColumnDefinition[]): RelationDefinition {
  const defined = { ...table, columns };
  return { ...defined, layout: { ...defined.layout, columns: layoutColumns(defined, defined.layout) } };
}
