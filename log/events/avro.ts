import { unreachable } from '../../base/unreachable.ts';
import type { PhysicalType } from '../../base/values/datum.ts';
import type { EventField, EventSchema } from './layout.ts';
import type { JsonObject, JsonValue } from './layout-json.ts';

/**
 * The Avro schema of a record's value: what the registry shows, and what other readers decode by. Avro names
 * are narrower than SQL's, so a character that is not allowed stands as `_x` and its code in hex, and `sqlName`
 * holds the name itself.
 */
export function avroSchema(schema: EventSchema): JsonObject {
  return recordSchema(schema, schema.fields, '');
}

/** The Avro schema of a record's key: the key's columns in key order, none of them null. */
export function avroKeySchema(schema: EventSchema): JsonObject {
  const fields = schema.key.flatMap((column) =>
    schema.fields.filter((field) => field.column === column).map((field) => ({ ...field, required: true })),
  );
  return recordSchema(schema, fields, '_key');
}

function recordSchema(schema: EventSchema, fields: readonly EventField[], suffix: string): JsonObject {
  const point = schema.name.indexOf('.');
  const defined = new Set<string>();
  const names = new Set<string>();
  return {
    type: 'record',
    namespace: avroName(schema.name.slice(0, Math.max(point, 0))),
    name: avroName(schema.name.slice(point + 1)) + suffix,
    fields: fields.map((field) => fieldSchema(field, defined, names)),
  };
}

function fieldSchema(field: EventField, defined: Set<string>, names: Set<string>): JsonObject {
  const type = typeSchema(field.type, field.sqlType, defined);
  let name = avroName(field.name);
  while (names.has(name)) name += '_';
  names.add(name);
  return {
    name,
    type: field.required ? type : ['null', type],
    ...(field.required ? {} : { default: null }),
    ...(name === field.name ? {} : { sqlName: field.name }),
    sqlType: field.sqlType,
    column: field.column,
  };
}

function avroName(name: string): string {
  const escaped = name.replace(
    /[^A-Za-z0-9_]/gu,
    (character) => `_x${character.codePointAt(0)!.toString(16)}`,
  );
  return /^[A-Za-z_]/.test(escaped) ? escaped : `_${escaped}`;
}

/** Avro's logical types of the SQL types whose datums are Avro's own form of them. */
const logicalTypes: Readonly<Record<string, JsonValue>> = {
  date: { type: 'int', logicalType: 'date' },
  time: { type: 'long', logicalType: 'time-micros' },
  timestamp: { type: 'long', logicalType: 'local-timestamp-micros' },
  timestamptz: { type: 'long', logicalType: 'timestamp-micros' },
};

/** `defined`: named types that stand earlier in the schema; Avro defines a name once, then refers to it. */
function typeSchema(type: PhysicalType, sqlType: string, defined: Set<string>): JsonValue {
  switch (type.kind) {
    case 'bool':
      return 'boolean';
    case 'int4':
      return logicalTypes[sqlType] ?? 'int';
    case 'int8':
      return logicalTypes[sqlType] ?? 'long';
    case 'float4':
      return 'float';
    case 'float8':
      return 'double';
    case 'numeric':
    case 'text':
      return 'string';
    case 'bytes':
      return 'bytes';
    case 'uuid':
      return named('alopex.types.uuid', defined, { type: 'fixed', size: 16, logicalType: 'uuid' });
    case 'interval':
      return named('alopex.types.interval', defined, {
        type: 'record',
        fields: [
          { name: 'months', type: 'int' },
          { name: 'days', type: 'int' },
          { name: 'microseconds', type: 'long' },
        ],
      });
    case 'vector':
      return { type: 'array', items: 'float' };
    case 'array':
      return arraySchema(type.element, defined);
    default:
      return unreachable(type);
  }
}

function arraySchema(element: PhysicalType, defined: Set<string>): JsonValue {
  const name = `alopex.types.array_${element.kind}`;
  if (defined.has(name)) return name;
  defined.add(name);
  return {
    type: 'record',
    name,
    fields: [
      { name: 'dimensions', type: { type: 'array', items: 'int' } },
      { name: 'lowerBounds', type: { type: 'array', items: 'int' } },
      { name: 'items', type: { type: 'array', items: ['null', typeSchema(element, '', defined)] } },
    ],
  };
}

function named(name: string, defined: Set<string>, definition: JsonObject): JsonValue {
  if (defined.has(name)) return name;
  defined.add(name);
  return { ...definition, name };
}
