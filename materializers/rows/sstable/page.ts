import { crc32c } from '../../../base/bytes/crc32c.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { corrupted } from '../../../base/errors.ts';
import type { PageAddress } from './format.ts';

/** A codec for pages, injected: zstd where the host has it. Synchronous; pages are small. */
export type Compression = {
  /** Recorded in the file; a reader looks it up by this. */
  readonly name: string;
  compress(bytes: Uint8Array): Uint8Array;
  /** Throws where the bytes are not what `compress` gave, or are not of this length. */
  decompress(bytes: Uint8Array, length: number): Uint8Array;
};

/** CRC-32C (4), codec (1: 0 = none, 1 = the file's compression), length before compression (4). */
const envelopeLength = 9;

/** Covers the file's number and the page's position, so that a misdirected read or write is noticed. */
function checksum(fileNumber: number, position: number, sealed: Uint8Array): number {
  const place = new ByteWriter(16);
  place.int64(fileNumber);
  place.int64(position);
  return crc32c(sealed.subarray(4), crc32c(place.view()));
}

/** Compresses where that saves an eighth, and adds the envelope. */
export function sealPage(
  fileNumber: number,
  position: number,
  payload: Uint8Array,
  compression: Compression | null,
): Uint8Array {
  const compressed = compression !== null && payload.length >= 64 ? compression.compress(payload) : payload;
  const pays = compressed.length < payload.length - (payload.length >> 3);
  const stored = pays ? compressed : payload;
  const sealed = new Uint8Array(envelopeLength + stored.length);
  const view = new DataView(sealed.buffer);
  view.setUint8(4, pays ? 1 : 0);
  view.setUint32(5, payload.length);
  sealed.set(stored, envelopeLength);
  view.setUint32(0, checksum(fileNumber, position, sealed));
  return sealed;
}

export type PageContext = {
  /** For messages. */
  readonly file: string;
  readonly fileNumber: number;
  readonly compression: Compression | null;
};

/** Throws data_corrupted where the bytes are not those that were written there: length, place and checksum. */
export function checkPage(
  { file, fileNumber }: PageContext,
  { position, length }: PageAddress,
  sealed: Uint8Array,
): void {
  if (sealed.length !== length || sealed.length < envelopeLength) {
    throw corrupted(file, position, `a page of ${length} bytes ends after ${sealed.length}`);
  }
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  if (view.getUint32(0) !== checksum(fileNumber, position, sealed)) {
    throw corrupted(file, position, 'checksum mismatch');
  }
}

/** The payload, in memory of its own: what is decoded from it may keep views. */
export function openPage(context: PageContext, address: PageAddress, sealed: Uint8Array): Uint8Array {
  const fail = (problem: string) => corrupted(context.file, address.position, problem);
  checkPage(context, address, sealed);
  const view = new DataView(sealed.buffer, sealed.byteOffset, sealed.byteLength);
  const codec = view.getUint8(4);
  const length = view.getUint32(5);
  const stored = sealed.subarray(envelopeLength);
  if (codec === 0 && stored.length === length) return new Uint8Array(stored);
  if (codec !== 1 || context.compression === null) throw fail(`unknown page codec ${codec}`);
  const payload = decompress(context.compression, stored, length, fail);
  return new Uint8Array(payload.buffer, payload.byteOffset, payload.byteLength);
}

function decompress(
  compression: Compression,
  stored: Uint8Array,
  length: number,
  fail: (problem: string) => Error,
): Uint8Array {
  let payload: Uint8Array;
  try {
    payload = compression.decompress(stored, length);
  } catch (error) {
    throw fail(`${compression.name} cannot read a page: ${error instanceof Error ? error.message : error}`);
  }
  if (payload.length !== length)
    throw fail(`a page of ${length} bytes decompresses to ${payload.length} bytes`);
  return payload;
}
