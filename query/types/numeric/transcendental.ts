import { AlopexError } from '../../../base/errors.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { divisionByZero } from '../problems.ts';
import { isZero, minimumScale, roundNumeric } from './arithmetic.ts';
import { compareNumeric } from './compare.ts';
import {
  clampDisplayScale,
  digitCount,
  divideRounded,
  leadingDigit,
  powerOfTen,
  rescaleUnits,
  significantDigitsMin,
} from './digits.ts';
import { numericToFloat, overflow } from './text.ts';

/** Digits carried beyond those that are shown. */
const guardDigits = 24;
/** A whole power of so many digits is multiplied out: milliseconds, where a series of long numbers takes seconds. */
const exactPowerDigitsMax = 1_000_000;
const zero = Numeric.of(0, 0);
const one = Numeric.of(1, 0);
const ten = Numeric.of(10, 0);

/** Integer square root, rounded down: Newton's, each step with twice the bits of the one before (as CPython's isqrt). */
function squareRootFloor(value: bigint): bigint {
  if (value < 2n) return value;
  const half = (bitLength(value) - 1) >> 1;
  let estimate = 1n;
  let known = 0;
  for (let step = 31 - Math.clz32(half); step >= 0; step--) {
    const before = known;
    known = half >> step;
    const leading = value >> BigInt(2 * half - before - known + 1);
    estimate = (estimate << BigInt(known - before - 1)) + leading / estimate;
  }
  return estimate * estimate > value ? estimate - 1n : estimate;
}

function bitLength(value: bigint): number {
  const text = value.toString(16);
  return text.length * 4 - Math.clz32(Number.parseInt(text[0]!, 16)) + 28;
}

export function squareRootNumeric(value: Numeric): Numeric {
  if (value.special === 'NaN' || value.special === 'Infinity') return value;
  if (value.special === '-Infinity' || value.units < 0) {
    throw new AlopexError(
      'invalid_argument_for_power_function',
      'cannot take square root of a negative number',
    );
  }
  const { weight } = leadingDigit(value);
  const rootWeight = Math.trunc(((weight + 1) * 4) / 2) - 1;
  return squareRootToScale(
    value,
    clampDisplayScale(Math.max(significantDigitsMin - rootWeight, value.scale)),
  );
}

/** Of a number that is not negative, rounded. */
export function squareRootToScale(value: Numeric, scale: number): Numeric {
  const workScale = scale + value.scale + 1;
  const root = squareRootFloor(BigInt(rescaleUnits(value.units, value.scale, 2 * workScale)));
  return Numeric.of(rescaleUnits(root, workScale, scale), scale);
}

/** What series are summed to: the largest scale and then some. Twice as many take a second of the event loop. */
const seriesDigitsMax = 17_000;

function checkDigits(digits: number): void {
  if (digits <= seriesDigitsMax) return;
  throw new AlopexError(
    'program_limit_exceeded',
    `exponentials and logarithms have at most ${seriesDigitsMax} digits`,
  );
}

const bitsPerDigit = Math.log2(10);

/**
 * e^x in fixed point: x halved until small, a Taylor series, then squared back. In between the point is a binary one,
 * so that a shift does for a division.
 */
function expFixed(argument: bigint, digits: number): bigint {
  checkDigits(digits);
  const unit = powerOfTen(digits);
  const halvings =
    8 + Math.max(0, bitLength(argument) - bitLength(unit)) + Math.floor(Math.sqrt(digits * bitsPerDigit));
  const precision = Math.ceil(digits * bitsPerDigit) + halvings + 16;
  const bits = BigInt(precision);
  const reduced = ((argument << bits) / unit) >> BigInt(halvings);
  const one = 1n << bits;
  let term = one;
  let sum = one;
  for (let index = 1n; term !== 0n; index++) {
    term = ((term * reduced) >> bits) / index;
    sum += term;
  }
  for (let index = 0; index < halvings; index++) sum = (sum * sum) >> bits;
  return (sum * unit) >> bits;
}

/** ln(x) in fixed point, of a number from 1 to 10: roots until near 1, then the series of the inverse hyperbolic tangent. */
function lnFixed(argument: bigint, digits: number): bigint {
  checkDigits(digits);
  const unit = powerOfTen(digits);
  const roots = 3 + Math.floor(Math.sqrt(digits * bitsPerDigit) / 4);
  const precision = Math.ceil(digits * bitsPerDigit) + roots + 32;
  const bits = BigInt(precision);
  const one = 1n << bits;
  let value = (argument << bits) / unit;
  for (let index = 0; index < roots; index++) value = squareRootFloor(value << bits);
  const ratio = ((value - one) << bits) / (value + one);
  const square = (ratio * ratio) >> bits;
  let power = ratio;
  let sum = 0n;
  for (let index = 1n; power !== 0n; index += 2n) {
    sum += power / index;
    power = (power * square) >> bits;
  }
  return ((sum << BigInt(roots + 1)) * unit) >> bits;
}

/** ln(x) with `digits` decimals as fixed point; the argument is scaled by powers of ten, for giants and dwarfs. */
function lnDigits(value: Numeric, digits: number): bigint {
  const work = digits + guardDigits;
  const exponent = digitCount(value.units) - 1 - value.scale;
  const mantissa = BigInt(rescaleUnits(value.units, digitCount(value.units) - 1, work + 10));
  const lnMantissa = lnFixed(mantissa, work + 10);
  const whole = exponent === 0 ? 0n : lnFixed(10n * powerOfTen(work + 10), work + 10) * BigInt(exponent);
  return divideRounded(lnMantissa + whole, powerOfTen(work + 10 - digits));
}

function checkLogarithm(value: Numeric): void {
  if (value.special === '-Infinity' || (value.special === null && value.units < 0)) {
    throw new AlopexError('invalid_argument_for_logarithm', 'cannot take logarithm of a negative number');
  }
  if (isZero(value)) throw new AlopexError('invalid_argument_for_logarithm', 'cannot take logarithm of zero');
}

/** Decimal digits before the point of ln(x), or less than zero where x is near 1 (estimate_ln_dweight). */
function lnWeight(value: Numeric): number {
  if (value.units <= 0) return 0;
  const nearOne =
    compareNumeric(value, Numeric.of(9, 1)) >= 0 && compareNumeric(value, Numeric.of(11, 1)) <= 0;
  if (nearOne) {
    const difference = BigInt(value.units) - powerOfTen(value.scale);
    if (difference === 0n) return 0;
    const digits = digitCount(difference);
    const text = (difference < 0n ? -difference : difference).toString();
    return (
      Math.trunc(Math.log10(Number(text.slice(0, 8)))) - (Math.min(text.length, 8) - digits) - value.scale
    );
  }
  const text = (value.units < 0 ? -value.units : value.units).toString();
  const logarithm =
    Math.log(Number(text.slice(0, 8))) + (text.length - Math.min(8, text.length) - value.scale) * Math.LN10;
  return Math.trunc(Math.log10(Math.abs(logarithm)));
}

export function lnNumeric(value: Numeric): Numeric {
  if (value.special === 'NaN') return value;
  checkLogarithm(value);
  if (value.special !== null) return value;
  const scale = clampDisplayScale(Math.max(significantDigitsMin - lnWeight(value), value.scale));
  return Numeric.of(lnDigits(value, scale), scale);
}

export function logNumeric(base: Numeric, value: Numeric): Numeric {
  if (base.special === 'NaN' || value.special === 'NaN') return Numeric.nan;
  checkLogarithm(base);
  checkLogarithm(value);
  if (value.special !== null) return base.special !== null ? Numeric.nan : value;
  if (base.special !== null) return zero;
  const lnBaseWeight = lnWeight(base);
  const lnValueWeight = lnWeight(value);
  const weight = lnValueWeight - lnBaseWeight;
  const scale = clampDisplayScale(Math.max(significantDigitsMin - weight, base.scale, value.scale));
  const digits = scale + guardDigits + Math.abs(lnBaseWeight) + Math.abs(lnValueWeight);
  const divisor = lnDigits(base, digits);
  if (divisor === 0n) throw divisionByZero();
  return Numeric.of(divideRounded(lnDigits(value, digits) * powerOfTen(scale), divisor), scale);
}

export function log10Numeric(value: Numeric): Numeric {
  return logNumeric(ten, value);
}

export function expNumeric(value: Numeric): Numeric {
  if (value.special !== null) return value.special === '-Infinity' ? zero : value;
  const estimate = numericToFloat(value) * Math.LOG10E;
  if (estimate >= 131_072) throw overflow();
  const bounded = Math.min(Math.max(estimate, -1000), 1000);
  const scale = clampDisplayScale(Math.max(significantDigitsMin - Math.trunc(bounded), value.scale));
  return expToScale(BigInt(value.units), value.scale, scale, estimate);
}

function expToScale(units: bigint, unitsScale: number, scale: number, decimalExponent: number): Numeric {
  if (decimalExponent < -scale - 2) return Numeric.of(0, scale);
  const digits = scale + guardDigits + Math.max(0, Math.ceil(decimalExponent));
  const argument = BigInt(rescaleUnits(units, unitsScale, digits));
  const magnitude = expFixed(argument < 0n ? -argument : argument, digits);
  const result = argument < 0n ? (powerOfTen(digits) * powerOfTen(digits)) / magnitude : magnitude;
  return Numeric.of(rescaleUnits(result, digits, scale), scale);
}

/** x^y; SQL's errors for zero and negative bases. */
export function powerNumeric(base: Numeric, exponent: Numeric): Numeric {
  if (base.special !== null || exponent.special !== null) return powerSpecial(base, exponent);
  const isWhole = minimumScale(exponent) === 0;
  if (isZero(base) && exponent.units < 0) {
    throw new AlopexError(
      'invalid_argument_for_power_function',
      'zero raised to a negative power is undefined',
    );
  }
  if (base.units < 0 && !isWhole) {
    throw new AlopexError(
      'invalid_argument_for_power_function',
      'a negative number raised to a non-integer power yields a complex result',
    );
  }
  if (isWhole) {
    const whole = BigInt(rescaleUnits(exponent.units, exponent.scale, 0));
    if (whole >= -2147483648n && whole <= 2147483647n) return powerWhole(base, Number(whole));
  }
  if (isZero(base)) return Numeric.of(0, significantDigitsMin);
  return powerReal(base, exponent, isWhole);
}

function powerReal(base: Numeric, exponent: Numeric, isWhole: boolean): Numeric {
  const magnitude = base.units < 0 ? Numeric.of(-base.units, base.scale) : base;
  const estimate = approximateLn(magnitude) * numericToFloat(exponent) * Math.LOG10E;
  if (estimate > 131_072) throw overflow();
  if (estimate < -16_384) return Numeric.of(0, clampDisplayScale(Math.max(significantDigitsMin, base.scale)));
  const bounded = Math.min(Math.max(estimate, -1000), 1000);
  const scale = clampDisplayScale(
    Math.max(significantDigitsMin - Math.trunc(bounded), base.scale, exponent.scale),
  );
  const digits = scale + guardDigits + Math.max(0, Math.ceil(estimate)) + digitCount(exponent.units);
  const logarithm = lnDigits(magnitude, digits) * BigInt(exponent.units);
  const result = expToScale(logarithm, digits + exponent.scale, scale, estimate);
  const isOdd = isWhole && BigInt(rescaleUnits(exponent.units, exponent.scale, 0)) % 2n !== 0n;
  return base.units < 0 && isOdd ? Numeric.of(-result.units, result.scale) : result;
}

function approximateLn(value: Numeric): number {
  const text = value.units.toString();
  return (
    Math.log(Number(text.slice(0, 15))) + (text.length - Math.min(15, text.length) - value.scale) * Math.LN10
  );
}

/** A whole power: 16 decimals, or those of the base where they are more. */
function powerWhole(base: Numeric, exponent: number): Numeric {
  const scale = clampDisplayScale(Math.max(significantDigitsMin, base.scale));
  if (exponent === 0) return roundNumeric(one, scale);
  if (isZero(base)) return Numeric.of(0, scale);
  const magnitude = base.units < 0 ? Numeric.of(-base.units, base.scale) : base;
  const estimate = approximateLn(magnitude) * Math.LOG10E * exponent;
  if (estimate > 131_072) throw overflow();
  if (estimate + 1 < -scale) return Numeric.of(0, scale);
  if (digitCount(base.units) * Math.abs(exponent) > exactPowerDigitsMax) {
    return roundNumeric(powerReal(base, Numeric.of(exponent, 0), true), scale);
  }
  const raised = BigInt(base.units) ** BigInt(Math.abs(exponent));
  const raisedScale = base.scale * Math.abs(exponent);
  if (exponent > 0) return Numeric.of(rescaleUnits(raised, raisedScale, scale), scale);
  return Numeric.of(divideRounded(powerOfTen(raisedScale + scale), raised), scale);
}

function powerSpecial(base: Numeric, exponent: Numeric): Numeric {
  if (exponent.special === null && isZero(exponent)) return one;
  if (base.special === null && compareNumeric(base, one) === 0) return one;
  if (base.special === 'NaN' || exponent.special === 'NaN') return Numeric.nan;
  if (exponent.special !== null) {
    const magnitude = base.special !== null ? Number.POSITIVE_INFINITY : Math.abs(numericToFloat(base));
    if (magnitude === 0 && exponent.special === '-Infinity') {
      throw new AlopexError(
        'invalid_argument_for_power_function',
        'zero raised to a negative power is undefined',
      );
    }
    if (magnitude === 1) return one;
    return magnitude > 1 === (exponent.special === 'Infinity') ? Numeric.infinity : zero;
  }
  if (exponent.units < 0) return zero;
  if (base.special === 'Infinity') return Numeric.infinity;
  if (minimumScale(exponent) !== 0) {
    throw new AlopexError(
      'invalid_argument_for_power_function',
      'a negative number raised to a non-integer power yields a complex result',
    );
  }
  const isOdd = BigInt(rescaleUnits(exponent.units, exponent.scale, 0)) % 2n !== 0n;
  return isOdd ? Numeric.negativeInfinity : Numeric.infinity;
}

export function factorialNumeric(count: number | bigint): Numeric {
  if (count < 0)
    throw new AlopexError('numeric_value_out_of_range', 'factorial of a negative number is undefined');
  if (count > 32_177) throw overflow();
  let product = 1n;
  for (let factor = 2n; factor <= BigInt(count); factor++) product *= factor;
  return Numeric.of(product, 0);
}
