import type { TransactionStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { openSavepoint, releaseSavepoint } from '../../../query/txn/savepoints.ts';
import { isolationOf, setIsolation, type Transaction } from '../../../query/txn/transaction.ts';
import { requireBlock } from '../blocks.ts';
import type { EngineSession } from '../session.ts';
import { type Option, optionsOf } from './ast-values.ts';

/** BEGIN, COMMIT, ROLLBACK, SAVEPOINT and their kin: the command tag. A promise where there is something to commit. */
export function runTransactionStatement(
  session: EngineSession,
  node: TransactionStmt,
): string | Promise<string> {
  const name = node.savepoint_name ?? '';
  switch (node.kind) {
    case 'TRANS_STMT_BEGIN':
    case 'TRANS_STMT_START': {
      const transaction = session.beginBlock();
      setTransactionModes(session, transaction, optionsOf(node.options));
      return node.kind === 'TRANS_STMT_BEGIN' ? 'BEGIN' : 'START TRANSACTION';
    }
    case 'TRANS_STMT_COMMIT': {
      const tag = session.commitBlock();
      return tag instanceof Promise
        ? tag.then((done) => chained(session, node, done))
        : chained(session, node, tag);
    }
    case 'TRANS_STMT_ROLLBACK':
      return chained(session, node, session.rollbackBlock());
    case 'TRANS_STMT_SAVEPOINT':
      openSavepoint(requireBlock(session, 'SAVEPOINT'), name, session.settings.mark);
      return thereToo(session, 'SAVEPOINT', name);
    case 'TRANS_STMT_RELEASE':
      releaseSavepoint(requireBlock(session, 'RELEASE SAVEPOINT'), name);
      return thereToo(session, 'RELEASE', name);
    case 'TRANS_STMT_ROLLBACK_TO':
      return session.rollbackToSavepoint(name).then(() => 'ROLLBACK');
    default:
      throw unsupported('two-phase commit');
  }
}

/** Where the transaction runs on another node, it has its savepoints there too. */
function thereToo(
  { routing }: EngineSession,
  command: 'SAVEPOINT' | 'RELEASE',
  name: string,
): string | Promise<string> {
  return routing?.savepoint(command, name)?.then(() => command) ?? command;
}

/** AND CHAIN. */
function chained(session: EngineSession, node: TransactionStmt, tag: string): string {
  if (node.chain === true) session.beginBlock();
  return tag;
}

/** ISOLATION LEVEL, READ ONLY, READ WRITE, [NOT] DEFERRABLE. */
export function setTransactionModes(
  session: EngineSession,
  transaction: Transaction,
  modes: readonly Option[],
): void {
  for (const { name, value } of modes) {
    switch (name) {
      case 'transaction_isolation':
        setIsolation(transaction, isolationOf(String(value).toLowerCase()));
        break;
      case 'transaction_read_only':
        setReadOnly(session, transaction, ['1', 'true', 'on'].includes(String(value).toLowerCase()));
        break;
      case 'transaction_deferrable':
        break;
      default:
        throw new AlopexError('syntax_error', `unknown transaction mode "${name}"`);
    }
  }
}

/** 25001 after a query; 0A000 where the node takes no writes. */
export function setReadOnly(session: EngineSession, transaction: Transaction, isReadOnly: boolean): void {
  if (!isReadOnly && session.routing?.refusesWrites === true) {
    throw new AlopexError('feature_not_supported', 'cannot set transaction read-write mode during recovery');
  }
  if (!isReadOnly && transaction.isReadOnly && transaction.snapshot !== null) {
    throw new AlopexError(
      'active_sql_transaction',
      'transaction read-write mode must be set before any query',
    );
  }
  transaction.isReadOnly = isReadOnly;
}

/** COMMIT, ROLLBACK, ROLLBACK TO: what a failed block takes. */
export function endsFailedBlock({ node }: ParsedStatement): boolean {
  if (!('TransactionStmt' in node)) return false;
  const kind = node.TransactionStmt.kind ?? '';
  return ['TRANS_STMT_COMMIT', 'TRANS_STMT_ROLLBACK', 'TRANS_STMT_ROLLBACK_TO'].includes(kind);
}
