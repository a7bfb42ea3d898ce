import { ByteReader, ByteReaderError } from '../../base/bytes/reader.ts';
import { type Offset, offset } from '../../base/ids.ts';
import { BatchError } from './batch-error.ts';
import { isLogAppendTime, verifyBatch } from './header.ts';
import { decodeHeaders, type HeadersBlock, headersMax } from './headers.ts';
import { batchBytesMax, headerBytes } from './layout.ts';
import type { BatchHeader, Compression, LogRecord, RecordHeader } from './record.ts';

/** Gives the records of a compressed batch; throws where they are damaged or longer than `bytesMax`. */
export type Decompressor = (
  compression: Exclude<Compression, 'none'>,
  bytes: Uint8Array,
  bytesMax: number,
) => Uint8Array;

/**
 * Walks the records of one batch without an object for each. `next` moves to the next record; the fields are
 * that record's, views into the batch, until the next `next`. Checks each record's lengths and offset, and at
 * the end that nothing is left. Throws BatchError. The caller has verified the batch.
 */
export class RecordReader {
  readonly header: BatchHeader;
  key: Uint8Array | null = null;
  value: Uint8Array | null = null;
  timestampMs = 0;
  headers: HeadersBlock = new Uint8Array(0);
  readonly #reader: ByteReader;
  /** What a position of the reader is in the batch; null in a compressed one. */
  readonly #positions: 'of batch' | 'decompressed';
  readonly #timestampMs: number | null;
  readonly #start: number;
  #index = -1;

  constructor(batch: Uint8Array, header: BatchHeader, decompressor?: Decompressor) {
    this.header = header;
    this.#timestampMs = isLogAppendTime(batch) ? header.maxTimestampMs : null;
    if (header.compression === 'none') {
      this.#positions = 'of batch';
      this.#start = headerBytes;
      this.#reader = new ByteReader(batch, headerBytes, header.sizeBytes);
    } else {
      this.#positions = 'decompressed';
      this.#start = 0;
      this.#reader = new ByteReader(decompressRecords(batch, header, decompressor));
    }
  }

  get offset(): Offset {
    return offset(this.header.baseOffset + this.#index);
  }
  /** Of the record in the batch, starting at 0. */
  get index(): number {
    return this.#index;
  }

  next(): boolean {
    const at = this.#reader.position;
    try {
      if (this.#index + 1 === this.header.recordCount) {
        if (this.#reader.remaining > 0)
          throw this.#error(at, `${this.#reader.remaining} bytes after the last record`);
        return false;
      }
      this.#index++;
      this.#read(at);
      return true;
    } catch (thrown) {
      if (thrown instanceof ByteReaderError) throw this.#error(at, thrown.message);
      throw thrown;
    }
  }

  #read(at: number): void {
    const reader = this.#reader;
    const length = reader.varint();
    const end = reader.position + length;
    if (length < 0 || end > reader.end) throw this.#error(at, `a record of ${length} bytes`);
    reader.skip(1);
    const timestampDelta = reader.varlong();
    if (typeof timestampDelta === 'bigint') throw this.#error(at, `timestamp delta ${timestampDelta}`);
    this.timestampMs = this.#timestampMs ?? this.header.baseTimestampMs + timestampDelta;
    const offsetDelta = reader.varint();
    if (offsetDelta !== this.#index)
      throw this.#error(at, `offset delta ${offsetDelta} at record ${this.#index}`);
    const keyLength = reader.varint();
    this.key = keyLength < 0 ? null : reader.raw(keyLength);
    const valueLength = reader.varint();
    this.value = valueLength < 0 ? null : reader.raw(valueLength);
    const headersStart = reader.position;
    this.#skipHeaders(at);
    if (reader.position !== end) throw this.#error(at, `a record of ${length} bytes ends elsewhere`);
    this.headers = reader.bytes.subarray(headersStart, end);
  }

  #skipHeaders(at: number): void {
    const reader = this.#reader;
    const count = reader.varint();
    if (count < 0 || count > headersMax) throw this.#error(at, `${count} headers`);
    for (let index = 0; index < count; index++) {
      reader.skip(reader.varint());
      const valueLength = reader.varint();
      if (valueLength > 0) reader.skip(valueLength);
    }
  }

  #error(at: number, problem: string): BatchError {
    return this.#positions === 'of batch'
      ? new BatchError(at, problem)
      : new BatchError(this.#start, `${problem}, at byte ${at} of the decompressed records`);
  }
}

/** A verified batch as values. For what is not hot: `RecordReader` reads without allocating. Throws BatchError. */
export function decodeBatch(
  batch: Uint8Array,
  decompressor?: Decompressor,
): { readonly header: BatchHeader; readonly records: readonly LogRecord[] } {
  const header = verifyBatch(batch);
  if (batch.length !== header.sizeBytes) {
    throw new BatchError(header.sizeBytes, `${batch.length - header.sizeBytes} bytes after the batch`);
  }
  const reader = new RecordReader(batch, header, decompressor);
  const records: LogRecord[] = [];
  while (reader.next()) {
    records.push({
      offset: reader.offset,
      timestampMs: reader.timestampMs,
      key: reader.key,
      value: reader.value,
      headers: reader.headers[0] === 0 ? noRecordHeaders : decodeHeaders(reader.headers),
    });
  }
  return { header, records };
}

const noRecordHeaders: readonly RecordHeader[] = [];

function decompressRecords(
  batch: Uint8Array,
  header: BatchHeader,
  decompressor: Decompressor | undefined,
): Uint8Array {
  const { compression } = header;
  if (compression === 'none' || decompressor === undefined) {
    throw new BatchError(
      headerBytes,
      `records are compressed with ${compression}, which cannot be read here`,
    );
  }
  try {
    return decompressor(compression, batch.subarray(headerBytes, header.sizeBytes), batchBytesMax);
  } catch (thrown) {
    const problem = thrown instanceof Error ? thrown.message : String(thrown);
    throw new BatchError(headerBytes, `records do not decompress with ${compression}: ${problem}`);
  }
}
