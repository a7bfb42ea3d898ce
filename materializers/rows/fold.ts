import type { Env } from '../../base/env/env.ts';
import { type Offset, offset, type Timestamp, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { readEvents } from '../../log/events/row-event.ts';
import type { Log } from '../../log/log.ts';
import { decodeControl } from '../../log/record/control.ts';
import { decodeHeader } from '../../log/record/header.ts';
import type { BatchHeader, ControlRecord } from '../../log/record/record.ts';
import { RecordReader } from '../../log/record/record-reader.ts';
import type { Applied, RowReader } from './contract.ts';
import { foldEvent } from './event-fold.ts';
import { Layouts } from './layouts.ts';
import { Trees } from './memtable.ts';
import { noFiles, RowStore } from './store.ts';

export type RowsOptions = {
  readonly env: Env;
  /** The folder of the fold's own files. */
  readonly directory: string;
  /** Open and recovered. */
  readonly log: Log;
  /** Bytes of decoded pages that are kept in memory. */
  readonly cacheBytes: number;
};

/** Bytes of the log that are read at a time while the tail is replayed. */
const replayBytes = 4 * 1024 * 1024;

type UndecidedBatch = { readonly batch: Uint8Array; readonly header: BatchHeader };

/**
 * The rows fold: tables and their indexes at one position of the log. The leader applies each batch as it appends
 * it, above the high watermark too; views decide who sees what.
 */
export class Rows {
  readonly layouts = new Layouts();
  readonly #log: Log;
  readonly #store: RowStore;
  readonly #active = new Trees();
  #applied: Applied;
  /** Batches of transactions that have not ended, by producer. */
  readonly #undecided = new Map<number, UndecidedBatch[]>();
  /** Where applied stood before each batch above the high watermark. */
  #steps: Applied[] = [];

  constructor(options: RowsOptions, applied: Applied) {
    this.#log = options.log;
    this.#applied = applied;
    this.#store = new RowStore({ memtables: [this.#active], files: noFiles });
  }

  get reader(): RowReader {
    return this.#store;
  }
  get applied(): Applied {
    return this.#applied;
  }

  /** Applies a whole batch, which the log has at `applied.offset`: rows, a part of a transaction, or a control batch. */
  applyCommit(batch: Uint8Array): void {
    const header = decodeHeader(batch);
    invariant(header.baseOffset === this.#applied.offset, 'batches are applied in the order of the log');
    this.#settle();
    this.#steps.push(this.#applied);
    const next = offset(header.lastOffset + 1);
    let newest = this.#applied.timestamp;
    if (header.isControl) newest = this.#applyControl(batch, header);
    else if (header.isTransactional) this.#undecidedOf(header.producerId).push({ batch, header });
    else newest = this.#applyEvents(batch, header, null);
    this.#applied = { offset: next, timestamp: newest };
  }

  /** The newest timestamp after it. `commitTimestamp`: of a transaction's batches, whose events have none. */
  #applyEvents(batch: Uint8Array, header: BatchHeader, commitTimestamp: Timestamp | null): Timestamp {
    let newest = this.#applied.timestamp;
    for (const event of readEvents(batch, header)) {
      const at = commitTimestamp ?? event.timestamp;
      invariant(at >= newest, 'timestamps rise in the order of the log');
      newest = at;
      foldEvent(event, at, this.layouts, this.#active);
    }
    return newest;
  }

  #applyControl(batch: Uint8Array, header: BatchHeader): Timestamp {
    const control = controlOf(batch, header);
    if (control.kind !== 'commit' && control.kind !== 'abort') return this.#applied.timestamp;
    const batches = this.#undecided.get(header.producerId) ?? [];
    this.#undecided.delete(header.producerId);
    if (control.kind === 'abort') return this.#applied.timestamp;
    const at = timestamp(control.timestamp);
    for (const each of batches) this.#applyEvents(each.batch, each.header, at);
    return at;
  }

  #undecidedOf(producer: number): UndecidedBatch[] {
    let batches = this.#undecided.get(producer);
    if (batches === undefined) {
      batches = [];
      this.#undecided.set(producer, batches);
    }
    return batches;
  }

  #settle(): void {
    const { highWatermark } = this.#log;
    this.layouts.settle(highWatermark);
    if (this.#steps.length > 0 && this.#steps[0]!.offset < highWatermark) {
      this.#steps = this.#steps.filter((step) => step.offset >= highWatermark);
    }
  }

  /** The log lost what lies from `to` on: the disk refused it. Forgets what was applied of it. */
  truncateTo(to: Offset): void {
    const step = this.#steps.find((each) => each.offset >= to);
    if (step === undefined) return;
    this.#steps = this.#steps.filter((each) => each.offset < to);
    this.layouts.truncateTo(to);
    this.#active.truncate(step.timestamp);
    for (const [producer, batches] of this.#undecided) {
      this.#undecided.set(
        producer,
        batches.filter(({ header }) => header.baseOffset < to),
      );
    }
    this.#applied = step;
  }

  /** Applies what the log has beyond `applied`. */
  async replay(): Promise<void> {
    while (this.#applied.offset < this.#log.highWatermark) {
      const batches = await this.#log.read(this.#applied.offset, replayBytes);
      for (const batch of batches) this.applyCommit(batch);
    }
    this.#settle();
  }

  async close(): Promise<void> {}
}

function controlOf(batch: Uint8Array, header: BatchHeader): ControlRecord {
  const records = new RecordReader(batch, header);
  records.next();
  return decodeControl(records);
}

/** Opens the fold at its last snapshot, and replays the tail of the log. */
export async function openRows(options: RowsOptions): Promise<Rows> {
  const rows = new Rows(options, { offset: options.log.startOffset, timestamp: timestamp(0) });
  await rows.replay();
  return rows;
}
