import type { Constraint } from 'libpg-query';
import type { RelationDefinition } from '../definition.ts';
import type { CatalogEditor } from './editor.ts';
import { addUnique, multiplePrimaryKeys, withHiddenKey, withNewStorage, withPrimaryKey } from './key.ts';

/** Gives the table its new storage, once a statement. */
export function rewrite(editor: CatalogEditor, table: number): void {
  if (editor.isRewritten(table)) return;
  editor.put(withNewStorage(editor, editor.table(table)));
  editor.rewrite(table);
}

export function addKey(editor: CatalogEditor, table: RelationDefinition, constraint: Constraint): void {
  if (constraint.contype !== 'CONSTR_PRIMARY') {
    addUnique(editor, table, constraint, 'existing table');
    return;
  }
  if (table.primaryKey !== null) throw multiplePrimaryKeys(table.name, undefined);
  editor.put(withPrimaryKey(editor, table, constraint));
  rewrite(editor, table.id);
}

/** The rows move to the order of a hidden row id. The key's columns stay NOT NULL, as in PostgreSQL. */
export function dropPrimaryKey(editor: CatalogEditor, table: RelationDefinition): void {
  editor.put(withHiddenKey(table));
  rewrite(editor, table.id);
}
