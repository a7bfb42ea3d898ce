import type { A_Expr, Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import { formatType } from '../../types/format-type.ts';
import { isArrayType, typeInfo } from '../../types/registry.ts';
import { oids } from '../../types/type.ts';
import { place, qualifiedNameOf } from '../ast.ts';
import { arrayTypeOf, coerce, coerceToCommon, findCommonType } from './coerce.ts';
import { trueConstant } from './constant.ts';
import type { ExpressionContext } from './context.ts';
import { type Environment, located, typeOf } from './environment.ts';
import { finishCall } from './function.ts';
import { bindOperator, chooseOperator, type OperatorName, resolveOperator } from './operator.ts';

const boolean = typeOf(oids.bool);

export function operator(name: string): OperatorName {
  return { schema: null, name };
}

export function conjunction(kind: 'and' | 'or', operands: readonly Expression[]): Expression {
  return operands.length === 1 ? operands[0]! : { kind, type: boolean, operands };
}

export function negation(operand: Expression): Expression {
  return { kind: 'not', type: boolean, operand };
}

/** `left name right`, rows compared field by field. */
export function bindComparison(
  context: ExpressionContext,
  name: OperatorName,
  left: Node,
  right: Node,
  location: number,
): Expression {
  if ('RowExpr' in left && 'RowExpr' in right) {
    const fields = (node: Node): readonly Expression[] =>
      'RowExpr' in node ? (node.RowExpr.args ?? []).map((field) => context.bind(context, field)) : [];
    return compareRows(context.environment, name, fields(left), fields(right), location);
  }
  const leftValue = context.bind(context, left);
  const rightValue = context.bind(context, right);
  if (leftValue.kind === 'row' && rightValue.kind === 'row') {
    return compareRows(context.environment, name, leftValue.fields, rightValue.fields, location);
  }
  return bindOperator(context.environment, name, leftValue, rightValue, location);
}

/** Row comparison (manual, 9.25.5): equality needs all fields; order is decided by the first that differs. */
export function compareRows(
  environment: Environment,
  name: OperatorName,
  left: readonly Expression[],
  right: readonly Expression[],
  location: number,
): Expression {
  if (left.length !== right.length) {
    throw new AlopexError('syntax_error', 'unequal number of entries in row expressions', place(location));
  }
  if (left.length === 0) {
    throw new AlopexError('feature_not_supported', 'cannot compare rows of zero length', place(location));
  }
  const compare = (symbol: string, index: number): Expression =>
    bindOperator(environment, { ...name, name: symbol }, left[index]!, right[index]!, location);
  const indexes = left.map((_, index) => index);
  switch (name.name) {
    case '=':
      return conjunction(
        'and',
        indexes.map((index) => compare('=', index)),
      );
    case '<>':
      return conjunction(
        'or',
        indexes.map((index) => compare('<>', index)),
      );
    case '<':
    case '<=':
    case '>':
    case '>=': {
      const strict = name.name.charAt(0);
      const last = left.length - 1;
      return indexes.slice(0, -1).reduceRight(
        (rest, index) => {
          const equal = conjunction('and', [compare('=', index), rest]);
          return conjunction('or', [compare(strict, index), equal]);
        },
        compare(name.name, last),
      );
    }
    default:
      throw new AlopexError(
        'feature_not_supported',
        `could not determine interpretation of row comparison operator ${name.name}`,
        {
          hint: 'Row comparison operators must be associated with btree operator families.',
          ...place(location),
        },
      );
  }
}

/** `IN (list)` and `NOT IN (list)`. */
export function bindIn(context: ExpressionContext, node: A_Expr): Expression {
  const { environment } = context;
  const location = node.location ?? 0;
  const name = qualifiedNameOf(node.name);
  const isNegated = name.name === '<>';
  const items = node.rexpr !== undefined && 'List' in node.rexpr ? (node.rexpr.List.items ?? []) : [];
  const left = node.lexpr!;
  if ('RowExpr' in left || items.some((item) => 'RowExpr' in item)) {
    const tests = items.map((item) => bindComparison(context, operator(name.name), left, item, location));
    return conjunction(isNegated ? 'and' : 'or', tests);
  }
  const value = context.bind(context, left);
  const list = items.map((item) => context.bind(context, item));
  const common = findCommonType([value, ...list]);
  if (common === null) {
    const tests = list.map((item) => bindOperator(environment, name, value, item, location));
    return conjunction(isNegated ? 'and' : 'or', tests);
  }
  const coerced = list.map((item) => coerceToCommon(environment, item, common, 'IN'));
  const resolved = resolveOperator(environment, name, value, coerced[0]!, location);
  const itemType = resolved.operands[1]!.type;
  const comparison: Expression = {
    kind: 'list-comparison',
    type: boolean,
    quantifier: isNegated ? 'all' : 'any',
    left: resolved.operands[0]!,
    list: coerced.map((item) => coerce(environment, item, typeOf(itemType.oid), 'implicit') ?? item),
    comparison: resolved.function,
  };
  return located(environment, comparison, location);
}

/** `left op ANY (array)`, `left op ALL (array)`. */
export function bindArrayComparison(context: ExpressionContext, node: A_Expr): Expression {
  const { environment } = context;
  const location = node.location ?? 0;
  const name = qualifiedNameOf(node.name);
  const left = context.bind(context, node.lexpr!);
  const array = context.bind(context, node.rexpr!);
  const arrayOid = array.type.oid;
  if (arrayOid !== oids.unknown && !isElementwise(arrayOid)) {
    throw new AlopexError(
      'wrong_object_type',
      'op ANY/ALL (array) requires array on right side',
      place(location),
    );
  }
  const element = arrayOid === oids.unknown ? oids.unknown : typeInfo(arrayOid).element;
  const { value, types } = chooseOperator(name, [left.type.oid, element], location);
  if (value.function.result !== oids.bool) {
    throw new AlopexError(
      'wrong_object_type',
      'op ANY/ALL (array) requires operator to yield boolean',
      place(location),
    );
  }
  const sample: Expression = { kind: 'constant', type: typeOf(element), value: null };
  const call = finishCall(environment, value.function, types, [left, sample], location);
  if (call.function.kind !== 'scalar') throw new TypeError(`operator ${name.name} has no scalar function`);
  const wanted = call.arguments[1]!.type.oid;
  const target = wanted === element ? array.type : typeOf(arrayTypeOf(environment, wanted, array));
  const comparison: Expression = {
    kind: 'array-comparison',
    type: boolean,
    quantifier: node.kind === 'AEXPR_OP_ANY' ? 'any' : 'all',
    left: call.arguments[0]!,
    array: coerce(environment, array, target, 'implicit') ?? array,
    comparison: call.function,
  };
  return located(environment, comparison, location);
}

function isElementwise(oid: number): boolean {
  return isArrayType(oid) || oid === oids.int2vector || oid === oids.oidvector;
}

/** BETWEEN, and BETWEEN SYMMETRIC, which takes its bounds in either order. */
export function bindBetween(context: ExpressionContext, node: A_Expr): Expression {
  const location = node.location ?? 0;
  const bounds = node.rexpr !== undefined && 'List' in node.rexpr ? (node.rexpr.List.items ?? []) : [];
  const [low, high] = bounds as [Node, Node];
  const isNegated = node.kind === 'AEXPR_NOT_BETWEEN' || node.kind === 'AEXPR_NOT_BETWEEN_SYM';
  const isSymmetric = node.kind === 'AEXPR_BETWEEN_SYM' || node.kind === 'AEXPR_NOT_BETWEEN_SYM';
  const within = (from: Node, to: Node): Expression => {
    const above = bindComparison(context, operator(isNegated ? '<' : '>='), node.lexpr!, from, location);
    const below = bindComparison(context, operator(isNegated ? '>' : '<='), node.lexpr!, to, location);
    return conjunction(isNegated ? 'or' : 'and', [above, below]);
  };
  if (!isSymmetric) return within(low, high);
  return conjunction(isNegated ? 'and' : 'or', [within(low, high), within(high, low)]);
}

/** IS [NOT] DISTINCT FROM. */
export function bindDistinct(context: ExpressionContext, node: A_Expr): Expression {
  const { environment } = context;
  const location = node.location ?? 0;
  const left = context.bind(context, node.lexpr!);
  const right = context.bind(context, node.rexpr!);
  const negated = node.kind === 'AEXPR_NOT_DISTINCT';
  const nullSide = isNull(right) ? left : isNull(left) ? right : null;
  if (nullSide !== null) return { kind: 'is-null', type: boolean, operand: nullSide, negated: !negated };
  if (left.kind === 'row' && right.kind === 'row') {
    if (left.fields.length !== right.fields.length) {
      throw new AlopexError('syntax_error', 'unequal number of entries in row expressions', place(location));
    }
    const tests = left.fields.map((field, index) =>
      distinct(environment, field, right.fields[index]!, negated, location),
    );
    return tests.length === 0 ? trueConstant : conjunction(negated ? 'and' : 'or', tests);
  }
  return distinct(environment, left, right, negated, location);
}

function isNull(expression: Expression): boolean {
  return expression.kind === 'constant' && expression.value === null && expression.type.oid === oids.unknown;
}

function distinct(
  environment: Environment,
  left: Expression,
  right: Expression,
  negated: boolean,
  location: number,
): Expression {
  const resolved = resolveOperator(environment, operator('='), left, right, location);
  const [leftValue, rightValue] = resolved.operands as [Expression, Expression];
  return {
    kind: 'is-distinct',
    type: boolean,
    left: leftValue,
    right: rightValue,
    equals: resolved.function,
    negated,
  };
}

export function bindNullif(context: ExpressionContext, node: A_Expr): Expression {
  const location = node.location ?? 0;
  const left = context.bind(context, node.lexpr!);
  const right = context.bind(context, node.rexpr!);
  const resolved = resolveOperator(context.environment, operator('='), left, right, location);
  if (resolved.result !== oids.bool) {
    throw new AlopexError(
      'datatype_mismatch',
      `NULLIF requires = operator to yield boolean, not ${formatType(typeOf(resolved.result))}`,
      place(location),
    );
  }
  const [leftValue, rightValue] = resolved.operands as [Expression, Expression];
  return {
    kind: 'nullif',
    type: leftValue.type,
    left: leftValue,
    right: rightValue,
    equals: resolved.function,
  };
}
