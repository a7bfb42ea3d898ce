import { unreachable } from '../../base/unreachable.ts';
import { oids, type SqlType } from '../types/type.ts';
import type { Expression } from './expression.ts';
import type { PlannedSubplan } from './physical.ts';

export const booleanType: SqlType = { oid: oids.bool, modifier: -1 };
export const trueConstant: Expression = { kind: 'constant', type: booleanType, value: true };
export const falseConstant: Expression = { kind: 'constant', type: booleanType, value: false };

export function columnAt(index: number, type: SqlType): Expression {
  return { kind: 'column', type, index };
}

type Change = (expression: Expression) => Expression;

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

/** Calls `visit` on the expression and everything in it. */
export function walk(expression: Expression, visit: (expression: Expression) => void): void {
  visit(expression);
  mapOperands(expression, (operand) => {
    walk(operand, visit);
    return operand;
  });
}

/** From the leaves up. */
export function transform(expression: Expression, change: Change): Expression {
  return change(mapOperands(expression, (operand) => transform(operand, change)));
}

/** The columns that an expression reads, ascending. */
export function columnsOf(expression: Expression): readonly number[] {
  const found = new Set<number>();
  walk(expression, (part) => {
    if (part.kind === 'column') found.add(part.index);
  });
  return [...found].sort((a, b) => a - b);
}

/** Each column replaced by what `replacement` gives for its index. */
export function substitute(
  expression: Expression,
  replacement: (index: number, type: SqlType) => Expression,
): Expression {
  return transform(expression, (part) =>
    part.kind === 'column' ? replacement(part.index, part.type) : part,
  );
}

/** Columns renumbered; `places[i]` is the new index of column i. */
export function remap(expression: Expression, places: readonly number[]): Expression {
  return substitute(expression, (index, type) => columnAt(places[index]!, type));
}

/** Whether evaluating it may have to wait, for a page or a moment: it has a subquery, or sleeps. */
export function hasSubquery(expression: Expression): boolean {
  return some(
    expression,
    (part) => part.kind === 'subquery' || (part.kind === 'call' && part.function.delayMs !== undefined),
  );
}

export function isVolatile(expression: Expression): boolean {
  return some(expression, (part) => part.kind === 'call' && part.function.volatility === 'volatile');
}

/** Reads no column, calls nothing volatile and no subquery: one value an execution. */
export function isStableValue(expression: Expression): boolean {
  return !some(
    expression,
    (part) =>
      part.kind === 'column' ||
      part.kind === 'subquery' ||
      (part.kind === 'call' && part.function.volatility === 'volatile'),
  );
}

export function some(expression: Expression, test: (expression: Expression) => boolean): boolean {
  let found = false;
  walk(expression, (part) => {
    found ||= test(part);
  });
  return found;
}

/** The operands of nested ANDs. */
export function conjunctsOf(expression: Expression | null): readonly Expression[] {
  if (expression === null) return [];
  if (expression.kind === 'and') return expression.operands.flatMap(conjunctsOf);
  if (expression.kind === 'constant' && expression.value === true) return [];
  return [expression];
}

export function conjunction(conjuncts: readonly Expression[]): Expression | null {
  if (conjuncts.length === 0) return null;
  if (conjuncts.length === 1) return conjuncts[0]!;
  return { kind: 'and', type: booleanType, operands: conjuncts };
}

const identities = new WeakMap<object, number>();
let identityCount = 0;
function identity(value: object): number {
  const found = identities.get(value) ?? ++identityCount;
  identities.set(value, found);
  return found;
}

/** The same text for expressions that are written the same. Functions and plans are themselves alone. */
export function shapeOf(expression: Expression): string {
  return JSON.stringify(expression, (key, value: unknown) => {
    if (typeof value === 'bigint') return `${value}n`;
    if (key === 'function' || key === 'cast' || key === 'equals' || key === 'less' || key === 'comparison') {
      return typeof value === 'object' && value !== null ? identity(value) : value;
    }
    if (key === 'subplan' && typeof value === 'object' && value !== null) return identity(value);
    return value;
  });
}
