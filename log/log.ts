import type { Epoch, Offset } from '../base/ids.ts';
import type { BatchHeader } from './record/record.ts';

/**
 * One range's log: record batches in segment files. One writer; any number of readers, in this process, in
 * workers and in other processes (`log/segment/reader.ts` reads the files alone).
 *
 * Invariants:
 * - startOffset <= lastStableOffset <= highWatermark <= endOffset.
 * - Offsets are contiguous; epochs never decrease.
 * - Bytes below highWatermark are durable (and, replicated, on a quorum) and never change.
 */
export type Log = {
  readonly directory: string;
  readonly startOffset: Offset;
  /** First offset not yet committed: flushed here, and on a quorum where there are replicas. */
  readonly highWatermark: Offset;
  /** First offset of the oldest undecided transaction, or the high watermark. */
  readonly lastStableOffset: Offset;
  /** The next record's offset. */
  readonly endOffset: Offset;
  readonly epoch: Epoch;
  /**
   * Takes a whole encoded batch whose base offset is `endOffset` and whose epoch is `epoch`, and schedules its
   * flush; appends that arrive during a flush share the next one. Synchronous: the batch has its place. Throws
   * insufficient_resources when the bytes above the high watermark reach their limit. Returns the batch's header.
   */
  append(batch: Uint8Array): BatchHeader;
  /** Resolves when the high watermark is at or past `offset`; rejects when the disk refused or failed. */
  committed(offset: Offset): Promise<void>;
  /** Whole batches from the one that holds `from`, at least one and at most about `bytesMax`, below the high watermark. */
  read(from: Offset, bytesMax: number): Promise<readonly Uint8Array[]>;
  /** Resolves when the high watermark passes `offset`. For tails. */
  waitPast(offset: Offset): Promise<void>;
  /** Drops whole segments that end at or below `offset`. */
  trim(offset: Offset): Promise<void>;
  close(): Promise<void>;
};

/** What the log tells the one above it. Each is called synchronously, in the order of the log. */
export type LogListener = {
  /** Flushed: readers may see everything below `highWatermark`, and it is acknowledged. */
  onCommitted(highWatermark: Offset): void;
  /** The disk is full: batches from `offset` on were not written, and are gone. The log takes appends again. */
  onRefused(offset: Offset, error: Error): void;
  /** fsync failed: what is durable is unknown. Nothing more is taken. */
  onPoisoned(error: Error): void;
};

/** Who takes a log to other nodes. Each is called synchronously, in the order of the log. */
export type LogReplication = {
  onAppended(batch: Uint8Array, header: BatchHeader): void;
  /** What was appended until now is about to be written: the moment to send it. */
  onFlushing(): void;
  /** Durable here. */
  onFlushed(endOffset: Offset): void;
  /** The disk is full: the log ends here again. */
  onCut(endOffset: Offset): void;
};
