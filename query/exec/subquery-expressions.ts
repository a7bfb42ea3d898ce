import { invariant, unreachable } from '../../base/unreachable.ts';
import { type Datum, SqlArray } from '../../base/values/datum.ts';
import { comparisonOf, hashesAlike } from '../plan/comparison.ts';
import type { Expression, SubqueryForm } from '../plan/expression.ts';
import type { PlannedSubplan } from '../plan/physical.ts';
import type { ScalarFunction } from '../types/function.ts';
import type { Environment } from './operator.ts';
import type { RowFunction } from './row-compiler.ts';

type Subquery = Extract<Expression, { readonly kind: 'subquery' }>;
type Quantified = Extract<SubqueryForm, { readonly kind: 'quantified' }>;

/** A subquery in an expression: binds the row's values to the slots that it reads, then asks the runner. */
export function compileSubquery(
  expression: Subquery,
  compile: (expression: Expression) => RowFunction,
): RowFunction {
  invariant('physical' in expression.subplan, 'a subquery is planned before it is compiled');
  const subplan = expression.subplan as PlannedSubplan;
  const bindings = subplan.bindings.map(({ slot, expression: value }) => ({ slot, value: compile(value) }));
  const bind = (row: readonly Datum[], environment: Environment): void => {
    for (const { slot, value } of bindings) environment.slots[slot] = value(row, environment);
  };
  const { form } = expression;
  switch (form.kind) {
    case 'scalar':
      return (row, environment) => {
        bind(row, environment);
        return environment.subplans.scalar(subplan);
      };
    case 'exists':
      return (row, environment) => {
        bind(row, environment);
        return environment.subplans.exists(subplan);
      };
    case 'array':
      return (row, environment) => {
        bind(row, environment);
        return SqlArray.of(environment.subplans.rows(subplan).map((found) => found[0]!));
      };
    case 'quantified': {
      const left = form.left.map(compile);
      return isHashable(form)
        ? hashedMembership(form, subplan, left, bind)
        : compared(form, subplan, left, bind);
    }
    default:
      return unreachable(form);
  }
}

type Bind = (row: readonly Datum[], environment: Environment) => void;

/** IN over one column, and NOT IN: answered from a set of the subquery's values. */
function isHashable(form: Quantified): boolean {
  const comparison = form.comparisons[0];
  return (
    form.left.length === 1 &&
    comparison !== undefined &&
    hashesAlike(comparison) &&
    comparisonOf(comparison) === (form.quantifier === 'any' ? '=' : '<>')
  );
}

function hashedMembership(
  form: Quantified,
  subplan: PlannedSubplan,
  left: readonly RowFunction[],
  bind: Bind,
): RowFunction {
  const type = form.comparisons[0]!.arguments[0]!;
  const found = form.quantifier === 'any';
  const operand = left[0]!;
  return (row, environment) => {
    bind(row, environment);
    const members = environment.subplans.membership(subplan, type);
    if (members.isEmpty) return !found;
    const value = operand(row, environment);
    if (value === null) return null;
    if (members.has(value)) return found;
    return members.hasNull ? null : !found;
  };
}

/** Row by row: `any` ends at the first true, `all` at the first false, and a null in between is remembered. */
function compared(
  form: Quantified,
  subplan: PlannedSubplan,
  left: readonly RowFunction[],
  bind: Bind,
): RowFunction {
  const decisive = form.quantifier === 'any';
  return (row, environment) => {
    bind(row, environment);
    const rows = environment.subplans.rows(subplan);
    const values = left.map((operand) => operand(row, environment));
    let sawNull = false;
    for (const candidate of rows) {
      const answer = compareRow(form, values, candidate);
      if (answer === decisive) return decisive;
      if (answer === null) sawNull = true;
    }
    return sawNull ? null : !decisive;
  };
}

/** All columns must match; for `<>` (NOT IN over rows) one that differs is enough. */
function compareRow(form: Quantified, values: readonly Datum[], candidate: readonly Datum[]): boolean | null {
  const isInequality = form.comparisons.every((comparison) => comparisonOf(comparison) === '<>');
  const decisive = isInequality;
  let sawNull = false;
  for (const [at, comparison] of form.comparisons.entries()) {
    const answer = callStrict(comparison, values[at]!, candidate[at]!);
    if (answer === decisive) return decisive;
    if (answer === null) sawNull = true;
  }
  return sawNull ? null : !decisive;
}

function callStrict(comparison: ScalarFunction, left: Datum, right: Datum): Datum {
  return left === null || right === null ? null : comparison.evaluate(left, right);
}
