import { invariant } from '../../../base/unreachable.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { type KeyedChange, standaloneEvaluator } from '../../../query/exec/keyed-change.ts';
import type { RowInsert } from '../../../query/exec/row-insert.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
import type { Transaction } from '../../../query/txn/transaction.ts';
import { TableWriter } from '../../../query/txn/writer.ts';
import type { EngineSession } from '../session.ts';
import type { Prepared } from './prepare.ts';

type Row = readonly Datum[];

/** The command tag. A promise where something must be waited for. */
type Tag = string | Promise<string>;

/** An INSERT of one row, without operators. */
export function insertRow(
  session: EngineSession,
  prepared: Prepared,
  insert: RowInsert,
  parameters: readonly Datum[],
): Tag {
  return writing(session, prepared, insert.table.id, parameters, (transaction) => {
    const writer = writerOf(session, transaction);
    const written = writer.insert(insert.table, insert.row(session.functions, parameters));
    return written instanceof Promise ? written.then(() => 'INSERT 0 1') : 'INSERT 0 1';
  });
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
    const waited = transactions.spillWhereDue(transaction) ?? run.slice();
    if (waited !== null) await waited;
    run.checkCancelled();
  }
  session.endRun(run);
  return count;
}

/** Rows between two looks at the clock, and at what the transaction holds in memory. */
const rowsPerLook = 256;

/** An UPDATE or DELETE of the row of a key, without operators. */
export function changeRow(
  session: EngineSession,
  prepared: Prepared,
  { modification, find }: KeyedChange,
  parameters: readonly Datum[],
): Tag {
  const command = modification.kind === 'update' ? 'UPDATE' : 'DELETE';
  const tagOf = (changed: Row | null): string => (changed === null ? `${command} 0` : `${command} 1`);
  return writing(session, prepared, modification.table.id, parameters, (transaction) => {
    const { transactions } = session.engine;
    const change = writerOf(session, transaction).change(
      modification,
      standaloneEvaluator(session.functions, parameters),
    );
    const found = find(transactions.reader(transaction), transactions.view(transaction), parameters);
    const changed =
      found instanceof Promise
        ? found.then((row) => (row === null ? null : change(row.values)))
        : found === null
          ? null
          : change(found.values);
    return changed instanceof Promise ? changed.then(tagOf) : tagOf(changed);
  });
}

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

/** A statement that writes to one table: its run, and the table's lock. */
function writing(
  session: EngineSession,
  prepared: Prepared,
  table: number,
  parameters: readonly Datum[],
  write: (transaction: Transaction) => Tag,
): Tag {
  const { transactions } = session.engine;
  const run = session.beginRun(prepared.statement);
  const { transaction } = run;
  const end = (tag: string): Tag => {
    const spilled = transactions.spillWhereDue(transaction);
    if (spilled !== null) {
      return spilled.then(() => {
        session.endRun(run);
        return tag;
      });
    }
    session.endRun(run);
    return tag;
  };
  const locked = transactions.locks.lock(transaction, tableLockKey(table), 'row exclusive');
  if (locked !== null) {
    // Who waits for a table finds it changed, perhaps.
    return locked.then(async () => {
      session.endRun(run);
      const portal = await session.bind(prepared, parameters);
      invariant(portal.kind === 'command', 'a statement that returns no rows is done once it is bound');
      return portal.tag;
    });
  }
  const tag = write(transaction);
  return tag instanceof Promise ? tag.then(end) : end(tag);
}
