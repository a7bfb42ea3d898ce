import type { Disk } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { Epoch, Offset } from '../../base/ids.ts';
import { offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { Log, LogListener, LogReplication } from '../log.ts';
import { decodeHeader } from '../record/header.ts';
import type { BatchHeader } from '../record/record.ts';
import { writableChunks } from './chunks.ts';
import { Committed, committedAt } from './committed.ts';
import { type Flush, FlushQueue } from './flush-queue.ts';
import { Gathering } from './gathering.ts';
import { type Mark, markedTransactionsMax } from './mark.ts';
import { MarkKeeper } from './mark-keeper.ts';
import type { SegmentName } from './name.ts';
import { defaultLimits, type LogLimits, type LogOptions } from './options.ts';
import { type Cut, markAt, type Recovered, recoverLog } from './recover.ts';
import {
  type ActiveSegment,
  createSegment,
  isDiskFull,
  removeIndex,
  removeSegment,
  writeIndex,
} from './segment.ts';
import { SegmentReads } from './segment-reads.ts';
import type { SealedSegment, SparseIndex } from './sparse-index.ts';
import { planTruncation, type Truncation } from './truncate.ts';
import { Undecided } from './undecided.ts';
import { Waits } from './waits.ts';

/** What the log in segment files does beyond `Log`. */
export type SegmentedLog = Log & {
  /** The torn tail that was cut at opening. */
  readonly cut: Cut | null;
  /** Durable here; what is committed is at most that. */
  readonly flushedOffset: Offset;
  /** Where each segment begins, and its epoch. */
  readonly segments: readonly SegmentName[];
  /** From now on other nodes have the log too: what is committed is what `advance` says. */
  replicate(by: LogReplication): void;
  /** Bytes that are not committed. */
  readonly uncommittedBytes: number;
  /** Nobody says any more what is committed: whoever waits for it is told so. */
  detach(): void;
  /** What lies below is committed: a boundary of batches, flushed here. False: it was known. */
  advance(highWatermark: Offset): boolean;
  /** As `read`, of all that is flushed. */
  readFlushed(from: Offset, bytesMax: number): Promise<readonly Uint8Array[]>;
  /** Later batches have this epoch, and stand in segments of their own. */
  startEpoch(epoch: Epoch): void;
  /**
   * Drops everything from `end`, a boundary of batches, on: what a new leader's log does not have. The epoch is that of the
   * batch before. Nothing may be appended meanwhile. Not replicated, it may lower the high watermark: what was folded from there has to be folded
   * again. Not below the high watermark of an earlier `trim`, which relied on the transactions that were decided there.
   */
  truncate(end: Offset): Promise<void>;
  /** Bytes from an offset to the end, more by at most an index interval, or by a segment where it is not the last. */
  bytesAfter(from: Offset): number;
  /** Where the segments begin that have at most the last so many bytes together, or the last segment. */
  startOfLast(bytes: number): Offset;
  /** The batch that holds an offset, which is below the high watermark. */
  batchAt(wanted: Offset): Promise<Uint8Array>;
  /** The base offset of the first batch with a record at a time or after it; the high watermark where none is. */
  offsetAtTime(timeMs: number): Promise<Offset>;
};

/** Recovers the log of a directory, or makes one. Errors: `recoverLog`'s. */
export async function openLog(options: LogOptions): Promise<SegmentedLog> {
  const { disk, directory, replication } = options;
  const recovered = await recoverLog(disk, directory);
  if (replication === undefined) return new SegmentLog(options, recovered, null);
  const { by, highWatermark } = replication;
  const { sealed, active } = recovered;
  const start = (sealed[0] ?? active).base;
  const known = offset(Math.max(start, Math.min(highWatermark, active.endOffset)));
  const committed = await committedAt(disk, directory, recovered, known);
  return new SegmentLog(options, recovered, { by, committed });
}

/** Who says what is committed, and what that is. */
type Replicated = { readonly by: LogReplication; readonly committed: Committed };

type State =
  | { readonly kind: 'open' }
  | { readonly kind: 'truncating' }
  | { readonly kind: 'poisoned'; readonly error: AlopexError }
  | { readonly kind: 'closed' };

const flushed = Promise.resolve();

/**
 * Invariants, besides those of `Log`:
 * - What is flushed is in #sealed and #active, and what is not is in #queue; they meet at `flushedOffset`, which is the
 *   high watermark where the log is not replicated.
 * - One flush is under way at a time, and one write of the mark.
 */
class SegmentLog implements SegmentedLog {
  readonly directory: string;
  readonly cut: Cut | null;
  readonly #disk: Disk;
  readonly #limits: LogLimits;
  readonly #listener: LogListener | null;
  readonly #queue: FlushQueue;
  readonly #gathering: Gathering;
  readonly #marks: MarkKeeper;
  readonly #waits: Waits;
  /** For commits that other nodes are to have: they fail where what they wait for is lost. */
  readonly #commits: Waits;
  readonly #reads: SegmentReads;
  #sealed: readonly SealedSegment[];
  #active: ActiveSegment;
  /** Both, for readers. */
  #segments: readonly SegmentName[];
  /** At the end of what is flushed. */
  #undecided: Undecided;
  #flushedOffset: Offset;
  #replicated: Replicated | null;
  #isDetached = false;
  #epoch: Epoch;
  #state: State = { kind: 'open' };
  #flushing: Promise<void> | null = null;

  constructor(options: LogOptions, recovered: Recovered, replicated: Replicated | null) {
    this.directory = options.directory;
    this.cut = recovered.cut;
    this.#disk = options.disk;
    this.#limits = { ...defaultLimits, ...options.limits };
    this.#listener = options.listener ?? null;
    this.#sealed = recovered.sealed;
    this.#active = recovered.active;
    this.#segments = [...this.#sealed, this.#active];
    this.#undecided = recovered.undecided;
    this.#flushedOffset = this.#active.endOffset;
    this.#replicated = replicated;
    this.#epoch = this.#active.epoch;
    const { rarely = never } = options;
    const endsEarly = () => rarely('a segment ends early');
    this.#queue = new FlushQueue(
      this.#limits,
      this.#active,
      this.#active.sizeBytes,
      this.#flushedOffset,
      endsEarly,
    );
    this.#gathering = new Gathering(options.clock);
    this.#waits = new Waits(this.#limits.waitersMax);
    this.#commits = new Waits(this.#limits.waitersMax);
    this.#marks = new MarkKeeper(recovered.mark, options.clock, this.#limits, {
      mark: () => this.#mark(),
      markFailed: (error) => this.#poison(error),
    });
    this.#reads = new SegmentReads(options.disk, options.directory, this.#source());
  }

  get startOffset(): Offset {
    return (this.#sealed[0] ?? this.#active).base;
  }
  get segments(): readonly SegmentName[] {
    return this.#segments;
  }
  get uncommittedBytes(): number {
    return this.#queue.bytes + (this.#replicated?.committed.aboveBytes ?? 0);
  }
  get flushedOffset(): Offset {
    return this.#flushedOffset;
  }
  get highWatermark(): Offset {
    return this.#replicated?.committed.highWatermark ?? this.#flushedOffset;
  }
  get lastStableOffset(): Offset {
    return this.#replicated?.committed.lastStableOffset ?? this.#undecided.firstOffset ?? this.#flushedOffset;
  }
  get endOffset(): Offset {
    return this.#queue.endOffset;
  }
  get epoch(): Epoch {
    return this.#epoch;
  }

  append(batch: Uint8Array): BatchHeader {
    this.#assertOpen();
    const header = decodeHeader(batch);
    invariant(header.sizeBytes === batch.length, 'an append is one whole batch');
    invariant(header.baseOffset === this.endOffset, 'a batch is appended at the end');
    invariant(header.epoch === this.#epoch, "a batch has the log's epoch");
    this.#queue.add(batch, header);
    this.#replicated?.by.onAppended(batch, header);
    this.#flushing ??= this.#flushAll();
    return header;
  }

  committed(end: Offset): Promise<void> {
    if (end <= this.highWatermark) return flushed;
    if (this.#isDetached) return Promise.reject(closedError());
    if (this.#replicated !== null) return this.#reached(end, this.#commits);
    const flush = this.#queue.covering(end);
    return flush === undefined ? this.#reached(end) : flush.settled.promise;
  }

  waitPast(passed: Offset): Promise<void> {
    return passed < this.highWatermark ? flushed : this.#reached(offset(passed + 1));
  }

  read(from: Offset, bytesMax: number): Promise<readonly Uint8Array[]> {
    return this.#reads.read(from, this.highWatermark, bytesMax);
  }

  readFlushed(from: Offset, bytesMax: number): Promise<readonly Uint8Array[]> {
    return this.#reads.read(from, this.#flushedOffset, bytesMax);
  }

  replicate(by: LogReplication): void {
    invariant(this.#replicated === null, 'a log is replicated once');
    const undecided = new Undecided(this.#undecided.transactions);
    this.#replicated = { by, committed: new Committed(this.#flushedOffset, undecided) };
  }

  detach(): void {
    this.#isDetached = true;
    this.#commits.fail(closedError());
  }

  advance(highWatermark: Offset): boolean {
    invariant(this.#replicated !== null, 'a log that is not replicated is committed once it is flushed');
    const isNews = this.#replicated.committed.advance(highWatermark);
    if (isNews) this.#tellCommitted();
    return isNews;
  }

  async batchAt(wanted: Offset): Promise<Uint8Array> {
    const [batch] = await this.#reads.read(wanted, this.highWatermark, 1);
    if (batch === undefined) {
      throw new AlopexError('invalid_parameter_value', `offset ${wanted} is not in the log yet`, {
        detail: `The log ends at ${this.highWatermark}.`,
      });
    }
    return batch;
  }

  offsetAtTime(timeMs: number): Promise<Offset> {
    return this.#reads.offsetAtTime(timeMs, this.highWatermark);
  }

  bytesAfter(from: Offset): number {
    let bytes = this.#queue.bytes + this.#active.sizeBytes - (this.#active.index.floor(from)?.position ?? 0);
    for (let at = this.#sealed.length - 1; at >= 0 && this.#sealed[at]!.endOffset > from; at--) {
      bytes += this.#sealed[at]!.sizeBytes;
    }
    return bytes;
  }

  startOfLast(bytes: number): Offset {
    let [start, left] = [this.#active.base, bytes - this.#active.sizeBytes];
    for (const { base, sizeBytes } of this.#sealed.toReversed()) {
      left -= sizeBytes;
      if (left < 0) break;
      start = base;
    }
    return start;
  }

  startEpoch(epoch: Epoch): void {
    this.#assertOpen();
    invariant(epoch >= this.#epoch, 'epochs never decrease');
    this.#epoch = epoch;
  }

  async trim(wanted: Offset): Promise<void> {
    // It comes again with the next commits.
    if (this.#state.kind === 'truncating') return;
    this.#assertOpen();
    const end = Math.min(wanted, this.lastStableOffset);
    // The epoch of the last committed batch stays known: what follows may be truncated, and come again.
    const last = this.#replicated === null ? Number.POSITIVE_INFINITY : this.highWatermark;
    const kept = this.#sealed.findIndex(({ endOffset }) => endOffset > end || endOffset >= last);
    const count = kept < 0 ? this.#sealed.length : kept;
    if (count === 0 || this.#undecidedIsUnmarkable) return;
    const dropped = this.#sealed.slice(0, count);
    this.#setSegments(this.#sealed.slice(count), this.#active);
    // The mark first: a segment below its start is garbage, wherever the removals are interrupted.
    await this.#marks.write();
    for (const segment of dropped) await removeSegment(this.#disk, this.directory, segment);
    await this.#disk.syncDirectory(this.directory);
  }

  async truncate(end: Offset): Promise<void> {
    this.#assertOpen();
    while (this.#flushing !== null) await this.#flushing;
    this.#assertOpen();
    if (end > this.#flushedOffset || (end === this.#flushedOffset && !this.#endsEmpty)) return;
    this.#replicated?.committed.truncate(end);
    this.#state = { kind: 'truncating' };
    try {
      const plan = await planTruncation(this.#disk, this.directory, this.#sealed, this.#active, end);
      await this.#applyTruncation(plan).catch((thrown) => {
        throw this.#poison(thrown);
      });
    } finally {
      if (this.#state.kind === 'truncating') this.#state = { kind: 'open' };
    }
  }

  /** Of the last segment's epoch nothing came to be. */
  get #endsEmpty(): boolean {
    return this.#active.endOffset === this.#active.base && this.#sealed.length > 0;
  }

  async close(): Promise<void> {
    if (this.#state.kind === 'closed') return;
    const isSound = this.#state.kind === 'open';
    if (isSound) this.#state = { kind: 'closed' };
    while (this.#flushing !== null) await this.#flushing;
    this.#commits.fail(closedError());
    this.#waits.fail(closedError());
    await this.#reads.close();
    if (isSound) await this.#active.shrink();
    await this.#marks.close(isSound);
    await this.#active.file.close();
  }

  #reached(end: Offset, waits = this.#waits): Promise<void> {
    const { kind } = this.#state;
    if (this.#state.kind === 'poisoned') return Promise.reject(this.#state.error);
    return kind === 'closed' ? Promise.reject(closedError()) : waits.add(end);
  }

  #assertOpen(): void {
    if (this.#state.kind === 'poisoned') throw this.#state.error;
    if (this.#state.kind === 'closed') throw closedError();
    invariant(this.#state.kind === 'open', 'nothing is asked of a log while it is truncated');
  }

  async #flushAll(): Promise<void> {
    try {
      await this.#gathering.gather(() => this.endOffset);
      // What was appended during a flush has waited long enough: it is flushed while the others are answered.
      while (!this.#queue.isEmpty) {
        this.#replicated?.by.onFlushing();
        const flush = this.#queue.begin();
        if (flush !== null) await this.#flush(flush);
      }
    } catch (thrown) {
      this.#poison(thrown);
    } finally {
      this.#flushing = null;
    }
  }

  async #flush(flush: Flush): Promise<void> {
    try {
      if (flush.startsSegment) await this.#roll(flush.segment);
      await this.#active.write(
        flush.position,
        writableChunks(flush.batches, flush.bytes),
        flush.bytes,
        this.#limits.segmentBytesMax,
      );
    } catch (thrown) {
      if (!isDiskFull(thrown)) throw thrown;
      await this.#refuse(asAlopexError(thrown));
      return;
    }
    if (this.#state.kind !== 'poisoned') this.#commit(this.#queue.complete());
  }

  #commit(flush: Flush): void {
    for (const header of flush.headers) {
      this.#active.note(header);
      this.#undecided.observe(header);
    }
    this.#flushedOffset = flush.endOffset;
    this.#marks.flushed(flush.bytes);
    if (this.#replicated === null) this.#tellCommitted();
    else {
      this.#replicated.committed.flushed(flush.headers);
      this.#replicated.by.onFlushed(this.#flushedOffset);
    }
    flush.settled.resolve();
  }

  #tellCommitted(): void {
    const { highWatermark } = this;
    this.#listener?.onCommitted(highWatermark);
    this.#commits.reach(highWatermark);
    this.#waits.reach(highWatermark);
  }

  /**
   * The disk is full: everything that waits is dropped, in the order of the log, and the log goes on. Nobody is told
   * before the cut is durable: of what was written in part, whole batches could come back after a crash.
   */
  async #refuse(error: AlopexError): Promise<void> {
    await this.#active.cut();
    if (this.#state.kind === 'poisoned') return;
    // Of an epoch that only what is dropped was of, nothing came to be.
    this.#epoch = this.#active.epoch;
    this.#dropQueue(error, () => this.#listener?.onRefused(this.#flushedOffset, error));
    this.#commits.fail(error, this.#flushedOffset);
    this.#replicated?.by.onCut(this.#flushedOffset);
  }

  /** Nothing more is taken. Returns the error that says so. */
  #poison(thrown: unknown): AlopexError {
    if (this.#state.kind === 'poisoned') return this.#state.error;
    const error = asAlopexError(thrown);
    this.#state = { kind: 'poisoned', error };
    this.#marks.stop();
    this.#dropQueue(error, () => this.#listener?.onPoisoned(error));
    this.#commits.fail(error);
    this.#waits.fail(error);
    return error;
  }

  #dropQueue(error: AlopexError, tell: () => void): void {
    const dropped = this.#queue.clear(this.#active, this.#active.sizeBytes, this.#flushedOffset);
    tell();
    for (const flush of dropped) flush.settled.reject(error);
  }

  async #roll(name: SegmentName): Promise<void> {
    const previous = this.#active;
    await previous.shrink();
    const next = await createSegment(this.#disk, this.directory, name, this.#undecided.transactions);
    this.#setSegments([...this.#sealed, previous.sealed], next);
    await previous.file.close();
    await writeIndex(this.#disk, this.directory, previous, this.#undecided);
  }

  async #applyTruncation(plan: Truncation): Promise<void> {
    const before = this.#active;
    const end = plan.active.endOffset;
    this.#setSegments(plan.sealed, plan.active);
    this.#undecided = plan.undecided;
    this.#flushedOffset = end;
    this.#epoch = plan.active.epoch;
    this.#queue.clear(plan.active, plan.active.sizeBytes, end);
    this.#reads.forget();
    this.#commits.fail(lostError(end), end);
    // The mark first: what is above it may be cut.
    await this.#marks.write();
    if (before.file !== plan.active.file) await before.file.close();
    for (const segment of plan.dropped.toReversed()) await removeSegment(this.#disk, this.directory, segment);
    await removeIndex(this.#disk, this.directory, plan.active);
    await plan.active.cut();
    await this.#disk.syncDirectory(this.directory);
  }

  #setSegments(sealed: readonly SealedSegment[], active: ActiveSegment): void {
    this.#sealed = sealed;
    this.#active = active;
    this.#segments = [...sealed, active];
  }

  get #undecidedIsUnmarkable(): boolean {
    return this.#active.undecidedAtStart.length > markedTransactionsMax;
  }

  #mark(): Mark | null {
    return this.#undecidedIsUnmarkable ? null : markAt(this.#active, this.startOffset);
  }

  #source() {
    const log = this;
    return {
      get segments(): readonly SegmentName[] {
        return log.#segments;
      },
      indexOf(segment: SegmentName): SparseIndex | null {
        return segment.base === log.#active.base && segment.epoch === log.#active.epoch
          ? log.#active.index
          : null;
      },
      refresh: () => Promise.resolve(false),
    };
  }
}

const never = (): boolean => false;

function lostError(end: Offset): AlopexError {
  return new AlopexError('serialization_failure', `the log from offset ${end} on is another leader's now`);
}

function closedError(): AlopexError {
  return new AlopexError('admin_shutdown', 'the log is closed');
}
