import { concatBytes } from '../../base/bytes/compare.ts';

/** Chunks that are smaller on average are copied together: one write of many pieces costs more than the copy. */
const copiedBytesMax = 16 * 1024;

/** Batches as few chunks to write. Those that one builder made one after the other already are one piece of memory. */
export function writableChunks(batches: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  const chunks: Uint8Array[] = [];
  let last: Uint8Array | undefined;
  let end = 0;
  for (const batch of batches) {
    if (last !== undefined && batch.buffer === last.buffer && batch.byteOffset === end) {
      end += batch.byteLength;
      continue;
    }
    if (last !== undefined) chunks.push(spanning(last, end));
    last = batch;
    end = batch.byteOffset + batch.byteLength;
  }
  if (last !== undefined) chunks.push(spanning(last, end));
  return chunks.length > 1 && bytes / chunks.length < copiedBytesMax ? [concatBytes(chunks)] : chunks;
}

function spanning(first: Uint8Array, end: number): Uint8Array {
  return new Uint8Array(first.buffer, first.byteOffset, end - first.byteOffset);
}
