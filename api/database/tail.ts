import { AlopexError } from '../../base/errors.ts';
import { msOfTimestamp } from '../../base/hlc.ts';
import { type Offset, offset, type SchemaId, type Timestamp, timestamp } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { RowEvent } from '../../log/events/event.ts';
import type { EventSchema } from '../../log/events/layout.ts';
import { rowCodec } from '../../log/events/row.ts';
import { readEvents } from '../../log/events/row-event.ts';
import { systemLayouts } from '../../log/events/system.ts';
import { decodeControl } from '../../log/record/control.ts';
import { verifyBatch } from '../../log/record/header.ts';
import type { BatchHeader } from '../../log/record/record.ts';
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
    const end = shownBelow(engine);
    if (at >= Math.min(end, log.lastStableOffset)) {
      await more(engine, end, options.signal);
      continue;
    }
    for (const batch of await log.read(at, readBytes)) {
      const header = verifyBatch(batch);
      if (header.baseOffset >= end) break;
      const changes = decoder.decode(batch).filter((change) => change.offset >= from);
      if (changes.length > 0) yield changes;
      at = offset(header.lastOffset + 1);
    }
  }
}

/** A replica has more of the log than it has applied, and does not know what tables that is of. */
function shownBelow({ replica, log }: Engine): Offset {
  return replica === null ? log.highWatermark : replica.shown;
}

const yearMs = 365 * 24 * 3_600_000;

/**
 * Until the log has more, or the tail is stopped: what is decided moves with the high watermark, and with an open large
 * transaction stays behind it. Somebody who waits keeps the process alive, as a promise does not.
 */
async function more(
  { log, env, replica }: Engine,
  shown: Offset,
  signal: AbortSignal | undefined,
): Promise<void> {
  const alive = env.clock.setTimer(yearMs, () => undefined);
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const stop = () => resolve();
  signal?.addEventListener('abort', stop, { once: true });
  const waits = replica === null ? log.waitPast(shown) : replica.appliedPast(offset(shown + 1));
  waits.then(resolve, reject);
  try {
    await promise;
  } finally {
    signal?.removeEventListener('abort', stop);
    alive.cancel();
  }
}

/** Of one batch; `undecided`: of a transaction larger than a batch, whose marker has not come. */
type Held = {
  readonly producer: number;
  events: readonly RowEvent[];
  state: 'undecided' | 'committed' | 'aborted';
  /** Its marker's; null: the events' own. */
  commit: Timestamp | null;
};

/**
 * Turns batches into changes, in the order of the log: what comes after an undecided transaction waits until that is
 * decided. So whoever goes on after the offset of the last change misses none and gets none twice, on any node.
 */
class ChangeDecoder {
  readonly #engine: Engine;
  readonly #table: string | null;
  #held: Held[] = [];

  constructor(engine: Engine, table: string | null) {
    this.#engine = engine;
    this.#table = table;
  }

  decode(batch: Uint8Array): readonly RowChange[] {
    const header = verifyBatch(batch);
    if (header.isControl) this.#decide(batch, header);
    else {
      const { producerId: producer, isTransactional } = header;
      const events = [...readEvents(batch, header)];
      this.#held.push({
        producer,
        events,
        state: isTransactional ? 'undecided' : 'committed',
        commit: null,
      });
    }
    const undecided = this.#held.findIndex(({ state }) => state === 'undecided');
    const told = this.#held.splice(0, undecided < 0 ? this.#held.length : undecided);
    return told.flatMap(({ state, events, commit }) =>
      state === 'committed' ? this.#changes(events, commit) : [],
    );
  }

  #decide(batch: Uint8Array, header: BatchHeader): void {
    const records = new RecordReader(batch, header);
    records.next();
    const control = decodeControl(records);
    for (const held of this.#held) {
      if (held.state !== 'undecided' || held.producer !== header.producerId) continue;
      if (control.kind === 'rollback')
        held.events = held.events.filter(({ offset }) => offset < control.from);
      else if (control.kind === 'abort') held.state = 'aborted';
      else if (control.kind === 'commit') {
        held.state = 'committed';
        held.commit = timestamp(control.timestamp);
      }
    }
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
