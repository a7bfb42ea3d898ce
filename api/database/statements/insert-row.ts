import type { Datum } from '../../../base/values/datum.ts';
import type { RowInsert } from '../../../query/exec/row-insert.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
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
  const writer = new TableWriter(
    transactions,
    transaction,
    transactions.reader(transaction),
    transactions.snapshot(transaction),
    session.functions,
  );
  const written = writer.insert(insert.table, insert.row(session.functions, parameters));
  if (written instanceof Promise) return written.then(() => session.endRun(run));
  session.endRun(run);
  return written;
}
