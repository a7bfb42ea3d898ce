import { Numeric, narrow } from '../../../base/values/numeric.ts';
import { divisionByZero } from '../problems.ts';
import {
  clampDisplayScale,
  digitCount,
  divideRounded,
  leadingDigit,
  powerOfTen,
  rescaleUnits,
  safePowerOfTen,
  scaleMax,
  significantDigitsMin,
} from './digits.ts';
import { overflow } from './text.ts';

const wholeDigitsMax = 131_072;

function checked(units: bigint, scale: number): Numeric {
  const value = Numeric.of(units, scale);
  if (typeof value.units === 'bigint' && digitCount(value.units) - scale > wholeDigitsMax) throw overflow();
  return value;
}

function signOf(value: Numeric): number {
  if (value.special !== null)
    return value.special === 'NaN' ? Number.NaN : value.special === 'Infinity' ? 1 : -1;
  return value.units > 0 ? 1 : value.units < 0 ? -1 : 0;
}

/** Of a sign, the infinity; NaN for none. */
function infinityOf(sign: number): Numeric {
  return sign > 0 ? Numeric.infinity : sign < 0 ? Numeric.negativeInfinity : Numeric.nan;
}

export function negateNumeric(value: Numeric): Numeric {
  if (value.special === 'NaN') return value;
  if (value.special !== null) return infinityOf(-signOf(value));
  return Numeric.of(-value.units, value.scale);
}

export function absoluteNumeric(value: Numeric): Numeric {
  return signOf(value) < 0 ? negateNumeric(value) : value;
}

export function signNumeric(value: Numeric): Numeric {
  return value.special === 'NaN' ? value : Numeric.of(signOf(value), 0);
}

/** The scale is the larger one. Plain doubles while the units are safe. */
export function addNumeric(left: Numeric, right: Numeric): Numeric {
  if (left.special !== null || right.special !== null) return addSpecial(left, right);
  const scale = Math.max(left.scale, right.scale);
  if (typeof left.units === 'number' && typeof right.units === 'number') {
    const a = left.scale === scale ? left.units : left.units * safePowerOfTen(scale - left.scale);
    const b = right.scale === scale ? right.units : right.units * safePowerOfTen(scale - right.scale);
    const sum = a + b;
    if (Number.isSafeInteger(sum) && Number.isSafeInteger(a) && Number.isSafeInteger(b)) {
      return Numeric.of(sum, scale);
    }
  }
  const a = BigInt(left.units) * powerOfTen(scale - left.scale);
  return checked(a + BigInt(right.units) * powerOfTen(scale - right.scale), scale);
}

function addSpecial(left: Numeric, right: Numeric): Numeric {
  if (left.special === 'NaN' || right.special === 'NaN') return Numeric.nan;
  if (left.special === null) return right;
  if (right.special === null || left.special === right.special) return left;
  return Numeric.nan;
}

export function subtractNumeric(left: Numeric, right: Numeric): Numeric {
  return addNumeric(left, negateNumeric(right));
}

/** The scale is the sum of both. */
export function multiplyNumeric(left: Numeric, right: Numeric): Numeric {
  if (left.special !== null || right.special !== null) return infinityOf(signOf(left) * signOf(right));
  const scale = left.scale + right.scale;
  if (typeof left.units === 'number' && typeof right.units === 'number') {
    const product = left.units * right.units;
    if (Number.isSafeInteger(product) && scale <= scaleMax) return Numeric.of(product, scale);
  }
  const product = BigInt(left.units) * BigInt(right.units);
  if (scale > scaleMax) return checked(BigInt(rescaleUnits(product, scale, scaleMax)), scaleMax);
  return checked(product, scale);
}

/**
 * PostgreSQL's choice of decimals for a quotient (select_div_scale): at least 16 significant digits, and
 * never fewer decimals than either operand shows.
 */
export function divisionScale(left: Numeric, right: Numeric): number {
  const dividend = leadingDigit(left);
  const divisor = leadingDigit(right);
  let weight = dividend.weight - divisor.weight;
  if (dividend.digit <= divisor.digit) weight--;
  return clampDisplayScale(Math.max(significantDigitsMin - weight * 4, left.scale, right.scale));
}

export function divideNumeric(left: Numeric, right: Numeric): Numeric {
  if (left.special !== null || right.special !== null) return divideSpecial(left, right);
  if (right.units === 0) throw divisionByZero();
  return divideToScale(left, right, divisionScale(left, right));
}

/** Rounded half away from zero at the given scale. */
export function divideToScale(left: Numeric, right: Numeric, scale: number): Numeric {
  const shift = scale + right.scale - left.scale;
  const dividend = shift >= 0 ? BigInt(left.units) * powerOfTen(shift) : BigInt(left.units);
  const divisor = shift >= 0 ? BigInt(right.units) : BigInt(right.units) * powerOfTen(-shift);
  return checked(divideRounded(dividend, divisor), scale);
}

function divideSpecial(left: Numeric, right: Numeric): Numeric {
  if (left.special === 'NaN' || right.special === 'NaN') return Numeric.nan;
  if (left.special === null) return Numeric.of(0, 0);
  if (right.special !== null) return Numeric.nan;
  if (right.units === 0) throw divisionByZero();
  return infinityOf(signOf(left) * signOf(right));
}

/** Towards zero, no decimals: div(). */
export function quotientNumeric(left: Numeric, right: Numeric): Numeric {
  if (left.special !== null || right.special !== null) return divideSpecial(left, right);
  if (right.units === 0) throw divisionByZero();
  const scale = Math.max(left.scale, right.scale);
  const dividend = BigInt(left.units) * powerOfTen(scale - left.scale);
  return checked(dividend / (BigInt(right.units) * powerOfTen(scale - right.scale)), 0);
}

/** The sign is the dividend's. */
export function remainderNumeric(left: Numeric, right: Numeric): Numeric {
  if (left.special !== null || right.special !== null) {
    if (left.special === null && right.special !== 'NaN') return left;
    if (left.special !== 'NaN' && right.special === null && right.units === 0) throw divisionByZero();
    return Numeric.nan;
  }
  if (right.units === 0) throw divisionByZero();
  const scale = Math.max(left.scale, right.scale);
  const dividend = BigInt(left.units) * powerOfTen(scale - left.scale);
  return Numeric.of(dividend % (BigInt(right.units) * powerOfTen(scale - right.scale)), scale);
}

/** Half away from zero; a negative scale rounds before the point. */
export function roundNumeric(value: Numeric, scale: number): Numeric {
  if (value.special !== null) return value;
  const target = Math.min(Math.max(scale, -wholeDigitsMax), scaleMax);
  if (target >= 0) return Numeric.of(rescaleUnits(value.units, value.scale, target), target);
  const rounded = divideRounded(BigInt(value.units), powerOfTen(value.scale - target));
  return checked(rounded * powerOfTen(-target), 0);
}

export function truncateNumeric(value: Numeric, scale: number): Numeric {
  if (value.special !== null) return value;
  const target = Math.min(Math.max(scale, -wholeDigitsMax), scaleMax);
  if (target >= value.scale) return Numeric.of(rescaleUnits(value.units, value.scale, target), target);
  const kept = BigInt(value.units) / powerOfTen(value.scale - target);
  return target >= 0 ? Numeric.of(kept, target) : Numeric.of(kept * powerOfTen(-target), 0);
}

export function floorNumeric(value: Numeric): Numeric {
  const whole = truncateNumeric(value, 0);
  if (
    value.special !== null ||
    value.units >= 0 ||
    BigInt(whole.units) * powerOfTen(value.scale) === BigInt(value.units)
  ) {
    return whole;
  }
  return Numeric.of(BigInt(whole.units) - 1n, 0);
}

export function ceilingNumeric(value: Numeric): Numeric {
  return negateNumeric(floorNumeric(negateNumeric(value)));
}

/** Without the zeros at the end of the decimals. */
export function trimScale(value: Numeric): Numeric {
  const scale = minimumScale(value);
  return scale === null ? value : Numeric.of(rescaleUnits(value.units, value.scale, scale), scale);
}

/** The fewest decimals that show the value exactly; null for NaN and the infinities. */
export function minimumScale(value: Numeric): number | null {
  if (value.special !== null) return null;
  if (value.units === 0) return 0;
  const digits = value.units.toString();
  let zeros = 0;
  while (zeros < value.scale && digits[digits.length - 1 - zeros] === '0') zeros++;
  return value.scale - zeros;
}

export function isZero(value: Numeric): boolean {
  return value.special === null && value.units === 0;
}

export function greatestCommonDivisor(left: bigint, right: bigint): bigint {
  let a = left < 0n ? -left : left;
  let b = right < 0n ? -right : right;
  while (b !== 0n) [a, b] = [b, a % b];
  return a;
}

/** gcd and lcm of numerics: of the units at the common scale. */
export function gcdNumeric(left: Numeric, right: Numeric): Numeric {
  if (left.special !== null || right.special !== null) return Numeric.nan;
  const scale = Math.max(left.scale, right.scale);
  const a = BigInt(left.units) * powerOfTen(scale - left.scale);
  const b = BigInt(right.units) * powerOfTen(scale - right.scale);
  return Numeric.of(greatestCommonDivisor(a, b), scale);
}

export function lcmNumeric(left: Numeric, right: Numeric): Numeric {
  if (left.special !== null || right.special !== null) return Numeric.nan;
  const scale = Math.max(left.scale, right.scale);
  const a = BigInt(left.units) * powerOfTen(scale - left.scale);
  const b = BigInt(right.units) * powerOfTen(scale - right.scale);
  if (a === 0n || b === 0n) return Numeric.of(0, scale);
  const multiple = (a / greatestCommonDivisor(a, b)) * b;
  return checked(multiple < 0n ? -multiple : multiple, scale);
}

/** Sum of many: exact, mutable, doubles while safe. The scale is the largest seen. */
export class NumericSum {
  #units: number | bigint = 0;
  #scale = 0;
  #special: Numeric | null = null;
  count = 0;

  add(value: Numeric): void {
    this.count++;
    if (value.special !== null) {
      this.#special = this.#special === null ? value : addNumeric(this.#special, value);
      return;
    }
    if (value.scale > this.#scale) {
      this.#units = rescaleUnits(this.#units, this.#scale, value.scale);
      this.#scale = value.scale;
    }
    const units =
      value.scale === this.#scale ? value.units : rescaleUnits(value.units, value.scale, this.#scale);
    if (typeof units === 'number' && typeof this.#units === 'number') {
      const sum = this.#units + units;
      if (Number.isSafeInteger(sum)) {
        this.#units = sum;
        return;
      }
    }
    this.#units = narrow(BigInt(this.#units) + BigInt(units));
  }

  value(): Numeric {
    return this.#special ?? checked(BigInt(this.#units), this.#scale);
  }
}
