import type { Datum } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { objectsLayout, sequencesLayout } from '../../log/events/system.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import type { CatalogSnapshot } from '../../query/catalog/definition.ts';
import { fromRows } from '../../query/catalog/snapshot.ts';
import type { Sequences } from './sequences.ts';
import { tableRows } from './table-rows.ts';

/** The catalog as the rows of `alopex.objects` say. */
export async function loadCatalog(rows: Rows): Promise<CatalogSnapshot> {
  return fromRows(await allRows(rows, objectsLayout));
}

export async function loadSequences(rows: Rows, sequences: Sequences): Promise<void> {
  for (const [id, last, isCalled] of await allRows(rows, sequencesLayout)) {
    sequences.load(id as number, last as number | bigint, isCalled as boolean);
  }
}

async function allRows(rows: Rows, layout: TableLayout): Promise<readonly (readonly Datum[])[]> {
  const all: (readonly Datum[])[] = [];
  const view = { at: rows.applied.timestamp, pending: null };
  for await (const batch of tableRows(rows.reader, layout, view)) all.push(...batch);
  return all;
}
