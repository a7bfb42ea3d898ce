import { unreachable } from '../../base/unreachable.ts';
import type { Expression } from './expression.ts';
import type { PlannedSubplan } from './physical.ts';

export type Change = (expression: Expression) => Expression;

/** The expression with each direct operand changed; itself where none was. */
export function mapOperands(expression: Expression, change: Change): Expression {
  let hasChanged = false;
  const one: Change = (operand) => {
    const changed = change(operand);
    if (changed !== operand) hasChanged = true;
    return changed;
  };
  const orNull = (operand: Expression | null): Expression | null => (operand === null ? null : one(operand));
  const all = (operands: readonly Expression[]): readonly Expression[] => operands.map(one);
  const rebuilt = rebuild(expression, one, orNull, all);
  return hasChanged ? rebuilt : expression;
}

function rebuild(
  expression: Expression,
  one: Change,
  orNull: (operand: Expression | null) => Expression | null,
  all: (operands: readonly Expression[]) => readonly Expression[],
): Expression {
  switch (expression.kind) {
    case 'constant':
    case 'column':
    case 'outer-column':
    case 'parameter':
      return expression;
    case 'call':
      return { ...expression, arguments: all(expression.arguments) };
    case 'cast':
    case 'not':
    case 'is-null':
    case 'boolean-test':
    case 'field':
      return { ...expression, operand: one(expression.operand) };
    case 'and':
    case 'or':
    case 'coalesce':
    case 'extremum':
      return { ...expression, operands: all(expression.operands) };
    case 'is-distinct':
    case 'nullif':
      return { ...expression, left: one(expression.left), right: one(expression.right) };
    case 'case':
      return {
        ...expression,
        branches: expression.branches.map(({ when, result }) => ({ when: one(when), result: one(result) })),
        otherwise: orNull(expression.otherwise),
      };
    case 'list-comparison':
      return { ...expression, left: one(expression.left), list: all(expression.list) };
    case 'array-comparison':
      return { ...expression, left: one(expression.left), array: one(expression.array) };
    case 'array':
      return { ...expression, elements: all(expression.elements) };
    case 'row':
      return { ...expression, fields: all(expression.fields) };
    case 'subscript':
      return {
        ...expression,
        operand: one(expression.operand),
        subscripts: expression.subscripts.map((subscript) =>
          subscript.kind === 'index'
            ? { kind: 'index', index: one(subscript.index) }
            : { kind: 'slice', from: orNull(subscript.from), to: orNull(subscript.to) },
        ),
      };
    case 'subquery':
      return rebuildSubquery(expression, one, all);
    default:
      return unreachable(expression);
  }
}

function rebuildSubquery(
  expression: Extract<Expression, { readonly kind: 'subquery' }>,
  one: Change,
  all: (operands: readonly Expression[]) => readonly Expression[],
): Expression {
  const form =
    expression.form.kind === 'quantified'
      ? { ...expression.form, left: all(expression.form.left) }
      : expression.form;
  if (!isPlanned(expression)) return { ...expression, form };
  const planned = expression.subplan as PlannedSubplan;
  const bindings = planned.bindings.map((binding) => ({ ...binding, expression: one(binding.expression) }));
  const subplan: PlannedSubplan = { ...planned, bindings };
  return { ...expression, form, subplan };
}

/** Whether a subquery's subplan has been planned: then its bindings are its operands. */
function isPlanned(expression: Extract<Expression, { readonly kind: 'subquery' }>): boolean {
  return 'physical' in expression.subplan;
}
