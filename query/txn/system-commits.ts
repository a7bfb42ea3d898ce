import type { Datum } from '../../base/values/datum.ts';
import { narrow } from '../../base/values/numeric.ts';
import type { TableLayout } from '../../log/events/layout.ts';
import { objectsLayout, sequencesLayout } from '../../log/events/system.ts';
import { primaryKeyTextOf } from '../../materializers/rows/key.ts';
import { toRow } from '../catalog/snapshot.ts';
import type { Transaction } from './transaction.ts';
import type { Transactions } from './transactions.ts';

/** A sequence's bound, in the log before any commit that uses its numbers. Resolves when it is durable. */
export function writeSequence(
  transactions: Transactions,
  id: number,
  last: bigint,
  isCalled: boolean,
): Promise<void> {
  const transaction = transactions.begin('read committed', false);
  put(transaction, sequencesLayout, [id, narrow(last), isCalled]);
  return transactions.commit(transaction);
}

/** The first commit of a database: the catalog that it begins with. One batch: a log has it, or is empty. */
export function writeCatalog(transactions: Transactions): Promise<void> {
  const transaction = transactions.begin('read committed', false);
  for (const object of transactions.catalog.all()) put(transaction, objectsLayout, toRow(object));
  return transactions.commit(transaction);
}

function put(transaction: Transaction, layout: TableLayout, row: readonly Datum[]): void {
  transaction.pending.put(layout, primaryKeyTextOf(layout, row), row, null, transaction.command);
}
