import type { StorageId, Timestamp } from '../../base/ids.ts';
import { type JsonObject, tableLayoutToJson } from '../../log/events/layout-json.ts';
import { objectsLayout } from '../../log/events/system.ts';
import type { Manifest } from '../manifest/manifest.ts';
import type { WrittenFile } from '../worker/sstable-file.ts';
import { droppedIndexes } from './dropped-indexes.ts';
import type { LiveFiles } from './files.ts';
import type { IndexFiles } from './index-build.ts';
import { Layouts } from './layouts.ts';
import type { Cut } from './log-fold.ts';

/** A commit whose files no manifest names yet: they lie above `cut`. */
export type Joined = { readonly cut: Cut; readonly files: LiveFiles; readonly layouts: JsonObject };

type Flush = {
  readonly cut: Cut;
  /** Whose files lie between those of the manifest and what was flushed. */
  readonly below: Joined | null;
  /** What was flushed, where there was something. */
  readonly file: WrittenFile | null;
};

/** The manifest after a flush of what lay between the files and a cut. `layouts`: those of now. */
export function afterFlush(
  files: LiveFiles,
  { cut, below, file }: Flush,
  layouts: Layouts,
  { isNew }: Pick<IndexFiles, 'isNew'>,
): Manifest {
  const { droppedIndexes: _, ...manifest } = files.manifest;
  const { applied, replayFrom } = cut;
  const added = below === null ? [] : below.files.files.map(({ record }) => record);
  const flushed = file === null ? [] : [{ ...file, level: 0, order: applied.offset }];
  const layoutsThen = Layouts.fromJson(cut.layouts);
  return {
    ...manifest,
    applied: applied.offset,
    timestamp: applied.timestamp,
    replayFrom,
    files: [...manifest.files, ...added, ...flushed],
    ...histories(files, layouts, applied.timestamp),
    ...droppedIndexes(files.manifest, files.files, layoutsThen, isNew, applied.timestamp),
  };
}

/**
 * What readers of the past ask for: which storages were dropped, and which versions are gone. A dropped storage
 * is forgotten once its rows are, and so is the catalog that named it. `files` are those of the manifest, `layouts` those
 * of now.
 */
function histories(
  files: LiveFiles,
  layouts: Layouts,
  at: Timestamp,
): Pick<Manifest, 'dropped' | 'horizons'> {
  const { manifest } = files;
  const stored = new Set(files.sections().map(({ storage }) => storage));
  const catalogHorizon = files.horizon(objectsLayout.storage);
  const forgotten = new Set<number>();
  const dropped = manifest.dropped.filter(({ storage, since }) => {
    const isKept = since >= catalogHorizon || stored.has(storage as StorageId);
    if (!isKept) forgotten.add(storage);
    return isKept;
  });
  const known = new Set(dropped.map(({ storage }) => storage));
  for (const storage of stored) {
    if (layouts.isCurrent(storage) || known.has(storage)) continue;
    const layout = layouts.tables.get(storage);
    dropped.push({ storage, since: at, layout: layout === undefined ? null : tableLayoutToJson(layout) });
  }
  return { dropped, horizons: manifest.horizons.filter(([storage]) => !forgotten.has(storage)) };
}
