import type { Clock } from '../../base/env/env.ts';
import { type StorageId, type Timestamp, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { EventSchema, TableLayout } from '../../log/events/layout.ts';
import { EventWriter } from '../../log/events/row-event.ts';
import { objectsSchema, systemLayouts, systemSchemas } from '../../log/events/system.ts';
import type { Log } from '../../log/log.ts';
import { BatchBuilder, type Producer } from '../../log/record/batch-builder.ts';
import { encodeControlBatch } from '../../log/record/control.ts';
import type { ControlRecord } from '../../log/record/record.ts';
import type { Overlay, PendingChanges } from '../../materializers/rows/overlay.ts';
import type { CatalogSnapshot } from '../catalog/definition.ts';
import { keySpace, type WrittenKeys } from './spans.ts';
import type { Transaction } from './transaction.ts';

/** The schema of events, which the transaction itself may have made. */
export function eventSchema(catalog: CatalogSnapshot, id: number): EventSchema {
  const system = systemSchemas.find((schema) => schema.id === id);
  if (system !== undefined) return system;
  const object = catalog.byId(-id);
  invariant(object?.kind === 'schema', `schema ${id} is registered`);
  return object.event;
}

/**
 * Storages whose rows a commit writes, where not all: rows of a storage that the transaction made and left again
 * (a new table that it dropped, or truncated twice) are in no table of the log ever. Null: all.
 */
function lastingStorages(
  catalog: CatalogSnapshot,
  committed: CatalogSnapshot,
): ReadonlySet<StorageId> | null {
  if (catalog === committed) return null;
  const storages = new Set(systemLayouts.map(({ storage }) => storage));
  for (const snapshot of [committed, catalog]) {
    for (const object of snapshot.all()) if (object.kind === 'table') storages.add(object.layout.storage);
  }
  return storages;
}

/** Writes a transaction's changes as events. */
class ChangeWriter {
  readonly #changes: PendingChanges;
  readonly #events: EventWriter;
  readonly #catalog: CatalogSnapshot;
  readonly #lasting: ReadonlySet<StorageId> | null;
  #layout: TableLayout | null = null;
  #schema: EventSchema = objectsSchema;

  constructor(
    changes: PendingChanges,
    events: EventWriter,
    { catalog, committed }: { readonly catalog: CatalogSnapshot; readonly committed: CatalogSnapshot },
  ) {
    this.#changes = changes;
    this.#events = events;
    this.#catalog = catalog;
    this.#lasting = lastingStorages(catalog, committed);
  }

  /** The next one. False: there is none. */
  write(): boolean {
    const changes = this.#changes;
    while (changes.next()) {
      const layout = changes.layout!;
      if (this.#lasting !== null && !this.#lasting.has(layout.storage)) continue;
      if (layout !== this.#layout) {
        this.#layout = layout;
        this.#schema = eventSchema(this.#catalog, layout.schema);
      }
      this.#events.add(changes.operation, this.#schema, changes.row, changes.before);
      return true;
    }
    return false;
  }
}

const builder = new BatchBuilder(64 * 1024);

/** A commit as one batch, to stand at the log's end. Null where all that came went again. */
export function encodeCommit(options: {
  readonly log: Pick<Log, 'endOffset' | 'epoch'>;
  readonly transaction: Transaction;
  readonly catalog: CatalogSnapshot;
  /** The catalog without the transaction. */
  readonly committed: CatalogSnapshot;
  readonly timestamp: Timestamp;
  readonly wallMs: number;
}): Uint8Array | null {
  const { log, transaction, timestamp: commit, wallMs } = options;
  // What a commit that was refused, for a row that is too big, left behind.
  builder.clear();
  builder.reserve(transaction.pending.heldBytes);
  const events = new EventWriter(builder, commit, transaction.id);
  const changes = new ChangeWriter(transaction.pending.changes(), events, options);
  while (changes.write());
  if (builder.recordCount === 0) return null;
  return builder.finish({ baseOffset: log.endOffset, epoch: log.epoch, timestampMs: Math.floor(wallMs) });
}

/** What a transaction wrote, by key space: what serializable readers are checked against. */
export function writtenKeys(pending: Overlay): readonly WrittenKeys[] {
  return Array.from(pending.written(), ({ storage, index, keys, span }) => ({
    space: keySpace(storage, index),
    keys,
    span,
  }));
}

/**
 * The batches of a large commit, each to stand at the log's end at the moment that it is asked for. Their events
 * have no timestamp: the marker's holds. Kafka's transactional batches, so its clients see all of them or none.
 */
export function* encodeLargeCommit(options: {
  readonly log: Pick<Log, 'endOffset' | 'epoch'>;
  readonly transaction: Transaction;
  readonly catalog: CatalogSnapshot;
  /** The catalog without the transaction. */
  readonly committed: CatalogSnapshot;
  readonly clock: Pick<Clock, 'wallMs'>;
  /** A batch ends once it has so many. */
  readonly batchBytesMax: number;
  /** Of these commands; else of all that have rows that are not spilled. */
  readonly from: number | undefined;
  readonly to: number | undefined;
}): Iterable<Uint8Array> {
  const { log, transaction, clock, batchBytesMax, from, to } = options;
  const chunk = new BatchBuilder(batchBytesMax * 2);
  const finish = (): Uint8Array => {
    const producer = { ...producerOf(transaction.id), baseSequence: transaction.recordsLogged };
    transaction.recordsLogged += chunk.recordCount;
    return chunk.finish({
      baseOffset: log.endOffset,
      epoch: log.epoch,
      timestampMs: Math.floor(clock.wallMs()),
      producer,
    });
  };
  const events = new EventWriter(chunk, timestamp(0), transaction.id);
  const changes = new ChangeWriter(transaction.pending.changes(from, to), events, options);
  while (changes.write()) if (chunk.sizeBytes >= batchBytesMax) yield finish();
  if (chunk.recordCount > 0) yield finish();
}

function producerOf(id: number): Omit<Producer, 'baseSequence'> {
  return { id, epoch: 0, isTransactional: true };
}

/** The COMMIT or ABORT marker of a large commit. */
export function encodeMarker(
  log: Pick<Log, 'endOffset' | 'epoch'>,
  producer: number,
  wallMs: number,
  commit: Timestamp | null,
): Uint8Array {
  const control: ControlRecord =
    commit === null
      ? { kind: 'abort', coordinatorEpoch: 0 }
      : { kind: 'commit', coordinatorEpoch: 0, timestamp: commit };
  return encodeControlBatch(control, {
    baseOffset: log.endOffset,
    epoch: log.epoch,
    timestampMs: Math.floor(wallMs),
    producer: { ...producerOf(producer), baseSequence: -1 },
  });
}

/** What a transaction wrote from an offset on is void: it went back to a savepoint, and goes on. */
export function encodeRollback(
  log: Pick<Log, 'endOffset' | 'epoch'>,
  producer: number,
  wallMs: number,
  from: number,
): Uint8Array {
  return encodeControlBatch(
    { kind: 'rollback', from },
    {
      baseOffset: log.endOffset,
      epoch: log.epoch,
      timestampMs: Math.floor(wallMs),
      producer: { id: producer, epoch: 0, isTransactional: false, baseSequence: -1 },
    },
  );
}
