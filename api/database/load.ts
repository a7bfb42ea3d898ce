import { sequencesLayout } from '../../log/events/system.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import type { CatalogSnapshot } from '../../query/catalog/definition.ts';
import { readCatalog } from './catalog-history.ts';
import type { Sequences } from './sequences.ts';
import { tableRows } from './table-rows.ts';

/** The catalog as the rows of `alopex.objects` say. */
export async function loadCatalog(rows: Rows): Promise<CatalogSnapshot> {
  return readCatalog(rows.reader, rows.applied.timestamp);
}

export async function loadSequences(rows: Rows, sequences: Sequences): Promise<void> {
  const view = { at: rows.applied.timestamp, pending: null };
  for await (const batch of tableRows(rows.reader, sequencesLayout, view)) {
    for (const [id, last, isCalled] of batch) {
      sequences.load(id as number, last as number | bigint, isCalled as boolean);
    }
  }
}
