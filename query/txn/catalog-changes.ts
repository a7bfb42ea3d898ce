import { invariant } from '../../base/unreachable.ts';
import { objectsLayout } from '../../log/events/system.ts';
import { primaryKeyTextOf } from '../../materializers/rows/key.ts';
import type { CatalogChange } from '../catalog/definition.ts';
import { applyChanges, toRow } from '../catalog/snapshot.ts';
import { wellKnown } from '../catalog/well-known.ts';
import type { Transaction } from './transaction.ts';

/** With each change the setting `alopex.next_id` is written: its version tells which catalog a moment had. */
export function changeCatalog(transaction: Transaction, changes: readonly CatalogChange[]): void {
  invariant(transaction.catalog !== null, 'the catalog is changed under its lock');
  const marker = transaction.catalog.byId(wellKnown.nextIdSetting);
  invariant(marker !== undefined, 'the catalog has its next id');
  const isMarked = changes.some(({ object }) => object.id === marker.id);
  for (const change of isMarked ? changes : [...changes, { kind: 'put', object: marker } as const]) {
    const row = toRow(change.object);
    const key = primaryKeyTextOf(objectsLayout, row);
    const existing = transaction.catalog.byId(change.object.id);
    const before = existing === undefined ? null : toRow(existing);
    transaction.pending.put(
      objectsLayout,
      key,
      change.kind === 'put' ? row : null,
      before,
      transaction.command,
    );
    transaction.catalog = applyChanges(transaction.catalog, [change]);
  }
}
