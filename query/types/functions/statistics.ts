import { Numeric } from '../../../base/values/numeric.ts';
import {
  divideToScale,
  divisionScale,
  multiplyNumeric,
  NumericSum,
  subtractNumeric,
} from '../numeric/arithmetic.ts';
import { squareRootToScale } from '../numeric/transcendental.ts';
import type { Aggregation, Implementations } from './define.ts';
import { aggregates } from './define.ts';

/** variance, stddev and their kin; exact over integers and numerics, Youngs and Cramer (1971) over floats. */
type Kind = { readonly isSample: boolean; readonly isRoot: boolean };
const kinds: Readonly<Record<string, Kind>> = {
  variance: { isSample: true, isRoot: false },
  var_samp: { isSample: true, isRoot: false },
  var_pop: { isSample: false, isRoot: false },
  stddev: { isSample: true, isRoot: true },
  stddev_samp: { isSample: true, isRoot: true },
  stddev_pop: { isSample: false, isRoot: true },
};

type ExactState = { readonly sum: NumericSum; readonly squares: NumericSum };

function exact(kind: Kind): Aggregation {
  return {
    initial: () => ({ sum: new NumericSum(), squares: new NumericSum() }),
    step: (state: ExactState, value: Numeric | number | bigint) => {
      const numeric = value instanceof Numeric ? value : Numeric.of(value, 0);
      state.sum.add(numeric);
      state.squares.add(multiplyNumeric(numeric, numeric));
      return state;
    },
    final: ({ sum, squares }: ExactState) => {
      const { count } = sum;
      if (count === 0 || (kind.isSample && count === 1)) return null;
      const total = sum.value();
      if (total.special !== null) return Numeric.nan;
      const spread = subtractNumeric(
        multiplyNumeric(Numeric.of(count, 0), squares.value()),
        multiplyNumeric(total, total),
      );
      if (spread.units <= 0) return Numeric.of(0, 0);
      const divisor = multiplyNumeric(Numeric.of(count, 0), Numeric.of(kind.isSample ? count - 1 : count, 0));
      const scale = divisionScale(spread, divisor);
      const variance = divideToScale(spread, divisor, scale);
      return kind.isRoot ? squareRootToScale(variance, scale) : variance;
    },
  };
}

type FloatState = { count: number; sum: number; spread: number };

function addFloat(state: FloatState, value: number): FloatState {
  const previous = state.count;
  state.count++;
  state.sum += value;
  if (previous > 0) {
    const difference = value * state.count - state.sum;
    state.spread += (difference * difference) / (state.count * previous);
  } else if (!Number.isFinite(value)) state.spread = Number.NaN;
  return state;
}

function floating(kind: Kind): Aggregation {
  return {
    initial: () => ({ count: 0, sum: 0, spread: 0 }),
    step: addFloat,
    final: ({ count, spread }: FloatState) => {
      if (count === 0 || (kind.isSample && count === 1)) return null;
      const variance = spread / (kind.isSample ? count - 1 : count);
      return kind.isRoot ? Math.sqrt(variance) : variance;
    },
  };
}

function variances(): Record<string, Aggregation> {
  const made: Record<string, Aggregation> = {};
  for (const [name, kind] of Object.entries(kinds)) {
    for (const type of ['int2', 'int4', 'int8', 'numeric']) made[`${name}(${type})`] = exact(kind);
    for (const type of ['float4', 'float8']) made[`${name}(${type})`] = floating(kind);
  }
  return made;
}

/** Sums over pairs: of x, y, their squares' and products' spreads. SQL's order is (y, x). */
type PairState = {
  count: number;
  sumX: number;
  spreadX: number;
  sumY: number;
  spreadY: number;
  product: number;
};

function addPair(state: PairState, y: number, x: number): PairState {
  const previous = state.count;
  state.count++;
  state.sumX += x;
  state.sumY += y;
  if (previous > 0) {
    const dx = x * state.count - state.sumX;
    const dy = y * state.count - state.sumY;
    const scale = 1 / (state.count * previous);
    state.spreadX += dx * dx * scale;
    state.spreadY += dy * dy * scale;
    state.product += dx * dy * scale;
  }
  return state;
}

function pairs(final: (state: PairState) => number | null): Aggregation {
  return {
    initial: () => ({ count: 0, sumX: 0, spreadX: 0, sumY: 0, spreadY: 0, product: 0 }),
    step: addPair,
    final: (state: PairState) => (state.count === 0 ? null : final(state)),
  };
}

const regressions: Readonly<Record<string, (state: PairState) => number | null>> = {
  regr_sxx: (state) => state.spreadX,
  regr_syy: (state) => state.spreadY,
  regr_sxy: (state) => state.product,
  regr_avgx: (state) => state.sumX / state.count,
  regr_avgy: (state) => state.sumY / state.count,
  regr_slope: (state) => (state.spreadX === 0 ? null : state.product / state.spreadX),
  regr_intercept: (state) =>
    state.spreadX === 0 ? null : (state.sumY - (state.sumX * state.product) / state.spreadX) / state.count,
  regr_r2: (state) => {
    if (state.spreadX === 0) return null;
    return state.spreadY === 0 ? 1 : (state.product * state.product) / (state.spreadX * state.spreadY);
  },
  corr: (state) =>
    state.spreadX === 0 || state.spreadY === 0
      ? null
      : state.product / Math.sqrt(state.spreadX * state.spreadY),
  covar_pop: (state) => state.product / state.count,
  covar_samp: (state) => (state.count < 2 ? null : state.product / (state.count - 1)),
};

export const statisticsFunctions: Implementations = aggregates({
  ...variances(),
  ...Object.fromEntries(
    Object.entries(regressions).map(([name, final]) => [`${name}(float8,float8)`, pairs(final)]),
  ),
  'regr_count(float8,float8)': {
    initial: () => 0,
    step: (count: number) => count + 1,
    final: (count: number) => count,
  },
});
