import { typeInfo } from '../types/registry.ts';
import type { SqlType } from '../types/type.ts';
import { comparisonOf } from './comparison.ts';
import type { Expression } from './expression.ts';
import type { Estimate } from './physical.ts';

/** Costs in PostgreSQL's unit. Calibrated against this executor: a scanned row is 10 ns, a lookup about 1 µs. */
export const costs = {
  scannedRow: 0.01,
  operator: 0.0025,
  /** Finding a key and fetching its row. */
  lookup: 1,
  hashedRow: 0.02,
  probedRow: 0.01,
  comparedRow: 0.005,
} as const;

/** PostgreSQL's defaults where nothing is known of a column. */
export const selectivities = {
  equality: 0.005,
  range: 1 / 3,
  boundedRange: 0.005,
  prefix: 0.005,
  other: 1 / 3,
} as const;

export function selectivityOf(condition: Expression): number {
  switch (condition.kind) {
    case 'call': {
      const operator = comparisonOf(condition.function);
      if (operator === '=') return selectivities.equality;
      if (operator === '<>') return 1 - selectivities.equality;
      if (operator !== null) return selectivities.range;
      return /like$/.test(condition.function.name) ? selectivities.prefix : selectivities.other;
    }
    case 'constant':
      return condition.value === true ? 1 : 0;
    case 'and':
      return condition.operands.reduce((product, operand) => product * selectivityOf(operand), 1);
    case 'or':
      return 1 - condition.operands.reduce((product, operand) => product * (1 - selectivityOf(operand)), 1);
    case 'not':
      return 1 - selectivityOf(condition.operand);
    case 'is-null':
      return condition.negated ? 0.995 : selectivities.equality;
    case 'list-comparison':
      return Math.min(1, condition.list.length * selectivities.equality);
    case 'array-comparison':
      return 10 * selectivities.equality;
    default:
      return 0.5;
  }
}

export function widthOf(types: readonly SqlType[]): number {
  let width = 0;
  for (const type of types) width += typeInfo(type.oid).length > 0 ? typeInfo(type.oid).length : 32;
  return width;
}

export function estimateOf(
  rows: number,
  startupCost: number,
  totalCost: number,
  types: readonly SqlType[],
): Estimate {
  return { rows: Math.max(1, Math.round(rows)), startupCost, totalCost, width: widthOf(types) };
}
