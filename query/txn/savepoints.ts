import { AlopexError } from '../../base/errors.ts';
import { abortFollowers, type Savepoint, type Transaction } from './transaction.ts';
import type { TransactionLocks } from './transaction-locks.ts';

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

/** Where it went back to. */
export function rollbackToSavepoint(
  transaction: Transaction,
  name: string,
  locks: TransactionLocks,
): Savepoint {
  const index = findSavepoint(transaction, name);
  const savepoint = transaction.savepoints[index]!;
  if (transaction.isLost || transaction.pending.hasSpilledSince(savepoint.command)) {
    throw new AlopexError(
      'feature_not_supported',
      `cannot roll back to savepoint "${name}": too many rows were written after it`,
      { hint: 'Roll the whole transaction back.' },
    );
  }
  transaction.savepoints.length = index + 1;
  transaction.pending.rollbackTo(savepoint.command);
  abortFollowers(transaction, savepoint.command);
  transaction.catalog = savepoint.catalog;
  transaction.command++;
  locks.release(transaction.owner, savepoint.locksHeld);
  return savepoint;
}

function findSavepoint({ savepoints }: Transaction, name: string): number {
  const index = savepoints.findLastIndex((each) => each.name === name);
  if (index >= 0) return index;
  throw new AlopexError('invalid_savepoint_specification', `savepoint "${name}" does not exist`);
}
