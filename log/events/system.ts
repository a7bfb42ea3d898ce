import { columnId, schemaId, storageId, tableId } from '../../base/ids.ts';
import type { EventSchema, TableLayout } from './layout.ts';

/**
 * The tables that exist before any other. Schema changes are rows of `alopex.objects`, so the catalog and
 * the registry are folds like all else:
 *
 * - kind 'schema': definition = EventSchema as JSON; id = -schemaId (schemas and objects do not share numbers);
 * - kind 'table': definition = JSON with a field `layout: TableLayout`, and SQL's part beside it;
 * - other kinds (index, sequence, namespace, role, setting …) belong to query/catalog alone.
 */
export const objectsTable = tableId(1);
export const sequencesTable = tableId(2);
export const requestsTable = tableId(13);

const int8 = { kind: 'int8' } as const;
const text = { kind: 'text' } as const;
const bool = { kind: 'bool' } as const;

/** `id` is the key; `parent` is the owning object (an index's table), or null. */
export const objectsSchema: EventSchema = {
  id: schemaId(1),
  table: objectsTable,
  storage: storageId(1),
  name: 'alopex.objects',
  fields: [
    { column: columnId(1), name: 'id', type: int8, required: true, sqlType: 'int8' },
    { column: columnId(2), name: 'kind', type: text, required: true, sqlType: 'text' },
    { column: columnId(3), name: 'parent', type: int8, required: false, sqlType: 'int8' },
    { column: columnId(4), name: 'definition', type: text, required: true, sqlType: 'text' },
  ],
  key: [columnId(1)],
};

/** The value up to which a sequence's numbers may have been handed out. */
export const sequencesSchema: EventSchema = {
  id: schemaId(2),
  table: sequencesTable,
  storage: storageId(2),
  name: 'alopex.sequences',
  fields: [
    { column: columnId(1), name: 'id', type: int8, required: true, sqlType: 'int8' },
    { column: columnId(2), name: 'last_value', type: int8, required: true, sqlType: 'int8' },
    { column: columnId(3), name: 'is_called', type: bool, required: true, sqlType: 'bool' },
  ],
  key: [columnId(1)],
};

/** What transactions wrote that were named by `alopex.request_id`: a list in JSON of each statement's hash and tag. */
export const requestsSchema: EventSchema = {
  id: schemaId(3),
  table: requestsTable,
  storage: storageId(13),
  name: 'alopex.requests',
  fields: [
    { column: columnId(1), name: 'id', type: text, required: true, sqlType: 'text' },
    { column: columnId(2), name: 'statements', type: text, required: true, sqlType: 'text' },
    /** Microseconds since 1970. */
    { column: columnId(3), name: 'written_at', type: int8, required: true, sqlType: 'int8' },
  ],
  key: [columnId(1)],
};

function systemLayout(schema: EventSchema): TableLayout {
  const { type } = schema.fields[0]!;
  return {
    table: schema.table,
    storage: schema.storage,
    schema: schema.id,
    columns: schema.fields.map((field) => ({ id: field.column, type: field.type, missing: null })),
    key: [{ column: columnId(1), type, descending: false, nullsFirst: false }],
    indexes: [],
    historyMs: 24 * 3_600_000,
  };
}

export const objectsLayout: TableLayout = systemLayout(objectsSchema);
export const sequencesLayout: TableLayout = systemLayout(sequencesSchema);
export const requestsLayout: TableLayout = systemLayout(requestsSchema);

/** They are in no catalog's own rows. */
export const systemSchemas: readonly EventSchema[] = [objectsSchema, sequencesSchema, requestsSchema];
export const systemLayouts: readonly TableLayout[] = [objectsLayout, sequencesLayout, requestsLayout];
