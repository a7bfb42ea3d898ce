import type { CreateSchemaStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { DdlResult } from './context.ts';
import type { CatalogEditor } from './editor.ts';
import { findRole } from './lookup.ts';
import { roleNameOf } from './owner.ts';
import { requireFreeSchema } from './rename.ts';

export function createSchema(editor: CatalogEditor, statement: CreateSchemaStmt): DdlResult {
  const owner =
    statement.authrole === undefined ? editor.user : findRole(editor, roleNameOf(editor, statement.authrole));
  if (!editor.user.isSuperuser) {
    throw new AlopexError('insufficient_privilege', 'permission denied for database alopex');
  }
  if (statement.schemaElts !== undefined) throw unsupported('CREATE SCHEMA with elements');
  const name = statement.schemaname ?? owner.name;
  if (statement.if_not_exists === true && editor.catalog.namespace(name) !== undefined) {
    editor.notice(`schema "${name}" already exists, skipping`, '42P06');
    return editor.finish('CREATE SCHEMA');
  }
  requireFreeSchema(editor, name);
  editor.put({ kind: 'namespace', id: editor.newId(), name, owner: owner.id });
  return editor.finish('CREATE SCHEMA');
}
