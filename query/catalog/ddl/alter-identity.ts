import type { AlterTableCmd, DefElem } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { ColumnDefinition, RelationDefinition } from '../definition.ts';
import { withColumn } from './alter-column.ts';
import { identityOf, ownSequence } from './column.ts';
import { removeSequence } from './drop.ts';
import type { CatalogEditor } from './editor.ts';
import { findColumn } from './lookup.ts';
import { optionsOf, optionText } from './options.ts';
import { changeSequence } from './sequence.ts';

export function addIdentity(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  const column = findColumn(table, command.name ?? '');
  const of = `column "${column.name}" of relation "${table.name}"`;
  const constraint = command.def !== undefined && 'Constraint' in command.def ? command.def.Constraint : {};
  if (!column.notNull) {
    throw new AlopexError(
      'object_not_in_prerequisite_state',
      `${of} must be declared NOT NULL before identity can be added`,
    );
  }
  if (column.identity !== null) {
    throw new AlopexError('object_not_in_prerequisite_state', `${of} is already an identity column`);
  }
  if (column.defaultText !== null) {
    throw new AlopexError('object_not_in_prerequisite_state', `${of} already has a default value`);
  }
  const identity = identityOf(constraint);
  const owned = ownSequence(
    editor,
    { name: column.name, type: column.type, identity },
    { table: table.id, tableName: table.name, namespace: table.namespace, attribute: column.attribute },
  );
  editor.put(withColumn(table, { ...column, ...owned, identity: identity.when }));
}

export function setIdentity(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  const column = findColumn(table, command.name ?? '');
  if (column.identity === null) throw noIdentity(table, column);
  const nodes = command.def !== undefined && 'List' in command.def ? command.def.List.items : [];
  const options = optionsOf(nodes);
  const generated = options.find((option) => option.defname === 'generated');
  if (generated !== undefined) {
    editor.put(withColumn(table, { ...column, identity: identityWhen(generated) }));
  }
  const rest = options.filter((option) => option !== generated);
  const sequence = editor.catalog.byId(column.ownedSequence ?? 0);
  if (sequence?.kind === 'sequence' && rest.length > 0) changeSequence(editor, sequence, rest);
}

/** The parser gives the letter as a number. */
function identityWhen(option: DefElem): 'always' | 'by default' {
  return optionText(option) === String('a'.charCodeAt(0)) ? 'always' : 'by default';
}

export function dropIdentity(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  const column = findColumn(table, command.name ?? '');
  if (column.identity === null) {
    const error = noIdentity(table, column);
    if (command.missing_ok !== true) throw error;
    editor.notice(`${error.message}, skipping`);
    return;
  }
  editor.put(withColumn(table, { ...column, identity: null, ownedSequence: null }));
  const sequence = editor.catalog.byId(column.ownedSequence ?? 0);
  if (sequence?.kind === 'sequence') removeSequence(editor, sequence);
}

function noIdentity(table: RelationDefinition, column: ColumnDefinition): AlopexError {
  return new AlopexError(
    'object_not_in_prerequisite_state',
    `column "${column.name}" of relation "${table.name}" is not an identity column`,
  );
}
