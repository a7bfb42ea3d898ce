import type { A_Indirection, ColumnRef, Node, ResTarget } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import { locationOf, place, stringsOf } from '../ast.ts';
import { maxTargets } from '../limits.ts';
import { columnAt, partsOf } from './column.ts';
import type { ExpressionContext } from './context.ts';
import { located } from './environment.ts';
import { findRelation, missingRelation, type Scope, type ScopeColumn } from './scope.ts';

/** A column of a query's result. */
export type Target = {
  readonly name: string;
  readonly expression: Expression;
  /** Where it is a table's own column; else 0. */
  readonly table: number;
  readonly attribute: number;
};

/** Binds a select list, or RETURNING: `*` and `t.*` are expanded. */
export function bindTargets(context: ExpressionContext, nodes: readonly Node[]): readonly Target[] {
  const targets = nodes.flatMap((node) => ('ResTarget' in node ? bindTarget(context, node.ResTarget) : []));
  if (targets.length > maxTargets) {
    throw new AlopexError('too_many_columns', `target lists can have at most ${maxTargets} entries`);
  }
  return targets;
}

function bindTarget(context: ExpressionContext, node: ResTarget): readonly Target[] {
  const value = node.val!;
  if ('ColumnRef' in value && 'A_Star' in (value.ColumnRef.fields?.at(-1) ?? {})) {
    return expandStar(context, value.ColumnRef);
  }
  if ('A_Indirection' in value && 'A_Star' in (value.A_Indirection.indirection?.at(-1) ?? {})) {
    return expandRow(context, value.A_Indirection);
  }
  const expression = context.bind(context, value);
  const origin = originOf(context.scope, expression);
  return [{ name: node.name ?? nameOf(value), expression, ...origin }];
}

function originOf(scope: Scope, expression: Expression): { table: number; attribute: number } {
  if (expression.kind !== 'column' || expression.index < 0) return { table: 0, attribute: 0 };
  const column = [...scope.columns, ...scope.relations.flatMap((relation) => relation.columns)].find(
    ({ index }) => index === expression.index,
  );
  return { table: column?.table ?? 0, attribute: column?.attribute ?? 0 };
}

function expandStar(context: ExpressionContext, node: ColumnRef): readonly Target[] {
  const { environment, scope } = context;
  const location = node.location ?? 0;
  const names = partsOf(node);
  if (names.length === 1) {
    if (scope.relations.length === 0) {
      throw new AlopexError(
        'syntax_error',
        'SELECT * with no tables specified is not valid',
        place(location),
      );
    }
    return scope.columns.map((column) =>
      targetOf(column, located(environment, columnAt(0, column), location)),
    );
  }
  const alias = names.at(-2)!;
  const found = findRelation(scope, names.length > 2 ? names.at(-3)! : null, alias, location);
  if (found === null) throw missingRelation(scope, alias, location);
  return found.relation.columns.map((column) =>
    targetOf(column, located(environment, columnAt(found.level, column), location)),
  );
}

function targetOf({ name, table, attribute }: ScopeColumn, expression: Expression): Target {
  return { name, expression, table, attribute };
}

/** `(row).*`. */
function expandRow(context: ExpressionContext, node: A_Indirection): readonly Target[] {
  const indirection = (node.indirection ?? []).slice(0, -1);
  const inner: Node = indirection.length === 0 ? node.arg! : { A_Indirection: { ...node, indirection } };
  const row = context.bind(context, inner);
  if (row.kind !== 'row') {
    throw new AlopexError(
      'wrong_object_type',
      'column notation .* applied to a type which is not a composite type',
      place(locationOf(node.arg)),
    );
  }
  return row.fields.map((expression, index) => ({
    name: row.names?.[index] ?? `f${index + 1}`,
    expression,
    ...originOf(context.scope, expression),
  }));
}

/** The name of a column without AS: PostgreSQL's FigureColname. */
function nameOf(node: Node): string {
  return strongName(node)?.name ?? '?column?';
}

/** `isWeak`: a cast's type, or CASE: an inner name is preferred to it. */
type FoundName = { readonly name: string; readonly isWeak: boolean };

const strong = (name: string): FoundName => ({ name, isWeak: false });

function strongName(node: Node | undefined): FoundName | null {
  if (node === undefined) return null;
  if ('ColumnRef' in node) {
    const name = stringsOf(node.ColumnRef.fields?.filter((field) => 'String' in field)).at(-1);
    return name === undefined ? null : strong(name);
  }
  if ('A_Indirection' in node) {
    const fields = node.A_Indirection.indirection?.filter((field) => 'String' in field);
    const name = stringsOf(fields).at(-1);
    return name === undefined ? strongName(node.A_Indirection.arg) : strong(name);
  }
  if ('FuncCall' in node) return strong(stringsOf(node.FuncCall.funcname).at(-1) ?? '');
  if ('A_Expr' in node) return node.A_Expr.kind === 'AEXPR_NULLIF' ? strong('nullif') : null;
  if ('TypeCast' in node) {
    const inner = strongName(node.TypeCast.arg);
    if (inner !== null && !inner.isWeak) return inner;
    const type = stringsOf(node.TypeCast.typeName?.names).at(-1);
    return type === undefined ? inner : { name: type, isWeak: true };
  }
  if ('CollateClause' in node) return strongName(node.CollateClause.arg);
  if ('SubLink' in node) {
    switch (node.SubLink.subLinkType) {
      case 'EXISTS_SUBLINK':
        return strong('exists');
      case 'ARRAY_SUBLINK':
        return strong('array');
      case 'EXPR_SUBLINK':
        return subqueryName(node.SubLink.subselect);
      default:
        return null;
    }
  }
  if ('CaseExpr' in node) {
    const inner = strongName(node.CaseExpr.defresult);
    return inner !== null && !inner.isWeak ? inner : { name: 'case', isWeak: true };
  }
  if ('A_ArrayExpr' in node) return strong('array');
  if ('RowExpr' in node) return strong('row');
  if ('CoalesceExpr' in node) return strong('coalesce');
  if ('MinMaxExpr' in node) return strong(node.MinMaxExpr.op === 'IS_GREATEST' ? 'greatest' : 'least');
  if ('SQLValueFunction' in node) {
    return strong((node.SQLValueFunction.op ?? '').replace(/^SVFOP_|_N$/g, '').toLowerCase());
  }
  return null;
}

function subqueryName(node: Node | undefined): FoundName | null {
  if (node === undefined || !('SelectStmt' in node)) return null;
  let select = node.SelectStmt;
  while (select.larg !== undefined) select = select.larg;
  if (select.valuesLists !== undefined) return strong('column1');
  const target = select.targetList?.[0];
  if (target === undefined || !('ResTarget' in target)) return null;
  return target.ResTarget.name === undefined
    ? strongName(target.ResTarget.val)
    : strong(target.ResTarget.name);
}
