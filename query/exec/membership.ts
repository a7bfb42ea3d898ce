import type { Datum } from '../../base/values/datum.ts';
import { comparisonOf, hashesAlike } from '../plan/comparison.ts';
import type { Expression } from '../plan/expression.ts';
import { hashKey } from '../types/compare.ts';

/** Below this a list is compared item by item. */
const hashedListLengthMin = 5;

/** A long IN or NOT IN over constants as one look into a set, or null where it is none. */
export function constantMembership(
  expression: Extract<Expression, { readonly kind: 'list-comparison' }>,
): ((value: Datum) => Datum) | null {
  const { list, comparison, quantifier } = expression;
  if (list.length < hashedListLengthMin || !hashesAlike(comparison)) return null;
  if (comparisonOf(comparison) !== (quantifier === 'any' ? '=' : '<>')) return null;
  const key = hashKey(comparison.arguments[0]!);
  const keys = new Set<unknown>();
  let hasNull = false;
  for (const item of list) {
    if (item.kind !== 'constant') return null;
    if (item.value === null) hasNull = true;
    else keys.add(key(item.value));
  }
  const found = quantifier === 'any';
  return (value) => {
    if (value === null) return null;
    if (keys.has(key(value))) return found;
    return hasNull ? null : !found;
  };
}
