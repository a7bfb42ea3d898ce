import { AlopexError } from '../../../base/errors.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import {
  absoluteNumeric,
  addNumeric,
  ceilingNumeric,
  divideNumeric,
  floorNumeric,
  gcdNumeric,
  lcmNumeric,
  minimumScale,
  multiplyNumeric,
  negateNumeric,
  quotientNumeric,
  remainderNumeric,
  roundNumeric,
  signNumeric,
  subtractNumeric,
  trimScale,
  truncateNumeric,
} from '../numeric/arithmetic.ts';
import { compareNumeric } from '../numeric/compare.ts';
import {
  expNumeric,
  factorialNumeric,
  lnNumeric,
  log10Numeric,
  logNumeric,
  powerNumeric,
  squareRootNumeric,
} from '../numeric/transcendental.ts';
import type { Implementations } from './define.ts';
import { pure } from './define.ts';
import { checkInt4 } from './integer.ts';

function widthBucketNumeric(operand: Numeric, low: Numeric, high: Numeric, count: number): number {
  const problem = (message: string) => new AlopexError('invalid_argument_for_width_bucket_function', message);
  if (count <= 0) throw problem('count must be greater than zero');
  if ([operand, low, high].some((value) => value.special === 'NaN')) {
    throw problem('operand, lower bound, and upper bound cannot be NaN');
  }
  if (low.special !== null || high.special !== null) throw problem('lower and upper bounds must be finite');
  const direction = compareNumeric(high, low);
  if (direction === 0) throw problem('lower bound cannot equal upper bound');
  if (compareNumeric(operand, low) * direction < 0) return 0;
  if (compareNumeric(operand, high) * direction >= 0) return checkInt4(count + 1);
  const offset = multiplyNumeric(subtractNumeric(operand, low), Numeric.of(count, 0));
  return Number(quotientNumeric(offset, subtractNumeric(high, low)).units) + 1;
}

export const numericFunctions: Implementations = pure({
  numeric_add: addNumeric,
  numeric_sub: subtractNumeric,
  numeric_mul: multiplyNumeric,
  numeric_div: divideNumeric,
  numeric_div_trunc: quotientNumeric,
  numeric_mod: remainderNumeric,
  numeric_power: powerNumeric,
  numeric_sqrt: squareRootNumeric,
  numeric_ln: lnNumeric,
  numeric_log: logNumeric,
  'log(numeric)': log10Numeric,
  'log10(numeric)': log10Numeric,
  numeric_exp: expNumeric,
  numeric_round: roundNumeric,
  'round(numeric)': (value: Numeric) => roundNumeric(value, 0),
  numeric_trunc: truncateNumeric,
  'trunc(numeric)': (value: Numeric) => truncateNumeric(value, 0),
  numeric_ceil: ceilingNumeric,
  numeric_floor: floorNumeric,
  numeric_abs: absoluteNumeric,
  numeric_sign: signNumeric,
  numeric_uminus: negateNumeric,
  numeric_uplus: (value: Numeric) => value,
  numeric_inc: (value: Numeric) => addNumeric(value, Numeric.of(1, 0)),
  numeric_larger: (left: Numeric, right: Numeric) => (compareNumeric(left, right) > 0 ? left : right),
  numeric_smaller: (left: Numeric, right: Numeric) => (compareNumeric(left, right) < 0 ? left : right),
  numeric_scale: (value: Numeric) => (value.special === null ? value.scale : null),
  numeric_min_scale: minimumScale,
  numeric_trim_scale: trimScale,
  numeric_gcd: gcdNumeric,
  numeric_lcm: lcmNumeric,
  numeric_fac: factorialNumeric,
  width_bucket_numeric: widthBucketNumeric,
});
