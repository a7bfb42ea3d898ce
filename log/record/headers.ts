import { ByteReader } from '../../base/bytes/reader.ts';
import { utf8Length } from '../../base/bytes/utf8.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import type { RecordHeader } from './record.ts';

/** A record's headers as they stand in it: their count, then each. What a builder takes without looking inside. */
export type HeadersBlock = Uint8Array;

/** Headers of one record; Kafka has no limit of its own. */
export const headersMax = 10_000;

export const noHeaders: HeadersBlock = Uint8Array.of(0);

export function encodeHeaders(headers: readonly RecordHeader[]): HeadersBlock {
  const writer = new ByteWriter(64);
  writer.varint(headers.length);
  for (const { key, value } of headers) {
    writer.varint(utf8Length(key));
    writer.utf8(key);
    if (value === null) writer.varint(-1);
    else {
      writer.varint(value.length);
      writer.raw(value);
    }
  }
  return writer.toBytes();
}

/** Values are views. Throws ByteReaderError. */
export function decodeHeaders(block: HeadersBlock): readonly RecordHeader[] {
  const reader = new ByteReader(block);
  const count = reader.varint();
  const headers: RecordHeader[] = [];
  for (let index = 0; index < count; index++) {
    const key = reader.utf8(reader.varint());
    const length = reader.varint();
    headers.push({ key, value: length < 0 ? null : reader.raw(length) });
  }
  return headers;
}
