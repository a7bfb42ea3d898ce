import { indexId, offset, timestamp } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import { datumAt } from '../../base/values/column.ts';
import { tableLayoutFromJson } from '../../log/events/layout-json.ts';
import { objectsLayout } from '../../log/events/system.ts';
import { batchesOf } from './batches.ts';
import type { LiveFiles } from './files.ts';
import { Layouts } from './layouts.ts';
import { RowStore } from './store.ts';

/** Layouts as the catalog's rows in the files say, and those of storages that were dropped. */
export async function storedLayouts(files: LiveFiles): Promise<Layouts> {
  const layouts = new Layouts();
  const store = new RowStore({ layers: [], files });
  const scan = store.scan({
    layout: objectsLayout,
    index: indexId(0),
    ranges: [{ from: null, to: null }],
    reverse: false,
    view: { at: timestamp(Number.MAX_SAFE_INTEGER), pending: null },
    columns: objectsLayout.columns.map(({ id }) => id),
    zones: [],
    rowsWanted: null,
  });
  for await (const batch of batchesOf(scan)) {
    const count = batch.selection?.length ?? batch.rowCount;
    for (let place = 0; place < count; place++) {
      const row = batch.selection === null ? place : batch.selection[place]!;
      layouts.foldRow(
        batch.columns.map((column) => datumAt(column, row)),
        offset(0),
      );
    }
  }
  for (const { layout } of files.manifest.dropped) {
    if (layout !== null) layouts.restore(tableLayoutFromJson(layout));
  }
  invariant(layouts.tables.size > 0, 'the system tables have layouts');
  return layouts;
}
