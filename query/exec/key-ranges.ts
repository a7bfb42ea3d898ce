import { compareBytes } from '../../base/bytes/compare.ts';
import { columnId } from '../../base/ids.ts';
import { unreachable } from '../../base/unreachable.ts';
import { type Datum, SqlArray } from '../../base/values/datum.ts';
import type { KeyColumn, TableLayout } from '../../log/events/layout.ts';
import type { KeyRange, ZonePredicate } from '../../materializers/rows/contract.ts';
import {
  encodeKeyDatums,
  type KeyBound,
  keyRange,
  keyRangeOfTextPrefix,
} from '../../materializers/rows/key.ts';
import type { Expression } from '../plan/expression.ts';
import type { KeyCondition, RangeCondition, TableScan } from '../plan/physical.ts';
import type { Environment } from './operator.ts';
import { compileRow } from './row-compiler.ts';

type Evaluate = (expression: Expression) => Datum;

/** The columns that the keys of an index are made of: of the primary (0), or an index's own. */
function keyColumnsOf(layout: TableLayout, index: number): readonly KeyColumn[] {
  if (index === 0) return layout.key;
  return layout.indexes.find((candidate) => candidate.id === index)?.columns ?? [];
}

/** The primary keys of a path that fixes all of them, ascending and distinct; null where the path is a range. */
export function pointKeyOf(
  plan: TableScan,
  environment: Environment,
  row: readonly Datum[] = [],
): readonly Uint8Array[] | null {
  if (!plan.path.isPoint || plan.path.index !== 0) return null;
  const columns = plan.table.layout.key;
  const prefixes = prefixesOf(plan.path.prefix, columns, evaluatorOf(environment, row));
  const keys = distinctKeys(prefixes.map((prefix) => encodeKeyDatums(columns, prefix)));
  return plan.path.reverse ? keys.reverse() : keys;
}

/** The key ranges that a path reads, disjoint and ascending; none where no row can match. */
export function keyRangesOf(
  plan: TableScan,
  environment: Environment,
  row: readonly Datum[] = [],
): readonly KeyRange[] {
  const { prefix, range, index } = plan.path;
  if (prefix.length === 0 && range === null) return [{ from: null, to: null }];
  const columns = keyColumnsOf(plan.table.layout, index);
  const evaluate = evaluatorOf(environment, row);
  const prefixes = prefixesOf(prefix, columns, evaluate);
  const rangeOf = rangeMaker(range, columns, prefix.length, evaluate);
  return rangeOf === null ? [] : disjoint(prefixes.map(rangeOf).filter(isNotEmpty));
}

function evaluatorOf(environment: Environment, row: readonly Datum[]): Evaluate {
  return (expression) => compileRow(expression)(row, environment);
}

/** Every combination of the values that the conditions allow. */
function prefixesOf(
  conditions: readonly KeyCondition[],
  columns: readonly KeyColumn[],
  evaluate: Evaluate,
): readonly (readonly Datum[])[] {
  let prefixes: readonly (readonly Datum[])[] = [[]];
  for (const [at, condition] of conditions.entries()) {
    const values =
      condition.kind === 'is-null'
        ? [null]
        : valuesOf(condition, evaluate).filter((value) => fits(value, columns[at]!));
    prefixes = prefixes.flatMap((prefix) => values.map((value) => [...prefix, value]));
  }
  return prefixes;
}

function valuesOf(
  condition: Exclude<KeyCondition, { readonly kind: 'is-null' }>,
  evaluate: Evaluate,
): readonly Datum[] {
  switch (condition.kind) {
    case 'equal':
      return [evaluate(condition.value)];
    case 'in':
      return condition.values.map(evaluate);
    case 'any': {
      const array = evaluate(condition.array);
      return array instanceof SqlArray ? array.items : [];
    }
    default:
      return unreachable(condition);
  }
}

/** Null equals nothing; an int8 may be outside of an int4 column. */
function fits(value: Datum, column: KeyColumn): boolean {
  if (value === null) return false;
  return column.type.kind !== 'int4' || value === (Number(value) | 0);
}

type Bounds = { readonly lower: KeyBound | null; readonly upper: KeyBound | null };

type RangeOf = (prefix: readonly Datum[]) => KeyRange;

/** What a range condition makes of each prefix, or null where no row can match. */
function rangeMaker(
  range: RangeCondition | null,
  columns: readonly KeyColumn[],
  prefixLength: number,
  evaluate: Evaluate,
): RangeOf | null {
  if (range === null) return (prefix) => keyRange(columns, prefix, null, null);
  if (range.kind === 'prefix') return (prefix) => keyRangeOfTextPrefix(columns, prefix, range.text);
  const bound = (side: typeof range.lower): KeyBound | null =>
    side === null ? null : { value: evaluate(side.value), isInclusive: side.inclusive };
  const bounds = clamp({ lower: bound(range.lower), upper: bound(range.upper) }, columns[prefixLength]!);
  return bounds === null ? null : (prefix) => keyRange(columns, prefix, bounds.lower, bounds.upper);
}

/** A bound beyond the column's type is no bound, or leaves nothing, as a null does. */
function clamp({ lower, upper }: Bounds, column: KeyColumn): Bounds | null {
  if (lower?.value === null || upper?.value === null) return null;
  const outside = (bound: KeyBound | null): number =>
    bound === null || fits(bound.value, column) ? 0 : (bound.value as number | bigint) > 0 ? 1 : -1;
  if (outside(lower) > 0 || outside(upper) < 0) return null;
  return { lower: outside(lower) < 0 ? null : lower, upper: outside(upper) > 0 ? null : upper };
}

function distinctKeys(keys: readonly Uint8Array[]): Uint8Array[] {
  if (keys.length <= 1) return [...keys];
  const sorted = [...keys].sort(compareBytes);
  return sorted.filter((key, at) => at === 0 || compareBytes(key, sorted[at - 1]!) !== 0);
}

function isNotEmpty({ from, to }: KeyRange): boolean {
  return from === null || to === null || compareBytes(from, to) < 0;
}

/** Equal prefixes give equal ranges; different ones never overlap. */
function disjoint(ranges: readonly KeyRange[]): readonly KeyRange[] {
  if (ranges.length <= 1) return ranges;
  const start = (range: KeyRange): Uint8Array => range.from ?? new Uint8Array(0);
  const sorted = [...ranges].sort((a, b) => compareBytes(start(a), start(b)));
  return sorted.filter((range, at) => at === 0 || compareBytes(start(range), start(sorted[at - 1]!)) !== 0);
}

/** What the store may skip row groups by, with the values of this execution. */
export function zonesOf(plan: TableScan, environment: Environment): readonly ZonePredicate[] {
  const zones: ZonePredicate[] = [];
  for (const { attribute, operator, value } of plan.zones) {
    const datum = value === null ? null : compileRow(value)([], environment);
    if (datum === null && value !== null) continue;
    zones.push({ column: columnId(attribute), operator, value: datum });
  }
  return zones;
}
