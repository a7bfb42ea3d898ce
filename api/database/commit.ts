import { epochBefore } from '../../log/segment/name.ts';
import type { Transaction } from '../../query/txn/transaction.ts';
import type { EngineSession } from './session.ts';

/**
 * Commits a session's transaction: resolves when it is durable, and has as many copies as the session asks for.
 * `drawn`: sequences that it drew numbers of.
 */
export function commit(
  session: EngineSession,
  transaction: Transaction,
  drawn: ReadonlySet<number>,
): Promise<void> {
  const { engine } = session;
  if (engine.replication !== null) return commitReplicated(session, transaction, drawn);
  return drawn.size > 0 ? commitDrawn(session, transaction, drawn) : engine.transactions.commit(transaction);
}

async function commitDrawn(
  { engine: { sequences, transactions } }: EngineSession,
  transaction: Transaction,
  drawn: ReadonlySet<number>,
): Promise<void> {
  sequences.relog();
  await transactions.commit(transaction);
  // A number is answered once no restart can give it again, whether or not a row has it.
  await sequences.durable(drawn);
}

async function commitReplicated(
  session: EngineSession,
  transaction: Transaction,
  drawn: ReadonlySet<number>,
): Promise<void> {
  const { engine, settings } = session;
  transaction.durability = settings.replicationMode;
  if (drawn.size > 0) await commitDrawn(session, transaction, drawn);
  else await engine.transactions.commit(transaction);
  const { commitEnd } = transaction;
  if (commitEnd === null) return;
  // The node may lead another epoch by now.
  const epoch = epochBefore(engine.log.segments, commitEnd) ?? engine.log.epoch;
  session.lastCommit = { epoch, offset: commitEnd };
}
