import type { IndexId, StorageId } from '../../base/ids.ts';
import { Trees } from './memtable.ts';
import type { Layer } from './store.ts';

/** Of an index, or of the rows where that is 0: in files, and its share of what memory will bring into them. */
export function storedBytes(layers: readonly Layer[], storage: StorageId, index: IndexId): number {
  let bytes = 0;
  for (const layer of layers) {
    if (layer instanceof Trees) bytes += layer.contentBytes(storage, index);
    else for (const section of layer.runs(storage, index).flat()) bytes += section.byteLength;
  }
  return bytes;
}
