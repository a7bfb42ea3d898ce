import { type IndexId, indexId, type Timestamp } from '../../base/ids.ts';
import type { DroppedIndex, Manifest } from '../manifest/manifest.ts';
import type { LiveFile } from './files.ts';
import type { Layouts } from './layouts.ts';

const primary = indexId(0);

/**
 * Indexes that files have entries of, and their tables no more: dropped, or never finished. Compactions leave them out
 * once no moment that can be read has them. `layouts` are those at `at`, which will not be truncated; `isNew` says of
 * an index that a transaction is about to make it known.
 */
export function droppedIndexes(
  manifest: Manifest,
  files: readonly LiveFile[],
  layouts: Layouts,
  isNew: (index: IndexId) => boolean,
  at: Timestamp,
): Pick<Manifest, 'droppedIndexes'> {
  const dropped = new Map<IndexId, DroppedIndex>();
  for (const { storage, index } of files.flatMap(({ sstable }) => sstable.sections)) {
    if (index === primary || dropped.has(index) || isNew(index)) continue;
    const layout = layouts.tables.get(storage);
    if (layout === undefined || layout.indexes.some(({ id }) => id === index)) continue;
    const known = manifest.droppedIndexes?.find((each) => each.index === index && each.storage === storage);
    dropped.set(index, known ?? { storage, index, since: at });
  }
  return dropped.size === 0 ? {} : { droppedIndexes: [...dropped.values()] };
}
