import type { CommentStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { qualifiedNameOf, stringsOf } from '../../sql/ast.ts';
import { objectName } from '../../sql/words.ts';
import { withColumn } from './alter-column.ts';
import type { DdlResult } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import { findColumn, findRelation, requireKind, requireOwner, undefinedRelation } from './lookup.ts';

/** COMMENT ON TABLE, COLUMN and INDEX. An empty comment is none. */
export function comment(editor: CatalogEditor, statement: CommentStmt): DdlResult {
  const text = statement.comment === undefined || statement.comment === '' ? null : statement.comment;
  const items =
    statement.object !== undefined && 'List' in statement.object ? (statement.object.List.items ?? []) : [];
  switch (statement.objtype) {
    case 'OBJECT_TABLE':
    case 'OBJECT_INDEX': {
      const name = qualifiedNameOf(items);
      const relation = findRelation(editor, name);
      if (relation === undefined) throw undefinedRelation(name);
      const object = requireKind(relation, statement.objtype === 'OBJECT_TABLE' ? 'table' : 'index');
      requireOwner(editor, object);
      if (object.kind === 'index' && editor.table(object.table).primaryKey?.id === object.id) {
        throw unsupported('COMMENT ON INDEX of a primary key');
      }
      editor.put({ ...object, comment: text });
      break;
    }
    case 'OBJECT_COLUMN': {
      const names = stringsOf(items);
      if (names.length < 2) throw new AlopexError('syntax_error', 'column name must be qualified');
      const name = qualifiedNameOf(items.slice(0, -1));
      const relation = findRelation(editor, name);
      if (relation === undefined) throw undefinedRelation(name);
      const table = requireKind(relation, 'table');
      requireOwner(editor, table);
      editor.put(withColumn(table, { ...findColumn(table, names.at(-1)!), comment: text }));
      break;
    }
    default:
      throw unsupported(`COMMENT ON ${objectName(statement.objtype)}`);
  }
  return editor.finish('COMMENT');
}
