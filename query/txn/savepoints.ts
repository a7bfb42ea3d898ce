import { AlopexError } from '../../base/errors.ts';
import { abortFollowers, type Savepoint, type Transaction } from './transaction.ts';
import type { Transactions } from './transactions.ts';

/** Savepoints that may be open at once in one transaction. */
const savepointsMax = 10_000;

/** `settingsMark`: how many changes of settings are to be undone by a rollback now. */
export function openSavepoint(transaction: Transaction, name: string, settingsMark: number): void {
  if (transaction.savepoints.length >= savepointsMax) {
    throw new AlopexError(
      'program_limit_exceeded',
      `a transaction cannot have more than ${savepointsMax} savepoints`,
    );
  }
  transaction.pending.startJournal();
  transaction.savepoints.push({
    name,
    command: transaction.command,
    locksHeld: transaction.owner.held,
    catalog: transaction.catalog,
    settingsMark,
  });
  transaction.command++;
}

export function releaseSavepoint(transaction: Transaction, name: string): void {
  transaction.savepoints.length = findSavepoint(transaction, name);
}

/** Where it went back to. What is in the log since is void in it when this ends; 53100 where the disk has no room to say so. */
export async function rollbackToSavepoint(
  transaction: Transaction,
  name: string,
  transactions: Transactions,
): Promise<Savepoint> {
  const index = findSavepoint(transaction, name);
  const savepoint = transaction.savepoints[index]!;
  if (transaction.isLost) {
    throw new AlopexError(
      'disk_full',
      `cannot roll back to savepoint "${name}": rows of the transaction are lost`,
      {
        hint: 'Roll the whole transaction back.',
      },
    );
  }
  transaction.savepoints.length = index + 1;
  if (transaction.pending.hasSpilledSince(savepoint.command)) {
    await transactions.rollBackSpilled(transaction, savepoint);
  } else transaction.pending.rollbackTo(savepoint.command);
  abortFollowers(transaction, savepoint.command);
  transaction.catalog = savepoint.catalog;
  transaction.command++;
  transactions.locks.release(transaction.owner, savepoint.locksHeld);
  return savepoint;
}

function findSavepoint({ savepoints }: Transaction, name: string): number {
  const index = savepoints.findLastIndex((each) => each.name === name);
  if (index >= 0) return index;
  throw new AlopexError('invalid_savepoint_specification', `savepoint "${name}" does not exist`);
}
