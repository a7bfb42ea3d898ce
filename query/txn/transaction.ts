import { AlopexError } from '../../base/errors.ts';
import type { Offset, Timestamp } from '../../base/ids.ts';
import type { ReadView } from '../../materializers/rows/contract.ts';
import { Overlay } from '../../materializers/rows/overlay.ts';
import type { CatalogSnapshot } from '../catalog/definition.ts';
import { type LockOwner, lockOwner } from './locks.ts';
import { ReadSpans } from './spans.ts';

/** READ UNCOMMITTED is READ COMMITTED, as in PostgreSQL. */
export type Isolation = 'read committed' | 'repeatable read' | 'serializable';

/** By PostgreSQL's name of the level. */
export function isolationOf(name: string): Isolation {
  return name === 'read uncommitted' ? 'read committed' : (name as Isolation);
}

/**
 * What has a commit when it is answered, where there are replicas: the primary's disk; a quorum, which has the primary; every
 * replica that is in sync.
 */
export type Durability = 'async' | 'semi-sync' | 'sync';

export type Savepoint = {
  readonly name: string;
  /** Pending rows of later commands go. */
  readonly command: number;
  readonly locksHeld: number;
  readonly catalog: CatalogSnapshot | null;
  /** How many changes of settings were to be undone by a rollback. */
  readonly settingsMark: number;
};

/** Called once: `commit` when the commit is durable, or `abort` when the command is rolled back. */
export type Follower = { readonly command: number; readonly commit: () => void; readonly abort: () => void };

/**
 * One transaction's state. Its writes stand in `pending` until the commit appends them to the log.
 *
 * Invariants:
 * - `command` only rises; a statement reads pending rows of commands before its own.
 * - `snapshot` is null until the first statement, and, under read committed, between statements.
 * - `catalog` is not null exactly while it changed the catalog, and then it holds the catalog lock.
 */
export type Transaction = {
  readonly id: number;
  isolation: Isolation;
  isReadOnly: boolean;
  durability: Durability;
  /** Microseconds since 1970: now() and current_timestamp. */
  readonly startedMicros: number;
  readonly owner: LockOwner;
  readonly pending: Overlay;
  /** The lock table's generation before its first statement: a commit under another has lost its locks. */
  generation: number;
  command: number;
  snapshot: Timestamp | null;
  catalog: CatalogSnapshot | null;
  /** The catalog's version when the snapshot was taken. */
  snapshotCatalog: number;
  readonly savepoints: Savepoint[];
  /** Of one wait, in milliseconds; 0: no limit. */
  lockTimeoutMs: number;
  /** What it read, under serializable; else null. */
  spans: ReadSpans | null;
  /** State outside the log that goes with the transaction's commands. */
  readonly followers: Follower[];
  /** Records that the log has of it before it is decided. */
  recordsLogged: number;
  /** The log lost some of them: it can only end. */
  isLost: boolean;
  /** Portals with rows left: what they read must stay as it is. */
  pausedPortals: number;
  /** Where its commit ends in the log; null: it is not there. */
  commitEnd: Offset | null;
  state: 'active' | 'committed' | 'aborted';
};

export function newTransaction(
  begun: Pick<
    Transaction,
    'id' | 'isolation' | 'isReadOnly' | 'durability' | 'startedMicros' | 'generation' | 'snapshotCatalog'
  >,
): Transaction {
  return {
    id: begun.id,
    isolation: begun.isolation,
    isReadOnly: begun.isReadOnly,
    durability: begun.durability,
    startedMicros: begun.startedMicros,
    generation: begun.generation,
    snapshotCatalog: begun.snapshotCatalog,
    owner: lockOwner(begun.id),
    pending: new Overlay(),
    command: 1,
    snapshot: null,
    catalog: null,
    savepoints: [],
    lockTimeoutMs: 0,
    followers: [],
    spans: begun.isolation === 'serializable' ? new ReadSpans() : null,
    recordsLogged: 0,
    isLost: false,
    pausedPortals: 0,
    commitEnd: null,
    state: 'active',
  };
}

/** A statement of it has run, or is about to. */
export function hasBegun({ snapshot, command }: Transaction): boolean {
  return snapshot !== null || command > 1;
}

/** 25001 once a statement has run: its snapshot was taken under the other level. */
export function setIsolation(transaction: Transaction, isolation: Isolation): void {
  if (transaction.isolation === isolation) return;
  if (hasBegun(transaction)) {
    throw new AlopexError(
      'active_sql_transaction',
      'SET TRANSACTION ISOLATION LEVEL must be called before any query',
    );
  }
  transaction.isolation = isolation;
  transaction.spans = isolation === 'serializable' ? new ReadSpans() : null;
}

/** What a statement of the transaction sees, `snapshot` being set. */
export function readView(transaction: Transaction, snapshot: Timestamp): ReadView {
  return {
    at: snapshot,
    pending: transaction.pending.isEmpty ? null : { rows: transaction.pending, command: transaction.command },
  };
}

/** Undoes what followed commands from `command` on, the latest first. */
export function abortFollowers(transaction: Transaction, command: number): void {
  const kept = transaction.followers.filter((follower) => follower.command < command);
  const undone = transaction.followers.splice(0).filter((follower) => follower.command >= command);
  transaction.followers.push(...kept);
  for (const follower of undone.toReversed()) follower.abort();
}

/** Bytes of pending rows that a transaction may hold in memory. */
const pendingBytesMax = 1024 * 1024 * 1024;

/** 53200 where it holds more. */
export function notePending({ pending }: Transaction): void {
  if (pending.heldBytes <= pendingBytesMax) return;
  throw new AlopexError(
    'out_of_memory',
    `a transaction's pending rows are limited to ${pendingBytesMax} bytes`,
  );
}
