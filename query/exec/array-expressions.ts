import { AlopexError } from '../../base/errors.ts';
import { type Datum, SqlArray } from '../../base/values/datum.ts';

/** ARRAY[…]; `isNested`: of arrays, which become its rows and must be of one shape. */
export function arrayOf(elements: readonly Datum[], isNested: boolean): SqlArray {
  if (!isNested) return SqlArray.of(elements);
  const arrays = elements.filter((element) => element instanceof SqlArray);
  const first = arrays[0];
  if (first === undefined || arrays.every((array) => array.items.length === 0)) return SqlArray.of([]);
  for (const array of arrays) {
    const isSameShape =
      array.dimensions.length === first.dimensions.length &&
      array.dimensions.every((dimension, at) => dimension.length === first.dimensions[at]!.length);
    if (!isSameShape || arrays.length !== elements.length) {
      throw new AlopexError(
        'array_subscript_error',
        'multidimensional arrays must have array expressions with matching dimensions',
      );
    }
  }
  return new SqlArray(
    arrays.flatMap((array) => array.items),
    [{ length: arrays.length, lowerBound: 1 }, ...first.dimensions],
  );
}

export type Place = { readonly isSlice: boolean; readonly from: number | null; readonly to: number | null };

/** `array[1][2]`, or `array[1:2]` where any place is a slice: then a lone index `n` means `1:n`. */
export function subscriptOf(array: SqlArray, places: readonly Place[]): Datum {
  if (places.some((place) => place.isSlice)) return sliceOf(array, places);
  if (places.length !== array.dimensions.length) return null;
  let at = 0;
  for (const [dimension, { length, lowerBound }] of array.dimensions.entries()) {
    const index = places[dimension]!.to! - lowerBound;
    if (index < 0 || index >= length) return null;
    at = at * length + index;
  }
  return array.items[at] ?? null;
}

function sliceOf(array: SqlArray, places: readonly Place[]): SqlArray {
  if (places.length > array.dimensions.length) return SqlArray.of([]);
  const spans = array.dimensions.map(({ length, lowerBound }, dimension) => {
    const place = places[dimension] ?? { isSlice: true, from: null, to: null };
    const from = place.isSlice ? (place.from ?? lowerBound) : 1;
    const to = place.to ?? lowerBound + length - 1;
    return { start: Math.max(from - lowerBound, 0), end: Math.min(to - lowerBound + 1, length), length };
  });
  if (spans.some((span) => span.end <= span.start)) return SqlArray.of([]);
  const items: Datum[] = [];
  const take = (dimension: number, base: number): void => {
    const span = spans[dimension];
    if (span === undefined) {
      items.push(array.items[base] ?? null);
      return;
    }
    for (let index = span.start; index < span.end; index++) take(dimension + 1, base * span.length + index);
  };
  take(0, 0);
  return new SqlArray(
    items,
    spans.map((span) => ({ length: span.end - span.start, lowerBound: 1 })),
  );
}
