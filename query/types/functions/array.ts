import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray } from '../../../base/values/datum.ts';
import { arrayItemsMax, dimensionsMax } from '../codec/array.ts';
import { codecOf } from '../codec/codec.ts';
import type { Compare } from '../compare.ts';
import { compareFunction, compareNullable } from '../compare.ts';
import type { FunctionContext } from '../function.ts';
import { elementType, isArrayType } from '../registry.ts';
import type { ArgumentTypes, Evaluate, Implementations } from './define.ts';
import { pure, rows, typed, typedContextual } from './define.ts';

type Dimensions = SqlArray['dimensions'];

function checkOneDimension(array: SqlArray, functionName: string): void {
  if (array.dimensions.length > 1) {
    throw new AlopexError(
      'feature_not_supported',
      `${functionName} not supported for multidimensional arrays`,
    );
  }
}

function append(array: SqlArray | null, item: Datum): SqlArray {
  if (array === null || array.dimensions.length === 0) return SqlArray.of([item]);
  if (array.dimensions.length > 1) throw invalidDimensions('argument must be empty or one-dimensional array');
  const [{ length, lowerBound }] = array.dimensions as [Dimensions[number]];
  return new SqlArray([...array.items, item], [{ length: length + 1, lowerBound }]);
}

function invalidDimensions(message: string): AlopexError {
  return new AlopexError('data_exception', message);
}

function prepend(item: Datum, array: SqlArray | null): SqlArray {
  if (array === null || array.dimensions.length === 0) return SqlArray.of([item]);
  if (array.dimensions.length > 1) throw invalidDimensions('argument must be empty or one-dimensional array');
  const [{ length, lowerBound }] = array.dimensions as [Dimensions[number]];
  return new SqlArray([item, ...array.items], [{ length: length + 1, lowerBound }]);
}

/** Arrays of one shape end to end; one of a dimension less is a further item of the other. */
function concatenate(left: SqlArray | null, right: SqlArray | null): SqlArray | null {
  if (left === null || right === null) return left ?? right;
  if (left.dimensions.length === 0) return right;
  if (right.dimensions.length === 0) return left;
  const incompatible = (detail: string) =>
    new AlopexError('array_subscript_error', 'cannot concatenate incompatible arrays', { detail });
  const difference = left.dimensions.length - right.dimensions.length;
  if (Math.abs(difference) > 1) {
    throw incompatible(
      `Arrays of ${left.dimensions.length} and ${right.dimensions.length} dimensions are not compatible for concatenation.`,
    );
  }
  const inner = (array: SqlArray, from: number) =>
    array.dimensions
      .slice(from)
      .map(({ length }) => length)
      .join();
  if (inner(left, difference >= 0 ? 1 : 0) !== inner(right, difference <= 0 ? 1 : 0)) {
    const what = difference === 0 ? 'element dimensions' : 'dimensions';
    throw incompatible(`Arrays with differing ${what} are not compatible for concatenation.`);
  }
  const base = difference >= 0 ? left : right;
  const count = (array: SqlArray) =>
    array.dimensions.length === base.dimensions.length ? array.dimensions[0]!.length : 1;
  const [first, ...rest] = base.dimensions as [Dimensions[number], ...Dimensions[number][]];
  return new SqlArray(
    [...left.items, ...right.items],
    [{ length: count(left) + count(right), lowerBound: first.lowerBound }, ...rest],
  );
}

function dimension(array: SqlArray, number: number): Dimensions[number] | null {
  return array.dimensions[number - 1] ?? null;
}

function positions(compare: Compare, array: SqlArray, item: Datum): number[] {
  const lower = array.dimensions[0]?.lowerBound ?? 1;
  return array.items.flatMap((entry, index) =>
    compareNullable(entry, item, compare) === 0 ? [index + lower] : [],
  );
}

/** The compare function of the items of the first argument that is an array. */
function itemCompare(types: ArgumentTypes): Compare {
  const array = types.find((type) => isArrayType(type.oid));
  return compareFunction(array === undefined ? types[0]!.oid : elementType(array.oid));
}

function contains(compare: Compare, array: SqlArray, part: SqlArray): boolean {
  return part.items.every(
    (wanted) => wanted !== null && array.items.some((item) => item !== null && compare(item, wanted) === 0),
  );
}

function remove(compare: Compare, array: SqlArray, item: Datum): SqlArray {
  if (array.dimensions.length > 1) {
    throw new AlopexError(
      'feature_not_supported',
      'removing elements from multidimensional arrays is not supported',
    );
  }
  const kept = array.items.filter((entry) => compareNullable(entry, item, compare) !== 0);
  if (kept.length === array.items.length) return array;
  const lowerBound = array.dimensions[0]?.lowerBound ?? 1;
  return new SqlArray(kept, kept.length === 0 ? [] : [{ length: kept.length, lowerBound }]);
}

function fill(item: Datum, lengths: SqlArray | null, bounds?: SqlArray | null): SqlArray {
  if (lengths === null || bounds === null) {
    throw new AlopexError('null_value_not_allowed', 'dimension array or low bound array cannot be null');
  }
  if (lengths.items.includes(null)) {
    throw new AlopexError('null_value_not_allowed', 'dimension values cannot be null');
  }
  if (bounds !== undefined && bounds.items.length !== lengths.items.length) {
    throw new AlopexError('array_subscript_error', 'wrong number of array subscripts', {
      detail: 'Low bound array has different size than dimensions array.',
    });
  }
  if (lengths.items.length > dimensionsMax) {
    throw new AlopexError(
      'program_limit_exceeded',
      `number of array dimensions (${lengths.items.length}) exceeds the maximum allowed (${dimensionsMax})`,
    );
  }
  const dimensions = lengths.items.map((length, index) => ({
    length: length as number,
    lowerBound: (bounds?.items[index] as number | undefined) ?? 1,
  }));
  const count = dimensions.reduce((product, { length }) => product * length, dimensions.length === 0 ? 0 : 1);
  if (count < 0 || count > arrayItemsMax) {
    throw new AlopexError(
      'program_limit_exceeded',
      `array size exceeds the maximum allowed (${arrayItemsMax})`,
    );
  }
  return new SqlArray(new Array<Datum>(count).fill(item), count === 0 ? [] : dimensions);
}

function splitText(text: string | null, delimiter: string | null, nullText: string | null): Datum[] | null {
  if (text === null) return null;
  if (text === '') return [];
  const parts = delimiter === null ? [...text] : delimiter === '' ? [text] : text.split(delimiter);
  return parts.map((part) => (part === nullText ? null : part));
}

/** Items as text between delimiters; nulls as `nullText`, or left out. */
function joinItems(types: ArgumentTypes): Evaluate {
  const oid = elementType(types[0]!.oid);
  const codec = oid === 0 ? null : codecOf(oid);
  const type = { oid, modifier: -1 };
  return (
    context: FunctionContext,
    array: SqlArray | null,
    delimiter: string | null,
    nullText?: string | null,
  ) => {
    if (array === null || delimiter === null) return null;
    const parts: string[] = [];
    for (const item of array.items) {
      if (item !== null) parts.push(codec === null ? String(item) : codec.format(item, type, context));
      else if (nullText !== undefined && nullText !== null) parts.push(nullText);
    }
    return parts.join(delimiter);
  };
}

function trimArray(array: SqlArray, count: number): SqlArray {
  const length = array.dimensions[0]?.length ?? 0;
  if (count < 0 || count > length) {
    throw new AlopexError(
      'array_subscript_error',
      `number of elements to trim must be between 0 and ${length}`,
    );
  }
  if (count === 0) return array;
  const kept = length - count;
  const items = array.items.slice(0, (array.items.length / length) * kept);
  return new SqlArray(
    items,
    kept === 0 ? [] : [{ length: kept, lowerBound: 1 }, ...array.dimensions.slice(1)],
  );
}

export const arrayFunctions: Implementations = {
  ...pure({
    array_append: append,
    array_prepend: prepend,
    array_cat: concatenate,
    array_length: (array: SqlArray, number: number) => dimension(array, number)?.length ?? null,
    array_lower: (array: SqlArray, number: number) => dimension(array, number)?.lowerBound ?? null,
    array_upper: (array: SqlArray, number: number) => {
      const found = dimension(array, number);
      return found === null ? null : found.lowerBound + found.length - 1;
    },
    array_ndims: (array: SqlArray) => array.dimensions.length || null,
    array_dims: (array: SqlArray) =>
      array.dimensions
        .map(({ length, lowerBound }) => `[${lowerBound}:${lowerBound + length - 1}]`)
        .join('') || null,
    array_cardinality: (array: SqlArray) => array.items.length,
    array_fill: (item: Datum, lengths: SqlArray | null) => fill(item, lengths),
    array_fill_with_lower_bounds: fill,
    trim_array: trimArray,
    text_to_array: (text: string | null, delimiter: string | null) =>
      arrayOrNull(splitText(text, delimiter, null)),
    text_to_array_null: (text: string | null, delimiter: string | null, nullText: string | null) =>
      arrayOrNull(splitText(text, delimiter, nullText)),
  }),
  ...typed({
    arraycontains: (types) => {
      const compare = itemCompare(types);
      return (left: SqlArray, right: SqlArray) => contains(compare, left, right);
    },
    arraycontained: (types) => {
      const compare = itemCompare(types);
      return (left: SqlArray, right: SqlArray) => contains(compare, right, left);
    },
    arrayoverlap: (types) => {
      const compare = itemCompare(types);
      return (left: SqlArray, right: SqlArray) =>
        left.items.some(
          (item) =>
            item !== null && right.items.some((other) => other !== null && compare(item, other) === 0),
        );
    },
    array_position: (types) => {
      const compare = itemCompare(types);
      return (array: SqlArray | null, item: Datum) => {
        if (array === null) return null;
        checkOneDimension(array, 'searching for elements in');
        return positions(compare, array, item)[0] ?? null;
      };
    },
    array_position_start: (types) => {
      const compare = itemCompare(types);
      return (array: SqlArray | null, item: Datum, start: number | null) => {
        if (start === null)
          throw new AlopexError('null_value_not_allowed', 'initial position must not be null');
        if (array === null) return null;
        return positions(compare, array, item).find((position) => position >= start) ?? null;
      };
    },
    array_positions: (types) => {
      const compare = itemCompare(types);
      return (array: SqlArray | null, item: Datum) =>
        array === null ? null : SqlArray.of(positions(compare, array, item));
    },
    array_remove: (types) => {
      const compare = itemCompare(types);
      return (array: SqlArray | null, item: Datum) => (array === null ? null : remove(compare, array, item));
    },
    array_replace: (types) => {
      const compare = itemCompare(types);
      return (array: SqlArray | null, from: Datum, to: Datum) => {
        if (array === null) return null;
        const items = array.items.map((item) => (compareNullable(item, from, compare) === 0 ? to : item));
        return new SqlArray(items, array.dimensions);
      };
    },
    array_larger: (types) => {
      const compare = compareFunction(types[0]!.oid);
      return (left: SqlArray, right: SqlArray) => (compare(left, right) > 0 ? left : right);
    },
    array_smaller: (types) => {
      const compare = compareFunction(types[0]!.oid);
      return (left: SqlArray, right: SqlArray) => (compare(left, right) < 0 ? left : right);
    },
  }),
  ...typedContextual({
    array_to_text: joinItems,
    array_to_text_null: joinItems,
  }),
  ...rows({
    array_unnest: (_context, array: SqlArray) => array.items.map((item) => [item]),
    text_to_table: (_context, text: string | null, delimiter: string | null) =>
      (splitText(text, delimiter, null) ?? []).map((part) => [part]),
    text_to_table_null: (_context, text: string | null, delimiter: string | null, nullText: string | null) =>
      (splitText(text, delimiter, nullText) ?? []).map((part) => [part]),
    generate_subscripts: subscripts,
    generate_subscripts_nodir: subscripts,
  }),
};

function arrayOrNull(items: Datum[] | null): SqlArray | null {
  return items === null ? null : SqlArray.of(items);
}

function subscripts(_: FunctionContext, array: SqlArray, number: number, isReverse = false): number[][] {
  const found = dimension(array, number);
  if (found === null) return [];
  const made = Array.from({ length: found.length }, (_entry, index) => [found.lowerBound + index]);
  return isReverse ? made.reverse() : made;
}
