import { crc32c } from '../../base/bytes/crc32c.ts';
import { type Epoch, epoch, type Offset, offset } from '../../base/ids.ts';
import { BatchError } from './batch-error.ts';
import {
  attribute,
  batchBytesMax,
  compressions,
  field,
  headerBytes,
  lengthFieldEnd,
  magic,
} from './layout.ts';
import type { BatchHeader, Compression } from './record.ts';

/**
 * Bytes of the batch that starts at `start`, or null where fewer than 12 bytes are there to say so. Checks the
 * length alone.
 */
export function batchSize(bytes: Uint8Array, start = 0): number | null {
  if (bytes.length - start < lengthFieldEnd) return null;
  const size = int32At(bytes, start + field.length) + lengthFieldEnd;
  if (size < headerBytes || size > batchBytesMax) {
    throw new BatchError(field.length, `a batch of ${size} bytes`);
  }
  return size;
}

/** The header, checked in itself; the CRC is `verifyBatch`'s. Throws BatchError. */
export function decodeHeader(bytes: Uint8Array, start = 0): BatchHeader {
  const sizeBytes = batchSize(bytes, start);
  if (sizeBytes === null || bytes.length - start < headerBytes) {
    throw new BatchError(0, `a batch header of ${bytes.length - start} bytes`);
  }
  if (bytes[start + field.magic] !== magic) {
    throw new BatchError(field.magic, `record batch version ${bytes[start + field.magic]}, not ${magic}`);
  }
  const baseOffset = wholeAt(bytes, start, field.baseOffset, 'base offset');
  const epochValue = int32At(bytes, start + field.epoch);
  if (epochValue < 0) throw new BatchError(field.epoch, `epoch ${epochValue}`);
  const attributes = (bytes[start + field.attributes]! << 8) | bytes[start + field.attributes + 1]!;
  const lastOffsetDelta = int32At(bytes, start + field.lastOffsetDelta);
  const recordCount = int32At(bytes, start + field.recordCount);
  if (recordCount < 1) throw new BatchError(field.recordCount, `${recordCount} records`);
  if (lastOffsetDelta !== recordCount - 1) {
    throw new BatchError(
      field.lastOffsetDelta,
      `last offset delta ${lastOffsetDelta} for ${recordCount} records`,
    );
  }
  if (!Number.isSafeInteger(baseOffset + recordCount)) {
    throw new BatchError(field.baseOffset, `base offset ${baseOffset}`);
  }
  return {
    baseOffset: offset(baseOffset),
    lastOffset: offset(baseOffset + lastOffsetDelta),
    epoch: epoch(epochValue),
    compression: compressionOf(attributes),
    isTransactional: (attributes & attribute.transactional) !== 0,
    isControl: (attributes & attribute.control) !== 0,
    baseTimestampMs: safeAt(bytes, start, field.baseTimestamp, 'base timestamp'),
    maxTimestampMs: safeAt(bytes, start, field.maxTimestamp, 'maximum timestamp'),
    producerId: safeAt(bytes, start, field.producerId, 'producer id'),
    producerEpoch:
      ((bytes[start + field.producerEpoch]! << 24) >> 16) | bytes[start + field.producerEpoch + 1]!,
    baseSequence: int32At(bytes, start + field.baseSequence),
    recordCount,
    sizeBytes,
  };
}

/** The header of a batch that is whole and unharmed: the CRC holds. Throws BatchError. */
export function verifyBatch(bytes: Uint8Array, start = 0): BatchHeader {
  const header = decodeHeader(bytes, start);
  if (bytes.length - start < header.sizeBytes) {
    throw new BatchError(0, `${bytes.length - start} bytes of a batch of ${header.sizeBytes}`);
  }
  const stored = int32At(bytes, start + field.crc) >>> 0;
  const actual = crc32c(bytes.subarray(start + field.attributes, start + header.sizeBytes));
  if (stored !== actual) {
    throw new BatchError(
      field.crc,
      `CRC-32C is ${hexadecimal(actual)}, the batch says ${hexadecimal(stored)}`,
    );
  }
  return header;
}

/** Gives a batch its place in a log. The CRC does not cover these fields, so it stays. */
export function placeBatch(batch: Uint8Array, baseOffset: Offset, epochOfLeader: Epoch): void {
  const view = new DataView(batch.buffer, batch.byteOffset, batch.byteLength);
  view.setUint32(field.baseOffset, Math.floor(baseOffset / 4_294_967_296));
  view.setUint32(field.baseOffset + 4, baseOffset % 4_294_967_296);
  view.setInt32(field.epoch, epochOfLeader);
}

export function isLogAppendTime(batch: Uint8Array, start = 0): boolean {
  return (batch[start + field.attributes + 1]! & attribute.logAppendTime) !== 0;
}

function compressionOf(attributes: number): Compression {
  const code = attributes & attribute.compression;
  const compression = compressions[code];
  if (compression === undefined) throw new BatchError(field.attributes, `compression ${code}`);
  return compression;
}

function int32At(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

/** Of 64 bits, as a safe integer. By hand: a header is read for every commit, and a DataView is an allocation. */
function safeAt(bytes: Uint8Array, start: number, at: number, name: string): number {
  const value = int32At(bytes, start + at) * 4_294_967_296 + (int32At(bytes, start + at + 4) >>> 0);
  if (!Number.isSafeInteger(value)) throw new BatchError(at, `${name} ${value}`);
  return value;
}

function wholeAt(bytes: Uint8Array, start: number, at: number, name: string): number {
  const value = safeAt(bytes, start, at, name);
  if (value < 0) throw new BatchError(at, `${name} ${value}`);
  return value;
}

function hexadecimal(value: number): string {
  return value.toString(16).padStart(8, '0');
}
