import { AlopexError } from '../../base/errors.ts';
import { msOfTimestamp } from '../../base/hlc.ts';
import { offset, type SchemaId, type Timestamp, timestamp } from '../../base/ids.ts';
import type { RowEvent } from '../../log/events/event.ts';
import type { EventSchema } from '../../log/events/layout.ts';
import { rowCodec } from '../../log/events/row.ts';
import { readEvents } from '../../log/events/row-event.ts';
import { objectsTable, sequencesTable } from '../../log/events/system.ts';
import { decodeControl } from '../../log/record/control.ts';
import { verifyBatch } from '../../log/record/header.ts';
import { RecordReader } from '../../log/record/record-reader.ts';
import type { CatalogSnapshot, RelationDefinition } from '../../query/catalog/definition.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import type { Change, Row, TailOptions } from './database.ts';
import { databaseName, type Engine } from './engine.ts';
import { type Value, valueReader } from './values.ts';

/** Bytes of the log that are read at a time. */
const readBytes = 1024 * 1024;

/** Committed changes of one table, or of all, in the order of the log; goes on until it is stopped. */
export async function* tailChanges(engine: Engine, options: TailOptions): AsyncIterable<Change> {
  const { log } = engine;
  const session = engine.connect({
    user: 'alopex',
    database: databaseName,
    settings: {},
    clientAddress: null,
  });
  const decoder = new ChangeDecoder(engine, session.functions, options.table ?? null);
  const stopped = stopSignal(options.signal);
  let at = options.from === undefined ? log.highWatermark : offset(options.from);
  if (at < log.startOffset) {
    throw new AlopexError(
      'snapshot_too_old',
      `offset ${at} is no longer retained: the log starts at ${log.startOffset}`,
    );
  }
  const from = at;
  try {
    while (options.signal?.aborted !== true) {
      if (at >= log.lastStableOffset) {
        await Promise.race([log.waitPast(log.lastStableOffset), stopped]);
        continue;
      }
      for (const batch of await log.read(at, readBytes)) {
        const header = verifyBatch(batch);
        for (const change of decoder.decode(batch)) if (change.offset >= from) yield change;
        at = offset(header.lastOffset + 1);
      }
    }
  } finally {
    await session.close();
  }
}

function stopSignal(signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve) => {
    signal?.addEventListener('abort', () => resolve(), { once: true });
  });
}

/** Turns batches into changes; holds back transactions larger than a batch until their marker. */
class ChangeDecoder {
  readonly #engine: Engine;
  readonly #functions: FunctionContext;
  readonly #table: string | null;
  readonly #undecided = new Map<number, RowEvent[]>();

  constructor(engine: Engine, functions: FunctionContext, table: string | null) {
    this.#engine = engine;
    this.#functions = functions;
    this.#table = table;
  }

  decode(batch: Uint8Array): readonly Change[] {
    const header = verifyBatch(batch);
    if (!header.isControl) {
      const events = [...readEvents(batch, header)];
      if (!header.isTransactional) return this.#changes(events, null);
      this.#undecided.set(header.producerId, [...(this.#undecided.get(header.producerId) ?? []), ...events]);
      return [];
    }
    const records = new RecordReader(batch, header);
    records.next();
    const control = decodeControl(records);
    if (control.kind !== 'commit' && control.kind !== 'abort') return [];
    const events = this.#undecided.get(header.producerId) ?? [];
    this.#undecided.delete(header.producerId);
    return control.kind === 'commit' ? this.#changes(events, timestamp(control.timestamp)) : [];
  }

  #changes(events: readonly RowEvent[], commit: Timestamp | null): readonly Change[] {
    return events.flatMap((event) => this.#change(event, commit ?? event.timestamp) ?? []);
  }

  #change(event: RowEvent, commit: Timestamp): Change | null {
    const { catalog } = this.#engine.transactions;
    const schema = this.#schema(event.schema);
    if (schema === null || schema.table === objectsTable || schema.table === sequencesTable) return null;
    const table = catalog.byId(schema.table);
    if (table?.kind !== 'table') return null;
    const namespace = namespaceName(catalog, table);
    if (this.#table !== null && this.#table !== table.name && this.#table !== `${namespace}.${table.name}`)
      return null;
    const { before, row } = event;
    return {
      schema: namespace,
      table: table.name,
      operation: event.operation,
      offset: event.offset,
      committedAt: new Date(msOfTimestamp(commit)),
      transaction: event.transaction,
      before: before === null ? null : this.#row(table, this.#schema(before.schema), before.row),
      after: row === null ? null : this.#row(table, schema, row),
    };
  }

  #schema(id: SchemaId): EventSchema | null {
    const object = this.#engine.transactions.catalog.byId(-id);
    return object?.kind === 'schema' ? object.event : null;
  }

  #row(table: RelationDefinition, schema: EventSchema | null, bytes: Uint8Array): Row {
    const row: Record<string, Value> = {};
    if (schema === null) return row;
    const columns = schema.fields.map((field) => ({ id: field.column, type: field.type, missing: null }));
    const values = rowCodec(schema).projection(columns)(bytes);
    for (const [index, field] of schema.fields.entries()) {
      const column = table.columns[field.column - 1];
      if (column === undefined || column.isHidden || column.isDropped) continue;
      row[column.name] = valueReader(column.type)(values[index]!, this.#functions);
    }
    return row;
  }
}

function namespaceName(catalog: CatalogSnapshot, table: RelationDefinition): string {
  const namespace = catalog.byId(table.namespace);
  return namespace?.kind === 'namespace' ? namespace.name : 'public';
}
