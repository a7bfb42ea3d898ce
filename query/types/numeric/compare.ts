import type { Numeric } from '../../../base/values/numeric.ts';
import { digitCount, powerOfTen, safePowerOfTen } from './digits.ts';

const specialRanks = { '-Infinity': -1, Infinity: 1, NaN: 2 } as const;

/** PostgreSQL's order: -Infinity, numbers, Infinity, NaN; NaN equals itself. */
export function compareNumeric(left: Numeric, right: Numeric): number {
  if (left.special !== null || right.special !== null) {
    const leftRank = left.special === null ? 0 : specialRanks[left.special];
    return leftRank - (right.special === null ? 0 : specialRanks[right.special]);
  }
  if (left.scale === right.scale) return order(left.units, right.units);
  const leftSign = order(left.units, 0);
  const rightSign = order(right.units, 0);
  if (leftSign !== rightSign || leftSign === 0) return leftSign - rightSign;
  if (typeof left.units === 'number' && typeof right.units === 'number') {
    const a = left.scale < right.scale ? left.units * safePowerOfTen(right.scale - left.scale) : left.units;
    const b = right.scale < left.scale ? right.units * safePowerOfTen(left.scale - right.scale) : right.units;
    if (Number.isSafeInteger(a) && Number.isSafeInteger(b)) return a - b;
  }
  return compareAligned(left, right, leftSign);
}

/** Magnitudes first, so that 1e131071 against 1e-16383 makes no giant. */
function compareAligned(left: Numeric, right: Numeric, sign: number): number {
  const leftExponent = digitCount(left.units) - left.scale;
  const rightExponent = digitCount(right.units) - right.scale;
  if (leftExponent !== rightExponent) return (leftExponent - rightExponent) * sign;
  const scale = Math.max(left.scale, right.scale);
  const a = BigInt(left.units) * powerOfTen(scale - left.scale);
  const b = BigInt(right.units) * powerOfTen(scale - right.scale);
  return order(a, b);
}

function order(left: number | bigint, right: number | bigint): number {
  return left < right ? -1 : left > right ? 1 : 0;
}

/** Equal numbers have the same key, whatever their scale. */
export function numericHashKey(value: Numeric): string | number {
  if (value.special !== null) return value.special;
  let { units, scale } = value;
  if (typeof units === 'number') {
    while (scale > 0 && units % 10 === 0) {
      units /= 10;
      scale--;
    }
    return scale === 0 ? units : `${units}e${scale}`;
  }
  const digits = units.toString();
  const trimmed = digits.replace(/0+$/, '');
  const kept = Math.max(0, scale - (digits.length - trimmed.length));
  return `${digits.slice(0, digits.length - (scale - kept))}e${kept}`;
}
