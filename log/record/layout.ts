import type { Compression } from './record.ts';

/** Where the fields of a Kafka record batch v2 stand; docs/formats/record-batch.md has a worked example. */
export const field = {
  baseOffset: 0,
  /** Bytes after this field. */
  length: 8,
  epoch: 12,
  magic: 16,
  crc: 17,
  /** The CRC covers everything from here on. */
  attributes: 21,
  lastOffsetDelta: 23,
  baseTimestamp: 27,
  maxTimestamp: 35,
  producerId: 43,
  producerEpoch: 51,
  baseSequence: 53,
  recordCount: 57,
} as const;

export const headerBytes = 61;
/** What the length field does not count: the base offset and itself. */
export const lengthFieldEnd = 12;
export const magic = 2;

/** The largest batch that is written or read: a damaged length field cannot ask for more. */
export const batchBytesMax = 64 * 1024 * 1024;

export const attribute = { compression: 7, logAppendTime: 8, transactional: 16, control: 32 } as const;

/** By the code in the attributes. */
export const compressions: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];
