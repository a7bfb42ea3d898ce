import { columnId } from '../../../base/ids.ts';
import type { EventField, EventSchema, LayoutColumn, TableLayout } from '../../../log/events/layout.ts';
import { formatType } from '../../types/format-type.ts';
import { typeInfo } from '../../types/registry.ts';
import { oids, type SqlType } from '../../types/type.ts';
import type { CatalogSnapshot, ColumnDefinition, RelationDefinition } from '../definition.ts';

/** How new events of a table are laid out; its `id` is the table's present one. */
export function eventSchemaOf(catalog: CatalogSnapshot, table: RelationDefinition): EventSchema {
  const namespace = catalog.byId(table.namespace);
  const schemaName = namespace?.kind === 'namespace' ? namespace.name : '';
  const live = liveColumns(table);
  return {
    id: table.layout.schema,
    table: table.layout.table,
    storage: table.layout.storage,
    name: `${schemaName}.${table.name}`,
    fields: live.map((column) => eventField(column, live)),
    key: table.layout.key.map((column) => column.column),
  };
}

function liveColumns(table: RelationDefinition): readonly ColumnDefinition[] {
  return table.columns.filter((column) => !column.isDropped);
}

function eventField(column: ColumnDefinition, all: readonly ColumnDefinition[]): EventField {
  return {
    column: columnId(column.attribute),
    name: column.isHidden ? rowIdName(all) : column.name,
    type: typeInfo(column.type.oid).physical,
    required: column.notNull,
    sqlType: registryTypeName(column.type),
  };
}

/** The hidden row id has no name in SQL, but readers of the log need one that no other column has. */
function rowIdName(all: readonly ColumnDefinition[]): string {
  let name = 'alopex_row_id';
  while (all.some((column) => column.name === name)) name += '_';
  return name;
}

/** 'timestamptz', 'numeric(12,2)', 'int4[]'. */
function registryTypeName(type: SqlType): string {
  const info = typeInfo(type.oid);
  if (type.oid === oids.interval) return formatType(type);
  if (info.element !== 0 && info.category === 'A') {
    return `${registryTypeName({ oid: info.element, modifier: type.modifier })}[]`;
  }
  return info.name + (/\(.*\)/.exec(formatType(type))?.[0] ?? '');
}

export function isSameSchema(left: EventSchema, right: EventSchema): boolean {
  const withoutId = (schema: EventSchema): string => JSON.stringify({ ...schema, id: 0 });
  return withoutId(left) === withoutId(right);
}

/** The columns of a layout: what the table's live columns say, with the values that older rows read. */
export function layoutColumns(table: RelationDefinition, layout: TableLayout): readonly LayoutColumn[] {
  return liveColumns(table).map((column) => {
    const known = layout.columns.find((each) => each.id === column.attribute);
    const type = typeInfo(column.type.oid).physical;
    return known ?? { id: columnId(column.attribute), type, missing: null };
  });
}
