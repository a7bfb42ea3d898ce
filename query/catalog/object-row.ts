import { AlopexError } from '../../base/errors.ts';
import { unreachable } from '../../base/unreachable.ts';
import type { Datum } from '../../base/values/datum.ts';
import {
  eventSchemaFromJson,
  eventSchemaToJson,
  type JsonObject,
  type JsonValue,
  tableLayoutFromJson,
  tableLayoutToJson,
} from '../../log/events/layout-json.ts';
import type { CatalogObject } from './definition.ts';

/** A row of `alopex.objects`, in the order of its columns: id, kind, parent, definition. */
export type ObjectRow = readonly [id: number, kind: string, parent: number | null, definition: string];

const kinds: ReadonlySet<string> = new Set<CatalogObject['kind']>([
  'namespace',
  'table',
  'index',
  'sequence',
  'role',
  'setting',
  'database',
  'schema',
]);

export function toRow(object: CatalogObject): ObjectRow {
  return [object.id, object.kind, parentOf(object), JSON.stringify(definitionOf(object))];
}

/** Throws XX001 where the row is none that `toRow` writes. */
export function fromRow(row: readonly Datum[]): CatalogObject {
  const [id, kind, , definition] = row;
  if (typeof id !== 'number' || typeof kind !== 'string' || !kinds.has(kind)) throw malformed(row);
  const json = parse(definition, row);
  switch (kind) {
    case 'schema':
      return { kind, id, event: eventSchemaFromJson(json) };
    case 'table':
      return { ...json, kind, id, layout: tableLayoutFromJson(json.layout ?? null) } as CatalogObject;
    default:
      return { ...json, kind, id } as CatalogObject;
  }
}

function parentOf(object: CatalogObject): number | null {
  switch (object.kind) {
    case 'schema':
      return object.event.table;
    case 'index':
      return object.table;
    case 'table':
    case 'sequence':
      return object.namespace;
    case 'namespace':
    case 'role':
    case 'setting':
    case 'database':
      return null;
    default:
      return unreachable(object);
  }
}

function definitionOf(object: CatalogObject): JsonValue {
  if (object.kind === 'schema') return eventSchemaToJson(object.event);
  const { kind: _kind, id: _id, ...fields } = object;
  if (object.kind !== 'table') return fields as JsonValue;
  return { ...(fields as unknown as JsonObject), layout: tableLayoutToJson(object.layout) };
}

function parse(definition: Datum | undefined, row: readonly Datum[]): JsonObject {
  try {
    const json: unknown = JSON.parse(String(definition));
    if (typeof json === 'object' && json !== null && !Array.isArray(json)) return json as JsonObject;
  } catch {
    // The text is no JSON; the error below names the row.
  }
  throw malformed(row);
}

function malformed(row: readonly Datum[]): AlopexError {
  return new AlopexError('data_corrupted', `row ${String(row[0])} of alopex.objects is malformed`);
}
