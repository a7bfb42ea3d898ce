// Whole: by name, an older Node would refuse to load the module before it can be told of its age.
import zlib from 'node:zlib';
import type { Compression } from '../rows/sstable/page.ts';

/** Level 1: a table of mixed columns is 2.3 times smaller with it, and higher levels gain little (docs/formats/sstable.md). */
const parameters = { params: { [zlib.constants.ZSTD_c_compressionLevel]: 1 } };
/** Room beyond the content: with none, Node grows its buffer once more, at twice the time. */
const spareBytes = 64;

/** Zstandard, as Node has it built in. */
export const zstd: Compression = {
  name: 'zstd',
  compress: (bytes) => zlib.zstdCompressSync(bytes, parameters),
  decompress: (bytes, length) =>
    zlib.zstdDecompressSync(bytes, { chunkSize: length + spareBytes, maxOutputLength: length + spareBytes }),
};
