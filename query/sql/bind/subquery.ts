import type { SubLink } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression, Subplan, SubqueryForm } from '../../plan/expression.ts';
import type { LogicalPlan } from '../../plan/logical.ts';
import { oids, type SqlType } from '../../types/type.ts';
import { place, qualifiedNameOf } from '../ast.ts';
import { arrayTypeOf } from './coerce.ts';
import { operator } from './comparison.ts';
import type { ExpressionContext } from './context.ts';
import { located, typeOf } from './environment.ts';
import { resolveOperator } from './operator.ts';
import { readsOuter } from './traverse.ts';

/** A query in an expression: EXISTS, scalar, ARRAY(…), IN, and `op ANY | ALL`. */
export function bindSubLink(context: ExpressionContext, node: SubLink): Expression {
  const { environment } = context;
  const location = node.location ?? 0;
  const plan = environment.bindQuery(environment, node.subselect!, {
    outer: context.scope,
    ctes: context.scope.ctes,
    resolvesUnknowns: true,
  });
  const expression = subqueryOf(context, node, plan, location);
  return located(environment, expression, location);
}

function subqueryOf(
  context: ExpressionContext,
  node: SubLink,
  plan: LogicalPlan,
  location: number,
): Expression {
  switch (node.subLinkType) {
    case 'EXISTS_SUBLINK':
      return subquery({ kind: 'exists' }, typeOf(oids.bool), plan);
    case 'EXPR_SUBLINK':
      return subquery({ kind: 'scalar' }, onlyColumn(plan, location), plan);
    case 'ARRAY_SUBLINK': {
      const { oid } = onlyColumn(plan, location);
      const array = arrayTypeOf(context.environment, oid, undefined);
      return subquery({ kind: 'array' }, typeOf(array), plan);
    }
    case 'ANY_SUBLINK':
    case 'ALL_SUBLINK':
      return quantified(context, node, plan, location);
    default:
      throw unsupported('this form of subquery', place(location).position);
  }
}

export function subquery(form: SubqueryForm, type: SqlType, plan: LogicalPlan): Expression {
  const subplan: Subplan = { plan, isCorrelated: readsOuter(plan, null) };
  return { kind: 'subquery', type, form, subplan };
}

function onlyColumn(plan: LogicalPlan, location: number): SqlType {
  if (plan.columns.length === 1) return plan.columns[0]!.type;
  throw new AlopexError('syntax_error', 'subquery must return only one column', place(location));
}

/** IN is `= ANY`; NOT IN comes from the parser as NOT of it. */
function quantified(
  context: ExpressionContext,
  node: SubLink,
  plan: LogicalPlan,
  location: number,
): Expression {
  const { environment } = context;
  const name = (node.operName ?? []).length === 0 ? operator('=') : qualifiedNameOf(node.operName);
  const test = node.testexpr!;
  const left =
    'RowExpr' in test
      ? (test.RowExpr.args ?? []).map((field) => context.bind(context, field))
      : rowFields(context.bind(context, test));
  const { columns } = plan;
  if (left.length !== columns.length) {
    const few = left.length < columns.length ? 'too many' : 'too few';
    throw new AlopexError('syntax_error', `subquery has ${few} columns`, place(location));
  }
  if (left.length > 1 && name.name !== '=') {
    throw unsupported(
      `row ${name.name} ${node.subLinkType === 'ANY_SUBLINK' ? 'ANY' : 'ALL'}`,
      place(location).position,
    );
  }
  const resolved = left.map((value, index) => {
    const column: Expression = { kind: 'column', type: columns[index]!.type, index };
    const found = resolveOperator(environment, name, value, column, location);
    if (found.result === oids.bool) return found;
    throw new AlopexError(
      'datatype_mismatch',
      'row comparison operator must yield type boolean',
      place(location),
    );
  });
  const inner = resolved.map(({ operands }) => operands[1]!);
  const form: SubqueryForm = {
    kind: 'quantified',
    quantifier: node.subLinkType === 'ANY_SUBLINK' ? 'any' : 'all',
    left: resolved.map(({ operands }) => operands[0]!),
    comparisons: resolved.map((found) => found.function),
  };
  return subquery(form, typeOf(oids.bool), project(plan, inner));
}

function rowFields(expression: Expression): readonly Expression[] {
  return expression.kind === 'row' ? expression.fields : [expression];
}

/** Casts a query's columns, where that changes anything. */
function project(plan: LogicalPlan, expressions: readonly Expression[]): LogicalPlan {
  if (expressions.every((expression) => expression.kind === 'column')) return plan;
  const columns = plan.columns.map((column, index) => ({ ...column, type: expressions[index]!.type }));
  return { kind: 'project', columns, input: plan, expressions };
}
