import { AlopexError } from '../../base/errors.ts';
import { type Epoch, type Offset, offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { BatchHeader } from '../record/record.ts';
import type { SegmentName } from './name.ts';

/** Batches that are written and flushed together, into one segment. */
export type Flush = {
  readonly segment: SegmentName;
  /** The segment is still to be made. */
  readonly startsSegment: boolean;
  /** Byte of the segment where they begin. */
  readonly position: number;
  readonly baseOffset: Offset;
  endOffset: Offset;
  bytes: number;
  readonly batches: Uint8Array[];
  readonly headers: BatchHeader[];
  /** Settles when the flush is over: one promise for all who wait. */
  readonly settled: PromiseWithResolvers<void>;
};

export type QueueLimits = {
  readonly segmentBytesMax: number;
  /** A flush that has so many bytes takes no more batches. */
  readonly flushBytesMax: number;
  readonly unflushedBytesMax: number;
};

/**
 * What is appended and not yet flushed: where each batch will stand. Pure: `SegmentLog` does the writing.
 *
 * Invariants:
 * - Flushes are contiguous, in the order of the log; the first one may be under way.
 * - A flush under way never changes.
 */
export class FlushQueue {
  readonly #limits: QueueLimits;
  /** A segment that is not full ends all the same. */
  readonly #endsEarly: () => boolean;
  #flushes: Flush[] = [];
  #isFirstUnderWay = false;
  #bytes = 0;
  /** Where the next batch goes: the last segment, as it will be when all is flushed. */
  #tail: SegmentName;
  #tailBytes: number;
  #endOffset: Offset;

  constructor(
    limits: QueueLimits,
    tail: SegmentName,
    tailBytes: number,
    endOffset: Offset,
    endsEarly: () => boolean,
  ) {
    this.#limits = limits;
    this.#endsEarly = endsEarly;
    this.#tail = tail;
    this.#tailBytes = tailBytes;
    this.#endOffset = endOffset;
  }

  get endOffset(): Offset {
    return this.#endOffset;
  }
  get bytes(): number {
    return this.#bytes;
  }
  get isEmpty(): boolean {
    return this.#flushes.length === 0;
  }

  add(batch: Uint8Array, header: BatchHeader): void {
    if (this.#bytes > 0 && this.#bytes + batch.length > this.#limits.unflushedBytesMax) {
      throw new AlopexError('insufficient_resources', 'too many bytes wait for the disk', {
        detail: `${this.#bytes} bytes of the log are not flushed, and the limit is ${this.#limits.unflushedBytesMax}.`,
      });
    }
    const flush = this.#flushFor(header.epoch, batch.length);
    flush.batches.push(batch);
    flush.headers.push(header);
    flush.bytes += batch.length;
    this.#tailBytes += batch.length;
    this.#bytes += batch.length;
    this.#endOffset = offset(header.lastOffset + 1);
    flush.endOffset = this.#endOffset;
  }

  /** The next to write, from now on under way. */
  begin(): Flush | null {
    this.#isFirstUnderWay = this.#flushes.length > 0;
    return this.#flushes[0] ?? null;
  }

  /** The flush under way is done. */
  complete(): Flush {
    const flush = this.#flushes.shift();
    invariant(flush !== undefined && this.#isFirstUnderWay, 'a flush is under way');
    this.#isFirstUnderWay = false;
    this.#bytes -= flush.bytes;
    return flush;
  }

  /** Drops everything that waits; the next batch stands at the end of what is flushed. */
  clear(tail: SegmentName, tailBytes: number, endOffset: Offset): readonly Flush[] {
    const dropped = this.#flushes;
    this.#flushes = [];
    this.#isFirstUnderWay = false;
    this.#bytes = 0;
    this.#tail = tail;
    this.#tailBytes = tailBytes;
    this.#endOffset = endOffset;
    return dropped;
  }

  /** The flush after which everything below an offset is flushed. */
  covering(end: Offset): Flush | undefined {
    return this.#flushes.find((flush) => flush.endOffset >= end);
  }

  #flushFor(epoch: Epoch, bytes: number): Flush {
    const isFull =
      this.#tailBytes > 0 && (this.#tailBytes + bytes > this.#limits.segmentBytesMax || this.#endsEarly());
    const startsSegment = isFull || this.#tail.epoch !== epoch;
    if (startsSegment) {
      this.#tail = { base: this.#endOffset, epoch };
      this.#tailBytes = 0;
    }
    const last = this.#flushes.at(-1);
    const isOpen = last !== undefined && !(this.#isFirstUnderWay && this.#flushes.length === 1);
    if (isOpen && !startsSegment && last.bytes + bytes <= this.#limits.flushBytesMax) return last;
    const flush: Flush = {
      segment: this.#tail,
      startsSegment,
      position: this.#tailBytes,
      baseOffset: this.#endOffset,
      endOffset: this.#endOffset,
      bytes: 0,
      batches: [],
      headers: [],
      settled: Promise.withResolvers<void>(),
    };
    // Nobody has to wait for a flush.
    flush.settled.promise.catch(() => undefined);
    this.#flushes.push(flush);
    return flush;
  }
}
