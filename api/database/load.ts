import { indexId } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { objectsLayout, sequencesLayout } from '../../log/events/system.ts';
import type { Rows } from '../../materializers/rows/fold.ts';
import type { CatalogSnapshot } from '../../query/catalog/definition.ts';
import { fromRows } from '../../query/catalog/snapshot.ts';
import { rowsOf } from '../../query/exec/rows.ts';
import type { Sequences } from './sequences.ts';

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
  const scan = rows.reader.scan({
    layout,
    index: indexId(0),
    ranges: [{ from: null, to: null }],
    reverse: false,
    view: { at: rows.applied.timestamp, pending: null },
    columns: layout.columns.map((column) => column.id),
    zones: [],
    rowsWanted: null,
  });
  const all: (readonly Datum[])[] = [];
  for (;;) {
    const batch = scan.next();
    if (batch instanceof Promise) await batch;
    else if (batch === null) return all;
    else for (const row of rowsOf(batch)) all.push(row);
  }
}
