import { indexId } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { batchesOf } from '../../materializers/rows/batches.ts';
import type { ReadView, RowReader } from '../../materializers/rows/contract.ts';
import { rowsOf } from '../../query/exec/rows.ts';

/** All rows of a layout in a view, a batch at a time; each in the order of `layout.columns`. */
export async function* tableRows(
  reader: RowReader,
  layout: TableLayout,
  view: ReadView,
): AsyncIterable<readonly (readonly Datum[])[]> {
  const scan = reader.scan({
    layout,
    index: indexId(0),
    ranges: [{ from: null, to: null }],
    reverse: false,
    view,
    columns: layout.columns.map((column) => column.id),
    zones: [],
    rowsWanted: null,
  });
  for await (const batch of batchesOf(scan)) yield rowsOf(batch);
}
