import { type Offset, offset, type Timestamp, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { RowEvent } from '../../log/events/event.ts';
import { readEvents } from '../../log/events/row-event.ts';
import { objectsLayout } from '../../log/events/system.ts';
import { decodeControl } from '../../log/record/control.ts';
import { decodeHeader } from '../../log/record/header.ts';
import type { BatchHeader, ControlRecord } from '../../log/record/record.ts';
import { RecordReader } from '../../log/record/record-reader.ts';
import type { Applied } from './contract.ts';
import { foldEvent, type VersionSink } from './event-fold.ts';
import type { Layouts } from './layouts.ts';
import { Trees } from './memtable.ts';
import type { Overlay } from './overlay.ts';

/**
 * Versions of an undecided transaction have the number of their batch above it for a timestamp: below every
 * command's number and every commit's timestamp.
 */
const undecidedBase = -(2 ** 40);

type UndecidedBatch = { readonly batch: Uint8Array; readonly header: BatchHeader };

/** A transaction of several batches that has not ended. */
type Undecided = { readonly batches: UndecidedBatch[]; run: UndecidedRun | null };

/**
 * What an undecided transaction wrote, folded as its batches came, so that its commit is no long pause. It is void
 * where a table that it wrote to has been laid out anew since.
 */
type UndecidedRun = {
  readonly trees: Trees;
  /** The timestamp of the newest batch's versions. */
  newest: number;
  /** The fold's layouts, of `layoutsVersion`, and the transaction's own changes of them. */
  layouts: Layouts;
  layoutsVersion: number;
  /** The fold's layouts when it began. */
  readonly base: Layouts;
  readonly objectEvents: RowEvent[];
};

/** A transaction whose marker the log may yet lose. */
type Ended = { readonly producer: number; readonly marker: Offset; readonly undecided: Undecided };

const nowhere: VersionSink = { put: () => {} };

/**
 * Folds the batches of a log into a memtable: the one fold of rows, in the process that serves reads and in the
 * workers that make files.
 */
export class LogFold {
  readonly layouts: Layouts;
  /** Where changes go; replaced when a memtable is cut. */
  memtable: Trees;
  #applied: Applied;
  /** By producer. */
  readonly #undecided = new Map<number, Undecided>();
  /** Ended above the high watermark. */
  #ended: Ended[] = [];
  readonly #onRun: ((run: Trees) => void) | null;

  /**
   * `onRun` takes the memtable of a transaction of several batches, which is newer than all that was applied before;
   * without it such a transaction goes into the memtable like any other.
   */
  constructor(
    layouts: Layouts,
    memtable: Trees,
    applied: Applied,
    onRun: ((run: Trees) => void) | null = null,
  ) {
    this.#onRun = onRun;
    this.layouts = layouts;
    this.memtable = memtable;
    this.#applied = applied;
  }

  get applied(): Applied {
    return this.#applied;
  }

  /** Where a replay would have to start: the first batch of an undecided transaction, or `applied`. */
  get replayFrom(): Offset {
    let from = this.#applied.offset;
    for (const { batches } of this.#undecided.values()) {
      const first = batches[0]?.header.baseOffset;
      if (first !== undefined && first < from) from = first;
    }
    return from;
  }

  /** Transactions that have neither a commit nor an abort marker yet. */
  get undecidedProducers(): readonly number[] {
    return [...this.#undecided.keys()];
  }

  /** What an undecided transaction has in the log, for itself to read. */
  undecidedRun(producer: number): { readonly trees: Trees; readonly newest: number } | null {
    return this.#undecided.get(producer)?.run ?? null;
  }

  /**
   * Applies a batch of a replay, which may start before `applied`: of what lies there, only transactions that were
   * undecided at `applied` are remembered, and folded at their end: some of those seen here ended before `applied`,
   * and the layouts of then may be gone. Returns the next offset.
   */
  replayBatch(batch: Uint8Array): Offset {
    const header = decodeHeader(batch);
    if (header.baseOffset >= this.#applied.offset) {
      this.applyBatch(batch, header);
      this.#ended = [];
    } else if (header.isControl) this.#undecided.delete(header.producerId);
    else if (header.isTransactional) this.#remember({ batch, header }, null);
    return offset(header.lastOffset + 1);
  }

  /** Throws where `applyBatch` would: then the log must not get the batch, for every later opening would fail at it. */
  check(batch: Uint8Array): void {
    const header = decodeHeader(batch);
    if (header.isControl) return;
    const run = this.#undecided.get(header.producerId)?.run ?? null;
    if (run !== null) this.#refreshLayouts(run);
    const known = run?.layouts ?? this.layouts;
    let layouts = known;
    for (const event of readEvents(batch, header)) {
      const changesLayouts = layouts.schema(event.schema).storage === objectsLayout.storage;
      if (changesLayouts && layouts === known) layouts = known.fork();
      invariant(
        header.isTransactional || event.timestamp >= this.#applied.timestamp,
        'timestamps rise in the order of the log',
      );
      foldEvent(event, event.timestamp, layouts, nowhere);
    }
  }

  /** Applies the batch at `applied.offset`: rows, a part of a transaction, or a control batch. */
  applyBatch(batch: Uint8Array, header = decodeHeader(batch)): void {
    invariant(header.baseOffset === this.#applied.offset, 'batches are applied in the order of the log');
    let newest = this.#applied.timestamp;
    if (header.isControl) newest = this.#applyControl(batch, header);
    else if (header.isTransactional) this.#remember({ batch, header }, this.#onRun);
    else newest = this.#applyEvents(batch, header, null);
    this.#applied = { offset: offset(header.lastOffset + 1), timestamp: newest };
  }

  /** Applies the batch at `applied.offset` as `pending`, which it was encoded from; it changes no layout. */
  applyOwn(header: BatchHeader, pending: Overlay, at: Timestamp): void {
    invariant(header.baseOffset === this.#applied.offset, 'batches are applied in the order of the log');
    invariant(at >= this.#applied.timestamp, 'timestamps rise in the order of the log');
    pending.commitTo(this.memtable, at);
    this.#applied = { offset: offset(header.lastOffset + 1), timestamp: at };
  }

  /** The newest timestamp after it. `commitTimestamp`: of a transaction's batches, whose events have none. */
  #applyEvents(batch: Uint8Array, header: BatchHeader, commitTimestamp: Timestamp | null): Timestamp {
    let newest = this.#applied.timestamp;
    for (const event of readEvents(batch, header)) {
      const at = commitTimestamp ?? event.timestamp;
      invariant(at >= newest, 'timestamps rise in the order of the log');
      newest = at;
      foldEvent(event, at, this.layouts, this.memtable);
    }
    return newest;
  }

  #applyControl(batch: Uint8Array, header: BatchHeader): Timestamp {
    const control = controlOf(batch, header);
    if (control.kind !== 'commit' && control.kind !== 'abort') return this.#applied.timestamp;
    const undecided = this.#undecided.get(header.producerId);
    this.#undecided.delete(header.producerId);
    if (undecided !== undefined)
      this.#ended.push({ producer: header.producerId, marker: header.baseOffset, undecided });
    if (control.kind === 'abort') return this.#applied.timestamp;
    const at = timestamp(control.timestamp);
    if (undecided !== undefined) this.#commit(undecided, at);
    return at;
  }

  #commit({ batches, run }: Undecided, at: Timestamp): void {
    if (run === null || this.#onRun === null || !this.#isValid(run)) {
      for (const each of batches) this.#applyEvents(each.batch, each.header, at);
      return;
    }
    for (const event of run.objectEvents) this.layouts.fold(event);
    run.trees.stamp(at);
    this.#onRun(run.trees);
  }

  /** Whether every table that it wrote to is laid out as when it began. */
  #isValid({ trees, base }: UndecidedRun): boolean {
    return trees.all().every(({ storage }) => base.tables.get(storage) === this.layouts.tables.get(storage));
  }

  /** `onRun`: null where a transaction that begins here is not folded before its end. */
  #remember(batch: UndecidedBatch, onRun: ((run: Trees) => void) | null): void {
    const producer = batch.header.producerId;
    let undecided = this.#undecided.get(producer);
    if (undecided === undefined) {
      undecided = { batches: [], run: onRun === null ? null : this.#newRun() };
      this.#undecided.set(producer, undecided);
    }
    undecided.batches.push(batch);
    if (undecided.run === null) return;
    this.#refreshLayouts(undecided.run);
    foldInto(undecided.run, batch);
  }

  /** Others may have made tables since its last batch, which this one writes to. */
  #refreshLayouts(run: UndecidedRun): void {
    if (run.layoutsVersion === this.layouts.version) return;
    run.layoutsVersion = this.layouts.version;
    run.layouts = this.layouts.fork();
    for (const event of run.objectEvents) run.layouts.fold(event);
  }

  #newRun(): UndecidedRun {
    const base = this.layouts.fork();
    return {
      trees: new Trees(),
      newest: undecidedBase,
      layouts: base.fork(),
      layoutsVersion: this.layouts.version,
      base,
      objectEvents: [],
    };
  }

  /** What lies below it can no longer be truncated. */
  settle(highWatermark: Offset): void {
    this.layouts.settle(highWatermark);
    if (this.#ended.length > 0) this.#ended = this.#ended.filter(({ marker }) => marker >= highWatermark);
  }

  /** Forgets what was applied from `to` on; `applied` is where the fold then stands. */
  truncateTo(to: Offset, applied: Applied): void {
    this.layouts.truncateTo(to);
    for (const { producer, marker, undecided } of this.#ended) {
      if (marker >= to) this.#undecided.set(producer, { batches: undecided.batches, run: null });
    }
    this.#ended = this.#ended.filter(({ marker }) => marker < to);
    for (const [producer, { batches, run }] of this.#undecided) {
      const kept = batches.filter(({ header }) => header.baseOffset < to);
      if (kept.length === 0) this.#undecided.delete(producer);
      else this.#undecided.set(producer, { batches: kept, run: kept.length === batches.length ? run : null });
    }
    this.#applied = applied;
  }
}

function foldInto(run: UndecidedRun, { batch, header }: UndecidedBatch): void {
  run.newest++;
  for (const event of readEvents(batch, header)) {
    foldEvent(event, run.newest as Timestamp, run.layouts, run.trees);
    if (run.layouts.schema(event.schema).storage === objectsLayout.storage) run.objectEvents.push(event);
  }
}

function controlOf(batch: Uint8Array, header: BatchHeader): ControlRecord {
  const records = new RecordReader(batch, header);
  records.next();
  return decodeControl(records);
}
