import { AlopexError } from '../../base/errors.ts';
import type { Transaction } from '../../query/txn/transaction.ts';
import type { EngineSession } from './session.ts';

/** The open block's transaction; 25P01 outside one. */
export function requireBlock({ status, transaction }: EngineSession, command: string): Transaction {
  if (status === 'transaction' && transaction !== null) return transaction;
  throw noBlock(command);
}

export function noBlock(command: string): AlopexError {
  return new AlopexError('no_active_sql_transaction', `${command} can only be used in transaction blocks`);
}

/** 25001 for what cannot be part of a larger transaction: VACUUM, CREATE INDEX CONCURRENTLY. */
export function refuseBlock({ status, transaction }: EngineSession, command: string): void {
  if (status === 'idle' && transaction === null) return;
  const where = status === 'idle' ? 'be executed within a pipeline' : 'run inside a transaction block';
  throw new AlopexError('active_sql_transaction', `${command} cannot ${where}`);
}
