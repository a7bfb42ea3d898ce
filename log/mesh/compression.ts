import { zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { AlopexError } from '../../base/errors.ts';

/** Of one chunk, at once. */
export type Compression = {
  compress(bytes: Uint8Array): Uint8Array;
  /** Throws data_corrupted for what is no such compression, or of more than `bytesMax`. */
  decompress(bytes: Uint8Array, bytesMax: number): Uint8Array;
};

export const zstdCompression: Compression = {
  compress: (bytes) => bytesOf(zstdCompressSync(bytes)),
  decompress: (bytes, bytesMax) => {
    try {
      return bytesOf(zstdDecompressSync(bytes, { maxOutputLength: bytesMax }));
    } catch (thrown) {
      throw new AlopexError('data_corrupted', 'a chunk of another node could not be decompressed', {
        cause: thrown,
      });
    }
  },
};

/** A Buffer is slower to take parts of, and is not what others expect. */
function bytesOf({ buffer, byteOffset, byteLength }: Buffer): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
