import { unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { isBindable } from '../../../query/sql/bind/statement.ts';
import { statementName } from '../../../query/sql/words.ts';
import { noMoments } from '../catalog-history.ts';
import type { Portal } from '../contract.ts';
import { isChange } from '../routing/decide.ts';
import type { EngineSession } from '../session.ts';
import { runCall } from './call.ts';
import { runCopy } from './copy.ts';
import { runCreateTableAs } from './create-table-as.ts';
import { runFetch } from './cursors.ts';
import { isDdlStatement, runDdl } from './ddl.ts';
import { runExplain } from './explain.ts';
import { listPortal } from './list-portal.ts';
import { type Prepared, prepareQuery } from './prepare.ts';
import { runDeallocate, runDiscard, runExecute, runPrepare } from './prepared-statements.ts';
import { runQuery } from './query.ts';
import { runTransactionStatement } from './transaction.ts';
import { runCheckpoint, runCreateExtension, runLock, runVacuum } from './utility.ts';
import { runSet, showColumns, showRows } from './variables.ts';

const done = (tag: string): Portal => ({ kind: 'command', tag });

/** Starts a statement, whatever it is and wherever it runs. The caller turns what it throws into a failed transaction. */
export function runStatement(
  session: EngineSession,
  prepared: Prepared,
  parameters: readonly Datum[],
): Promise<Portal> {
  const { routing } = session;
  if (routing === null) return runHere(session, prepared, parameters);
  return routing.run(prepared, parameters, (known) => runHere(session, known, parameters));
}

async function runHere(
  session: EngineSession,
  prepared: Prepared,
  parameters: readonly Datum[],
): Promise<Portal> {
  const start = (): Promise<Portal> => runOnce(session, prepared, parameters);
  const { hasRequest } = session.settings.lookUps;
  if (!hasRequest || !isChange(prepared)) return start();
  return session.engine.requests.run(session, prepared, parameters, start);
}

async function runOnce(
  session: EngineSession,
  prepared: Prepared,
  parameters: readonly Datum[],
): Promise<Portal> {
  const { statement } = prepared;
  const { node } = statement;
  // Another node has prepared it.
  if (prepared.query === null && isBindable(statement))
    return runQuery(
      session,
      prepareQuery(session, statement, prepared.parameterTypes, noMoments),
      parameters,
    );
  if (prepared.query !== null) return runQuery(session, prepared, parameters);
  if ('TransactionStmt' in node) return done(await runTransactionStatement(session, node.TransactionStmt));
  if ('VariableSetStmt' in node) return done(runSet(session, node.VariableSetStmt));
  if ('VariableShowStmt' in node) {
    return listPortal(showColumns(node.VariableShowStmt), showRows(session, node.VariableShowStmt), 'SHOW');
  }
  if ('ExplainStmt' in node) return runExplain(session, statement, node.ExplainStmt, parameters);
  if ('CallStmt' in node) return runCall(session, statement, node.CallStmt);
  if ('CopyStmt' in node) return runCopy(session, statement, node.CopyStmt);
  if ('PrepareStmt' in node) return done(await runPrepare(session, statement, node.PrepareStmt));
  if ('ExecuteStmt' in node) return runExecute(session, node.ExecuteStmt, runStatement);
  if ('DeallocateStmt' in node) return done(runDeallocate(session, node.DeallocateStmt));
  if ('DeclareCursorStmt' in node)
    return done(await session.cursors.declare(prepared, node.DeclareCursorStmt, parameters));
  if ('FetchStmt' in node) return runFetch(session, node.FetchStmt);
  if ('ClosePortalStmt' in node) return done(session.cursors.close(node.ClosePortalStmt));
  if ('DiscardStmt' in node) return done(runDiscard(session, node.DiscardStmt));
  if ('VacuumStmt' in node) return done(await runVacuum(session, node.VacuumStmt));
  if ('LockStmt' in node) return done(await runLock(session, node.LockStmt));
  if ('CheckPointStmt' in node) return done(await runCheckpoint(session));
  if ('CreateTableAsStmt' in node) {
    return done(await runCreateTableAs(session, statement, node.CreateTableAsStmt, parameters));
  }
  if ('CreateExtensionStmt' in node) return done(runCreateExtension(session, node.CreateExtensionStmt));
  if (isDdlStatement(statement)) return done(await runDdl(session, statement));
  throw unsupported(statementName(node));
}
