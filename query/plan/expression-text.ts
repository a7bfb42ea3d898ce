import { unreachable } from '../../base/unreachable.ts';
import { type Datum, SqlArray } from '../../base/values/datum.ts';
import { formatType } from '../types/format-type.ts';
import type { ScalarFunction } from '../types/function.ts';
import { allOperators } from '../types/functions/registry.ts';
import { typeInfo } from '../types/registry.ts';
import { oids, type SqlType } from '../types/type.ts';
import type { AggregateCall, Expression } from './expression.ts';
import type { PlannedSubplan } from './physical.ts';

/** Names of the columns of the row that an expression is over. */
export type ColumnName = (index: number) => string;

/** An expression as EXPLAIN shows it, in PostgreSQL's manner. */
export function expressionText(expression: Expression, nameOf: ColumnName): string {
  const text = (part: Expression): string => expressionText(part, nameOf);
  const list = (parts: readonly Expression[], separator = ', '): string => parts.map(text).join(separator);
  switch (expression.kind) {
    case 'constant':
      return constantText(expression.value, expression.type);
    case 'column':
      return nameOf(expression.index);
    case 'outer-column':
    case 'parameter':
      return `$${expression.index + (expression.kind === 'parameter' ? 1 : 0)}`;
    case 'call':
      return callText(expression.function, expression.arguments.map(text));
    case 'cast':
      return expression.cast === null || expression.isExplicit || expression.cast.method !== 'binary'
        ? `(${text(expression.operand)})::${formatType(expression.type)}`
        : text(expression.operand);
    case 'and':
    case 'or':
      return `(${list(expression.operands, expression.kind === 'and' ? ' AND ' : ' OR ')})`;
    case 'not':
      return `(NOT ${text(expression.operand)})`;
    case 'is-null':
      return `(${text(expression.operand)} IS ${expression.negated ? 'NOT ' : ''}NULL)`;
    case 'boolean-test':
      return `(${text(expression.operand)} IS ${expression.negated ? 'NOT ' : ''}${expression.test.toUpperCase()})`;
    case 'is-distinct':
      return `(${text(expression.left)} IS ${expression.negated ? 'NOT ' : ''}DISTINCT FROM ${text(expression.right)})`;
    case 'case': {
      const branches = expression.branches.map(
        ({ when, result }) => ` WHEN ${text(when)} THEN ${text(result)}`,
      );
      const otherwise = expression.otherwise === null ? '' : ` ELSE ${text(expression.otherwise)}`;
      return `CASE${branches.join('')}${otherwise} END`;
    }
    case 'coalesce':
      return `COALESCE(${list(expression.operands)})`;
    case 'nullif':
      return `NULLIF(${text(expression.left)}, ${text(expression.right)})`;
    case 'extremum':
      return `${expression.which.toUpperCase()}(${list(expression.operands)})`;
    case 'list-comparison': {
      const symbol = symbolOf(expression.comparison) ?? expression.comparison.name;
      return `(${text(expression.left)} ${symbol} ${expression.quantifier.toUpperCase()} (ARRAY[${list(expression.list)}]))`;
    }
    case 'array-comparison': {
      const symbol = symbolOf(expression.comparison) ?? expression.comparison.name;
      return `(${text(expression.left)} ${symbol} ${expression.quantifier.toUpperCase()} (${text(expression.array)}))`;
    }
    case 'array':
      return `ARRAY[${list(expression.elements)}]`;
    case 'row':
      return `ROW(${list(expression.fields)})`;
    case 'subscript':
      return `${text(expression.operand)}[…]`;
    case 'field':
      return `(${text(expression.operand)}).f${expression.index + 1}`;
    case 'subquery':
      return subqueryText(expression, text);
    default:
      return unreachable(expression);
  }
}

export function aggregateText(call: AggregateCall, nameOf: ColumnName): string {
  const operands = call.arguments.map((argument) => expressionText(argument, nameOf)).join(', ');
  const filter = call.filter === null ? '' : ` FILTER (WHERE ${expressionText(call.filter, nameOf)})`;
  const shown =
    call.function.kernel === 'count-star' ? '*' : `${call.isDistinct ? 'DISTINCT ' : ''}${operands}`;
  return `${call.function.name}(${shown})${filter}`;
}

function subqueryText(
  expression: Extract<Expression, { readonly kind: 'subquery' }>,
  text: (part: Expression) => string,
): string {
  const { number, bindings } = expression.subplan as PlannedSubplan;
  const name = `${bindings.length === 0 && expression.form.kind === 'scalar' ? 'InitPlan' : 'SubPlan'} ${number}`;
  switch (expression.form.kind) {
    case 'exists':
      return `EXISTS(${name})`;
    case 'array':
      return `ARRAY(${name})`;
    case 'scalar':
      return `(${name})`;
    case 'quantified':
      return `(${expression.form.quantifier.toUpperCase()} ${expression.form.left.map(text).join(', ')} ${name})`;
    default:
      return unreachable(expression.form);
  }
}

let symbols: ReadonlyMap<number, string> | null = null;

/** The operator that a function implements. */
function symbolOf(callee: ScalarFunction): string | null {
  symbols ??= new Map(allOperators().map((operator) => [operator.function.oid ?? -1, operator.name]));
  return callee.oid === undefined ? null : (symbols.get(callee.oid) ?? null);
}

function callText(callee: ScalarFunction, operands: readonly string[]): string {
  const symbol = symbolOf(callee);
  if (symbol !== null && operands.length === 2) return `(${operands[0]} ${symbol} ${operands[1]})`;
  if (symbol !== null && operands.length === 1) return `(${symbol} ${operands[0]})`;
  return `${callee.name}(${operands.join(', ')})`;
}

function constantText(value: Datum, type: SqlType): string {
  if (value === null) return `NULL::${formatType(type)}`;
  const isBare =
    typeof value === 'boolean' || (typeInfo(type.oid).category === 'N' && type.oid !== oids.numeric);
  if (isBare) return String(value);
  const shown = value instanceof SqlArray ? `{${value.items.join(',')}}` : String(value);
  return `'${shown.replaceAll("'", "''")}'::${formatType(type)}`;
}
