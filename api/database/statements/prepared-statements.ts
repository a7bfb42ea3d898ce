import type { DeallocateStmt, DiscardStmt, ExecuteStmt, Node, PrepareStmt } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { evaluateStandalone } from '../../../query/exec/standalone.ts';
import { bindExpression, innerStatement } from '../../../query/sql/bind/statement.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { typeNameOf } from '../../../query/sql/type-name.ts';
import { refuseBlock } from '../blocks.ts';
import type { Portal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import { momentsOf } from '../time-travel.ts';
import { bindOptions } from './defaults.ts';
import { type Prepared, prepareStatement } from './prepare.ts';

/** Statements that one session may have prepared by PREPARE. */
const preparedMax = 10_000;

export async function runPrepare(
  session: EngineSession,
  statement: ParsedStatement,
  node: PrepareStmt,
): Promise<string> {
  const name = node.name ?? '';
  if (session.named.has(name)) {
    throw new AlopexError('duplicate_prepared_statement', `prepared statement "${name}" already exists`);
  }
  if (session.named.size >= preparedMax) {
    throw new AlopexError(
      'configuration_limit_exceeded',
      `a session cannot prepare more than ${preparedMax} statements`,
    );
  }
  const types = (node.argtypes ?? []).map((type) => ('TypeName' in type ? typeNameOf(type.TypeName).oid : 0));
  if (node.query === undefined) throw new AlopexError('syntax_error', 'PREPARE needs a statement');
  const inner = { ...innerStatement(statement, node.query), source: `${statement.source}\u0000body` };
  const moments = await momentsOf(session, inner, types, null);
  session.named.set(name, prepareStatement(session, inner, types, moments));
  return 'PREPARE';
}

function named(session: EngineSession, name: string): Prepared | null {
  const prepared = session.named.get(name);
  if (prepared !== undefined) return prepared;
  throw new AlopexError('invalid_sql_statement_name', `prepared statement "${name}" does not exist`);
}

/** `run`: starts the statement that was prepared. */
export async function runExecute(
  session: EngineSession,
  node: ExecuteStmt,
  run: (session: EngineSession, prepared: Prepared, parameters: readonly Datum[]) => Promise<Portal>,
): Promise<Portal> {
  const name = node.name ?? '';
  const prepared = named(session, name);
  if (prepared === null) return { kind: 'empty' };
  const given = node.params ?? [];
  if (given.length !== prepared.parameterTypes.length) {
    throw new AlopexError('syntax_error', `wrong number of parameters for prepared statement "${name}"`, {
      detail: `Expected ${prepared.parameterTypes.length} parameters but got ${given.length}.`,
    });
  }
  const parameters = given.map((parameter, index) =>
    evaluate(session, parameter, prepared.parameterTypes[index]!),
  );
  return run(session, prepared, parameters);
}

function evaluate(session: EngineSession, node: Node, oid: number): Datum {
  const target = { name: null, type: { oid, modifier: -1 } };
  const expression = bindExpression(node, target, bindOptions(session, []));
  return evaluateStandalone(expression, session.functions);
}

export function runDeallocate(session: EngineSession, node: DeallocateStmt): string {
  if (node.isall === true || node.name === undefined) {
    session.named.clear();
    return 'DEALLOCATE ALL';
  }
  named(session, node.name);
  session.named.delete(node.name);
  return 'DEALLOCATE';
}

export function runDiscard(session: EngineSession, node: DiscardStmt): string {
  switch (node.target) {
    case 'DISCARD_ALL':
      refuseBlock(session, 'DISCARD ALL');
      session.settings.reset('session_authorization');
      session.settings.resetAll();
      session.named.clear();
      return 'DISCARD ALL';
    case 'DISCARD_PLANS':
      return 'DISCARD PLANS';
    case 'DISCARD_SEQUENCES':
      return 'DISCARD SEQUENCES';
    default:
      return 'DISCARD TEMP';
  }
}
