import type { Datum } from '../../base/values/datum.ts';
import type { KeyColumn } from '../../log/events/layout.ts';
import type { KeyRange } from '../../materializers/rows/contract.ts';
import { type KeyBound, keyRange, keyRangeOfTextPrefix } from '../../materializers/rows/key.ts';
import type { Expression } from './expression.ts';
import type { KeyCondition, RangeCondition } from './physical.ts';

/** Ranges that are asked for an estimate at most; more are scaled up from these. */
const sampledRangesMax = 16;

/** The key ranges of a path whose values are constants, for an estimate; null where they are known only later. */
export function constantKeyRanges(
  columns: readonly KeyColumn[],
  prefix: readonly KeyCondition[],
  range: RangeCondition | null,
): readonly KeyRange[] | null {
  let prefixes: Datum[][] = [[]];
  for (const [at, condition] of prefix.entries()) {
    const values = constantValues(condition, columns[at]!);
    if (values === null) return null;
    prefixes = prefixes.flatMap((earlier) => values.map((value) => [...earlier, value]));
    if (prefixes.length > sampledRangesMax) return null;
  }
  if (range === null) return prefixes.map((values) => keyRange(columns, values, null, null));
  if (range.kind === 'prefix')
    return prefixes.map((values) => keyRangeOfTextPrefix(columns, values, range.text));
  const column = columns[prefix.length]!;
  const lower = constantBound(range.lower, column);
  const upper = constantBound(range.upper, column);
  if (lower === undefined || upper === undefined) return null;
  return prefixes.map((values) => keyRange(columns, values, lower, upper));
}

function constantValues(condition: KeyCondition, column: KeyColumn): readonly Datum[] | null {
  if (condition.kind === 'is-null') return [null];
  const expressions =
    condition.kind === 'equal' ? [condition.value] : condition.kind === 'in' ? condition.values : null;
  if (expressions === null) return null;
  const values: Datum[] = [];
  for (const expression of expressions) {
    const value = constantOf(expression, column);
    if (value === undefined) return null;
    values.push(value);
  }
  return values;
}

function constantBound(
  bound: { readonly value: Expression; readonly inclusive: boolean } | null,
  column: KeyColumn,
): KeyBound | null | undefined {
  if (bound === null) return null;
  const value = constantOf(bound.value, column);
  return value === undefined ? undefined : { value, isInclusive: bound.inclusive };
}

/** A constant that the column's key can hold. */
function constantOf(expression: Expression, column: KeyColumn): Datum | undefined {
  if (expression.kind !== 'constant' || expression.value === null) return undefined;
  const { value } = expression;
  if (column.type.kind === 'int4' && value !== (Number(value) | 0)) return undefined;
  return value;
}
