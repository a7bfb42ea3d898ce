import { AlopexError, type Condition, sqlStates } from '../../../base/errors.ts';
import type { DdlNotice, DdlResult } from '../../../query/catalog/ddl/context.ts';
import { executeDdl, isDdl } from '../../../query/catalog/ddl/execute.ts';
import type { CatalogChange } from '../../../query/catalog/definition.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { statementName } from '../../../query/sql/words.ts';
import { changeCatalog } from '../../../query/txn/catalog-changes.ts';
import type { TableLockMode } from '../../../query/txn/locks.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
import type { Transaction } from '../../../query/txn/transaction.ts';
import { readOnly } from '../../../query/txn/writer.ts';
import { roleOf } from '../access.ts';
import { refuseBlock } from '../blocks.ts';
import { passwordVerifier } from '../password.ts';
import type { EngineSession } from '../session.ts';
import { requirePresent } from '../time-travel.ts';
import { applyEffect } from './ddl-effects.ts';
import { bindDefault } from './defaults.ts';
import { buildOnline, type IndexBackfill, onlineBackfill } from './online-index.ts';

export function isDdlStatement(statement: ParsedStatement): boolean {
  return isDdl(statement.kind);
}

/** CREATE, ALTER, DROP and their kin: changes of the transaction's own catalog, and what they bring with them. */
export async function runDdl(session: EngineSession, statement: ParsedStatement): Promise<string> {
  requirePresent(session, 'this command');
  if ('IndexStmt' in statement.node && statement.node.IndexStmt.concurrent === true) {
    refuseBlock(session, 'CREATE INDEX CONCURRENTLY');
  }
  const run = session.beginRun(statement);
  const { transaction } = run;
  const { transactions } = session.engine;
  if (transaction.isReadOnly) throw readOnly(statementName(statement.node));
  await transactions.lockCatalog(transaction);
  const before = transactions.catalogOf(transaction);
  const result = executeDdl(statement.node, {
    catalog: before,
    searchPath: session.functions.searchPath,
    user: roleOf(session).name,
    bindDefault: (expression, type, column) => bindDefault(session, expression, type, column),
    passwordVerifier,
  });
  const mode = lockModeOf(statement);
  const backfill = onlineBackfill(session, statement, before, result);
  const isOnline = backfill !== null && !isDoneAtOnce(session, transaction, backfill, mode);
  for (const table of changedTables(result.changes)) {
    if (before.byId(table) === undefined) continue;
    await lockTable(session, transaction, table, isOnline ? 'share update exclusive' : mode);
  }
  changeCatalog(transaction, result.changes);
  if (isOnline) await buildOnline(session, run, backfill);
  else for (const effect of result.effects) await applyEffect(session, run, effect);
  sendNotices(session, result);
  session.endRun(run);
  return result.tag;
}

/** Building an index keeps writers out; what is granted, nobody. */
function lockModeOf({ kind }: ParsedStatement): TableLockMode {
  if (kind === 'IndexStmt') return 'table share';
  return kind === 'GrantStmt' ? 'access share' : 'access exclusive';
}

/** A small table that nobody writes to is locked for the moment that it takes to write its rows' entries. */
function isDoneAtOnce(
  { engine }: EngineSession,
  transaction: Transaction,
  { table, concurrently }: IndexBackfill,
  mode: TableLockMode,
): boolean {
  const { transactions, limits } = engine;
  const definition = transactions.catalogOf(transaction).byId(table);
  if (concurrently || definition?.kind !== 'table') return false;
  if (engine.reader.estimate(definition.layout.storage).rows > limits.smallTableRows) return false;
  try {
    return transactions.locks.lock(transaction, tableLockKey(table), mode, true) === null;
  } catch (error) {
    if (error instanceof AlopexError && error.condition === 'lock_not_available') return false;
    throw error;
  }
}

async function lockTable(
  session: EngineSession,
  transaction: Transaction,
  table: number,
  mode: TableLockMode,
): Promise<void> {
  const waited = session.engine.transactions.locks.lock(transaction, tableLockKey(table), mode);
  if (waited !== null) await waited;
}

function changedTables(changes: readonly CatalogChange[]): ReadonlySet<number> {
  return new Set(changes.flatMap(({ object }) => (object.kind === 'table' ? [object.id] : [])));
}

const conditionsByCode: ReadonlyMap<string, Condition> = new Map(
  Object.entries(sqlStates).map(([condition, code]) => [code, condition as Condition]),
);

function sendNotices(session: EngineSession, { notices }: DdlResult): void {
  for (const notice of notices) session.onNotice({ severity: notice.severity, error: noticeError(notice) });
}

function noticeError({ code, message, detail }: DdlNotice): AlopexError {
  const condition = conditionsByCode.get(code) ?? 'successful_completion';
  return new AlopexError(condition, message, detail === undefined ? {} : { detail });
}
