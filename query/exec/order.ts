import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { compareFunction, isTextOrdered } from '../types/compare.ts';
import type { TypeOid } from '../types/type.ts';
import { compareTextAt } from './texts.ts';

/** How one sort key orders. */
export type Direction = {
  readonly type: TypeOid;
  readonly descending: boolean;
  readonly nullsFirst: boolean;
};

/** `width`: columns of the rows. `keysAt`: where their keys stand, among these or behind them. */
export type SortedShape = {
  readonly width: number;
  readonly keysAt: readonly number[];
  readonly directions: readonly Direction[];
};

type CompareDatums = (left: Datum, right: Datum) => number;

/** The order of one key, nulls included. */
export function datumOrder({ type, descending, nullsFirst }: Direction): CompareDatums {
  const compare = compareFunction(type);
  const nullRank = nullsFirst ? -1 : 1;
  return (left, right) => {
    if (left === null) return right === null ? 0 : nullRank;
    if (right === null) return -nullRank;
    return descending ? compare(right, left) : compare(left, right);
  };
}

/** The order of one key between rows of any two vectors. */
export function placeOrder(
  direction: Direction,
): (left: ColumnVector, leftRow: number, right: ColumnVector, rightRow: number) => number {
  const order = datumOrder(direction);
  if (!isTextOrdered(direction.type)) {
    return (left, leftRow, right, rightRow) => order(datumAt(left, leftRow), datumAt(right, rightRow));
  }
  const sign = direction.descending ? -1 : 1;
  return (left, leftRow, right, rightRow) => {
    if (left.kind === 'utf8' && right.kind === 'utf8' && left.nulls === null && right.nulls === null)
      return sign * compareTextAt(left.text, leftRow, right.text, rightRow);
    return order(datumAt(left, leftRow), datumAt(right, rightRow));
  };
}

/** The order of rows by their leading datums. */
export function rowOrder(
  directions: readonly Direction[],
): (left: readonly Datum[], right: readonly Datum[]) => number {
  const orders = directions.map(datumOrder);
  return (left, right) => {
    for (let at = 0; at < orders.length; at++) {
      const order = orders[at]!(left[at]!, right[at]!);
      if (order !== 0) return order;
    }
    return 0;
  };
}

/** The order of rows of some vectors, by their indexes; equal ones keep the order of their indexes. */
export function indexOrder(
  columns: readonly ColumnVector[],
  directions: readonly Direction[],
): (left: number, right: number) => number {
  const orders = columns.map((column, at) => vectorOrder(column, directions[at]!));
  const [only] = orders;
  if (orders.length === 1 && only !== undefined) return (left, right) => only(left, right) || left - right;
  return (left, right) => {
    for (let at = 0; at < orders.length; at++) {
      const order = orders[at]!(left, right);
      if (order !== 0) return order;
    }
    return left - right;
  };
}

function vectorOrder(column: ColumnVector, direction: Direction): (left: number, right: number) => number {
  if (column.kind === 'utf8' && isTextOrdered(direction.type)) return textOrder(column, direction);
  const isNumbers = column.kind === 'float64' || column.kind === 'int32';
  if (!isNumbers || column.nulls !== null) {
    const order = datumOrder(direction);
    return (left, right) => order(datumAt(column, left), datumAt(column, right));
  }
  const { values } = column;
  return direction.descending
    ? (left, right) => numberOrder(values[right]!, values[left]!)
    : (left, right) => numberOrder(values[left]!, values[right]!);
}

/** Without making strings. */
function textOrder(
  { text, nulls }: Extract<ColumnVector, { readonly kind: 'utf8' }>,
  { descending, nullsFirst }: Direction,
): (left: number, right: number) => number {
  const order: (left: number, right: number) => number = descending
    ? (left, right) => compareTextAt(text, right, text, left)
    : (left, right) => compareTextAt(text, left, text, right);
  if (nulls === null) return order;
  const nullRank = nullsFirst ? -1 : 1;
  return (left, right) => {
    if (nulls[left] === 1) return nulls[right] === 1 ? 0 : nullRank;
    return nulls[right] === 1 ? -nullRank : order(left, right);
  };
}

/** NaN is above all, and equals itself. */
function numberOrder(left: number, right: number): number {
  if (left < right) return -1;
  if (left > right) return 1;
  return left === right ? 0 : Number(Number.isNaN(left)) - Number(Number.isNaN(right));
}
