import type { Node } from 'libpg-query';
import { wellKnown } from '../../../query/catalog/well-known.ts';
import type { Access } from '../../../query/sql/bind/environment.ts';
import { isBindable } from '../../../query/sql/bind/statement.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import type { Isolation } from '../../../query/txn/transaction.ts';
import type { ReadFrom } from '../replication.ts';
import { isPrimarysCall } from '../statements/call.ts';
import { isDdlStatement } from '../statements/ddl.ts';
import type { Prepared } from '../statements/prepare.ts';

/**
 * What a statement does, as far as it matters where it runs. `own`: it is about the session or the node that it was sent
 * to, and runs there.
 */
export type Work = 'read' | 'write' | 'own';

/** They need the node that takes writes: it alone gives numbers, and knows what has not been committed. */
const asksPrimary = /\b(nextval|setval|txid_current|pg_current_xact_id|txid_status|pg_xact_status)\w*\s*\(/i;
/** They are about the session that calls them. */
const asksSession =
  /\b(set_config|currval|lastval|pg_backend_pid|pg_cancel_backend|pg_terminate_backend|pg_promote)\s*\(/i;

export function workOf({ statement, query }: Pick<Prepared, 'statement' | 'query'>): Work {
  const { source, kind } = statement;
  if (query === null) return isBindable(statement) ? workOfText(statement) : workOfUtility(statement);
  if (query.command !== 'SELECT' || query.writtenTables.length > 0) return 'write';
  if (kind !== 'SelectStmt' || asksPrimary.test(source)) return 'write';
  return query.accesses.some(isOfTable) && !asksSession.test(source) ? 'read' : 'own';
}

/** Whether it changes rows or the catalog. */
export function isChange({ statement, query }: Pick<Prepared, 'statement' | 'query'>): boolean {
  if (query !== null) return query.command !== 'SELECT';
  if ('SelectStmt' in statement.node) return false;
  return ['CopyStmt', 'CreateTableAsStmt'].includes(statement.kind)
    ? workOfUtility(statement) === 'write'
    : isBindable(statement) || isDdlStatement(statement);
}

function workOfText({ kind, source }: ParsedStatement): Work {
  if (kind !== 'SelectStmt' || asksPrimary.test(source)) return 'write';
  return asksSession.test(source) ? 'own' : 'read';
}

/** The catalog's own tables are of all nodes, but where one stands tells of the node that is asked. */
function isOfTable(access: Access): boolean {
  return 'table' in access && access.table.namespace !== wellKnown.alopex;
}

function workOfUtility(statement: ParsedStatement): Work {
  const { node } = statement;
  if ('ExplainStmt' in node) {
    const explained = node.ExplainStmt.query;
    return explained !== undefined && 'SelectStmt' in explained && !asksPrimary.test(statement.source)
      ? 'read'
      : 'write';
  }
  if ('CopyStmt' in node) {
    const { is_from: isFrom, query } = node.CopyStmt;
    return isFrom === true || (query !== undefined && !('SelectStmt' in query)) ? 'write' : 'own';
  }
  if ('DeclareCursorStmt' in node) return workOfCursor(statement, node.DeclareCursorStmt.query);
  if ('CallStmt' in node) return isPrimarysCall(node.CallStmt) ? 'write' : 'own';
  if ('CreateTableAsStmt' in node || 'LockStmt' in node || 'CreateExtensionStmt' in node) return 'write';
  return isDdlStatement(statement) ? 'write' : 'own';
}

/** Its rows are read where it is declared, whatever they are fetched for. */
function workOfCursor({ source }: ParsedStatement, query: Node | undefined): Work {
  const select = query !== undefined && 'SelectStmt' in query ? query.SelectStmt : null;
  if (select?.lockingClause !== undefined || asksPrimary.test(source)) return 'write';
  return select !== null && !asksSession.test(source) ? 'read' : 'own';
}

export type Circumstances = {
  readonly isPrimary: boolean;
  /** It is the first of a transaction, and whoever asks was not told yet that this node is the primary no more. */
  readonly isPrimarys: boolean;
  readonly isInBlock: boolean;
  /** The transaction has written here. */
  readonly hasWritten: boolean;
  readonly isolation: Isolation;
  /** The transaction was declared so. */
  readonly isReadOnly: boolean;
  readonly readFrom: ReadFrom;
  readonly forwardsWrites: boolean;
  /** What this node would answer is older than the session takes. */
  readonly isStale: boolean;
};

/** Where a statement of a transaction runs that is not yet bound to another node. */
export function placeOf(work: Work, now: Circumstances): 'here' | 'primary' | 'replica' {
  if (work === 'own') return 'here';
  if (now.isPrimary) {
    const mayLeave = now.isInBlock ? now.isReadOnly : !now.hasWritten;
    return work === 'read' && now.readFrom === 'replica' && mayLeave ? 'replica' : 'here';
  }
  if (work === 'write') return now.forwardsWrites && !now.isReadOnly ? 'primary' : 'here';
  if (now.readFrom === 'primary' || now.isStale || now.isPrimarys) return 'primary';
  // One snapshot for all of its statements: it may write later.
  const isOneSnapshot = now.isInBlock && now.isolation !== 'read committed';
  return isOneSnapshot && now.forwardsWrites && !now.isReadOnly ? 'primary' : 'here';
}
