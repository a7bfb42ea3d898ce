import { type Offset, offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { RowEvent } from '../../log/events/event.ts';
import { readEvents } from '../../log/events/row-event.ts';
import { objectsLayout } from '../../log/events/system.ts';
import type { BatchHeader } from '../../log/record/record.ts';
import { foldEvent } from './event-fold.ts';
import type { LiveFile } from './files.ts';
import type { Layouts } from './layouts.ts';
import { Trees } from './memtable.ts';
import type { SpilledRun } from './overlay.ts';
import type { PrivateFile, PrivateFiles } from './private-files.ts';
import { undecidedTimestamp } from './sstable/stamp.ts';
import type { Layer } from './store.ts';

export type UndecidedBatch = { readonly batch: Uint8Array; readonly header: BatchHeader };

/** Batches whose base offset lies in [from, to). */
export type BatchSpan = { readonly from: Offset; readonly to: Offset };

/** Rows on their way into a file: those of the batches in the span, but for what was rolled back meanwhile. */
export type Sealing = BatchSpan & { readonly trees: Trees; voidFrom: Offset | null };

/**
 * What an undecided transaction wrote, folded as its batches came, so that its commit is no long pause: in memory, and
 * what was too much for that in files. It is void where a table that it wrote to has been laid out anew since.
 */
export class UndecidedRun implements SpilledRun {
  readonly files: PrivateFiles;
  /** Why a file of it could not be written, until its transaction is told. */
  problem: unknown = null;
  #isGone = false;
  /** What is in no file yet. */
  #trees = new Trees();
  #sealing: Sealing | null = null;
  /** Of the batches in `#trees`. */
  #span: BatchSpan | null = null;
  #newest = Number.NEGATIVE_INFINITY;
  #end = offset(0);
  #layers: readonly Layer[] | null = null;
  /** The fold's layouts when it began. */
  #base: Layouts;
  /** The fold's layouts, of `#layoutsVersion`, and the transaction's own changes of them. */
  #layouts: Layouts;
  #layoutsVersion: number;
  #objectEvents: RowEvent[] = [];

  constructor(layouts: Layouts, files: PrivateFiles) {
    this.files = files;
    this.#base = layouts.fork();
    this.#layouts = layouts.fork();
    this.#layoutsVersion = layouts.version;
  }

  get trees(): Trees {
    return this.#trees;
  }
  get sealing(): Sealing | null {
    return this.#sealing;
  }
  get newest(): number {
    return this.#newest;
  }
  get end(): Offset {
    return this.#end;
  }
  get isGone(): boolean {
    return this.#isGone;
  }
  get objectEvents(): readonly RowEvent[] {
    return this.#objectEvents;
  }

  /** Newest first. */
  get layers(): readonly Layer[] {
    this.#layers ??= [
      this.#trees,
      ...(this.#sealing === null ? [] : [this.#sealing.trees]),
      ...(this.files.set === null ? [] : [this.files.set]),
    ];
    return this.#layers;
  }

  /** `layouts`: the fold's. Others may have made tables since its last batch, which this one writes to. */
  layoutsFor(layouts: Layouts): Layouts {
    if (this.#layoutsVersion !== layouts.version) {
      this.#layoutsVersion = layouts.version;
      this.#layouts = this.layoutsAt(layouts, null);
    }
    return this.#layouts;
  }

  /** A copy with the transaction's own changes, those of batches below `limit` (null: all). */
  layoutsAt(layouts: Layouts, limit: Offset | null): Layouts {
    const own = layouts.fork();
    for (const event of this.#objectEvents) if (limit === null || event.offset < limit) own.fold(event);
    return own;
  }

  fold({ batch, header }: UndecidedBatch, fold: Layouts): void {
    const layouts = this.layoutsFor(fold);
    const { baseOffset } = header;
    this.#newest = undecidedTimestamp(baseOffset);
    this.#end = offset(header.lastOffset + 1);
    this.#span = { from: this.#span?.from ?? baseOffset, to: this.#end };
    for (const event of readEvents(batch, header)) {
      foldEvent(event, this.#newest as typeof event.timestamp, layouts, this.#trees);
      if (layouts.schema(event.schema).storage === objectsLayout.storage) this.#objectEvents.push(event);
    }
  }

  /** Whether every table that it wrote to is laid out as when it began. */
  isValid(layouts: Layouts): boolean {
    const storages = new Set(this.files.set?.sections().map(({ storage }) => storage));
    for (const trees of [this.#trees, this.#sealing?.trees]) {
      for (const { storage } of trees?.all() ?? []) storages.add(storage);
    }
    return [...storages].every((storage) => this.#base.tables.get(storage) === layouts.tables.get(storage));
  }

  // ---- files

  /** What is in memory goes into a file from now on. Null where there is nothing. */
  beginSealing(): Sealing | null {
    invariant(this.#sealing === null, 'rows are sealed one file after the other');
    if (this.#span === null) return null;
    this.#sealing = { ...this.#span, trees: this.#trees, voidFrom: null };
    this.#trees = new Trees();
    this.#span = null;
    this.#layers = null;
    return this.#sealing;
  }

  /** Its rows are in a file from now on, where any are left of them. */
  endSealing(sealing: Sealing, file: LiveFile | null): void {
    invariant(this.#sealing === sealing, 'what is sealed stays the same meanwhile');
    this.#sealing = null;
    this.#layers = null;
    const { from, to, voidFrom } = sealing;
    if (file !== null) this.files.add({ from, to, voidFrom: null, tier: 0, file });
    if (voidFrom !== null) this.files.rollBackTo(voidFrom);
  }

  addFile(span: BatchSpan, file: LiveFile): void {
    this.files.add({ ...span, voidFrom: null, tier: 0, file });
    this.#layers = null;
  }

  /** As `PrivateFiles.merge`. */
  mergeFiles(files: readonly PrivateFile[], file: LiveFile): boolean {
    this.#layers = null;
    return this.files.merge(files, file);
  }

  noteObjectEvents(events: readonly RowEvent[]): void {
    this.#objectEvents.push(...events);
    this.#layoutsVersion = -1;
  }

  // ---- what is taken back

  /** Batches from `from` on are no more. */
  rollBackTo(from: Offset): void {
    const at = undecidedTimestamp(from);
    this.#trees.truncate(at - 1);
    if (this.#span !== null && this.#span.from >= from) this.#span = null;
    if (this.#sealing !== null) {
      this.#sealing.trees.truncate(at - 1);
      this.#sealing.voidFrom = offset(Math.min(from, this.#sealing.voidFrom ?? from));
    }
    this.files.rollBackTo(from);
    this.#objectEvents = this.#objectEvents.filter((event) => event.offset < from);
    this.#layoutsVersion = -1;
    this.#layers = null;
  }

  /** Nothing is folded any more, and everything comes again, with these layouts. */
  reset(layouts: Layouts): void {
    this.release();
    this.#isGone = false;
    this.#base = layouts.fork();
    this.#layouts = layouts.fork();
    this.#layoutsVersion = layouts.version;
    this.#objectEvents = [];
  }

  release(): void {
    this.#isGone = true;
    this.#trees = new Trees();
    this.#sealing = null;
    this.#span = null;
    this.#layers = null;
    this.files.release();
  }
}

/**
 * A transaction of several batches that has not ended.
 *
 * Invariant: each of its batches that was not rolled back is in `batches` or in a file of `run`, or, where it is not
 * whole, in the log alone.
 */
export class Undecided {
  readonly producer: number;
  /** Where its first batch is. */
  readonly first: Offset;
  run: UndecidedRun | null;
  #end: Offset;
  #batches: UndecidedBatch[] = [];
  #batchBytes = 0;
  #isWhole = true;
  #voids: readonly BatchSpan[] = [];

  constructor(producer: number, first: Offset, run: UndecidedRun | null) {
    this.producer = producer;
    this.first = first;
    this.run = run;
    this.#end = first;
  }

  /** After its last batch. */
  get end(): Offset {
    return this.#end;
  }
  /** Spans of what was rolled back. */
  get voids(): readonly BatchSpan[] {
    return this.#voids;
  }
  /** Those that are in memory. */
  get batches(): readonly UndecidedBatch[] {
    return this.#batches;
  }
  get batchBytes(): number {
    return this.#batchBytes;
  }

  /** The first batch that a fold of its commit has to read. */
  get neededFrom(): Offset {
    return this.run === null || this.run.files.isEmpty ? this.first : this.run.files.end;
  }

  /** `fold`: the layouts of the fold. */
  add(batch: UndecidedBatch, fold: Layouts): void {
    this.#end = offset(batch.header.lastOffset + 1);
    if (this.#isWhole || this.run !== null) {
      this.#batches.push(batch);
      this.#batchBytes += batch.batch.length;
    }
    this.run?.fold(batch, fold);
  }

  /** Whether its commit can be applied: what it wrote is here, as these layouts have it. */
  isReady(layouts: Layouts): boolean {
    return this.isFolded(layouts) || this.#isWhole;
  }

  isFolded(layouts: Layouts): boolean {
    return this.run !== null && this.run.sealing === null && this.run.isValid(layouts);
  }

  /** Rows of batches below `to` are in files: the log has them, if they are asked for again. */
  forget(to: Offset): void {
    this.#batches = this.#batches.filter(({ header }) => header.baseOffset >= to);
    this.#batchBytes = this.#batches.reduce((bytes, { batch }) => bytes + batch.length, 0);
    this.#isWhole = false;
  }

  /** A savepoint was gone back to: batches in [from, to) are no more. */
  rollBackTo(from: Offset, to: Offset): void {
    this.#voids = [...this.#voids, { from, to }];
    this.#batches = this.#batches.filter(({ header }) => header.baseOffset < from);
    this.#end = to;
    this.run?.rollBackTo(from);
  }

  /** The log lost what lies from `to` on. False: that was all. */
  truncate(to: Offset): boolean {
    if (to <= this.first) {
      this.release();
      return false;
    }
    if (to < this.#end) {
      const hadFiles = this.run !== null && !(this.run.files.isEmpty && this.run.sealing === null);
      this.release();
      if (hadFiles) this.forget(this.#end);
      this.#batches = this.#batches.filter(({ header }) => header.baseOffset < to);
      this.#voids = this.#voids.filter((span) => span.to <= to);
      this.#end = to;
    }
    return true;
  }

  /** It is folded no more, but for its batches. */
  release(): void {
    this.run?.release();
    this.run = null;
  }
}
