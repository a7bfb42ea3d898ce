import type { Constraint } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import { columnId, indexId, storageId } from '../../../base/ids.ts';
import type { IndexState, KeyColumn } from '../../../log/events/layout.ts';
import { place, stringsOf } from '../../sql/ast.ts';
import { formatType } from '../../types/format-type.ts';
import { typeInfo } from '../../types/registry.ts';
import { oids } from '../../types/type.ts';
import type { ColumnDefinition, IndexDefinition, RelationDefinition } from '../definition.ts';
import { hiddenRowId, isSystemColumn } from './column.ts';
import type { CatalogEditor } from './editor.ts';
import { layoutColumns } from './event-schema.ts';
import { generatedName } from './generated-name.ts';
import { columnNamed, requireFreeName } from './lookup.ts';
import { storageParameters } from './options.ts';

/** Primary keys, and the rows' order that goes with them; unique constraints. */

const keyColumnsMax = 32;

export type IndexColumn = IndexDefinition['columns'][number];

function keyColumn(table: RelationDefinition, column: IndexColumn): KeyColumn {
  return {
    column: columnId(column.attribute),
    type: typeInfo(table.columns[column.attribute - 1]!.type.oid).physical,
    descending: column.descending,
    nullsFirst: column.nullsFirst,
  };
}

/** 42704 for types without an order. */
export function requireOrdered(column: ColumnDefinition): void {
  const info = typeInfo(column.type.oid);
  const element = info.category === 'A' ? info.element : info.oid;
  if (element !== oids.json && element !== oids.vector) return;
  throw new AlopexError(
    'undefined_object',
    `data type ${formatType({ oid: column.type.oid, modifier: -1 })} has no default operator class for access method "btree"`,
    {
      hint: 'You must specify an operator class for the index or define a default operator class for the data type.',
    },
  );
}

export function requireFewColumns(count: number): void {
  if (count <= keyColumnsMax) return;
  throw new AlopexError('too_many_columns', `cannot use more than ${keyColumnsMax} columns in an index`);
}

/** The columns of PRIMARY KEY (…) or UNIQUE (…). */
function constraintColumns(table: RelationDefinition, constraint: Constraint): readonly ColumnDefinition[] {
  const kind = constraint.contype === 'CONSTR_PRIMARY' ? 'primary key' : 'unique';
  const names = stringsOf(constraint.keys);
  const found = names.map((name, index) => {
    if (names.indexOf(name) !== index) {
      throw new AlopexError(
        'duplicate_column',
        `column "${name}" appears twice in ${kind} constraint`,
        place(constraint.location),
      );
    }
    if (isSystemColumn(name)) {
      throw new AlopexError('feature_not_supported', 'index creation on system columns is not supported');
    }
    const column = columnNamed(table, name);
    if (column !== undefined) return column;
    throw new AlopexError(
      'undefined_column',
      `column "${name}" named in key does not exist`,
      place(constraint.location),
    );
  });
  for (const column of found) requireOrdered(column);
  requireFewColumns(found.length);
  return found;
}

/** 0A000 for what a key constraint can say and is not kept. */
function checkKeyClauses(constraint: Constraint): void {
  const { position } = place(constraint.location);
  if (constraint.deferrable === true) throw unsupported('a deferrable constraint', position);
  if (constraint.including !== undefined) throw unsupported('INCLUDE', position);
  if (constraint.without_overlaps === true) throw unsupported('WITHOUT OVERLAPS', position);
  if (constraint.indexname !== undefined) throw unsupported('USING INDEX', position);
  if (constraint.indexspace !== undefined && constraint.indexspace !== 'pg_default') {
    throw new AlopexError('undefined_object', `tablespace "${constraint.indexspace}" does not exist`);
  }
  storageParameters(constraint.options, 'index');
}

export function multiplePrimaryKeys(table: string, location: number | undefined): AlopexError {
  return new AlopexError(
    'invalid_table_definition',
    `multiple primary keys for table "${table}" are not allowed`,
    location === undefined ? {} : place(location),
  );
}

/** The name of a constraint: its own, or one made of the table's and the columns'. */
function constraintName(
  editor: CatalogEditor,
  table: RelationDefinition,
  constraint: Constraint,
  columns: readonly ColumnDefinition[],
): string {
  if (constraint.conname !== undefined) {
    requireFreeName(editor, table.namespace, constraint.conname);
    return constraint.conname;
  }
  return constraint.contype === 'CONSTR_PRIMARY'
    ? generatedName(editor.catalog, table.namespace, table.name, [], 'pkey')
    : generatedName(
        editor.catalog,
        table.namespace,
        table.name,
        columns.map((column) => column.name),
        'key',
      );
}

/** The table with a primary key, its rows ordered by it; a hidden row id is dropped. Nothing is put. */
export function withPrimaryKey(
  editor: CatalogEditor,
  table: RelationDefinition,
  constraint: Constraint,
): RelationDefinition {
  checkKeyClauses(constraint);
  const keys = constraintColumns(table, constraint);
  const name = constraintName(editor, table, constraint, keys);
  const attributes = new Set(keys.map((column) => column.attribute));
  const columns = table.columns.map((column) => {
    if (column.isHidden && !column.isDropped) return { ...column, isDropped: true };
    return attributes.has(column.attribute) ? { ...column, notNull: true } : column;
  });
  return withKey(
    { ...table, columns, primaryKey: { id: editor.newId(), name, constraint: editor.newId() } },
    keys,
  );
}

/** The table ordered by a hidden row id, which it gets: the state without a primary key. */
export function withHiddenKey(table: RelationDefinition): RelationDefinition {
  const rowId = hiddenRowId(table.columns.length + 1);
  return withKey({ ...table, columns: [...table.columns, rowId], primaryKey: null }, [rowId]);
}

function withKey(table: RelationDefinition, keys: readonly ColumnDefinition[]): RelationDefinition {
  const key = keys.map((column) =>
    keyColumn(table, { attribute: column.attribute, descending: false, nullsFirst: false }),
  );
  return { ...table, layout: { ...table.layout, columns: layoutColumns(table, table.layout), key } };
}

/** The table with a new, empty storage: no column is missing in it, and every index is complete. */
export function withNewStorage(editor: CatalogEditor, table: RelationDefinition): RelationDefinition {
  const storage = storageId(editor.newId());
  const columns = table.layout.columns.map((column) => ({ ...column, missing: null }));
  const indexes = table.layout.indexes.map((index) => ({ ...index, state: 'public' as const }));
  const { dropped: _, ...layout } = table.layout;
  return { ...table, layout: { ...layout, storage, columns, indexes } };
}

/** Whether a table that this statement did not make may have rows. */
export type IndexOrigin = 'new table' | 'existing table';

/** Puts an index and the table that keeps it. On a table with rows it is filled by a 'backfill-index' effect. */
export function addIndex(
  editor: CatalogEditor,
  table: RelationDefinition,
  index: Pick<IndexDefinition, 'name' | 'isUnique' | 'constraint' | 'columns'>,
  options: {
    readonly nullsDistinct: boolean;
    readonly origin: IndexOrigin;
    readonly concurrently: boolean;
  },
): IndexDefinition {
  const definition: IndexDefinition = {
    kind: 'index',
    id: editor.newId(),
    table: table.id,
    namespace: table.namespace,
    ...index,
    method: 'btree',
    comment: null,
  };
  const isComplete = options.origin === 'new table' || editor.isRewritten(table.id);
  const state: IndexState = isComplete ? 'public' : 'delete-only';
  const layout = {
    id: indexId(definition.id),
    columns: index.columns.map((column) => keyColumn(table, column)),
    unique: index.isUnique,
    nullsDistinct: options.nullsDistinct,
    state,
  };
  editor.put({ ...table, layout: { ...table.layout, indexes: [...table.layout.indexes, layout] } });
  editor.put(definition);
  if (!isComplete) {
    const { concurrently } = options;
    editor.effect({ kind: 'backfill-index', table: table.id, index: definition.id, concurrently });
  }
  return definition;
}

export function addUnique(
  editor: CatalogEditor,
  table: RelationDefinition,
  constraint: Constraint,
  origin: IndexOrigin,
): void {
  checkKeyClauses(constraint);
  const columns = constraintColumns(table, constraint);
  addIndex(
    editor,
    table,
    {
      name: constraintName(editor, table, constraint, columns),
      isUnique: true,
      constraint: editor.newId(),
      columns: columns.map((column) => ({
        attribute: column.attribute,
        descending: false,
        nullsFirst: false,
      })),
    },
    { nullsDistinct: constraint.nulls_not_distinct !== true, origin, concurrently: false },
  );
}
