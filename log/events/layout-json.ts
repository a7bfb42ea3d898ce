import { AlopexError } from '../../base/errors.ts';
import { columnId, indexId, schemaId, storageId, tableId } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import {
  type Datum,
  Interval,
  type PhysicalKind,
  type PhysicalType,
  SqlArray,
  SqlRow,
} from '../../base/values/datum.ts';
import { Numeric, narrow } from '../../base/values/numeric.ts';
import type {
  EventField,
  EventSchema,
  IndexLayout,
  IndexState,
  KeyColumn,
  LayoutColumn,
  TableLayout,
} from './layout.ts';

/**
 * The JSON form of layouts and event schemas inside `alopex.objects.definition`. Plain data, so that a person can
 * read a dump; datums that JSON cannot say are objects of one field, which names what they are:
 *
 * | datum                       | JSON                                                    |
 * |-----------------------------|---------------------------------------------------------|
 * | null, boolean, string       | itself                                                  |
 * | number                      | itself; `{"float": "NaN" \| "Infinity" \| "-Infinity" \| "-0"}` |
 * | bigint                      | `{"int8": "9223372036854775807"}`                       |
 * | Numeric                     | `{"numeric": ["1250", 2]}` units and scale, or `{"numeric": "NaN"}` |
 * | Uint8Array                  | `{"bytes": "00ff"}`                                     |
 * | Interval                    | `{"interval": [months, days, microseconds]}`            |
 * | Float32Array                | `{"vector": [1, 0.5]}`                                  |
 * | SqlArray                    | `{"array": [datums], "dimensions": [[length, lowerBound]]}` |
 */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [field: string]: JsonValue };

export type JsonObject = { readonly [field: string]: JsonValue };

export function tableLayoutToJson(layout: TableLayout): JsonObject {
  return {
    table: layout.table,
    storage: layout.storage,
    schema: layout.schema,
    columns: layout.columns.map(layoutColumnToJson),
    key: layout.key.map(keyColumnToJson),
    indexes: layout.indexes.map((index) => ({
      id: index.id,
      columns: index.columns.map(keyColumnToJson),
      unique: index.unique,
      nullsDistinct: index.nullsDistinct,
      state: index.state,
    })),
    historyMs: layout.historyMs,
    ...(layout.dropped === undefined ? {} : { dropped: layout.dropped.map(layoutColumnToJson) }),
  };
}

function layoutColumnToJson({ id, type, missing }: LayoutColumn): JsonObject {
  return { id, type: physicalTypeToJson(type), missing: datumToJson(missing) };
}

/** Throws XX001 where the JSON is not a layout. */
export function tableLayoutFromJson(json: JsonValue): TableLayout {
  const layout = object(json);
  return {
    table: tableId(number(layout.table)),
    storage: storageId(number(layout.storage)),
    schema: schemaId(number(layout.schema)),
    columns: list(layout.columns).map(layoutColumnFromJson),
    key: list(layout.key).map(keyColumnFromJson),
    indexes: list(layout.indexes).map(indexLayoutFromJson),
    historyMs: number(layout.historyMs),
    ...(layout.dropped === undefined ? {} : { dropped: list(layout.dropped).map(layoutColumnFromJson) }),
  };
}

export function eventSchemaToJson(schema: EventSchema): JsonObject {
  return {
    id: schema.id,
    table: schema.table,
    storage: schema.storage,
    name: schema.name,
    fields: schema.fields.map((field) => ({
      column: field.column,
      name: field.name,
      type: physicalTypeToJson(field.type),
      required: field.required,
      sqlType: field.sqlType,
    })),
    key: [...schema.key],
  };
}

/** Throws XX001 where the JSON is not a schema. */
export function eventSchemaFromJson(json: JsonValue): EventSchema {
  const schema = object(json);
  return {
    id: schemaId(number(schema.id)),
    table: tableId(number(schema.table)),
    storage: storageId(number(schema.storage)),
    name: text(schema.name),
    fields: list(schema.fields).map(eventFieldFromJson),
    key: list(schema.key).map((column) => columnId(number(column))),
  };
}

function physicalTypeToJson(type: PhysicalType): JsonValue {
  return type.kind === 'array' ? { array: physicalTypeToJson(type.element) } : type.kind;
}

function physicalTypeFromJson(json: JsonValue | undefined): PhysicalType {
  if (typeof json === 'string' && scalarKinds.has(json)) {
    return { kind: json as Exclude<PhysicalKind, 'array'> };
  }
  return { kind: 'array', element: physicalTypeFromJson(object(json).array) };
}

const scalarKinds: ReadonlySet<string> = new Set<Exclude<PhysicalKind, 'array'>>([
  'bool',
  'int4',
  'int8',
  'float4',
  'float8',
  'numeric',
  'text',
  'bytes',
  'uuid',
  'interval',
  'vector',
]);

const indexStates: ReadonlySet<string> = new Set<IndexState>([
  'delete-only',
  'write-only',
  'backfill',
  'public',
]);

export function datumToJson(datum: Datum): JsonValue {
  if (datum === null || typeof datum === 'boolean' || typeof datum === 'string') return datum;
  if (typeof datum === 'number') {
    if (Object.is(datum, -0)) return { float: '-0' };
    return Number.isFinite(datum) ? datum : { float: String(datum) };
  }
  if (typeof datum === 'bigint') return { int8: datum.toString() };
  if (datum instanceof Numeric) {
    return { numeric: datum.special ?? [datum.units.toString(), datum.scale] };
  }
  if (datum instanceof Uint8Array) return { bytes: hexOf(datum) };
  if (datum instanceof Interval) return { interval: [datum.months, datum.days, datum.microseconds] };
  if (datum instanceof Float32Array) return { vector: Array.from(datum, datumToJson) };
  invariant(!(datum instanceof SqlRow), 'row values are never stored');
  return {
    array: datum.items.map(datumToJson),
    dimensions: datum.dimensions.map((dimension) => [dimension.length, dimension.lowerBound]),
  };
}

/** Throws XX001 where the JSON is not a datum. */
export function datumFromJson(json: JsonValue | undefined): Datum {
  if (json === null || typeof json === 'boolean' || typeof json === 'string' || typeof json === 'number') {
    return json;
  }
  const tagged = object(json);
  const tag = Object.keys(tagged)[0];
  switch (tag) {
    case 'float':
      return Number(text(tagged.float));
    case 'int8':
      return narrow(BigInt(text(tagged.int8)));
    case 'numeric':
      return numericFromJson(tagged.numeric);
    case 'bytes':
      return bytesOf(text(tagged.bytes));
    case 'interval': {
      const parts = list(tagged.interval);
      return new Interval(number(parts[0]), number(parts[1]), number(parts[2]));
    }
    case 'vector':
      return Float32Array.from(list(tagged.vector), (item) => Number(datumFromJson(item)));
    case 'array':
      return new SqlArray(list(tagged.array).map(datumFromJson), arrayDimensions(tagged.dimensions));
    default:
      throw malformed(json);
  }
}

function numericFromJson(json: JsonValue | undefined): Numeric {
  if (json === 'NaN') return Numeric.nan;
  if (json === 'Infinity') return Numeric.infinity;
  if (json === '-Infinity') return Numeric.negativeInfinity;
  const parts = list(json);
  return Numeric.of(BigInt(text(parts[0])), number(parts[1]));
}

function arrayDimensions(json: JsonValue | undefined): SqlArray['dimensions'] {
  return list(json).map((dimension) => {
    const parts = list(dimension);
    return { length: number(parts[0]), lowerBound: number(parts[1]) };
  });
}

function keyColumnToJson(column: KeyColumn): JsonObject {
  return {
    column: column.column,
    type: physicalTypeToJson(column.type),
    descending: column.descending,
    nullsFirst: column.nullsFirst,
  };
}

function keyColumnFromJson(json: JsonValue): KeyColumn {
  const column = object(json);
  return {
    column: columnId(number(column.column)),
    type: physicalTypeFromJson(column.type),
    descending: flag(column.descending),
    nullsFirst: flag(column.nullsFirst),
  };
}

function layoutColumnFromJson(json: JsonValue): LayoutColumn {
  const column = object(json);
  return {
    id: columnId(number(column.id)),
    type: physicalTypeFromJson(column.type),
    missing: datumFromJson(column.missing),
  };
}

function indexLayoutFromJson(json: JsonValue): IndexLayout {
  const index = object(json);
  const state = text(index.state);
  if (!indexStates.has(state)) throw malformed(state);
  return {
    id: indexId(number(index.id)),
    columns: list(index.columns).map(keyColumnFromJson),
    unique: flag(index.unique),
    nullsDistinct: flag(index.nullsDistinct),
    state: state as IndexState,
  };
}

function eventFieldFromJson(json: JsonValue): EventField {
  const field = object(json);
  return {
    column: columnId(number(field.column)),
    name: text(field.name),
    type: physicalTypeFromJson(field.type),
    required: flag(field.required),
    sqlType: text(field.sqlType),
  };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function bytesOf(hex: string): Uint8Array {
  if (!/^([0-9a-f]{2})*$/.test(hex)) throw malformed(hex);
  return Uint8Array.from({ length: hex.length / 2 }, (_, index) =>
    Number.parseInt(hex.slice(2 * index, 2 * index + 2), 16),
  );
}

function object(json: JsonValue | undefined): JsonObject {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) throw malformed(json);
  return json as JsonObject;
}

function list(json: JsonValue | undefined): readonly JsonValue[] {
  if (!Array.isArray(json)) throw malformed(json);
  return json as readonly JsonValue[];
}

function number(json: JsonValue | undefined): number {
  if (typeof json !== 'number') throw malformed(json);
  return json;
}

function text(json: JsonValue | undefined): string {
  if (typeof json !== 'string') throw malformed(json);
  return json;
}

function flag(json: JsonValue | undefined): boolean {
  if (typeof json !== 'boolean') throw malformed(json);
  return json;
}

function malformed(json: JsonValue | undefined): AlopexError {
  return new AlopexError(
    'data_corrupted',
    `a definition in alopex.objects is malformed at ${JSON.stringify(json) ?? 'a missing field'}`,
  );
}
