import { sequencesLayout } from '../../log/events/system.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import type { CatalogSnapshot } from '../../query/catalog/definition.ts';
import { applyChanges } from '../../query/catalog/snapshot.ts';
import { nextIdSettingName, wellKnown } from '../../query/catalog/well-known.ts';
import { readCatalog } from './catalog-history.ts';
import type { Sequences } from './sequences.ts';
import { tableRows } from './table-rows.ts';

/**
 * The catalog as the rows of `alopex.objects` say. Files may have entries of an index whose transaction never committed:
 * its id is not given again.
 */
export async function loadCatalog(rows: Rows): Promise<CatalogSnapshot> {
  const catalog = await readCatalog(rows.reader, rows.committed.timestamp);
  const nextId = rows.indexFiles.newest + 1;
  if (nextId <= catalog.nextId) return catalog;
  const id = wellKnown.nextIdSetting;
  const object = { kind: 'setting', id, name: nextIdSettingName, value: String(nextId) } as const;
  return applyChanges(catalog, [{ kind: 'put', object }]);
}

export async function loadSequences(rows: Rows, sequences: Sequences): Promise<void> {
  const view = { at: rows.committed.timestamp, pending: null };
  for await (const batch of tableRows(rows.reader, sequencesLayout, view)) {
    for (const [id, last, isCalled] of batch) {
      sequences.load(id as number, last as number | bigint, isCalled as boolean);
    }
  }
}
