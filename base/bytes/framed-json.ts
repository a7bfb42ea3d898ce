import { AlopexError, corrupted } from '../errors.ts';
import { crc32c } from './crc32c.ts';
import { ByteReader } from './reader.ts';
import { stringToUtf8, utf8ToString } from './utf8.ts';
import { ByteWriter } from './writer.ts';

/**
 * A small file whose content is JSON: eight letters, format version, length of the JSON that follows, CRC-32C of those two
 * and of it; big-endian.
 */
export type FramedFormat = { readonly magic: string; readonly version: number; readonly what: string };

const magicBytes = 8;
const headerBytes = 20;

export function encodeFramedJson({ magic, version }: FramedFormat, value: unknown): Uint8Array {
  const body = stringToUtf8(JSON.stringify(value));
  const writer = new ByteWriter(headerBytes + body.length);
  writer.utf8(magic);
  writer.uint32(version);
  writer.uint32(body.length);
  writer.uint32(checksumOf(writer.view().subarray(magicBytes), body));
  writer.raw(body);
  return writer.toBytes();
}

/**
 * Throws data_corrupted, or feature_not_supported for a newer version, naming the file. The version is looked at before
 * the checksum: a newer version may have another one.
 */
export function decodeFramedJson(format: FramedFormat, bytes: Uint8Array, path: string): unknown {
  if (bytes.length < headerBytes) throw corrupted(path, bytes.length, 'it ends within its header');
  const reader = new ByteReader(bytes);
  if (reader.utf8(magicBytes) !== format.magic) throw corrupted(path, 0, `it is no ${format.what}`);
  const version = reader.uint32();
  if (version > format.version) {
    throw new AlopexError(
      'feature_not_supported',
      `${path} has format version ${version}; this program reads up to version ${format.version}`,
    );
  }
  const length = reader.uint32();
  const checksum = reader.uint32();
  const body = bytes.subarray(headerBytes);
  if (body.length !== length || checksumOf(bytes.subarray(magicBytes, headerBytes - 4), body) !== checksum)
    throw corrupted(path, headerBytes, 'checksum mismatch');
  return JSON.parse(utf8ToString(body));
}

function checksumOf(versionAndLength: Uint8Array, body: Uint8Array): number {
  return crc32c(body, crc32c(versionAndLength));
}
