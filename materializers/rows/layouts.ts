import { AlopexError } from '../../base/errors.ts';
import type { ColumnId, Offset, SchemaId, StorageId } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { RowEvent } from '../../log/events/event.ts';
import type { EventSchema, IndexLayout, TableLayout } from '../../log/events/layout.ts';
import {
  eventSchemaFromJson,
  eventSchemaToJson,
  type JsonObject,
  tableLayoutFromJson,
  tableLayoutToJson,
} from '../../log/events/layout-json.ts';
import { rowCodec } from '../../log/events/row.ts';
import { systemLayouts, systemSchemas } from '../../log/events/system.ts';

type Undo = { readonly offset: Offset; readonly run: () => void };

/**
 * Schemas and layouts, as the rows of `alopex.objects` say: the fold that all others need to read events. The
 * layout of a storage that was dropped stays: events of the same commit, and reads of the past, still need it.
 */
export class Layouts {
  readonly #schemas = new Map<SchemaId, EventSchema>(systemSchemas.map((schema) => [schema.id, schema]));
  readonly #tables = new Map<StorageId, TableLayout>(systemLayouts.map((layout) => [layout.storage, layout]));
  /** The storage that each table has now, by the id of its object. */
  readonly #current = new Map<number, StorageId>();
  #version = 0;
  #folded = 0;
  /** An index of a storage that may have rows is public now. */
  onIndexPublic: (table: TableLayout, index: IndexLayout) => void = () => {};
  /** Changes above the high watermark, which may yet be truncated. */
  #undo: Undo[] = [];

  static fromJson(json: JsonObject): Layouts {
    const layouts = new Layouts();
    for (const each of json.schemas as readonly JsonObject[]) {
      const schema = eventSchemaFromJson(each);
      layouts.#schemas.set(schema.id, schema);
    }
    for (const each of json.tables as readonly JsonObject[]) {
      const layout = tableLayoutFromJson(each);
      layouts.#tables.set(layout.storage, layout);
    }
    for (const [id, storage] of json.current as readonly (readonly [number, StorageId])[]) {
      layouts.#current.set(id, storage);
    }
    return layouts;
  }

  /** Rises with each change. */
  get version(): number {
    return this.#version;
  }

  /** Changes of `alopex.objects` that were folded. */
  get folded(): number {
    return this.#folded;
  }

  /** A copy that changes by itself. */
  fork(): Layouts {
    const copy = new Layouts();
    for (const [id, schema] of this.#schemas) copy.#schemas.set(id, schema);
    for (const [storage, layout] of this.#tables) copy.#tables.set(storage, layout);
    for (const [id, storage] of this.#current) copy.#current.set(id, storage);
    return copy;
  }

  toJson(): JsonObject {
    return {
      schemas: Array.from(this.#schemas.values(), eventSchemaToJson),
      tables: Array.from(this.#tables.values(), tableLayoutToJson),
      current: [...this.#current],
    };
  }

  /** Whether a table has its rows there. */
  isCurrent(storage: StorageId): boolean {
    if (systemLayouts.some((layout) => layout.storage === storage)) return true;
    for (const current of this.#current.values()) if (current === storage) return true;
    return false;
  }

  get tables(): ReadonlyMap<StorageId, TableLayout> {
    return this.#tables;
  }
  get schemas(): ReadonlyMap<SchemaId, EventSchema> {
    return this.#schemas;
  }

  schema(id: SchemaId): EventSchema {
    const schema = this.#schemas.get(id);
    if (schema === undefined)
      throw new AlopexError('data_corrupted', `an event refers to schema ${id}, which is unknown`);
    return schema;
  }

  table(storage: StorageId): TableLayout {
    const layout = this.#tables.get(storage);
    if (layout === undefined)
      throw new AlopexError('data_corrupted', `storage ${storage} belongs to no table`);
    return layout;
  }

  /** The layout of a storage that was dropped before the snapshot that is being opened. */
  restore(layout: TableLayout): void {
    this.#tables.set(layout.storage, layout);
  }

  /** Folds a change of `alopex.objects`. */
  fold(event: RowEvent): void {
    this.#folded++;
    const codec = rowCodec(this.schema(event.schema));
    if (event.row !== null) this.foldRow(codec.decode(event.row), event.offset);
    else this.#remove(this.#current, Number(codec.decodeKey(event.key)[0]), event.offset);
  }

  /** A row of `alopex.objects`. */
  foldRow(row: readonly Datum[], at: Offset): void {
    const [id, kind, , definition] = row;
    if (kind !== 'schema' && kind !== 'table') return;
    const json = JSON.parse(String(definition)) as JsonObject;
    if (kind === 'schema') {
      const schema = eventSchemaFromJson(json);
      this.#put(this.#schemas, schema.id, schema, at);
    } else {
      const layout = tableLayoutFromJson(json.layout ?? null);
      const previous = this.#tables.get(layout.storage);
      if (previous !== undefined) this.#noteIndexes(previous, layout);
      this.#put(this.#tables, layout.storage, layout, at);
      this.#put(this.#current, Number(id), layout.storage, at);
    }
  }

  #noteIndexes(previous: TableLayout, layout: TableLayout): void {
    for (const index of layout.indexes) {
      const before = previous.indexes.find(({ id }) => id === index.id);
      if (index.state === 'public' && before?.state !== 'public') this.onIndexPublic(layout, index);
    }
  }

  #put<Id, Value>(map: Map<Id, Value>, id: Id, value: Value, at: Offset): void {
    const previous = map.get(id);
    this.#version++;
    map.set(id, value);
    const run = previous === undefined ? () => map.delete(id) : () => map.set(id, previous);
    this.#undo.push({ offset: at, run: () => void run() });
  }

  #remove<Id, Value>(map: Map<Id, Value>, id: Id, at: Offset): void {
    const previous = map.get(id);
    if (previous === undefined) return;
    this.#version++;
    map.delete(id);
    this.#undo.push({ offset: at, run: () => void map.set(id, previous) });
  }

  /** Forgets what was folded from `offset` on. */
  truncateTo(offset: Offset): void {
    for (
      let last = this.#undo.at(-1);
      last !== undefined && last.offset >= offset;
      last = this.#undo.at(-1)
    ) {
      this.#undo.pop();
      this.#version++;
      last.run();
    }
  }

  /** What lies below it can no longer be truncated. */
  settle(highWatermark: Offset): void {
    if (this.#undo.length > 0 && this.#undo[0]!.offset < highWatermark) {
      this.#undo = this.#undo.filter((change) => change.offset >= highWatermark);
    }
  }
}

/** What rows that lack a column have in it, for each of `columns`: dropped ones too, which readers of the past ask for. */
export function missingValues(
  layout: TableLayout | undefined,
  columns: readonly { readonly id: ColumnId }[],
): readonly Datum[] {
  const known = [...(layout?.columns ?? []), ...(layout?.dropped ?? [])];
  return columns.map(({ id }) => known.find((column) => column.id === id)?.missing ?? null);
}
