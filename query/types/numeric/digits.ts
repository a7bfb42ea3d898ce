import { type Numeric, narrow } from '../../../base/values/numeric.ts';

/** Limits of PostgreSQL's numeric (numeric.h): digits before and after the point, and what division shows. */
export const scaleMax = 16383;
const displayScaleMax = 1000;
export const significantDigitsMin = 16;

const powers: bigint[] = [1n];
const safePowers: readonly number[] = Array.from({ length: 16 }, (_, exponent) => 10 ** exponent);

export function powerOfTen(exponent: number): bigint {
  if (exponent > 2000) return 10n ** BigInt(exponent);
  while (powers.length <= exponent) powers.push(powers.at(-1)! * 10n);
  return powers[exponent]!;
}

/** A power that a number holds exactly, or NaN. */
export function safePowerOfTen(exponent: number): number {
  return safePowers[exponent] ?? Number.NaN;
}

/** The units at another scale, rounded half away from zero where digits go. */
export function rescaleUnits(units: number | bigint, from: number, to: number): number | bigint {
  if (from === to) return units;
  if (to > from) {
    if (typeof units === 'number') {
      const scaled = units * safePowerOfTen(to - from);
      if (Number.isSafeInteger(scaled)) return scaled;
    }
    return narrow(BigInt(units) * powerOfTen(to - from));
  }
  return narrow(divideRounded(BigInt(units), powerOfTen(from - to)));
}

/** Half away from zero. */
export function divideRounded(dividend: bigint, divisor: bigint): bigint {
  const quotient = dividend / divisor;
  const remainder = dividend % divisor;
  const twice = 2n * (remainder < 0n ? -remainder : remainder);
  if (twice < (divisor < 0n ? -divisor : divisor)) return quotient;
  return dividend < 0n === divisor < 0n ? quotient + 1n : quotient - 1n;
}

/** Digits of the units without their sign; zero has none. */
export function digitCount(units: number | bigint): number {
  if (units === 0 || units === 0n) return 0;
  return (units < 0 ? -units : units).toString().length;
}

/**
 * A number as PostgreSQL stores it: digits of base 10000 around the point. The weight of the first one, and
 * that digit, decide how many decimals division shows.
 */
export function leadingDigit(value: Numeric): { readonly weight: number; readonly digit: number } {
  if (value.units === 0) return { weight: 0, digit: 0 };
  const digits = (value.units < 0 ? -value.units : value.units).toString();
  const exponent = digits.length - value.scale - 1;
  const weight = Math.floor(exponent / 4);
  const width = exponent - weight * 4 + 1;
  return { weight, digit: Number(digits.slice(0, width).padEnd(width, '0')) };
}

export function clampDisplayScale(scale: number): number {
  return Math.min(Math.max(scale, 0), displayScaleMax);
}
