import { type Offset, offset, type Timestamp, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { JsonObject } from '../../log/events/layout-json.ts';
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
import { Undecided, type UndecidedBatch, type UndecidedRun } from './undecided.ts';

/** A place in the log where files end and memtables are cut, and what the fold was there. */
export type Cut = {
  /** The newest memtable below it. */
  readonly memtable: Trees;
  readonly applied: Applied;
  readonly replayFrom: Offset;
  readonly layouts: JsonObject;
  /** Transactions of several batches that committed below it, and above the files. */
  readonly decided: readonly DecidedTransaction[];
};
export type DecidedTransaction = {
  readonly producer: number;
  /** Its batches below are in files of its own. */
  readonly from: Offset;
  readonly marker: Offset;
};

/** A transaction of several batches that commits: newer than all that was applied before. */
export type Commit = {
  readonly run: UndecidedRun;
  readonly timestamp: Timestamp;
  /** The place of its marker, where it has files. */
  readonly cut: Cut | null;
  /** The layouts that its own changes make. */
  readonly layouts: () => JsonObject;
};

/** Who keeps rows of undecided transactions apart, and takes them when they commit. */
export type RunHost = {
  begin(layouts: Layouts): UndecidedRun;
  commit(commit: Commit): void;
  /** Bytes of batches of a transaction that are kept in memory until it is folded. */
  readonly batchBytesMax: number;
};

/** A transaction whose marker the log may yet lose. */
type Ended = { readonly marker: Offset; readonly undecided: Undecided };

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
  /** Above the files. */
  #decided: readonly DecidedTransaction[] = [];
  readonly #host: RunHost | null;
  /** Null: all. */
  readonly #wanted: readonly DecidedTransaction[] | null;

  /**
   * `host`: without it a transaction of several batches goes into the memtable like any other, at its end. `wanted`: of
   * such transactions only these are folded.
   */
  constructor(options: {
    readonly layouts: Layouts;
    readonly memtable: Trees;
    readonly applied: Applied;
    readonly host?: RunHost;
    readonly wanted?: readonly DecidedTransaction[];
  }) {
    this.#host = options.host ?? null;
    this.#wanted = options.wanted ?? null;
    this.layouts = options.layouts;
    this.memtable = options.memtable;
    this.#applied = options.applied;
  }

  get applied(): Applied {
    return this.#applied;
  }

  /** Where a replay would have to start: the first batch of an undecided transaction, or `applied`. */
  get replayFrom(): Offset {
    let from = this.#applied.offset;
    for (const { first } of this.#undecided.values()) if (first < from) from = first;
    return from;
  }

  /** Transactions that have neither a commit nor an abort marker yet. */
  get undecidedProducers(): readonly number[] {
    return [...this.#undecided.keys()];
  }

  undecided(producer: number): Undecided | null {
    return this.#undecided.get(producer) ?? null;
  }

  /** Cuts the memtable here. */
  cut(): Cut {
    const cut = this.#cutAt(this.replayFrom);
    this.memtable = new Trees();
    return cut;
  }

  #cutAt(replayFrom: Offset): Cut {
    const { memtable, applied } = this;
    return { memtable, applied, replayFrom, layouts: this.layouts.toJson(), decided: this.#decided };
  }

  /** Files cover the log below `to`. */
  noteCovered(to: Offset): void {
    this.#decided = this.#decided.filter(({ marker }) => marker >= to);
  }

  /** Bytes of rows of undecided transactions in memory, about. */
  get undecidedBytes(): number {
    let bytes = 0;
    for (const { run } of this.#undecided.values()) bytes += run?.trees.sizeBytes ?? 0;
    return bytes;
  }

  /** Nobody reads any more. */
  close(): void {
    for (const undecided of this.#undecided.values()) undecided.release();
  }

  /**
   * Applies a batch of a replay. Parts of transactions are remembered, and folded once their commit is seen: many never
   * commit. It may start before `applied`: of what lies there only those are remembered that were undecided at `applied`,
   * for some ended before it, and the layouts of then may be gone. Returns the next offset.
   */
  replayBatch(batch: Uint8Array): Offset {
    const header = decodeHeader(batch);
    const isLate = header.baseOffset >= this.#applied.offset;
    if (header.isTransactional && !header.isControl) {
      this.#remember({ batch, header }, null);
      if (isLate) this.#applied = { ...this.#applied, offset: offset(header.lastOffset + 1) };
    } else if (isLate) {
      this.applyBatch(batch, header);
      this.#ended = [];
    } else if (header.isControl) this.#rememberControl(batch, header);
    return offset(header.lastOffset + 1);
  }

  /** Throws where `applyBatch` would: then the log must not get the batch, for every later opening would fail at it. */
  check(batch: Uint8Array): void {
    const header = decodeHeader(batch);
    if (header.isControl) return;
    const known = this.#undecided.get(header.producerId)?.run?.layoutsFor(this.layouts) ?? this.layouts;
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
    else if (header.isTransactional) this.#remember({ batch, header }, this.#host);
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
    if (control.kind === 'rollback') this.#rollBackTo(control, header);
    if (control.kind !== 'commit' && control.kind !== 'abort') return this.#applied.timestamp;
    const undecided = this.#undecided.get(header.producerId);
    this.#undecided.delete(header.producerId);
    if (undecided !== undefined) this.#ended.push({ marker: header.baseOffset, undecided });
    if (control.kind === 'abort') {
      undecided?.truncate(undecided.first);
      return this.#applied.timestamp;
    }
    const at = timestamp(control.timestamp);
    if (undecided !== undefined) this.#commit(undecided, header.baseOffset, at);
    return at;
  }

  /** Before `applied`: who is undecided there is all that is asked for. */
  #rememberControl(batch: Uint8Array, header: BatchHeader): void {
    const control = controlOf(batch, header);
    if (control.kind === 'commit' || control.kind === 'abort') this.#undecided.delete(header.producerId);
    if (control.kind === 'rollback') this.#rollBackTo(control, header);
  }

  #rollBackTo({ from }: Extract<ControlRecord, { readonly kind: 'rollback' }>, header: BatchHeader): void {
    this.#undecided.get(header.producerId)?.rollBackTo(offset(from), offset(header.lastOffset + 1));
  }

  #commit(undecided: Undecided, marker: Offset, at: Timestamp): void {
    const { producer, run, first, neededFrom: from } = undecided;
    if (run === null || this.#host === null || !undecided.isFolded(this.layouts)) {
      invariant(undecided.isReady(this.layouts), 'a transaction commits once it is folded, or can be');
      this.#decided = [...this.#decided, { producer, from: first, marker }];
      undecided.release();
      for (const each of undecided.batches) this.#applyEvents(each.batch, each.header, at);
      return;
    }
    const replayFrom = offset(Math.min(this.replayFrom, first));
    const cut = run.files.isEmpty ? null : this.#cutAt(replayFrom);
    this.#decided = [...this.#decided, { producer, from, marker }];
    for (const event of run.objectEvents) this.layouts.fold(event);
    run.trees.stamp(at);
    this.#host.commit({ run, timestamp: at, cut, layouts: () => this.layouts.toJson() });
  }

  /** `host`: null where a transaction that begins here is not folded before its end. */
  #remember(batch: UndecidedBatch, host: RunHost | null): void {
    const { producerId: producer, baseOffset } = batch.header;
    if (!this.#isWanted(producer, baseOffset)) return;
    let undecided = this.#undecided.get(producer);
    if (undecided === undefined) {
      undecided = new Undecided(producer, baseOffset, host?.begin(this.layouts) ?? null);
      this.#undecided.set(producer, undecided);
    }
    undecided.add(batch, this.layouts);
    const { run, batchBytes, end } = undecided;
    if (run === null && this.#host !== null && batchBytes > this.#host.batchBytesMax) undecided.forget(end);
  }

  #isWanted(producer: number, at: Offset): boolean {
    if (this.#wanted === null) return true;
    return this.#wanted.some((each) => each.producer === producer && each.from <= at && at < each.marker);
  }

  /** What lies below it can no longer be truncated. */
  settle(highWatermark: Offset): void {
    this.layouts.settle(highWatermark);
    if (this.#ended.length > 0) this.#ended = this.#ended.filter(({ marker }) => marker >= highWatermark);
  }

  /** Forgets what was applied from `to` on; `applied` is where the fold then stands. */
  truncateTo(to: Offset, applied: Applied): void {
    this.layouts.truncateTo(to);
    for (const { marker, undecided } of this.#ended) {
      if (marker < to) continue;
      undecided.release();
      this.#undecided.set(undecided.producer, undecided);
    }
    this.#ended = this.#ended.filter(({ marker }) => marker < to);
    this.#decided = this.#decided.filter(({ marker }) => marker < to);
    for (const undecided of this.#undecided.values()) {
      if (!undecided.truncate(to)) this.#undecided.delete(undecided.producer);
    }
    this.#applied = applied;
  }
}

export function controlOf(batch: Uint8Array, header: BatchHeader): ControlRecord {
  const records = new RecordReader(batch, header);
  records.next();
  return decodeControl(records);
}
