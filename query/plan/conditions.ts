import { oids } from '../types/type.ts';
import { type ComparisonOperator, commuted, comparisonOf, hashesAlike } from './comparison.ts';
import type { Expression } from './expression.ts';
import type { KeyCondition, RangeCondition } from './physical.ts';
import { columnsOf } from './rewrite.ts';

/** What a conjunct says of one column of a table, where an index or a zone map can use it. */
export type ColumnCondition = { readonly attribute: number; readonly conjunct: Expression } & (
  | { readonly kind: 'key'; readonly condition: KeyCondition }
  | { readonly kind: 'compare'; readonly operator: '<' | '<=' | '>' | '>='; readonly value: Expression }
  /** `isExact`: LIKE 'prefix%' says no more than that. */
  | { readonly kind: 'prefix'; readonly text: string; readonly isExact: boolean }
  | { readonly kind: 'is-not-null' }
);

/** Which columns are the table's own, and which expressions are known before the table is read. */
export type ColumnView = {
  attributeOf(index: number): number | null;
  isKnown(expression: Expression): boolean;
};

/** Types whose key order and zone order are SQL's own order of the comparison function. */
const unordered = new Set<number>([oids.bpchar, oids.json, oids.jsonb, oids.record, oids.vector]);

export function columnCondition(conjunct: Expression, view: ColumnView): ColumnCondition | null {
  switch (conjunct.kind) {
    case 'call':
      return likeCondition(conjunct, view) ?? comparisonCondition(conjunct, view);
    case 'list-comparison': {
      const attribute = ownColumn(conjunct.left, view);
      const isMembership = conjunct.quantifier === 'any' && isKeyEquality(conjunct.comparison);
      if (attribute === null || !isMembership || !conjunct.list.every(view.isKnown)) return null;
      return { kind: 'key', attribute, conjunct, condition: { kind: 'in', values: conjunct.list } };
    }
    case 'array-comparison': {
      const attribute = ownColumn(conjunct.left, view);
      const isMembership = conjunct.quantifier === 'any' && isKeyEquality(conjunct.comparison);
      if (attribute === null || !isMembership || !view.isKnown(conjunct.array)) return null;
      return { kind: 'key', attribute, conjunct, condition: { kind: 'any', array: conjunct.array } };
    }
    case 'is-null': {
      const attribute = ownColumn(conjunct.operand, view);
      if (attribute === null) return null;
      return conjunct.negated
        ? { kind: 'is-not-null', attribute, conjunct }
        : { kind: 'key', attribute, conjunct, condition: { kind: 'is-null' } };
    }
    case 'column':
      return booleanCondition(conjunct, conjunct, true, view);
    case 'not':
      return booleanCondition(conjunct, conjunct.operand, false, view);
    default:
      return null;
  }
}

type Call = Extract<Expression, { readonly kind: 'call' }>;

/** The attribute of a column, seen through casts that leave the datum as it is. */
function ownColumn(expression: Expression, view: ColumnView): number | null {
  if (expression.kind === 'cast' && expression.type.modifier === -1) {
    const isRelabel = expression.cast === null || expression.cast.method === 'binary';
    return isRelabel ? ownColumn(expression.operand, view) : null;
  }
  if (expression.kind !== 'column' || unordered.has(expression.type.oid)) return null;
  const attribute = view.attributeOf(expression.index);
  return attribute === null || attribute < 1 ? null : attribute;
}

function isKeyEquality(comparison: Call['function']): boolean {
  return (
    comparisonOf(comparison) === '=' &&
    hashesAlike(comparison) &&
    !comparison.arguments.some((type) => unordered.has(type))
  );
}

function comparisonCondition(conjunct: Call, view: ColumnView): ColumnCondition | null {
  const operator = comparisonOf(conjunct.function);
  const [left, right] = conjunct.arguments;
  if (operator === null || operator === '<>' || left === undefined || right === undefined) return null;
  if (!hashesAlike(conjunct.function) || conjunct.function.arguments.some((type) => unordered.has(type)))
    return null;
  const leftAttribute = ownColumn(left, view);
  if (leftAttribute !== null && view.isKnown(right))
    return compared(leftAttribute, conjunct, operator, right);
  const rightAttribute = ownColumn(right, view);
  if (rightAttribute !== null && view.isKnown(left))
    return compared(rightAttribute, conjunct, commuted(operator), left);
  return null;
}

function compared(
  attribute: number,
  conjunct: Expression,
  operator: ComparisonOperator,
  value: Expression,
): ColumnCondition | null {
  if (operator === '=') return { kind: 'key', attribute, conjunct, condition: { kind: 'equal', value } };
  return operator === '<>' ? null : { kind: 'compare', attribute, conjunct, operator, value };
}

function booleanCondition(
  conjunct: Expression,
  operand: Expression,
  value: boolean,
  view: ColumnView,
): ColumnCondition | null {
  if (operand.kind !== 'column' || operand.type.oid !== oids.bool) return null;
  const attribute = ownColumn(operand, view);
  if (attribute === null) return null;
  const constant: Expression = { kind: 'constant', type: operand.type, value };
  return { kind: 'key', attribute, conjunct, condition: { kind: 'equal', value: constant } };
}

/** LIKE over text with a constant pattern that starts with plain characters. */
function likeCondition(conjunct: Call, view: ColumnView): ColumnCondition | null {
  const [left, right] = conjunct.arguments;
  const isLike = conjunct.function.name === 'textlike' || conjunct.function.name === 'like';
  if (left === undefined || right?.kind !== 'constant' || typeof right.value !== 'string') return null;
  if (conjunct.function.name === 'starts_with') {
    const attribute = ownColumn(left, view);
    return attribute === null
      ? null
      : { kind: 'prefix', attribute, conjunct, text: right.value, isExact: true };
  }
  if (!isLike || conjunct.arguments.length !== 2 || left.type.oid !== oids.text) return null;
  const attribute = ownColumn(left, view);
  const { text, rest } = plainPrefix(right.value);
  if (attribute === null || text === '') return null;
  return { kind: 'prefix', attribute, conjunct, text, isExact: rest === '%' };
}

/** The characters of a LIKE pattern before its first wildcard, and what follows. */
function plainPrefix(pattern: string): { readonly text: string; readonly rest: string } {
  let text = '';
  let at = 0;
  for (; at < pattern.length && pattern[at] !== '%' && pattern[at] !== '_'; at++) {
    if (pattern[at] === '\\') at++;
    text += pattern[at] ?? '';
  }
  return { text, rest: pattern.slice(at) };
}

/** The bounds that comparisons of one column make together; of several on one side the first is taken. */
export function rangeOf(conditions: readonly ColumnCondition[]): {
  readonly range: RangeCondition;
  readonly used: readonly ColumnCondition[];
} | null {
  const prefix = conditions.find((condition) => condition.kind === 'prefix');
  if (prefix?.kind === 'prefix')
    return { range: { kind: 'prefix', text: prefix.text }, used: prefix.isExact ? [prefix] : [] };
  const side = (operators: readonly string[]) =>
    conditions.find((condition) => condition.kind === 'compare' && operators.includes(condition.operator));
  const lower = side(['>', '>=']);
  const upper = side(['<', '<=']);
  const used = [lower, upper].filter((condition) => condition !== undefined);
  if (used.length === 0) return null;
  return { range: { kind: 'bounds', lower: boundOf(lower), upper: boundOf(upper) }, used };
}

function boundOf(
  condition: ColumnCondition | undefined,
): { readonly value: Expression; readonly inclusive: boolean } | null {
  if (condition?.kind !== 'compare') return null;
  return { value: condition.value, inclusive: condition.operator.endsWith('=') };
}

/** An equality between two sides of a join, or null. */
export type JoinKey = {
  readonly left: Expression;
  readonly right: Expression;
  readonly nullsMatch: boolean;
  readonly conjunct: Expression;
};

export function joinKeyOf(conjunct: Expression, isLeft: (index: number) => boolean): JoinKey | null {
  const pair = equalityOf(conjunct);
  if (pair === null) return null;
  const side = (expression: Expression): 'left' | 'right' | null => {
    const columns = columnsOf(expression);
    if (columns.length === 0) return null;
    if (columns.every(isLeft)) return 'left';
    return columns.some(isLeft) ? null : 'right';
  };
  const sides = [side(pair.first), side(pair.second)];
  if (sides[0] === 'left' && sides[1] === 'right') {
    return { left: pair.first, right: pair.second, nullsMatch: pair.nullsMatch, conjunct };
  }
  if (sides[0] === 'right' && sides[1] === 'left') {
    return { left: pair.second, right: pair.first, nullsMatch: pair.nullsMatch, conjunct };
  }
  return null;
}

function equalityOf(
  conjunct: Expression,
): { readonly first: Expression; readonly second: Expression; readonly nullsMatch: boolean } | null {
  if (conjunct.kind === 'is-distinct' && conjunct.negated && hashesAlike(conjunct.equals)) {
    return { first: conjunct.left, second: conjunct.right, nullsMatch: true };
  }
  if (conjunct.kind !== 'call' || comparisonOf(conjunct.function) !== '=' || !hashesAlike(conjunct.function))
    return null;
  return { first: conjunct.arguments[0]!, second: conjunct.arguments[1]!, nullsMatch: false };
}
