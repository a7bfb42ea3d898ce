import type { OutputColumn } from '../../../query/plan/logical.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import type { EngineSession } from '../session.ts';
import { callColumns } from './call.ts';
import { explainColumns } from './text-column.ts';
import { showColumns } from './variables.ts';

/** The columns of a utility statement that returns rows, or null. */
export function utilityColumns(
  session: EngineSession,
  statement: ParsedStatement,
): readonly OutputColumn[] | null {
  const { node } = statement;
  if ('VariableShowStmt' in node) return showColumns(node.VariableShowStmt);
  if ('CallStmt' in node) return callColumns(node.CallStmt);
  if ('ExplainStmt' in node) return explainColumns;
  if ('ExecuteStmt' in node) return session.named.get(node.ExecuteStmt.name ?? '')?.columns ?? null;
  if ('FetchStmt' in node && node.FetchStmt.ismove !== true)
    return session.cursors.columnsOf(node.FetchStmt.portalname ?? '');
  return null;
}
