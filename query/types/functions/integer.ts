import { AlopexError } from '../../../base/errors.ts';
import { narrow } from '../../../base/values/numeric.ts';
import { int8Max, int8Min } from '../codec/integer.ts';
import { greatestCommonDivisor } from '../numeric/arithmetic.ts';
import { divisionByZero, outOfRange } from '../problems.ts';
import type { Evaluate, Implementations } from './define.ts';
import { pure } from './define.ts';

type Integer = number | bigint;

export function checkInt2(value: number): number {
  if (value > 32_767 || value < -32_768) throw outOfRange('smallint');
  return value;
}

export function checkInt4(value: number): number {
  if (value > 2_147_483_647 || value < -2_147_483_648) throw outOfRange('integer');
  return value;
}

export function checkInt8(value: bigint): Integer {
  if (value > int8Max || value < int8Min) throw outOfRange('bigint');
  return narrow(value);
}

export function addInt8(left: Integer, right: Integer): Integer {
  if (typeof left === 'number' && typeof right === 'number') {
    const sum = left + right;
    if (Number.isSafeInteger(sum)) return sum;
  }
  return checkInt8(BigInt(left) + BigInt(right));
}

function subtractInt8(left: Integer, right: Integer): Integer {
  if (typeof left === 'number' && typeof right === 'number') {
    const difference = left - right;
    if (Number.isSafeInteger(difference)) return difference;
  }
  return checkInt8(BigInt(left) - BigInt(right));
}

function multiplyInt8(left: Integer, right: Integer): Integer {
  if (typeof left === 'number' && typeof right === 'number') {
    const product = left * right;
    if (Number.isSafeInteger(product)) return product + 0;
  }
  return checkInt8(BigInt(left) * BigInt(right));
}

function divideInt8(left: Integer, right: Integer): Integer {
  if (right === 0) throw divisionByZero();
  if (typeof left === 'number' && typeof right === 'number') return Math.trunc(left / right) + 0;
  return checkInt8(BigInt(left) / BigInt(right));
}

function remainderInt8(left: Integer, right: Integer): Integer {
  if (right === 0) throw divisionByZero();
  if (typeof left === 'number' && typeof right === 'number') return (left % right) + 0;
  return narrow(BigInt(left) % BigInt(right));
}

function wrapInt8(value: bigint): Integer {
  return narrow(BigInt.asIntN(64, value));
}

type Width = { readonly name: string; readonly check: (value: number) => number };
const int2: Width = { name: '2', check: checkInt2 };
const int4: Width = { name: '4', check: checkInt4 };

/** pl, mi, mul, div for widths below 8, where doubles are exact. */
function narrowArithmetic(prefix: string, { check }: Width): Record<string, Evaluate> {
  return {
    [`${prefix}pl`]: (left: number, right: number) => check(left + right),
    [`${prefix}mi`]: (left: number, right: number) => check(left - right),
    [`${prefix}mul`]: (left: number, right: number) => check(left * right + 0),
    [`${prefix}div`]: (left: number, right: number) => {
      if (right === 0) throw divisionByZero();
      return check(Math.trunc(left / right) + 0);
    },
  };
}

function narrowFunctions({ name, check }: Width): Record<string, Evaluate> {
  const prefix = `int${name}`;
  const bits = Number(name) * 8;
  const wrap = name === '2' ? (value: number) => (value << 16) >> 16 : (value: number) => value | 0;
  return {
    ...narrowArithmetic(prefix, { name, check }),
    [`${prefix}mod`]: (left: number, right: number) => {
      if (right === 0) throw divisionByZero();
      return (left % right) + 0;
    },
    [`${prefix}um`]: (value: number) => check(0 - value),
    [`${prefix}up`]: (value: number) => value,
    [`${prefix}abs`]: (value: number) => check(Math.abs(value)),
    [`${prefix}and`]: (left: number, right: number) => left & right,
    [`${prefix}or`]: (left: number, right: number) => left | right,
    [`${prefix}xor`]: (left: number, right: number) => left ^ right,
    [`${prefix}not`]: (value: number) => ~value,
    [`${prefix}shl`]: (value: number, count: number) => wrap(value << shiftCount(count, bits)),
    [`${prefix}shr`]: (value: number, count: number) => value >> shiftCount(count, bits),
    [`${prefix}larger`]: (left: number, right: number) => Math.max(left, right),
    [`${prefix}smaller`]: (left: number, right: number) => Math.min(left, right),
  };
}

/** As the machine shifts: counts of 32 and more wrap. */
function shiftCount(count: number, bits: number): number {
  return bits === 16 ? count & 31 : count & (bits - 1);
}

const wideArithmetic: Readonly<Record<string, Evaluate>> = {
  pl: addInt8,
  mi: subtractInt8,
  mul: multiplyInt8,
  div: divideInt8,
};

function wideFunctions(): Record<string, Evaluate> {
  const functions: Record<string, Evaluate> = {};
  for (const prefix of ['int8', 'int28', 'int82', 'int48', 'int84']) {
    for (const [suffix, evaluate] of Object.entries(wideArithmetic)) functions[prefix + suffix] = evaluate;
  }
  return functions;
}

function gcd(left: Integer, right: Integer): Integer {
  return checkInt8(greatestCommonDivisor(BigInt(left), BigInt(right)));
}

function lcm(left: Integer, right: Integer): bigint {
  if (left === 0 || right === 0) return 0n;
  const product = (BigInt(left) / greatestCommonDivisor(BigInt(left), BigInt(right))) * BigInt(right);
  return product < 0n ? -product : product;
}

/** width_bucket(operand, low, high, count) of numbers in any comparable form. */
function widthBucket(operand: number, low: number, high: number, count: number): number {
  const problem = (message: string) => new AlopexError('invalid_argument_for_width_bucket_function', message);
  if (count <= 0) throw problem('count must be greater than zero');
  if (Number.isNaN(operand) || Number.isNaN(low) || Number.isNaN(high)) {
    throw problem('operand, lower bound, and upper bound cannot be NaN');
  }
  if (!Number.isFinite(low) || !Number.isFinite(high)) throw problem('lower and upper bounds must be finite');
  if (low === high) throw problem('lower bound cannot equal upper bound');
  const isAscending = low < high;
  if (isAscending ? operand < low : operand > low) return 0;
  if (isAscending ? operand >= high : operand <= high) return checkInt4(count + 1);
  return Math.floor(((operand - low) / (high - low)) * count) + 1;
}

export const integerFunctions: Implementations = pure({
  ...narrowFunctions(int2),
  ...narrowFunctions(int4),
  ...narrowArithmetic('int24', int4),
  ...narrowArithmetic('int42', int4),
  ...wideFunctions(),
  int8mod: remainderInt8,
  int8um: (value: Integer) => subtractInt8(0, value),
  int8up: (value: Integer) => value,
  int8abs: (value: Integer) => (value < 0 ? subtractInt8(0, value) : value),
  int8and: (left: Integer, right: Integer) => wrapInt8(BigInt(left) & BigInt(right)),
  int8or: (left: Integer, right: Integer) => wrapInt8(BigInt(left) | BigInt(right)),
  int8xor: (left: Integer, right: Integer) => wrapInt8(BigInt(left) ^ BigInt(right)),
  int8not: (value: Integer) => wrapInt8(~BigInt(value)),
  int8shl: (value: Integer, count: number) => wrapInt8(BigInt(value) << BigInt(count & 63)),
  int8shr: (value: Integer, count: number) => wrapInt8(BigInt(value) >> BigInt(count & 63)),
  int8larger: (left: Integer, right: Integer) => (left > right ? left : right),
  int8smaller: (left: Integer, right: Integer) => (left < right ? left : right),
  int4inc: (value: number) => checkInt4(value + 1),
  int4gcd: (left: number, right: number) => checkInt4(Number(gcd(left, right))),
  int8gcd: gcd,
  int4lcm: (left: number, right: number) => checkInt4(Number(lcm(left, right))),
  int8lcm: (left: Integer, right: Integer) => checkInt8(lcm(left, right)),
  to_hex32: (value: number) => (value >>> 0).toString(16),
  to_hex64: (value: Integer) => BigInt.asUintN(64, BigInt(value)).toString(16),
  width_bucket_float8: widthBucket,
});
