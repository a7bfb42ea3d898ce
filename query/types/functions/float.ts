import { AlopexError } from '../../../base/errors.ts';
import { divisionByZero } from '../problems.ts';
import type { Evaluate, Implementations } from './define.ts';
import { contextual, pure } from './define.ts';

export function floatOverflow(): AlopexError {
  return new AlopexError('numeric_value_out_of_range', 'value out of range: overflow');
}

export function floatUnderflow(): AlopexError {
  return new AlopexError('numeric_value_out_of_range', 'value out of range: underflow');
}

function inputOutOfRange(): AlopexError {
  return new AlopexError('numeric_value_out_of_range', 'input is out of range');
}

type Round = (value: number) => number;
const double: Round = (value) => value;

/** An infinity that no operand brought is an overflow; a zero that none brought, an underflow. */
function arithmetic(prefix: string, round: Round): Record<string, Evaluate> {
  const checkOverflow = (result: number, left: number, right: number) => {
    if (!Number.isFinite(result) && Number.isFinite(left) && Number.isFinite(right)) throw floatOverflow();
    return result;
  };
  return {
    [`${prefix}pl`]: (left: number, right: number) => checkOverflow(round(left + right), left, right),
    [`${prefix}mi`]: (left: number, right: number) => checkOverflow(round(left - right), left, right),
    [`${prefix}mul`]: (left: number, right: number) => {
      const result = round(left * right);
      if (result === 0 && left !== 0 && right !== 0) throw floatUnderflow();
      return checkOverflow(result, left, right);
    },
    [`${prefix}div`]: (left: number, right: number) => {
      if (right === 0 && !Number.isNaN(left)) throw divisionByZero();
      const result = round(left / right);
      if (result === 0 && left !== 0 && Number.isFinite(right)) throw floatUnderflow();
      return checkOverflow(result, left, right);
    },
  };
}

function unary(prefix: string): Record<string, Evaluate> {
  return {
    [`${prefix}um`]: (value: number) => -value,
    [`${prefix}up`]: (value: number) => value,
    [`${prefix}abs`]: (value: number) => Math.abs(value),
    [`${prefix}larger`]: (left: number, right: number) => (isGreater(left, right) ? left : right),
    [`${prefix}smaller`]: (left: number, right: number) => (isGreater(left, right) ? right : left),
  };
}

function isGreater(left: number, right: number): boolean {
  return left > right || (Number.isNaN(left) && !Number.isNaN(right));
}

/** Half to even, as rint() does: the sign stays on a zero. */
export function roundHalfEven(value: number): number {
  const floor = Math.floor(value);
  const difference = value - floor;
  const isUp = difference > 0.5 || (difference === 0.5 && floor % 2 !== 0);
  const rounded = isUp ? floor + 1 : floor;
  return rounded === 0 && value < 0 ? -0 : rounded;
}

function powerFloat(base: number, exponent: number): number {
  if (base === 1 || exponent === 0) return 1;
  if (Number.isNaN(base) || Number.isNaN(exponent)) return Number.NaN;
  const problem = (message: string) => new AlopexError('invalid_argument_for_power_function', message);
  if (base === 0 && exponent < 0) throw problem('zero raised to a negative power is undefined');
  if (base < 0 && !Number.isInteger(exponent) && Number.isFinite(exponent)) {
    throw problem('a negative number raised to a non-integer power yields a complex result');
  }
  if (base === -1 && !Number.isFinite(exponent)) return 1;
  const result = base ** exponent;
  if (Number.isFinite(base) && Number.isFinite(exponent)) {
    if (!Number.isFinite(result)) throw floatOverflow();
    if (result === 0 && base !== 0) throw floatUnderflow();
  }
  return result;
}

function logarithm(compute: Round): Round {
  return (value) => {
    const problem = (message: string) => new AlopexError('invalid_argument_for_logarithm', message);
    if (value === 0) throw problem('cannot take logarithm of zero');
    if (value < 0) throw problem('cannot take logarithm of a negative number');
    return compute(value);
  };
}

/** Of finite arguments only; NaN passes through. */
function trigonometric(compute: Round): Round {
  return (value) => {
    if (Number.isNaN(value)) return value;
    if (!Number.isFinite(value)) throw inputOutOfRange();
    return compute(value);
  };
}

function inUnitRange(compute: Round): Round {
  return (value) => {
    if (Number.isNaN(value)) return value;
    if (value < -1 || value > 1) throw inputOutOfRange();
    return compute(value);
  };
}

const degree = Math.PI / 180;

/** Exact where the sine is: at multiples of 30 degrees. */
function sineDegrees(value: number): number {
  const angle = ((value % 360) + 360) % 360;
  if (angle > 180) return 0 - sineDegrees(angle - 180);
  const folded = angle > 90 ? 180 - angle : angle;
  if (folded === 30) return 0.5;
  return folded === 90 ? 1 : folded === 0 ? 0 : Math.sin(folded * degree);
}

function cosineDegrees(value: number): number {
  return sineDegrees(value + 90);
}

function tangentDegrees(value: number): number {
  const angle = ((value % 180) + 180) % 180;
  if (angle === 45) return 1;
  if (angle === 135) return -1;
  return sineDegrees(value) / cosineDegrees(value);
}

function exponential(value: number): number {
  const result = Math.exp(value);
  if (Number.isFinite(value)) {
    if (result === Number.POSITIVE_INFINITY) throw floatOverflow();
    if (result === 0) throw floatUnderflow();
  }
  return result;
}

function squareRoot(value: number): number {
  if (value < 0) {
    throw new AlopexError(
      'invalid_argument_for_power_function',
      'cannot take square root of a negative number',
    );
  }
  return Math.sqrt(value);
}

const mathematics: Record<string, Evaluate> = {
  dround: roundHalfEven,
  dtrunc: Math.trunc,
  dceil: Math.ceil,
  dfloor: Math.floor,
  dsign: (value: number) => (value > 0 ? 1 : value < 0 ? -1 : 0),
  dsqrt: squareRoot,
  dcbrt: Math.cbrt,
  dpow: powerFloat,
  dexp: exponential,
  dlog1: logarithm(Math.log),
  dlog10: logarithm(Math.log10),
  dsin: trigonometric(Math.sin),
  dcos: trigonometric(Math.cos),
  dtan: trigonometric(Math.tan),
  dcot: trigonometric((value) => 1 / Math.tan(value)),
  dasin: inUnitRange(Math.asin),
  dacos: inUnitRange(Math.acos),
  datan: Math.atan,
  datan2: Math.atan2,
  dsinh: Math.sinh,
  dcosh: Math.cosh,
  dtanh: Math.tanh,
  dasinh: Math.asinh,
  dacosh: (value: number) => {
    if (value < 1) throw inputOutOfRange();
    return Math.acosh(value);
  },
  datanh: inUnitRange(Math.atanh),
  dsind: trigonometric(sineDegrees),
  dcosd: trigonometric(cosineDegrees),
  dtand: trigonometric(tangentDegrees),
  dcotd: trigonometric((value) => 1 / tangentDegrees(value)),
  dasind: inUnitRange((value) => Math.asin(value) / degree),
  dacosd: inUnitRange((value) => Math.acos(value) / degree),
  datand: (value: number) => Math.atan(value) / degree,
  datan2d: (left: number, right: number) => Math.atan2(left, right) / degree,
  degrees: (value: number) => value / degree,
  radians: (value: number) => value * degree,
  dpi: () => Math.PI,
};

export const floatFunctions: Implementations = {
  ...pure({
    ...arithmetic('float8', double),
    ...arithmetic('float48', double),
    ...arithmetic('float84', double),
    ...arithmetic('float4', Math.fround),
    ...unary('float8'),
    ...unary('float4'),
    ...mathematics,
  }),
  ...contextual({
    drandom: (context) => context.random(),
  }),
};
