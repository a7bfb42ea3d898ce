import { equalBytes } from '../../../base/bytes/compare.ts';
import type { AlopexError } from '../../../base/errors.ts';
import { datumAt } from '../../../base/values/column.ts';
import type { IndexLayout } from '../../../log/events/layout.ts';
import { batchesOf } from '../../../materializers/rows/batches.ts';
import { decodeKey, primaryKeyOfEntry } from '../../../materializers/rows/key.ts';
import type { RelationDefinition } from '../../../query/catalog/definition.ts';
import type { EngineSession } from '../session.ts';
import type { StatementRun } from '../statement-run.ts';
import { duplicateKey } from './duplicate-key.ts';

/** 23505 where two committed rows have the same key: entries of the same columns stand side by side. */
export async function requireUniqueEntries(
  session: EngineSession,
  run: StatementRun,
  table: RelationDefinition,
  index: IndexLayout,
): Promise<void> {
  const { rows, transactions } = session.engine;
  const scan = rows.indexEntries(table.layout, index.id, transactions.visible);
  let previous: Uint8Array | null = null;
  for await (const batch of batchesOf(scan)) {
    const count = batch.selection?.length ?? batch.rowCount;
    for (let place = 0; place < count; place++) {
      const entry = datumAt(batch.columns[0]!, batch.selection?.[place] ?? place) as Uint8Array;
      const key = primaryKeyOfEntry(index, entry);
      const columns = entry.subarray(0, entry.length - key.length);
      if (previous !== null && equalBytes(previous, columns) && collides(index, columns)) {
        throw await duplicate(session, table, index, key);
      }
      previous = columns;
    }
    run.checkCancelled();
    const slice = run.slice();
    if (slice !== null) await slice;
  }
}

function collides(index: IndexLayout, columns: Uint8Array): boolean {
  return !index.nullsDistinct || !decodeKey(index.columns, columns).includes(null);
}

async function duplicate(
  session: EngineSession,
  table: RelationDefinition,
  index: IndexLayout,
  key: Uint8Array,
): Promise<AlopexError> {
  const { reader, transactions } = session.engine;
  const { layout } = table;
  const view = { at: transactions.visible, pending: null };
  const columns = layout.columns.map(({ id }) => id);
  const found = await reader.get(layout, key, view, columns);
  return duplicateKey(session, table, index, found?.values ?? columns.map(() => null));
}
