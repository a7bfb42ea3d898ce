import { oids, type SqlType } from '../types/type.ts';
import type { Expression } from './expression.ts';
import { type Change, mapOperands } from './operands.ts';

export const booleanType: SqlType = { oid: oids.bool, modifier: -1 };
export const trueConstant: Expression = { kind: 'constant', type: booleanType, value: true };
export const falseConstant: Expression = { kind: 'constant', type: booleanType, value: false };

export function columnAt(index: number, type: SqlType): Expression {
  return { kind: 'column', type, index };
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
    (part) => part.kind === 'subquery' || (part.kind === 'call' && part.function.later !== undefined),
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
