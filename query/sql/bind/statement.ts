import type { Node } from 'libpg-query';
import { AlopexError, asAlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import type { LogicalPlan } from '../../plan/logical.ts';
import type { SqlType, TypeOid } from '../../types/type.ts';
import { constructName } from '../ast.ts';
import type { ParsedStatement, StatementKind, SystemTime } from '../parse.ts';
import { bindNewDefault, bindValue } from './default.ts';
import { type Access, type BindOptions, type Environment, newEnvironment } from './environment.ts';
import { bindInsert } from './insert.ts';
import { bindQuery } from './query.ts';
import { bindMoment } from './relation.ts';
import { bindDelete, bindUpdate } from './update.ts';

export type BoundStatement = {
  readonly plan: LogicalPlan;
  /** Of `$1`, `$2` …, as declared or inferred. */
  readonly parameterTypes: readonly TypeOid[];
  /** What the command tag begins with. */
  readonly command: 'SELECT' | 'INSERT' | 'UPDATE' | 'DELETE';
  readonly accesses: readonly Access[];
  /** A query, or a statement with RETURNING. */
  readonly returnsRows: boolean;
};

/** Whether a statement is one that `bindStatement` takes; all others are utility statements. */
export function isBindable({ kind }: Pick<ParsedStatement, 'kind'>): boolean {
  return kind === 'SelectStmt' || kind === 'InsertStmt' || kind === 'UpdateStmt' || kind === 'DeleteStmt';
}

/** A statement within another: what EXPLAIN, PREPARE, COPY or CREATE TABLE AS hold. */
export function innerStatement(statement: ParsedStatement, node: Node): ParsedStatement {
  return { ...statement, kind: Object.keys(node)[0] as StatementKind, node };
}

/** Resolves the names and types of SELECT, VALUES, INSERT, UPDATE or DELETE. Throws what PostgreSQL would. */
export function bindStatement(statement: ParsedStatement, options: BindOptions): BoundStatement {
  const environment = newEnvironment(options, statement.systemTimes, bindQuery);
  const { plan, command } = withinStack(() => bindNode(environment, statement.node));
  const body = plan.kind === 'with' ? plan.input : plan;
  const returnsRows = body.kind !== 'modify' || body.modification.returning !== null;
  const { accesses, parameters } = environment;
  return { plan, command, returnsRows, accesses, parameterTypes: parameters.finish() };
}

/** The binder recurses as deep as the tree: an overflow of the stack is the statement's fault, 54001. */
function withinStack<T>(bind: () => T): T {
  try {
    return bind();
  } catch (error) {
    throw error instanceof RangeError ? asAlopexError(error) : error;
  }
}

function bindNode(environment: Environment, node: Node): Pick<BoundStatement, 'plan' | 'command'> {
  if ('SelectStmt' in node) {
    const surroundings = { outer: null, ctes: null, resolvesUnknowns: true };
    return { plan: bindQuery(environment, node, surroundings), command: 'SELECT' };
  }
  if ('InsertStmt' in node) return { plan: bindInsert(environment, node.InsertStmt), command: 'INSERT' };
  if ('UpdateStmt' in node) return { plan: bindUpdate(environment, node.UpdateStmt), command: 'UPDATE' };
  if ('DeleteStmt' in node) return { plan: bindDelete(environment, node.DeleteStmt), command: 'DELETE' };
  throw unsupported(constructName(node));
}

/** A FOR SYSTEM_TIME clause, bound. */
export type BoundMoment = { readonly kind: SystemTime['kind']; readonly expression: Expression };

/** The FOR SYSTEM_TIME clauses of a statement by their places, to be evaluated before it is bound. */
export function bindMoments(
  statement: ParsedStatement,
  options: BindOptions,
): ReadonlyMap<number, BoundMoment> {
  const environment = newEnvironment(options, statement.systemTimes, bindQuery);
  const moments = new Map<number, BoundMoment>();
  for (const [moment, clause] of statement.systemTimes) {
    moments.set(moment, { kind: clause.kind, expression: bindMoment(environment, clause) });
  }
  return moments;
}

export type ExpressionOptions = Pick<BindOptions, 'catalog' | 'searchPath' | 'functionContext'>;

/** What an expression that stands alone is for: `name` is the column whose DEFAULT it is, null for EXECUTE's values. */
export type ExpressionTarget = { readonly name: string | null; readonly type: SqlType };

/** Binds an expression that stands alone, to a type: a DEFAULT for CREATE or ALTER TABLE, a value for EXECUTE. */
export function bindExpression(
  node: Node,
  { name, type }: ExpressionTarget,
  options: ExpressionOptions,
): Expression {
  const all: BindOptions = { ...options, parameterTypes: [], virtualRelation: () => undefined };
  const environment = newEnvironment(all, new Map(), bindQuery);
  const expression =
    name === null ? bindValue(environment, node, type) : bindNewDefault(environment, node, { name, type });
  if (environment.parameters.finish().length > 0) {
    throw new AlopexError('undefined_parameter', 'there is no parameter $1');
  }
  return expression;
}
