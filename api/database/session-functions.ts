import { catalogLookups } from '../../query/catalog/lookups.ts';
import { requireSequence } from './access.ts';
import { SessionFunctions } from './function-context.ts';
import { nodeFacts, promote } from './node-facts.ts';
import { sessionSequences } from './sequences.ts';
import type { EngineSession } from './session.ts';
import { signalBackend } from './signal-backend.ts';
import { systemRows } from './system-rows.ts';
import { transactionFacts } from './transaction-facts.ts';

/** What functions may ask of a session. `onDrawn`: a sequence gave a number. */
export function sessionFunctions(
  session: EngineSession,
  sleep: (ms: number) => Promise<void>,
  onDrawn: (sequence: number) => void,
): SessionFunctions {
  const { engine } = session;
  const sequences = sessionSequences(
    engine.sequences,
    () => session.presentCatalog,
    onDrawn,
    (sequence, privilege) => requireSequence(session, sequence, privilege),
    () => session.transaction?.isReadOnly === true,
  );
  return new SessionFunctions({
    clock: engine.env.clock,
    random: engine.env.random,
    settings: session.settings,
    catalog: () => catalogLookups(session.catalog, session.functions.searchPath, engine.storedBytes),
    systemRows: (relation) => systemRows(session, relation),
    signalBackend: (pid, signal) => signalBackend(session, pid, signal),
    sleep,
    promote: (waitMs) => promote(session, waitMs),
    transactions: transactionFacts(session),
    node: () => nodeFacts(session),
    sequences,
    database: session.database,
    backendPid: session.id,
  });
}
