import type { Epoch, Offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { EntryPlace, Membership, RaftOptions } from './contract.ts';
import { EpochHistory } from './epochs.ts';
import { MembershipHistory } from './memberships.ts';

/**
 * What consensus has to know of this node's log: its places, and no bytes.
 *
 * Invariants:
 * - startOffset <= highWatermark <= flushedOffset <= endOffset.
 * - The high watermark never goes back, and nothing below it is ever cut (§3.6.3, state machine safety).
 */
export class LogView {
  startOffset: Offset;
  /** Of what is appended, durable or not. */
  endOffset: Offset;
  flushedOffset: Offset;
  highWatermark: Offset;
  epochs: EpochHistory;
  memberships: MembershipHistory;

  constructor(options: RaftOptions) {
    const { startOffset, endOffset, highWatermark } = options;
    invariant(
      startOffset <= highWatermark && highWatermark <= endOffset,
      'the log covers its high watermark',
    );
    this.startOffset = startOffset;
    this.endOffset = endOffset;
    this.flushedOffset = endOffset;
    this.highWatermark = highWatermark;
    this.epochs = new EpochHistory(startOffset, options.startEpoch, options.epochs);
    this.memberships = new MembershipHistory(startOffset, options.memberships);
  }

  append(entry: EntryPlace): void {
    invariant(
      entry.baseOffset === this.endOffset && entry.endOffset > entry.baseOffset,
      `a batch [${entry.baseOffset}, ${entry.endOffset}) does not continue a log that ends at ${this.endOffset}`,
    );
    this.epochs.append(entry.epoch, entry.baseOffset);
    this.endOffset = entry.endOffset;
    if (entry.membership !== null) this.memberships.append(entry.endOffset, entry.membership);
  }

  /** Whether a batch that ends there, of that epoch, is in this log: then it is the same, and so is all before it. */
  has(entry: EntryPlace): boolean {
    return entry.endOffset <= this.endOffset && this.epochs.epochAt(entry.endOffset) === entry.epoch;
  }

  /** Whether this log is that of a leader up to `place`, where the batch that ends there has this epoch. */
  matches(place: Offset, epoch: Epoch): boolean {
    if (place <= this.highWatermark) return true;
    return place <= this.endOffset && this.epochs.epochAt(place) === epoch;
  }

  truncate(end: Offset): void {
    invariant(
      end >= this.highWatermark,
      `a log is never cut at ${end}, below its high watermark ${this.highWatermark}`,
    );
    this.endOffset = end;
    if (this.flushedOffset > end) this.flushedOffset = end;
    this.epochs.truncate(end);
    this.memberships.truncate(end);
  }

  /** A report of what has been cut meanwhile says nothing. */
  flush(end: Offset): void {
    const flushed = end < this.endOffset ? end : this.endOffset;
    if (flushed > this.flushedOffset) this.flushedOffset = flushed;
  }

  /** Returns whether it moved. */
  commit(end: Offset): boolean {
    invariant(end <= this.flushedOffset, `what is committed is durable here: ${end} > ${this.flushedOffset}`);
    if (end <= this.highWatermark) return false;
    this.highWatermark = end;
    return true;
  }

  trim(startOffset: Offset): void {
    invariant(startOffset <= this.highWatermark, 'only what is committed is trimmed');
    if (startOffset <= this.startOffset) return;
    this.epochs.trim(startOffset);
    this.memberships.trim(startOffset);
    this.startOffset = startOffset;
  }

  /** The log begins and ends at a snapshot. */
  restore(place: Offset, epoch: Epoch, membership: Membership): void {
    invariant(!this.matches(place, epoch), 'a log that goes past a snapshot is not replaced by it');
    this.epochs = new EpochHistory(place, epoch, []);
    this.memberships = new MembershipHistory(place, [{ endOffset: place, membership }]);
    this.startOffset = place;
    this.endOffset = place;
    this.flushedOffset = place;
    this.highWatermark = place;
  }

  /** §3.6.1: whether a log that ends so has all that this one has. */
  isCoveredBy(lastEpoch: Epoch, endOffset: Offset): boolean {
    const last = this.epochs.last;
    return lastEpoch > last || (lastEpoch === last && endOffset >= this.endOffset);
  }
}
