import { crc32c } from '../../base/bytes/crc32c.ts';
import { ByteReader, ByteReaderError } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import type { Offset } from '../../base/ids.ts';
import { type Epoch, epoch, offset } from '../../base/ids.ts';
import type { BatchHeader } from '../record/record.ts';
import type { UndecidedTransaction } from './undecided.ts';

/** Bytes of a segment for each entry of its index. */
const indexIntervalBytes = 16 * 1024;

/** Where a batch begins: its base offset, and its byte in the segment. */
export type BatchPosition = { readonly offset: Offset; readonly position: number };

/**
 * Offsets and times of one segment: an entry for about every 16 KiB, at the start of a batch, with the newest
 * timestamp of the batches from there to the next entry.
 */
export class SparseIndex {
  readonly #offsets: Offset[] = [];
  readonly #positions: number[] = [];
  readonly #timesMaxMs: number[] = [];

  note(header: BatchHeader, position: number): void {
    const last = this.#positions.length - 1;
    if (last < 0 || position - this.#positions[last]! >= indexIntervalBytes) {
      this.add(header.baseOffset, position, header.maxTimestampMs);
    } else if (header.maxTimestampMs > this.#timesMaxMs[last]!) {
      this.#timesMaxMs[last] = header.maxTimestampMs;
    }
  }

  add(first: Offset, position: number, timeMaxMs: number): void {
    this.#offsets.push(first);
    this.#positions.push(position);
    this.#timesMaxMs.push(timeMaxMs);
  }

  /** The last entry at or before an offset; null before the first. */
  floor(wanted: Offset): BatchPosition | null {
    let low = 0;
    let high = this.#offsets.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#offsets[middle]! <= wanted) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? null : this.#entry(low - 1);
  }

  /** The first entry from which on a batch is at or after a time. */
  firstAtTime(timeMs: number): BatchPosition | null {
    const found = this.#timesMaxMs.findIndex((timeMaxMs) => timeMaxMs >= timeMs);
    return found < 0 ? null : this.#entry(found);
  }

  get timeMaxMs(): number {
    return this.#timesMaxMs.reduce((left, right) => Math.max(left, right), 0);
  }

  get size(): number {
    return this.#offsets.length;
  }

  *entries(): Generator<BatchPosition & { readonly timeMaxMs: number }> {
    for (let at = 0; at < this.size; at++) yield { ...this.#entry(at), timeMaxMs: this.#timesMaxMs[at]! };
  }

  #entry(at: number): BatchPosition {
    return { offset: this.#offsets[at]!, position: this.#positions[at]! };
  }
}

/** What is known of a segment to which nothing is appended any more. */
export type SealedSegment = {
  readonly base: Offset;
  readonly epoch: Epoch;
  readonly endOffset: Offset;
  readonly sizeBytes: number;
  readonly timeMaxMs: number;
};
export type SegmentIndex = {
  readonly segment: SealedSegment;
  /** At the segment's end. */
  readonly undecided: readonly UndecidedTransaction[];
  readonly index: SparseIndex;
};

const magic = 0x414c5849; // 'ALXI'
const version = 1;
/** Up to and with the header's own CRC. */
export const indexHeaderBytes = 60;
const headerCrcAt = 56;

/** docs/formats/segment.md */
export function encodeIndex({ segment, undecided, index }: SegmentIndex): Uint8Array {
  const body = new ByteWriter(index.size * 16 + undecided.length * 16);
  for (const [producerId, first] of undecided) {
    body.int64(producerId);
    body.int64(first);
  }
  for (const entry of index.entries()) {
    body.uint32(entry.offset - segment.base);
    body.uint32(entry.position);
    body.int64(entry.timeMaxMs);
  }
  const writer = new ByteWriter(indexHeaderBytes + body.length);
  writer.uint32(magic);
  writer.uint32(version);
  writer.int64(segment.base);
  writer.uint32(segment.epoch);
  writer.int64(segment.endOffset);
  writer.uint32(segment.sizeBytes);
  writer.int64(segment.timeMaxMs);
  writer.uint32(undecided.length);
  writer.uint32(index.size);
  writer.uint32(crc32c(body.view()));
  writer.uint32(0);
  writer.uint32(crc32c(writer.view()));
  writer.raw(body.view());
  return writer.toBytes();
}

export type IndexHeader = {
  readonly segment: SealedSegment;
  readonly undecidedCount: number;
  readonly entryCount: number;
  readonly bodyCrc: number;
};

/** Null where the bytes are not the index of this segment: it is made again from the segment. */
export function decodeIndexHeader(
  bytes: Uint8Array,
  name: { readonly base: Offset; readonly epoch: Epoch },
): IndexHeader | null {
  if (bytes.length < indexHeaderBytes) return null;
  const reader = new ByteReader(bytes);
  if (reader.uint32() !== magic || reader.uint32() !== version) return null;
  const base = Number(reader.int64());
  const epochOfSegment = reader.uint32();
  const endOffset = Number(reader.int64());
  const sizeBytes = reader.uint32();
  const timeMaxMs = Number(reader.int64());
  const undecidedCount = reader.uint32();
  const entryCount = reader.uint32();
  const bodyCrc = reader.uint32();
  reader.skip(4);
  if (reader.uint32() !== crc32c(bytes.subarray(0, headerCrcAt))) return null;
  if (base !== name.base || epochOfSegment !== name.epoch) return null;
  return {
    segment: {
      base: name.base,
      epoch: epoch(epochOfSegment),
      endOffset: offset(endOffset),
      sizeBytes,
      timeMaxMs,
    },
    undecidedCount,
    entryCount,
    bodyCrc,
  };
}

/** Null as with `decodeIndexHeader`. */
export function decodeIndex(
  bytes: Uint8Array,
  name: { readonly base: Offset; readonly epoch: Epoch },
): SegmentIndex | null {
  const header = decodeIndexHeader(bytes, name);
  const body = bytes.subarray(indexHeaderBytes);
  if (header === null || crc32c(body) !== header.bodyCrc) return null;
  try {
    const reader = new ByteReader(body);
    const undecided: UndecidedTransaction[] = [];
    for (let count = 0; count < header.undecidedCount; count++) {
      undecided.push([Number(reader.int64()), offset(Number(reader.int64()))]);
    }
    const index = new SparseIndex();
    for (let count = 0; count < header.entryCount; count++) {
      index.add(offset(name.base + reader.uint32()), reader.uint32(), Number(reader.int64()));
    }
    return { segment: header.segment, undecided, index };
  } catch (thrown) {
    if (thrown instanceof ByteReaderError) return null;
    throw thrown;
  }
}
