import type { Node, SelectStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import type { LogicalPlan } from '../../plan/logical.ts';
import { oids } from '../../types/type.ts';
import { constructName, locationOf, place } from '../ast.ts';
import { coerceToCommon, commonType, requireCommonType } from './coerce.ts';
import { type Environment, located, type Surroundings, typeOf } from './environment.ts';
import { contextOf } from './expression.ts';
import { requireEquality } from './grouping.ts';
import { withLimit } from './limit.ts';
import { refuseLocking } from './locking.ts';
import { bindOrder } from './order.ts';
import { findOutput } from './output-name.ts';
import { newScope } from './scope.ts';
import { bindSelect, sortRows } from './select.ts';
import { sortByOf } from './sort-key.ts';
import type { Target } from './target.ts';
import { bindWith, wrapWith } from './with.ts';

/** Binds a query: SELECT, VALUES, or set operations of them. */
export function bindQuery(environment: Environment, node: Node, surroundings: Surroundings): LogicalPlan {
  if ('SelectStmt' in node) return bindSelectStatement(environment, node.SelectStmt, surroundings);
  throw unsupported(`${constructName(node)} as a query`, place(locationOf(node)).position);
}

function bindSelectStatement(
  environment: Environment,
  select: SelectStmt,
  surroundings: Surroundings,
): LogicalPlan {
  if (select.intoClause !== undefined) {
    throw unsupported('SELECT INTO', place(select.intoClause.rel?.location).position);
  }
  const bound = bindWith(environment, select.withClause, surroundings.outer, surroundings.ctes);
  const inner = { ...surroundings, ctes: bound.ctes };
  return wrapWith(bound, bindBody(environment, select, inner));
}

function bindBody(environment: Environment, select: SelectStmt, surroundings: Surroundings): LogicalPlan {
  if (select.op !== undefined && select.op !== 'SETOP_NONE') {
    refuseLocking(select, 'UNION/INTERSECT/EXCEPT');
    const plan = bindSetOperation(environment, select, surroundings);
    return finishRows(environment, select, surroundings, plan, true);
  }
  if (select.valuesLists === undefined) return bindSelect(environment, select, surroundings);
  refuseLocking(select, 'VALUES');
  const plan = bindValues(environment, select.valuesLists, surroundings);
  return finishRows(environment, select, surroundings, plan, false);
}

/** VALUES: each column has the common type of its rows. */
function bindValues(
  environment: Environment,
  lists: readonly Node[],
  { outer, ctes, resolvesUnknowns }: Surroundings,
): LogicalPlan {
  const scope = newScope({ relations: [], columns: [] }, outer, ctes);
  const context = contextOf(environment, scope, 'VALUES');
  const rows = lists.map((list) => {
    const items = 'List' in list ? (list.List.items ?? []) : [];
    return items.map((item) => context.bind(context, item));
  });
  const width = rows[0]?.length ?? 0;
  const uneven = rows.findIndex((row) => row.length !== width);
  if (uneven !== -1) {
    throw new AlopexError(
      'syntax_error',
      'VALUES lists must all be the same length',
      place(locationOf(lists[uneven])),
    );
  }
  const types = Array.from({ length: width }, (_, index) => {
    const column = rows.map((row) => row[index]!);
    const keepsUnknown = !resolvesUnknowns && column.every(({ type }) => type.oid === oids.unknown);
    if (keepsUnknown) return typeOf(oids.unknown);
    return commonType(column, requireCommonType(environment, column, 'VALUES'));
  });
  return {
    kind: 'values',
    columns: types.map((type, index) => ({ name: `column${index + 1}`, type, table: 0, attribute: 0 })),
    rows: rows.map((row) =>
      row.map((value, index) => coerceToCommon(environment, value, types[index]!.oid, 'VALUES')),
    ),
  };
}

const operations = {
  SETOP_UNION: 'union',
  SETOP_INTERSECT: 'intersect',
  SETOP_EXCEPT: 'except',
} as const;

/** UNION and its kin: both sides in the common types of their columns. */
function bindSetOperation(
  environment: Environment,
  select: SelectStmt,
  surroundings: Surroundings,
): LogicalPlan {
  const operation = operations[select.op as keyof typeof operations];
  const construct = operation.toUpperCase();
  const side = { ...surroundings, resolvesUnknowns: false };
  const left = bindSelectStatement(environment, select.larg!, side);
  const right = bindSelectStatement(environment, select.rarg!, side);
  if (left.columns.length !== right.columns.length) {
    throw new AlopexError(
      'syntax_error',
      `each ${construct} query must have the same number of columns`,
      place(locationOf(select.rarg?.targetList?.[0])),
    );
  }
  const leftValues = valuesOf(environment, left);
  const rightValues = valuesOf(environment, right);
  const all = select.all === true;
  const types = leftValues.map((value, index) => {
    const pair = [value, rightValues[index]!];
    const type = commonType(pair, requireCommonType(environment, pair, construct));
    if (!all)
      requireEquality(environment, { kind: 'column', type, index }, environment.locations.get(value) ?? -1);
    return type;
  });
  const oidOf = types.map(({ oid }) => oid);
  return {
    kind: 'set-operation',
    columns: left.columns.map(({ name }, index) => ({ name, type: types[index]!, table: 0, attribute: 0 })),
    operation,
    all,
    left: castColumns(environment, left, oidOf, construct),
    right: castColumns(environment, right, oidOf, construct),
  };
}

/** What a query's columns are computed by, where that can be seen: literals of unknown type can still become any. */
function valuesOf(environment: Environment, plan: LogicalPlan): readonly Expression[] {
  return plan.columns.map(({ type }, index): Expression => {
    if (plan.kind === 'project') return plan.expressions[index]!;
    const column: Expression = { kind: 'column', type, index };
    const sample = plan.kind === 'values' ? plan.rows[0]?.[index] : undefined;
    return located(
      environment,
      column,
      sample === undefined ? -1 : (environment.locations.get(sample) ?? -1),
    );
  });
}

/** The plan with its columns in these types. */
export function castColumns(
  environment: Environment,
  plan: LogicalPlan,
  types: readonly number[],
  construct: string,
): LogicalPlan {
  if (plan.columns.every(({ type }, index) => type.oid === types[index])) return plan;
  const cast = (values: readonly Expression[]): readonly Expression[] =>
    values.map((value, index) => coerceToCommon(environment, value, types[index]!, construct));
  const retyped = (expressions: readonly Expression[]) =>
    plan.columns.map((column, index) => ({ ...column, type: expressions[index]!.type }));
  if (plan.kind === 'project') {
    const expressions = cast(plan.expressions);
    return { ...plan, columns: retyped(expressions), expressions };
  }
  if (plan.kind === 'values') {
    const rows = plan.rows.map(cast);
    return { ...plan, columns: retyped(rows[0] ?? []), rows };
  }
  const expressions = cast(valuesOf(environment, plan));
  return { kind: 'project', columns: retyped(expressions), input: plan, expressions };
}

/** ORDER BY and LIMIT over rows that are made already. After a set operation only their columns can be named. */
function finishRows(
  environment: Environment,
  select: SelectStmt,
  surroundings: Surroundings,
  input: LogicalPlan,
  onlyColumns: boolean,
): LogicalPlan {
  const resolved = surroundings.resolvesUnknowns ? resolveColumns(environment, input) : input;
  const columns = resolved.columns.map((column, index) => ({ ...column, index }));
  const relation = { alias: '*VALUES*', schema: null, table: null, columns, keyIndex: null };
  const relations = onlyColumns ? [] : [relation];
  const scope = newScope({ relations, columns }, surroundings.outer, surroundings.ctes);
  const context = contextOf(environment, scope, 'ORDER BY');
  const targets = columns.map(
    ({ name, type, index }): Target => ({
      name,
      expression: { kind: 'column', type, index },
      table: 0,
      attribute: 0,
    }),
  );
  const nodes = select.sortClause ?? [];
  if (onlyColumns) {
    for (const node of nodes) {
      const item = sortByOf(node).node!;
      if (findOutput(context, item, targets, 'ORDER BY') !== null) continue;
      context.bind(context, item);
      throw invalidOrder(item);
    }
  }
  const sorted = sortRows(resolved, bindOrder(context, nodes, targets));
  return withLimit(environment, select, scope, sorted);
}

function invalidOrder(node: Node): AlopexError {
  return new AlopexError('feature_not_supported', 'invalid UNION/INTERSECT/EXCEPT ORDER BY clause', {
    detail: 'Only result column names can be used, not expressions or functions.',
    hint: 'Add the expression/function to every SELECT, or move the UNION into a FROM clause.',
    ...place(locationOf(node)),
  });
}

function resolveColumns(environment: Environment, plan: LogicalPlan): LogicalPlan {
  const types = valuesOf(environment, plan).map(({ type }) =>
    type.oid === oids.unknown ? oids.text : type.oid,
  );
  return castColumns(environment, plan, types, 'SELECT');
}
