import type { IndexElem, IndexStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { locationOf, place, stringsOf } from '../../sql/ast.ts';
import type { RelationDefinition } from '../definition.ts';
import { isSystemColumn } from './column.ts';
import type { DdlResult } from './context.ts';
import { requireTablespace } from './create-table.ts';
import type { CatalogEditor } from './editor.ts';
import { generatedName } from './generated-name.ts';
import { addIndex, type IndexColumn, requireFewColumns, requireOrdered } from './key.ts';
import { columnNamed, findRelation, nameOf, requireOwner, undefinedRelation } from './lookup.ts';
import { storageParameters } from './options.ts';

/** CREATE [UNIQUE] INDEX over columns. */
export function createIndex(editor: CatalogEditor, statement: IndexStmt): DdlResult {
  const table = indexedTable(editor, statement);
  refuseClauses(statement);
  const elements = (statement.indexParams ?? []).flatMap((node) =>
    'IndexElem' in node ? [node.IndexElem] : [],
  );
  const columns = elements.map((element) => indexColumn(table, element));
  requireFewColumns(columns.length);
  const name = statement.idxname ?? indexName(editor, table, columns);
  if (editor.catalog.relation(table.namespace, name) !== undefined) {
    if (statement.if_not_exists !== true) {
      throw new AlopexError('duplicate_table', `relation "${name}" already exists`);
    }
    editor.notice(`relation "${name}" already exists, skipping`, '42P07');
    return editor.finish('CREATE INDEX');
  }
  addIndex(
    editor,
    table,
    { name, isUnique: statement.unique === true, constraint: null, columns },
    {
      nullsDistinct: statement.nulls_not_distinct !== true,
      origin: 'existing table',
      concurrently: statement.concurrent === true,
    },
  );
  return editor.finish('CREATE INDEX');
}

function indexedTable(editor: CatalogEditor, statement: IndexStmt): RelationDefinition {
  const name = nameOf(statement.relation);
  const relation = findRelation(editor, name);
  if (relation === undefined) throw undefinedRelation(name);
  if (relation.kind !== 'table') {
    throw new AlopexError('wrong_object_type', `cannot create index on relation "${name.name}"`, {
      detail: `This operation is not supported for ${relation.kind === 'index' ? 'indexes' : 'sequences'}.`,
    });
  }
  requireOwner(editor, relation);
  return relation;
}

function refuseClauses(statement: IndexStmt): void {
  const { position } = place(statement.relation?.location);
  const method = statement.accessMethod ?? 'btree';
  if (method !== 'btree') throw unsupported(`an index of access method "${method}"`, position);
  if (statement.indexIncludingParams !== undefined) throw unsupported('INCLUDE', position);
  if (statement.whereClause !== undefined) {
    throw unsupported('a partial index', place(locationOf(statement.whereClause)).position);
  }
  requireTablespace(statement.tableSpace);
  storageParameters(statement.options, 'index');
}

function indexColumn(table: RelationDefinition, element: IndexElem): IndexColumn {
  if (element.expr !== undefined) {
    throw unsupported('an index on an expression', place(locationOf(element.expr)).position);
  }
  const name = element.name ?? '';
  if (isSystemColumn(name)) {
    throw new AlopexError('feature_not_supported', 'index creation on system columns is not supported');
  }
  const column = columnNamed(table, name);
  if (column === undefined) {
    throw new AlopexError('undefined_column', `column "${name}" does not exist`);
  }
  const [operatorClass] = stringsOf(element.opclass).slice(-1);
  // Text is ordered by code point here, which is what the pattern classes ask for.
  if (operatorClass !== undefined && !/_(pattern_)?ops$/.test(operatorClass)) {
    throw new AlopexError(
      'undefined_object',
      `operator class "${operatorClass}" does not exist for access method "btree"`,
    );
  }
  requireOrdered(column);
  const descending = element.ordering === 'SORTBY_DESC';
  const nullsFirst =
    element.nulls_ordering === 'SORTBY_NULLS_FIRST' ||
    (element.nulls_ordering !== 'SORTBY_NULLS_LAST' && descending);
  return { attribute: column.attribute, descending, nullsFirst };
}

function indexName(
  editor: CatalogEditor,
  table: RelationDefinition,
  columns: readonly IndexColumn[],
): string {
  const names = columns.map((column) => table.columns[column.attribute - 1]!.name);
  return generatedName(editor.catalog, table.namespace, table.name, names, 'idx');
}
