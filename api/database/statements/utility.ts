import type { CreateExtensionStmt, LockStmt, VacuumStmt } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { RelationDefinition } from '../../../query/catalog/definition.ts';
import { isOwner, type Privilege } from '../../../query/catalog/privileges.ts';
import { rangeVarOf } from '../../../query/sql/ast.ts';
import type { TableLockMode } from '../../../query/txn/locks.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
import type { Transaction } from '../../../query/txn/transaction.ts';
import { requireAnyPrivilege, roleOf } from '../access.ts';
import { refuseBlock, requireBlock } from '../blocks.ts';
import type { EngineSession } from '../session.ts';
import { optionsOf } from './ast-values.ts';
import { requireTable } from './tables.ts';

/** VACUUM compacts, which happens by itself too; ANALYZE has nothing to gather: estimates come from file metadata. */
export async function runVacuum(session: EngineSession, node: VacuumStmt): Promise<string> {
  const command = node.is_vacuumcmd === true ? 'VACUUM' : 'ANALYZE';
  const tables = (node.rels ?? []).flatMap((relation) =>
    'VacuumRelation' in relation ? [requireTable(session, rangeVarOf(relation.VacuumRelation.relation))] : [],
  );
  const permitted = tables.filter((table) => mayVacuum(session, table, command));
  if (command === 'ANALYZE') return command;
  refuseBlock(session, 'VACUUM');
  const isFull = optionsOf(node.options).some(({ name }) => name === 'full');
  if (isFull && (permitted.length > 0 || roleOf(session).isSuperuser)) await session.engine.compact();
  return command;
}

/** Of others' tables, PostgreSQL only warns. */
function mayVacuum(session: EngineSession, { name, owner }: RelationDefinition, command: string): boolean {
  if (isOwner(session.presentCatalog, roleOf(session), owner)) return true;
  const what = command.toLowerCase();
  session.notice('WARNING', 'warning', `permission denied to ${what} "${name}", skipping it`);
  return false;
}

/** Writes everything applied to snapshots, so that the next start has no tail to fold. */
export async function runCheckpoint(session: EngineSession): Promise<string> {
  if (!roleOf(session).isSuperuser) {
    throw new AlopexError('insufficient_privilege', 'permission denied to execute CHECKPOINT command', {
      detail: 'Only superusers may execute this command.',
    });
  }
  await session.engine.checkpoint();
  return 'CHECKPOINT';
}

/** PostgreSQL's numbers of the table lock modes, from 1. */
const tableModes: readonly TableLockMode[] = [
  ...(['access share', 'row share', 'row exclusive', 'share update exclusive'] as const),
  ...(['table share', 'share row exclusive', 'exclusive', 'access exclusive'] as const),
];

/** Those that a hot standby gives. */
const sharedModes: ReadonlySet<TableLockMode> = new Set(tableModes.slice(0, 3));

const writers: readonly Privilege[] = ['UPDATE', 'DELETE', 'TRUNCATE'];
const readers: readonly Privilege[] = ['SELECT', ...writers];

export async function runLock(session: EngineSession, node: LockStmt): Promise<string> {
  const transaction = requireBlock(session, 'LOCK TABLE');
  const mode = tableModes[(node.mode ?? 8) - 1]!;
  if (session.routing?.refusesWrites === true && !sharedModes.has(mode))
    throw new AlopexError('read_only_sql_transaction', 'cannot execute LOCK TABLE during recovery');
  for (const relation of node.relations ?? []) {
    if (!('RangeVar' in relation)) continue;
    const table: RelationDefinition = requireTable(session, rangeVarOf(relation.RangeVar));
    requireAnyPrivilege(session, table, mode === 'access share' ? readers : writers);
    await lockTable(session, transaction, table, mode, node.nowait === true);
  }
  return 'LOCK TABLE';
}

async function lockTable(
  session: EngineSession,
  transaction: Transaction,
  table: RelationDefinition,
  mode: TableLockMode,
  nowait: boolean,
): Promise<void> {
  try {
    const waited = session.engine.transactions.locks.lock(transaction, tableLockKey(table.id), mode, nowait);
    if (waited !== null) await waited;
  } catch (error) {
    if (!(error instanceof AlopexError) || error.condition !== 'lock_not_available' || !nowait) throw error;
    throw new AlopexError('lock_not_available', `could not obtain lock on relation "${table.name}"`);
  }
}

/** `vector` is always there: migrations that ask for it go on. */
export function runCreateExtension(session: EngineSession, node: CreateExtensionStmt): string {
  const name = node.extname ?? '';
  if (name !== 'vector') {
    throw new AlopexError('feature_not_supported', `extension "${name}" is not available`);
  }
  const message = `extension "${name}" already exists`;
  if (node.if_not_exists !== true) throw new AlopexError('duplicate_object', message);
  session.notice('NOTICE', 'duplicate_object', `${message}, skipping`);
  return 'CREATE EXTENSION';
}
