import type { AlterTableCmd } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { RelationDefinition } from '../definition.ts';
import { addKey, dropPrimaryKey } from './alter-key.ts';
import { refuseConstraint } from './column.ts';
import { removeIndex } from './drop.ts';
import type { CatalogEditor } from './editor.ts';

export function addConstraint(
  editor: CatalogEditor,
  table: RelationDefinition,
  command: AlterTableCmd,
): void {
  const constraint = command.def !== undefined && 'Constraint' in command.def ? command.def.Constraint : {};
  refuseConstraint(constraint);
  addKey(editor, table, constraint);
}

export function dropConstraint(
  editor: CatalogEditor,
  table: RelationDefinition,
  command: AlterTableCmd,
): void {
  const name = command.name ?? '';
  if (table.primaryKey?.name === name) {
    dropPrimaryKey(editor, table);
    return;
  }
  const index = editor.catalog
    .indexesOf(table.id)
    .find((each) => each.constraint !== null && each.name === name);
  if (index !== undefined) {
    removeIndex(editor, index);
    return;
  }
  const missing = `constraint "${name}" of relation "${table.name}" does not exist`;
  if (command.missing_ok !== true) throw new AlopexError('undefined_object', missing);
  editor.notice(`${missing}, skipping`);
}
