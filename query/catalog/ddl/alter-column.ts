import type { AlterTableCmd } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { TableLayout } from '../../../log/events/layout.ts';
import type { ColumnDefinition, RelationDefinition } from '../definition.ts';
import { addKey, dropPrimaryKey, rewrite } from './alter-key.ts';
import {
  bindDefault,
  type ColumnTarget,
  declareColumn,
  isSystemColumn,
  makeColumn,
  requireNoSystemColumn,
} from './column.ts';
import { tableColumnsMax, tooManyColumns } from './create-table.ts';
import { dropUse, shownUse, stillNeeded, usesOf } from './dependents.ts';
import { removeIndex, removeSequence } from './drop.ts';
import type { CatalogEditor } from './editor.ts';
import { layoutColumns } from './event-schema.ts';
import { columnNamed, findColumn } from './lookup.ts';
import { shownRelation } from './shown.ts';

/** The table with one column replaced. */
export function withColumn(table: RelationDefinition, column: ColumnDefinition): RelationDefinition {
  const columns = table.columns.map((each) => (each.attribute === column.attribute ? column : each));
  return { ...table, columns };
}

export function requireFreeColumnName(table: RelationDefinition, name: string): void {
  requireNoSystemColumn(name);
  if (columnNamed(table, name) === undefined) return;
  throw new AlopexError('duplicate_column', `column "${name}" of relation "${table.name}" already exists`);
}

/**
 * A default that is one value for all rows is recorded as what older rows read (`missing`), and no row moves. A
 * volatile one, a serial or an identity gives each row its own: the table is rewritten.
 */
export function addColumn(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  const node = command.def !== undefined && 'ColumnDef' in command.def ? command.def.ColumnDef : {};
  const name = node.colname ?? '';
  if (command.missing_ok === true && columnNamed(table, name) !== undefined) {
    editor.notice(`column "${name}" of relation "${table.name}" already exists, skipping`, '42701');
    return;
  }
  requireFreeColumnName(table, name);
  if (table.columns.filter(({ isHidden }) => !isHidden).length >= tableColumnsMax) throw tooManyColumns();
  const declaration = declareColumn(node, table.name);
  const target: ColumnTarget = {
    table: table.id,
    tableName: table.name,
    namespace: table.namespace,
    attribute: table.columns.length + 1,
  };
  const { column, bound } = makeColumn(editor, declaration, target);
  const isComputed = column.ownedSequence !== null || bound?.isVolatile === true;
  const missing = isComputed || bound === null ? null : bound.evaluate();
  const wider = { ...table, columns: [...table.columns, column] };
  const columns = layoutColumns(wider, table.layout).map((each) =>
    each.id === column.attribute ? { ...each, missing } : each,
  );
  editor.put({ ...wider, layout: { ...wider.layout, columns } });
  const { attribute } = column;
  editor.added(
    table.id,
    isComputed ? { kind: 'default', attribute } : { kind: 'constant', attribute, value: missing },
  );
  if (isComputed) {
    rewrite(editor, table.id);
  } else if (column.notNull && missing === null) {
    const validated = editor.table(table.id);
    editor.effect({ kind: 'validate-not-null', table: validated, attribute });
  }
  for (const key of declaration.keys) addKey(editor, editor.table(table.id), key);
}

/** The column's indexes and constraints go with it, and the sequence that it owns. */
export function dropColumn(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  const name = command.name ?? '';
  if (isSystemColumn(name)) {
    throw new AlopexError('feature_not_supported', `cannot drop system column "${name}"`);
  }
  if (command.missing_ok === true && columnNamed(table, name) === undefined) {
    editor.notice(`column "${name}" of relation "${table.name}" does not exist, skipping`);
    return;
  }
  const column = findColumn(table, name);
  for (const index of editor.catalog.indexesOf(table.id)) {
    if (index.columns.some((each) => each.attribute === column.attribute)) removeIndex(editor, index);
  }
  const isInKey =
    table.primaryKey !== null && table.layout.key.some((key) => key.column === column.attribute);
  if (isInKey) dropPrimaryKey(editor, editor.table(table.id));
  const kept = editor.table(table.id);
  // The name is no longer the column's: PostgreSQL's own form for a dropped one.
  const dropped: ColumnDefinition = {
    ...column,
    name: `........pg.dropped.${column.attribute}........`,
    isDropped: true,
    notNull: false,
    defaultText: null,
    identity: null,
    ownedSequence: null,
    comment: null,
  };
  const narrower = withColumn(kept, dropped);
  editor.put({ ...narrower, layout: withoutColumn(narrower, column.attribute) });
  dropOwnedSequences(editor, narrower, column, command.behavior === 'DROP_CASCADE');
}

/** Older rows, as they are read in the past, may have another value than null in a column that was added to them. */
function withoutColumn(table: RelationDefinition, attribute: number): TableLayout {
  const { layout } = table;
  const columns = layoutColumns(table, layout);
  const gone = layout.columns.find(({ id }) => id === attribute);
  if (gone === undefined || gone.missing === null) return { ...layout, columns };
  return { ...layout, columns, dropped: [...(layout.dropped ?? []), gone] };
}

function dropOwnedSequences(
  editor: CatalogEditor,
  table: RelationDefinition,
  column: ColumnDefinition,
  cascade: boolean,
): void {
  for (const sequence of [...editor.catalog.all()]) {
    if (sequence.kind !== 'sequence' || sequence.ownedBy?.table !== table.id) continue;
    if (sequence.ownedBy.attribute !== column.attribute) continue;
    const uses = usesOf(editor, [sequence], new Set());
    if (uses.length > 0 && !cascade) {
      const lines = uses.map(
        (use) => `${shownUse(editor, use)} depends on ${shownRelation(editor, sequence)}`,
      );
      throw stillNeeded(`column ${column.name} of ${shownRelation(editor, table)}`, lines);
    }
    editor.cascadeNotice(uses.map((use) => shownUse(editor, use)));
    for (const use of uses) dropUse(editor, use);
    removeSequence(editor, sequence);
  }
}

export function setDefault(editor: CatalogEditor, table: RelationDefinition, command: AlterTableCmd): void {
  const column = findColumn(table, command.name ?? '');
  if (column.identity !== null) {
    throw new AlopexError(
      'syntax_error',
      `column "${column.name}" of relation "${table.name}" is an identity column`,
      command.def === undefined
        ? { hint: 'Use ALTER TABLE ... ALTER COLUMN ... DROP IDENTITY instead.' }
        : {},
    );
  }
  const bound = bindDefault(editor, command.def ?? null, column.type, column.name);
  editor.put(withColumn(table, { ...column, defaultText: bound?.text ?? null }));
}

export function setNotNull(
  editor: CatalogEditor,
  table: RelationDefinition,
  name: string,
  notNull: boolean,
): void {
  const column = findColumn(table, name);
  if (column.notNull === notNull) return;
  if (!notNull) requireNullable(table, column);
  const changed = withColumn(table, { ...column, notNull });
  editor.put(changed);
  if (notNull) {
    editor.effect({ kind: 'validate-not-null', table: changed, attribute: column.attribute });
  }
}

function requireNullable(table: RelationDefinition, column: ColumnDefinition): void {
  if (table.primaryKey !== null && table.layout.key.some((key) => key.column === column.attribute)) {
    throw new AlopexError('invalid_table_definition', `column "${column.name}" is in a primary key`);
  }
  if (column.identity !== null) {
    throw new AlopexError(
      'syntax_error',
      `column "${column.name}" of relation "${table.name}" is an identity column`,
    );
  }
}
