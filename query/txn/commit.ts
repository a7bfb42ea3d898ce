import type { Clock } from '../../base/env/env.ts';
import { type Timestamp, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { EventSchema } from '../../log/events/layout.ts';
import { appendEvent } from '../../log/events/row-event.ts';
import { objectsLayout, objectsSchema, sequencesLayout, sequencesSchema } from '../../log/events/system.ts';
import type { Log } from '../../log/log.ts';
import { BatchBuilder, type Producer } from '../../log/record/batch-builder.ts';
import { encodeControlBatch } from '../../log/record/control.ts';
import type { ControlRecord } from '../../log/record/record.ts';
import type { Overlay, PendingChange } from '../../materializers/rows/overlay.ts';
import type { CatalogSnapshot } from '../catalog/definition.ts';
import { keySpace } from './spans.ts';
import type { Transaction } from './transaction.ts';

/** The schema of events, which the transaction itself may have made. */
export function eventSchema(catalog: CatalogSnapshot, id: number): EventSchema {
  if (id === objectsSchema.id) return objectsSchema;
  if (id === sequencesSchema.id) return sequencesSchema;
  const object = catalog.byId(-id);
  invariant(object?.kind === 'schema', `schema ${id} is registered`);
  return object.event;
}

/**
 * A commit's changes, but for rows of a storage that the transaction made and left again (a new table that it
 * dropped, or truncated twice): no table of the log ever has it.
 */
function* lastingChanges(options: {
  readonly transaction: Transaction;
  readonly catalog: CatalogSnapshot;
  readonly committed: CatalogSnapshot;
  readonly from?: number | undefined;
  readonly to?: number | undefined;
}): Iterable<PendingChange> {
  const { transaction, catalog, committed, from, to } = options;
  const changes = transaction.pending.changes(from, to);
  if (catalog === committed) {
    yield* changes;
    return;
  }
  const storages = new Set([objectsLayout.storage, sequencesLayout.storage]);
  for (const snapshot of [committed, catalog]) {
    for (const object of snapshot.all()) if (object.kind === 'table') storages.add(object.layout.storage);
  }
  for (const change of changes) if (storages.has(change.layout.storage)) yield change;
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
  const { log, transaction, catalog, timestamp: commit, wallMs } = options;
  for (const { operation, layout, row, before } of lastingChanges(options)) {
    const schema = eventSchema(catalog, layout.schema);
    appendEvent(builder, { operation, timestamp: commit, transaction: transaction.id, schema, row, before });
  }
  if (builder.recordCount === 0) return null;
  return builder.finish({ baseOffset: log.endOffset, epoch: log.epoch, timestampMs: Math.floor(wallMs) });
}

/** Keys of rows and index entries that a transaction wrote, by key space: what serializable readers are checked against. */
export function writtenKeys(pending: Overlay): ReadonlyMap<string, readonly string[]> {
  const written = new Map<string, readonly string[]>();
  for (const { storage, index, keys } of pending.writtenKeys()) written.set(keySpace(storage, index), keys);
  return written;
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
  const { log, transaction, catalog, clock, batchBytesMax } = options;
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
  for (const { operation, layout, row, before } of lastingChanges(options)) {
    const schema = eventSchema(catalog, layout.schema);
    appendEvent(chunk, {
      operation,
      timestamp: timestamp(0),
      transaction: transaction.id,
      schema,
      row,
      before,
    });
    if (chunk.sizeBytes >= batchBytesMax) yield finish();
  }
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
