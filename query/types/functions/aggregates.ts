import { concatBytes } from '../../../base/bytes/compare.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { type Interval, SqlArray } from '../../../base/values/datum.ts';
import { Numeric, narrow } from '../../../base/values/numeric.ts';
import { compareFunction } from '../compare.ts';
import { divideNumeric, NumericSum } from '../numeric/arithmetic.ts';
import { typeByName } from '../registry.ts';
import type { Aggregation, Implementations } from './define.ts';
import { aggregates, typedAggregates } from './define.ts';
import { floatOverflow } from './float.ts';
import { checkInt8 } from './integer.ts';
import { makeInterval, scaleInterval } from './time-arithmetic.ts';

type Integer = number | bigint;
type Total = { sum: Integer; count: number };

const newTotal = (): Total => ({ sum: 0, count: 0 });

function addInteger(total: Total, value: Integer): Total {
  total.count++;
  if (typeof total.sum === 'number' && typeof value === 'number') {
    const sum = total.sum + value;
    if (Number.isSafeInteger(sum)) {
      total.sum = sum;
      return total;
    }
  }
  total.sum = narrow(BigInt(total.sum) + BigInt(value));
  return total;
}

function average(total: Total): Numeric | null {
  return total.count === 0 ? null : divideNumeric(Numeric.of(total.sum, 0), Numeric.of(total.count, 0));
}

const integerSum: Aggregation = {
  initial: newTotal,
  step: addInteger,
  final: (total: Total) => (total.count === 0 ? null : checkInt8(BigInt(total.sum))),
  kernel: 'sum',
};
const int8Sum: Aggregation = {
  ...integerSum,
  final: (total: Total) => (total.count === 0 ? null : Numeric.of(total.sum, 0)),
};
const integerAverage: Aggregation = { initial: newTotal, step: addInteger, final: average, kernel: 'avg' };

function floatSum(round: (value: number) => number): Aggregation {
  return {
    initial: () => null,
    step: (sum: number | null, value: number) => {
      if (sum === null) return value;
      const next = round(sum + value);
      if (!Number.isFinite(next) && Number.isFinite(sum) && Number.isFinite(value)) throw floatOverflow();
      return next;
    },
    final: (sum: number | null) => sum,
    kernel: 'sum',
  };
}

const floatAverage: Aggregation = {
  initial: () => ({ sum: 0, count: 0 }),
  step: (total: { sum: number; count: number }, value: number) => {
    const sum = total.sum + value;
    if (!Number.isFinite(sum) && Number.isFinite(total.sum) && Number.isFinite(value)) throw floatOverflow();
    total.sum = sum;
    total.count++;
    return total;
  },
  final: (total: { sum: number; count: number }) => (total.count === 0 ? null : total.sum / total.count),
  kernel: 'avg',
};

function addTo(sum: NumericSum, value: Numeric): NumericSum {
  sum.add(value);
  return sum;
}

const numericSum: Aggregation = {
  initial: () => new NumericSum(),
  step: addTo,
  final: (sum: NumericSum) => (sum.count === 0 ? null : sum.value()),
  kernel: 'sum',
};
const numericAverage: Aggregation = {
  initial: () => new NumericSum(),
  step: addTo,
  final: (sum: NumericSum) => (sum.count === 0 ? null : divideNumeric(sum.value(), Numeric.of(sum.count, 0))),
  kernel: 'avg',
};

type IntervalTotal = { months: number; days: number; micros: number; count: number };

const intervalTotal: Pick<Aggregation, 'initial' | 'step'> = {
  initial: () => ({ months: 0, days: 0, micros: 0, count: 0 }),
  step: (total: IntervalTotal, value: Interval) => {
    total.months += value.months;
    total.days += value.days;
    total.micros += value.microseconds;
    total.count++;
    return total;
  },
};
const sumOf = (total: IntervalTotal): Interval => makeInterval(total.months, total.days, total.micros);

const count: Aggregation = {
  initial: () => 0,
  step: (total: number) => total + 1,
  final: (total: number) => total,
  kernel: 'count',
};

/** Any types: the element's btree order decides. */
function extremum(typeName: string, sign: 1 | -1): Aggregation {
  const compare = compareFunction(typeByName(typeName)!.oid);
  return {
    initial: () => null,
    step: (best: Datum, value: Datum) => (best === null || compare(value, best) * sign > 0 ? value : best),
    final: (best: Datum) => best,
    kernel: sign > 0 ? 'max' : 'min',
  };
}

const extremumTypes = [
  'int8',
  'int4',
  'int2',
  'oid',
  'float4',
  'float8',
  'date',
  'time',
  'timestamp',
  'timestamptz',
  'interval',
  'text',
  'numeric',
  'bpchar',
  'tid',
  'vector',
];

function extrema(): Implementations {
  const made: Record<string, Aggregation> = {};
  for (const type of extremumTypes) {
    made[`max(${type})`] = extremum(type, 1);
    made[`min(${type})`] = extremum(type, -1);
  }
  return aggregates(made);
}

function boolean(combine: (left: boolean, right: boolean) => boolean): Aggregation {
  return {
    initial: () => null,
    step: (state: boolean | null, value: boolean) => (state === null ? value : combine(state, value)),
    final: (state: boolean | null) => state,
  };
}

type BitwiseName = 'bit_and' | 'bit_or' | 'bit_xor';
const bitwise: Readonly<Record<BitwiseName, (left: bigint, right: bigint) => bigint>> = {
  bit_and: (left, right) => left & right,
  bit_or: (left, right) => left | right,
  bit_xor: (left, right) => left ^ right,
};

function bitwiseAggregates(): Implementations {
  const made: Record<string, Aggregation> = {};
  for (const [name, combine] of Object.entries(bitwise)) {
    for (const type of ['int2', 'int4', 'int8']) {
      made[`${name}(${type})`] = {
        initial: () => null,
        step: (state: Integer | null, value: Integer) =>
          state === null ? value : narrow(combine(BigInt(state), BigInt(value))),
        final: (state: Integer | null) => state,
      };
    }
  }
  return aggregates(made);
}

/** The delimiter of a row stands before its value, except the first. */
const textJoin: Aggregation = {
  initial: () => ({ text: null }),
  step: (state: { text: string | null }, value: string | null, delimiter: string | null) => {
    if (value !== null) state.text = state.text === null ? value : state.text + (delimiter ?? '') + value;
    return state;
  },
  final: (state: { text: string | null }) => state.text,
  keepsNulls: true,
};
const bytesJoin: Aggregation = {
  initial: () => [],
  step: (parts: Uint8Array[], value: Uint8Array | null, delimiter: Uint8Array | null) => {
    if (value === null) return parts;
    if (parts.length > 0) parts.push(delimiter ?? new Uint8Array(0));
    parts.push(value);
    return parts;
  },
  final: (parts: Uint8Array[]) => (parts.length === 0 ? null : concatBytes(parts)),
  keepsNulls: true,
};

const arrayOfValues: Aggregation = {
  initial: () => [],
  step: (items: Datum[], value: Datum) => {
    items.push(value);
    return items;
  },
  final: (items: Datum[]) => (items.length === 0 ? null : SqlArray.of(items)),
  keepsNulls: true,
};

/** Arrays of one shape become an array with a dimension more. */
const arrayOfArrays: Aggregation = {
  ...arrayOfValues,
  step: (arrays: SqlArray[], value: SqlArray | null) => {
    const problem = (message: string) => new AlopexError('array_subscript_error', message);
    if (value === null) throw new AlopexError('null_value_not_allowed', 'cannot accumulate null arrays');
    if (value.dimensions.length === 0) throw problem('cannot accumulate empty arrays');
    const [first] = arrays;
    const isSameShape =
      first === undefined ||
      (first.dimensions.length === value.dimensions.length &&
        first.dimensions.every((dimension, index) => dimension.length === value.dimensions[index]!.length));
    if (!isSameShape) throw problem('cannot accumulate arrays of different dimensionality');
    arrays.push(value);
    return arrays;
  },
  final: (arrays: SqlArray[]) => {
    const [first] = arrays;
    if (first === undefined) return null;
    return new SqlArray(
      arrays.flatMap((array) => array.items),
      [{ length: arrays.length, lowerBound: 1 }, ...first.dimensions],
    );
  },
};

export const aggregateFunctions: Implementations = {
  ...extrema(),
  ...bitwiseAggregates(),
  ...typedAggregates({
    'max(anyarray)': (types) => arrayExtremum(types[0]!.oid, 1),
    'min(anyarray)': (types) => arrayExtremum(types[0]!.oid, -1),
  }),
  ...aggregates({
    'count()': { ...count, kernel: 'count-star', keepsNulls: true },
    'count(any)': count,
    'sum(int2)': integerSum,
    'sum(int4)': integerSum,
    'sum(int8)': int8Sum,
    'sum(float4)': floatSum(Math.fround),
    'sum(float8)': floatSum((value) => value),
    'sum(numeric)': numericSum,
    'sum(interval)': {
      ...intervalTotal,
      final: (total: IntervalTotal) => (total.count === 0 ? null : sumOf(total)),
    },
    'avg(int2)': integerAverage,
    'avg(int4)': integerAverage,
    'avg(int8)': integerAverage,
    'avg(float4)': floatAverage,
    'avg(float8)': floatAverage,
    'avg(numeric)': numericAverage,
    'avg(interval)': {
      ...intervalTotal,
      final: (total: IntervalTotal) =>
        total.count === 0 ? null : scaleInterval(sumOf(total), 1 / total.count),
    },
    'bool_and(bool)': boolean((left, right) => left && right),
    'bool_or(bool)': boolean((left, right) => left || right),
    'every(bool)': boolean((left, right) => left && right),
    'string_agg(text,text)': textJoin,
    'string_agg(bytea,bytea)': bytesJoin,
    'array_agg(anynonarray)': arrayOfValues,
    'array_agg(anyarray)': arrayOfArrays,
  }),
};

function arrayExtremum(type: number, sign: 1 | -1): Aggregation {
  const compare = compareFunction(type);
  return {
    initial: () => null,
    step: (best: Datum, value: Datum) => (best === null || compare(value, best) * sign > 0 ? value : best),
    final: (best: Datum) => best,
  };
}
