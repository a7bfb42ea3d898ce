import { nextTurn } from '../../../base/env/turn.ts';
import { AlopexError } from '../../../base/errors.ts';
import { type KeyedChange, keyedChange } from '../../../query/exec/keyed-change.ts';
import { type PointRead, pointRead } from '../../../query/exec/point-read.ts';
import { type RowInsert, rowInsert } from '../../../query/exec/row-insert.ts';
import type { LogicalPlan } from '../../../query/plan/logical.ts';
import type { Statement } from '../../../query/plan/physical.ts';
import { planQuery } from '../../../query/plan/planner.ts';
import type { Access } from '../../../query/sql/bind/environment.ts';
import {
  type BoundStatement,
  bindStatement,
  innerStatement,
  isBindable,
} from '../../../query/sql/bind/statement.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
import type { Transaction } from '../../../query/txn/transaction.ts';
import type { TypeOid } from '../../../query/types/type.ts';
import { requireAccess } from '../access.ts';
import type { Moments } from '../catalog-history.ts';
import type { PreparedStatement } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import { requirePresent } from '../time-travel.ts';
import { utilityColumns } from './columns.ts';
import { bindOptions } from './defaults.ts';

/** A statement with what running it needs. */
export type Prepared = PreparedStatement & {
  /** Null: a utility statement, which its node says all of. */
  readonly query: PreparedQuery | null;
};

export type PreparedQuery = {
  readonly plan: Statement;
  /** The short way, where the statement is a lookup by primary key. */
  readonly lookup: PointRead | null;
  /** The short way, where the statement inserts one row. */
  readonly insert: RowInsert | null;
  /** The short way, where the statement changes the row of a key. */
  readonly change: KeyedChange | null;
  /** The start of the command tag. */
  readonly command: 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';
  /** Tables that it writes or locks rows of: locked before the plan is relied on. */
  readonly writtenTables: readonly number[];
  /** What its user needs privileges for. */
  readonly accesses: readonly Access[];
  /** The plan holds while these are what they were. */
  readonly catalogVersion: number;
  readonly searchPath: string;
  readonly readsPast: boolean;
  /** Which catalogs of the past it was bound by. */
  readonly pastCatalogs: string;
};

export function prepareStatement(
  session: EngineSession,
  statement: ParsedStatement,
  parameterTypes: readonly TypeOid[],
  moments: Moments,
): Prepared {
  if (isBindable(statement)) return prepareQuery(session, statement, parameterTypes, moments);
  const declared = cursorQuery(statement);
  const types =
    declared === null ? [] : prepareQuery(session, declared, parameterTypes, moments).parameterTypes;
  return { statement, parameterTypes: types, columns: utilityColumns(session, statement), query: null };
}

/** The query of a DECLARE CURSOR. */
export function cursorQuery(statement: ParsedStatement): ParsedStatement | null {
  const { node, source } = statement;
  const query = 'DeclareCursorStmt' in node ? node.DeclareCursorStmt.query : undefined;
  if (query === undefined) return null;
  const inner = { ...innerStatement(statement, query), source: `${source}\u0000query` };
  return isBindable(inner) ? inner : null;
}

/** A longer statement takes a turn of the event loop each to be parsed, to be planned and to begin. */
const turnLengthMax = 65_536;

/** What `prepareStatement` gives: a promise where the statement, which has been parsed in this turn, is long. */
export function prepareInTurns(
  session: EngineSession,
  statement: ParsedStatement,
  parameterTypes: readonly TypeOid[],
  moments: Moments,
): Prepared | Promise<Prepared> {
  return statement.source.length > turnLengthMax
    ? prepareLong(session, statement, parameterTypes, moments)
    : prepareStatement(session, statement, parameterTypes, moments);
}

async function prepareLong(
  session: EngineSession,
  statement: ParsedStatement,
  parameterTypes: readonly TypeOid[],
  moments: Moments,
): Promise<Prepared> {
  const { clock } = session.engine.env;
  // The first may belong to the turn in which the text came.
  await nextTurn(clock);
  await nextTurn(clock);
  const prepared = prepareStatement(session, statement, parameterTypes, moments);
  await nextTurn(clock);
  return prepared;
}

export function bindQuery(
  session: EngineSession,
  statement: ParsedStatement,
  givenTypes: readonly TypeOid[],
  moments: Moments,
): BoundStatement {
  return bindStatement(statement, bindOptions(session, givenTypes, moments));
}

/** 'InsertStmt' as INSERT. */
function commandOf({ kind }: ParsedStatement): string {
  return kind.replace(/Stmt$/, '').toUpperCase();
}

function returnsRows(plan: LogicalPlan): boolean {
  if (plan.kind === 'with') return returnsRows(plan.input);
  return plan.kind !== 'modify' || plan.modification.returning !== null;
}

/** Whether the catalog may be younger than what the session's next statement reads: its indexes may lack entries. */
function readsPast(session: EngineSession): boolean {
  if (!session.settings.lookUps.readsPresent) return false;
  const { transaction } = session;
  if (transaction === null || transaction.snapshot === null || transaction.catalog !== null) return false;
  return transaction.snapshotCatalog !== session.catalog.version;
}

/** Names the catalogs of the past: of `alopex.as_of`, and of the statement's own moments. */
function pastCatalogsOf(session: EngineSession, moments: Moments): string {
  const { moment } = session;
  if (moment === null && moments.size === 0) return '';
  const named = Array.from(moments, ([place, { changedAt }]) => `${place}:${changedAt}`);
  return `${moment?.changedAt ?? ''}@${named.join()}`;
}

/** A literal that stands for the time at which it is read: 'now', 'today' …. */
const clockLiteral = /'\s*(now|today|tomorrow|yesterday)\b/i;

/** Bound and planned anew, or as the cache has it. */
export function prepareQuery(
  session: EngineSession,
  statement: ParsedStatement,
  givenTypes: readonly TypeOid[],
  moments: Moments,
): Prepared {
  if (statement.kind !== 'SelectStmt') requirePresent(session, commandOf(statement));
  const { catalog } = session;
  const { searchPath } = session.settings.lookUps;
  const { plans } = session.engine;
  const isPast = readsPast(session);
  const pastCatalogs = pastCatalogsOf(session, moments);
  const time = `${isPast ? '<' : pastCatalogs}${session.settings.lookUps.inputStyle}`;
  const key = plans.key(statement, givenTypes, searchPath, time);
  // A transaction that changed the catalog has a catalog of its own: its plans are not for others.
  const isShared = session.transaction?.catalog == null && !clockLiteral.test(statement.source);
  const cached = isShared ? plans.get(key) : undefined;
  if (cached?.query?.catalogVersion === catalog.version) {
    requireAccess(session, cached.query.accesses);
    return cached;
  }
  const bound = bindQuery(session, statement, givenTypes, moments);
  requireAccess(session, bound.accesses);
  const plan = planQuery(bound.plan, {
    catalog,
    reader: session.engine.reader,
    functions: session.functions,
    readsPast: isPast,
  });
  const prepared: Prepared = {
    statement,
    parameterTypes: bound.parameterTypes,
    columns: returnsRows(bound.plan) ? bound.plan.columns : null,
    query: {
      plan,
      lookup: pointRead(plan),
      insert: rowInsert(plan),
      change: keyedChange(plan),
      writtenTables: [...writtenTables(bound.plan)],
      command: bound.command,
      accesses: bound.accesses,
      catalogVersion: catalog.version,
      searchPath,
      readsPast: isPast,
      pastCatalogs,
    },
  };
  if (isShared) plans.set(key, prepared);
  return prepared;
}

/** The statement as it was prepared, or prepared again where the catalog or the search path changed since. */
export function currentQuery(
  session: EngineSession,
  prepared: Prepared,
  query: PreparedQuery,
  moments: Moments,
): PreparedQuery {
  if (
    query.catalogVersion === session.catalog.version &&
    session.transaction?.catalog == null &&
    query.searchPath === session.settings.lookUps.searchPath &&
    query.readsPast === readsPast(session) &&
    query.pastCatalogs === pastCatalogsOf(session, moments)
  ) {
    if (session.settings.hasBeenAnother) requireAccess(session, query.accesses);
    return query;
  }
  // Its parameters have the types that they were described with, whatever the columns are now.
  const again = prepareQuery(session, prepared.statement, prepared.parameterTypes, moments);
  if (!isSameResult(again.columns, prepared.columns)) {
    throw new AlopexError('feature_not_supported', 'cached plan must not change result type');
  }
  return again.query!;
}

function* writtenTables(plan: LogicalPlan): Iterable<number> {
  if (plan.kind === 'modify') yield plan.modification.table.id;
  if (plan.kind === 'lock-rows') yield* plan.targets.map(({ table }) => table.id);
  if (plan.kind === 'with') for (const definition of plan.definitions) yield* writtenTables(definition.plan);
  if ('input' in plan) yield* writtenTables(plan.input);
}

function isSameResult(left: Prepared['columns'], right: Prepared['columns']): boolean {
  if (left === null || right === null) return left === right;
  return (
    left.length === right.length &&
    left.every(({ type }, index) => {
      const other = right[index]!.type;
      return type.oid === other.oid && type.modifier === other.modifier;
    })
  );
}

/**
 * The statement's plan, with the tables that it writes locked against changes of their definition. Who waited for
 * a lock looks again: what it waited for may have changed the table.
 */
export async function lockedQuery(
  session: EngineSession,
  transaction: Transaction,
  prepared: Prepared,
  query: PreparedQuery,
  moments: Moments,
): Promise<PreparedQuery> {
  for (;;) {
    const current = currentQuery(session, prepared, query, moments);
    let hasWaited = false;
    for (const table of current.writtenTables) {
      const waited = session.engine.transactions.locks.lock(
        transaction,
        tableLockKey(table),
        'row exclusive',
      );
      if (waited === null) continue;
      await waited;
      hasWaited = true;
    }
    if (!hasWaited) return current;
  }
}
