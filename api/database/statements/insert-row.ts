import type { Datum } from '../../../base/values/datum.ts';
import type { RowInsert } from '../../../query/exec/row-insert.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
import type { Transaction } from '../../../query/txn/transaction.ts';
import { TableWriter } from '../../../query/txn/writer.ts';
import type { EngineSession } from '../session.ts';
import type { Prepared } from './prepare.ts';

/** An INSERT of one row, without operators. A promise where something must be waited for. */
export function insertRow(
  session: EngineSession,
  prepared: Prepared,
  insert: RowInsert,
  parameters: readonly Datum[],
): unknown {
  const { transactions } = session.engine;
  const run = session.beginRun(prepared.statement);
  const { transaction } = run;
  const locked = transactions.locks.lock(transaction, tableLockKey(insert.table.id), 'row exclusive');
  if (locked !== null) {
    // Who waits for a table finds it changed, perhaps.
    return locked.then(() => {
      session.endRun(run);
      return session.bind(prepared, parameters);
    });
  }
  const written = writerOf(session, transaction).insert(
    insert.table,
    insert.row(session.functions, parameters),
  );
  if (written instanceof Promise) return written.then(() => session.endRun(run));
  session.endRun(run);
  return written;
}

/** As one statement, a row for each of the parameters. How many; null, with nothing done, where its plan may not hold. */
export async function insertRows(
  session: EngineSession,
  prepared: Prepared,
  insert: RowInsert,
  next: () => readonly Datum[] | null,
): Promise<number | null> {
  const { transactions } = session.engine;
  const run = session.beginRun(prepared.statement);
  const { transaction } = run;
  const locked = transactions.locks.lock(transaction, tableLockKey(insert.table.id), 'row exclusive');
  if (locked !== null) {
    await locked;
    session.endRun(run);
    return null;
  }
  const writer = writerOf(session, transaction);
  let count = 0;
  for (let parameters = next(); parameters !== null; parameters = next()) {
    const written = writer.insert(insert.table, insert.row(session.functions, parameters));
    if (written instanceof Promise) await written;
    if (++count % rowsPerLook !== 0) continue;
    run.checkCancelled();
    const waited = transactions.spillWhereDue(transaction) ?? run.slice();
    if (waited !== null) await waited;
  }
  session.endRun(run);
  return count;
}

/** Rows between two looks at the clock, and at what the transaction holds in memory. */
const rowsPerLook = 256;

function writerOf(session: EngineSession, transaction: Transaction): TableWriter {
  const { transactions } = session.engine;
  return new TableWriter(
    transactions,
    transaction,
    transactions.reader(transaction),
    transactions.snapshot(transaction),
    session.functions,
  );
}
