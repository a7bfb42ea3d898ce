import { AlopexError } from '../../base/errors.ts';
import { msOfTimestamp } from '../../base/hlc.ts';
import { offset, type SchemaId, type Timestamp, timestamp } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { RowEvent } from '../../log/events/event.ts';
import type { EventSchema } from '../../log/events/layout.ts';
import { rowCodec } from '../../log/events/row.ts';
import { readEvents } from '../../log/events/row-event.ts';
import { systemLayouts } from '../../log/events/system.ts';
import { decodeControl } from '../../log/record/control.ts';
import { verifyBatch } from '../../log/record/header.ts';
import { RecordReader } from '../../log/record/record-reader.ts';
import type {
  CatalogSnapshot,
  ColumnDefinition,
  RelationDefinition,
} from '../../query/catalog/definition.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import type { Change, Row, TailOptions } from './database.ts';
import { databaseName, type Engine } from './engine.ts';
import { type Value, valueReader } from './values.ts';

/** Bytes of the log that are read at a time. */
const readBytes = 1024 * 1024;

/** A row as it was before or after a change, with the columns that the table had. */
export type ChangedRow = { readonly columns: readonly ColumnDefinition[]; readonly values: readonly Datum[] };
/** A change, before its values take a protocol's form. */
export type RowChange = Omit<Change, 'before' | 'after'> & {
  readonly before: ChangedRow | null;
  readonly after: ChangedRow | null;
};

/** Committed changes of one table, or of all, in the order of the log; goes on until it is stopped. */
export async function* tailChanges(engine: Engine, options: TailOptions): AsyncIterable<Change> {
  const session = engine.connect({
    user: 'alopex',
    database: databaseName,
    settings: {},
    clientAddress: null,
  });
  const rowOf = (row: ChangedRow | null): Row | null =>
    row === null ? null : valuesOf(row, session.functions);
  try {
    for await (const changes of tailBatches(engine, options)) {
      for (const change of changes) {
        if (options.signal?.aborted === true) return;
        yield { ...change, before: rowOf(change.before), after: rowOf(change.after) };
      }
    }
  } finally {
    await session.close();
  }
}

function valuesOf({ columns, values }: ChangedRow, functions: FunctionContext): Row {
  const row: Record<string, Value> = {};
  for (const [place, { name, type }] of columns.entries())
    row[name] = valueReader(type)(values[place]!, functions);
  return row;
}

/** The same, as many at a time as were read together, for whoever gives values a form of its own. */
export async function* tailBatches(
  engine: Engine,
  options: TailOptions,
): AsyncGenerator<readonly RowChange[], void, undefined> {
  const { log } = engine;
  if (options.table !== undefined) requireTable(engine.transactions.catalog, options.table);
  const decoder = new ChangeDecoder(engine, options.table ?? null);
  let at = options.from === undefined ? log.highWatermark : offset(options.from);
  if (at < log.startOffset) {
    throw new AlopexError(
      'snapshot_too_old',
      `offset ${at} is no longer retained: the log starts at ${log.startOffset}`,
    );
  }
  const from = at;
  while (options.signal?.aborted !== true) {
    if (at >= log.lastStableOffset) {
      await more(engine, options.signal);
      continue;
    }
    for (const batch of await log.read(at, readBytes)) {
      const header = verifyBatch(batch);
      const changes = decoder.decode(batch).filter((change) => change.offset >= from);
      if (changes.length > 0) yield changes;
      at = offset(header.lastOffset + 1);
    }
  }
}

const yearMs = 365 * 24 * 3_600_000;

/**
 * Until the log has more, or the tail is stopped: what is decided moves with the high watermark, and with an open large
 * transaction stays behind it. Somebody who waits keeps the process alive, as a promise does not.
 */
async function more({ log, env }: Engine, signal: AbortSignal | undefined): Promise<void> {
  const alive = env.clock.setTimer(yearMs, () => undefined);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => resolve();
  signal?.addEventListener('abort', stop, { once: true });
  log.waitPast(log.highWatermark).then(resolve, reject);
  try {
    await promise;
  } finally {
    signal?.removeEventListener('abort', stop);
    alive.cancel();
  }
}

/** Turns batches into changes; holds back transactions larger than a batch until their marker. */
class ChangeDecoder {
  readonly #engine: Engine;
  readonly #table: string | null;
  readonly #undecided = new Map<number, RowEvent[]>();

  constructor(engine: Engine, table: string | null) {
    this.#engine = engine;
    this.#table = table;
  }

  decode(batch: Uint8Array): readonly RowChange[] {
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
    if (control.kind === 'rollback') this.#rollBackTo(header.producerId, control.from);
    if (control.kind !== 'commit' && control.kind !== 'abort') return [];
    const events = this.#undecided.get(header.producerId) ?? [];
    this.#undecided.delete(header.producerId);
    return control.kind === 'commit' ? this.#changes(events, timestamp(control.timestamp)) : [];
  }

  #rollBackTo(producer: number, from: number): void {
    const events = this.#undecided.get(producer);
    if (events !== undefined)
      this.#undecided.set(
        producer,
        events.filter((event) => event.offset < from),
      );
  }

  #changes(events: readonly RowEvent[], commit: Timestamp | null): readonly RowChange[] {
    return events.flatMap((event) => this.#change(event, commit ?? event.timestamp) ?? []);
  }

  #change(event: RowEvent, commit: Timestamp): RowChange | null {
    const { catalog } = this.#engine.transactions;
    const schema = this.#schema(event.schema);
    if (schema === null || systemLayouts.some(({ table }) => table === schema.table)) return null;
    const table = catalog.byId(schema.table);
    if (table?.kind !== 'table') return null;
    const namespace = namespaceName(catalog, table);
    if (this.#table !== null && !isNamed(catalog, table, this.#table)) return null;
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

  #row(table: RelationDefinition, schema: EventSchema | null, bytes: Uint8Array): ChangedRow {
    if (schema === null) return { columns: [], values: [] };
    const shown = schema.fields.flatMap((field) => {
      const column = table.columns[field.column - 1];
      return column === undefined || column.isHidden || column.isDropped ? [] : [{ field, column }];
    });
    const read = shown.map(({ field }) => ({ id: field.column, type: field.type, missing: null }));
    return { columns: shown.map(({ column }) => column), values: rowCodec(schema).projection(read)(bytes) };
  }
}

function namespaceName(catalog: CatalogSnapshot, table: RelationDefinition): string {
  const namespace = catalog.byId(table.namespace);
  return namespace?.kind === 'namespace' ? namespace.name : 'public';
}

/** By its name alone, or with its schema's. */
function isNamed(catalog: CatalogSnapshot, table: RelationDefinition, name: string): boolean {
  return name === table.name || name === `${namespaceName(catalog, table)}.${table.name}`;
}

function requireTable(catalog: CatalogSnapshot, name: string): void {
  for (const object of catalog.all()) if (object.kind === 'table' && isNamed(catalog, object, name)) return;
  throw new AlopexError('undefined_table', `relation "${name}" does not exist`);
}
