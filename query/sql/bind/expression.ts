import type {
  A_ArrayExpr,
  A_Expr,
  A_Indirection,
  BoolExpr,
  BooleanTest,
  CaseExpr,
  CollateClause,
  Node,
  NullTest,
  RowExpr,
  TypeCast,
} from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression, Subscript } from '../../plan/expression.ts';
import { formatType } from '../../types/format-type.ts';
import { lessFunction } from '../../types/functions/registry.ts';
import { isArrayType, typeInfo } from '../../types/registry.ts';
import { oids, type SqlType, type TypeOid } from '../../types/type.ts';
import { constructName, locationOf, place, qualifiedNameOf } from '../ast.ts';
import { typeNameOf } from '../type-name.ts';
import {
  arrayTypeOf,
  castExplicitly,
  coerce,
  coerceToBoolean,
  coerceToCommon,
  commonType,
  requireCommonType,
  resolveUnknown,
} from './coerce.ts';
import { bindColumn } from './column.ts';
import {
  bindArrayComparison,
  bindBetween,
  bindComparison,
  bindDistinct,
  bindIn,
  bindNullif,
  conjunction,
  negation,
  operator,
} from './comparison.ts';
import { bindConstant, bindValueFunction, constantOf } from './constant.ts';
import type { ExpressionContext } from './context.ts';
import { type Environment, located, placeOf, typeOf } from './environment.ts';
import { bindFunctionCall } from './function.ts';
import { bindOperator } from './operator.ts';
import type { Scope } from './scope.ts';
import { bindSubLink } from './subquery.ts';

const boolean = typeOf(oids.bool);

/** A context for the expressions of one clause; `clause` is what PostgreSQL's messages call it. */
export function contextOf(
  environment: Environment,
  scope: Scope,
  clause: string,
  allows: { readonly aggregates?: boolean; readonly sets?: boolean } = {},
): ExpressionContext {
  return {
    environment,
    scope,
    clause,
    allowsAggregates: allows.aggregates ?? false,
    allowsSets: allows.sets ?? false,
    bind: bindExpressionNode,
  };
}

/** Binds an expression of the parse tree: names, types and coercions as PostgreSQL resolves them. */
export function bindExpressionNode(context: ExpressionContext, node: Node): Expression {
  const { environment } = context;
  return located(environment, bindNode(context, node), locationOf(node));
}

function bindNode(context: ExpressionContext, node: Node): Expression {
  const { environment } = context;
  if ('ColumnRef' in node) return bindColumn(context, node.ColumnRef);
  if ('A_Const' in node) return bindConstant(context, node.A_Const);
  if ('ParamRef' in node) {
    const { number = 0, location = 0 } = node.ParamRef;
    return environment.parameters.use(number, location);
  }
  if ('A_Expr' in node) return bindOperation(context, node.A_Expr);
  if ('BoolExpr' in node) return bindBoolean(context, node.BoolExpr);
  if ('FuncCall' in node) return bindFunctionCall(context, node.FuncCall);
  if ('TypeCast' in node) return bindCast(context, node.TypeCast);
  if ('NullTest' in node) return bindNullTest(context, node.NullTest);
  if ('BooleanTest' in node) return bindBooleanTest(context, node.BooleanTest);
  if ('SubLink' in node) return bindSubLink(context, node.SubLink);
  if ('CaseExpr' in node) return bindCase(context, node.CaseExpr);
  if ('CoalesceExpr' in node) {
    const { operands, type } = bindPeers(context, node.CoalesceExpr.args ?? [], 'COALESCE');
    return { kind: 'coalesce', type, operands };
  }
  if ('MinMaxExpr' in node) {
    const which = node.MinMaxExpr.op === 'IS_GREATEST' ? 'greatest' : 'least';
    const { operands, type } = bindPeers(context, node.MinMaxExpr.args ?? [], which.toUpperCase());
    return { kind: 'extremum', type, which, operands, less: requireLess(type.oid, node.MinMaxExpr.location) };
  }
  if ('A_ArrayExpr' in node) return bindArray(context, node.A_ArrayExpr, null);
  if ('A_Indirection' in node) return bindIndirection(context, node.A_Indirection);
  if ('RowExpr' in node) return bindRow(context, node.RowExpr);
  if ('SQLValueFunction' in node) return bindValueFunction(context, node.SQLValueFunction);
  if ('CollateClause' in node) return bindCollation(context, node.CollateClause);
  if ('SetToDefault' in node) {
    throw new AlopexError(
      'syntax_error',
      'DEFAULT is not allowed in this context',
      place(node.SetToDefault.location),
    );
  }
  throw unsupported(constructName(node), place(locationOf(node)).position);
}

function bindOperation(context: ExpressionContext, node: A_Expr): Expression {
  const location = node.location ?? 0;
  switch (node.kind) {
    case 'AEXPR_OP_ANY':
    case 'AEXPR_OP_ALL':
      return bindArrayComparison(context, node);
    case 'AEXPR_DISTINCT':
    case 'AEXPR_NOT_DISTINCT':
      return bindDistinct(context, node);
    case 'AEXPR_NULLIF':
      return bindNullif(context, node);
    case 'AEXPR_IN':
      return bindIn(context, node);
    case 'AEXPR_BETWEEN':
    case 'AEXPR_NOT_BETWEEN':
    case 'AEXPR_BETWEEN_SYM':
    case 'AEXPR_NOT_BETWEEN_SYM':
      return bindBetween(context, node);
    default: {
      const name = qualifiedNameOf(node.name);
      const right = node.rexpr!;
      if (node.lexpr !== undefined) return bindComparison(context, name, node.lexpr, right, location);
      return bindOperator(context.environment, name, null, context.bind(context, right), location);
    }
  }
}

function bindBoolean(context: ExpressionContext, node: BoolExpr): Expression {
  const name = node.boolop === 'AND_EXPR' ? 'AND' : node.boolop === 'OR_EXPR' ? 'OR' : 'NOT';
  const operands = (node.args ?? []).map((argument) =>
    coerceToBoolean(context.environment, context.bind(context, argument), name),
  );
  return name === 'NOT' ? negation(operands[0]!) : conjunction(name === 'AND' ? 'and' : 'or', operands);
}

function bindCast(context: ExpressionContext, node: TypeCast): Expression {
  const { environment } = context;
  const target = typeNameOf(node.typeName);
  const location = node.location === -1 ? locationOf(node.arg) : node.location;
  if (node.arg !== undefined && 'A_ArrayExpr' in node.arg && isArrayType(target.oid)) {
    const array = bindArray(context, node.arg.A_ArrayExpr, target.oid);
    return castExplicitly(environment, array, target, place(location));
  }
  return castExplicitly(environment, context.bind(context, node.arg!), target, place(location));
}

/** `ROW(…) IS NULL`: all fields are; IS NOT NULL: none is. */
function bindNullTest(context: ExpressionContext, node: NullTest): Expression {
  const negated = node.nulltesttype === 'IS_NOT_NULL';
  const operand = context.bind(context, node.arg!);
  const test = (tested: Expression): Expression => ({
    kind: 'is-null',
    type: boolean,
    operand: tested,
    negated,
  });
  if (operand.kind !== 'row' || operand.fields.length === 0) return test(operand);
  return conjunction('and', operand.fields.map(test));
}

function bindBooleanTest(context: ExpressionContext, node: BooleanTest): Expression {
  const [, not, test] = /^IS_(NOT_)?(TRUE|FALSE|UNKNOWN)$/.exec(node.booltesttype!)!;
  const clause = `IS ${not === undefined ? '' : 'NOT '}${test}`;
  const operand = coerceToBoolean(context.environment, context.bind(context, node.arg!), clause);
  return {
    kind: 'boolean-test',
    type: boolean,
    operand,
    test: test!.toLowerCase() as 'true' | 'false' | 'unknown',
    negated: not !== undefined,
  };
}

/** CASE; its simple form compares the operand with each WHEN. */
function bindCase(context: ExpressionContext, node: CaseExpr): Expression {
  const { environment } = context;
  const subject =
    node.arg === undefined ? null : resolveUnknown(environment, context.bind(context, node.arg));
  const branches = (node.args ?? []).map((branch) => {
    if (!('CaseWhen' in branch)) throw unsupported('this form of CASE', place(node.location).position);
    const { expr, result, location } = branch.CaseWhen;
    const value = context.bind(context, expr!);
    const when =
      subject === null ? value : bindOperator(environment, operator('='), subject, value, location ?? 0);
    return {
      when: coerceToBoolean(environment, when, 'CASE/WHEN'),
      result: context.bind(context, result!),
    };
  });
  const otherwise = node.defresult === undefined ? null : context.bind(context, node.defresult);
  const results = [...(otherwise === null ? [] : [otherwise]), ...branches.map((branch) => branch.result)];
  const common = requireCommonType(environment, results, 'CASE');
  const coerced = (value: Expression): Expression => coerceToCommon(environment, value, common, 'CASE');
  return {
    kind: 'case',
    type: otherwise === null ? typeOf(common) : commonType(results, common),
    branches: branches.map(({ when, result }) => ({ when, result: coerced(result) })),
    otherwise: otherwise === null ? null : coerced(otherwise),
  };
}

/** Operands that must have one type. */
function bindPeers(
  context: ExpressionContext,
  nodes: readonly Node[],
  construct: string,
): { readonly operands: readonly Expression[]; readonly type: SqlType } {
  const { environment } = context;
  const bound = nodes.map((node) => context.bind(context, node));
  const common = requireCommonType(environment, bound, construct);
  const operands = bound.map((operand) => coerceToCommon(environment, operand, common, construct));
  return { operands, type: commonType(operands, common) };
}

function requireLess(oid: TypeOid, location: number | undefined) {
  const less = lessFunction(oid);
  if (less !== null) return less;
  throw new AlopexError(
    'undefined_function',
    `could not identify a comparison function for type ${formatType(typeOf(oid))}`,
    place(location),
  );
}

/** ARRAY[…]; `target` is the array type that a cast around it asks for. */
function bindArray(context: ExpressionContext, node: A_ArrayExpr, target: TypeOid | null): Expression {
  const { environment } = context;
  const elements = (node.elements ?? []).map((element) =>
    'A_ArrayExpr' in element
      ? bindArray(context, element.A_ArrayExpr, target)
      : context.bind(context, element),
  );
  if (elements.length === 0 && target === null) {
    throw new AlopexError('indeterminate_datatype', 'cannot determine type of empty array', {
      hint: 'Explicitly cast to the desired type, for example ARRAY[]::integer[].',
      ...place(node.location),
    });
  }
  const isNested = elements.some((element) => isArrayType(element.type.oid));
  if (target !== null) {
    const inner = typeOf(isNested ? target : typeInfo(target).element);
    const cast = elements.map((element) =>
      castExplicitly(environment, element, inner, placeOf(environment, element)),
    );
    return { kind: 'array', type: typeOf(target), elements: cast, isNested };
  }
  const common = requireCommonType(environment, elements, 'ARRAY');
  const coerced = elements.map((element) => coerceToCommon(environment, element, common, 'ARRAY'));
  const oid = isNested ? common : arrayTypeOf(environment, common, elements[0]);
  return { kind: 'array', type: typeOf(oid), elements: coerced, isNested };
}

function bindRow(context: ExpressionContext, node: RowExpr): Expression {
  const fields = (node.args ?? []).flatMap((field) => {
    const value = resolveUnknown(context.environment, context.bind(context, field));
    return isStar(field) && value.kind === 'row' ? value.fields : [value];
  });
  return { kind: 'row', type: typeOf(oids.record), fields, names: null };
}

/** `ROW(t.*, …)` holds the columns of t. */
function isStar(node: Node): boolean {
  return 'ColumnRef' in node && 'A_Star' in (node.ColumnRef.fields?.at(-1) ?? {});
}

/** `value.field` and `value[subscripts]`, in any order; neighbouring subscripts are one. */
function bindIndirection(context: ExpressionContext, node: A_Indirection): Expression {
  let value = context.bind(context, node.arg!);
  let subscripts: Node[] = [];
  const location = locationOf(node.arg);
  const finish = (): void => {
    if (subscripts.length > 0) value = bindSubscripts(context, value, subscripts, location);
    subscripts = [];
  };
  for (const step of node.indirection ?? []) {
    if ('A_Indices' in step) {
      subscripts.push(step);
      continue;
    }
    finish();
    if (!('String' in step)) throw unsupported('.* in this place', place(location).position);
    value = fieldOf(value, step.String.sval ?? '', location);
  }
  finish();
  return value;
}

function fieldOf(row: Expression, name: string, location: number): Expression {
  if (row.kind !== 'row') {
    const type = formatType(typeOf(row.type.oid));
    throw new AlopexError(
      'wrong_object_type',
      `column notation .${name} applied to type ${type}, which is not a composite type`,
      place(location),
    );
  }
  const index = (row.names ?? row.fields.map((_, field) => `f${field + 1}`)).indexOf(name);
  if (index !== -1) return row.fields[index]!;
  throw new AlopexError(
    'undefined_column',
    `could not identify column "${name}" in record data type`,
    place(location),
  );
}

function bindSubscripts(
  context: ExpressionContext,
  operand: Expression,
  nodes: readonly Node[],
  location: number,
): Expression {
  const { oid } = operand.type;
  const { element } = typeInfo(oid);
  if (element === 0 || oid === oids.name) {
    throw new AlopexError(
      'datatype_mismatch',
      `cannot subscript type ${formatType(typeOf(oid))} because it does not support subscripting`,
      place(location),
    );
  }
  const bindIndex = (node: Node | undefined): Expression | null =>
    node === undefined ? null : bindSubscript(context, node);
  const indices = nodes.flatMap((node) => ('A_Indices' in node ? [node.A_Indices] : []));
  const isSlice = indices.some((index) => index.is_slice === true);
  const subscripts = indices.map(({ is_slice, lidx, uidx }): Subscript => {
    if (is_slice === true) return { kind: 'slice', from: bindIndex(lidx), to: bindIndex(uidx) };
    const index = bindSubscript(context, uidx!);
    return isSlice ? { kind: 'slice', from: constantOf(oids.int4, 1), to: index } : { kind: 'index', index };
  });
  return {
    kind: 'subscript',
    type: isSlice ? operand.type : { oid: element, modifier: operand.type.modifier },
    operand,
    subscripts,
  };
}

function bindSubscript(context: ExpressionContext, node: Node): Expression {
  const index = context.bind(context, node);
  const coerced = coerce(context.environment, index, typeOf(oids.int4), 'assignment');
  if (coerced !== null) return coerced;
  throw new AlopexError(
    'datatype_mismatch',
    'array subscript must have type integer',
    placeOf(context.environment, index),
  );
}

const collations = new Set(['default', 'C', 'POSIX', 'ucs_basic', 'C.UTF-8', 'unicode']);

/** All text is ordered by its code points: the collations that say so, and the default, change nothing. */
function bindCollation(context: ExpressionContext, node: CollateClause): Expression {
  const operand = context.bind(context, node.arg!);
  const { name } = qualifiedNameOf(node.collname);
  if (!collations.has(name)) {
    throw new AlopexError(
      'undefined_object',
      `collation "${name}" for encoding "UTF8" does not exist`,
      place(node.location),
    );
  }
  const { oid } = operand.type;
  const isText = oid === oids.unknown || typeInfo(oid).category === 'S' || oid === oids.textArray;
  if (isText) return operand;
  throw new AlopexError(
    'datatype_mismatch',
    `collations are not supported by type ${formatType(typeOf(oid))}`,
    place(node.location),
  );
}
