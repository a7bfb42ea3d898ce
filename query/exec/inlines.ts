import type { PhysicalKind } from '../../base/values/datum.ts';
import { type ComparisonOperator, comparisonOf } from '../plan/comparison.ts';
import type { Cast, ScalarFunction } from '../types/function.ts';
import { typeInfo } from '../types/registry.ts';

/** What a generated expression is when it is not null: a JavaScript number or boolean for sure, or any datum. */
export type Representation = 'number' | 'boolean' | 'datum';

/**
 * JavaScript for a call. `isTotal`: it never throws, and is harmless on the unspecified value under a null.
 * Otherwise it is a value and a test of it, and where the test fails the function itself is called: it raises
 * the error, or knows better.
 */
type Inline = { readonly code: string; readonly result: Representation } & (
  | { readonly isTotal: true }
  | { readonly isTotal: false; readonly holds: (value: string) => string; readonly before: string | null }
);

type Operand = { readonly code: string; readonly representation: Representation };

const integers: ReadonlySet<PhysicalKind> = new Set(['int4', 'int8']);
const floats: ReadonlySet<PhysicalKind> = new Set(['float4', 'float8']);

/** JavaScript in place of a call of a built-in function, or null where there is none. */
export function inlineCall(callee: ScalarFunction, operands: readonly Operand[]): Inline | null {
  const [left, right] = operands;
  if (left === undefined || right === undefined || operands.length !== 2) return null;
  const operator = comparisonOf(callee);
  if (operator !== null) return inlineComparison(callee, operator, left.code, right.code);
  if (left.representation !== 'number' || right.representation !== 'number') return null;
  return inlineArithmetic(callee.name, left.code, right.code);
}

function inlineComparison(
  callee: ScalarFunction,
  operator: ComparisonOperator,
  left: string,
  right: string,
): Inline | null {
  const kinds = callee.arguments.map((argument) => typeInfo(argument).physical.kind);
  const code = kinds.every((kind) => integers.has(kind) || kind === 'bool')
    ? `(${left} ${scripted(operator)} ${right})`
    : kinds.every((kind) => floats.has(kind))
      ? floatComparison(operator, left, right)
      : kinds.every((kind) => kind === 'text') &&
          !callee.name.startsWith('bpchar') &&
          !callee.name.startsWith('json')
        ? textComparison(operator, left, right)
        : null;
  return code === null ? null : { code, result: 'boolean', isTotal: true };
}

function scripted(operator: ComparisonOperator): string {
  return operator === '=' ? '===' : operator === '<>' ? '!==' : operator;
}

/** NaN equals NaN and is above everything else. */
function floatComparison(operator: ComparisonOperator, a: string, b: string): string {
  switch (operator) {
    case '=':
      return `(${a} === ${b} || (${a} !== ${a} && ${b} !== ${b}))`;
    case '<>':
      return `(${a} !== ${b} && (${a} === ${a} || ${b} === ${b}))`;
    case '<':
      return `(${a} < ${b} || (${b} !== ${b} && ${a} === ${a}))`;
    case '<=':
      return `(${a} <= ${b} || ${b} !== ${b})`;
    case '>':
      return `(${a} > ${b} || (${a} !== ${a} && ${b} === ${b}))`;
    case '>=':
      return `(${a} >= ${b} || ${a} !== ${a})`;
  }
}

/** Order is by code point, which `<` is not; and text under a null may be no string, so only equality is total. */
function textComparison(operator: ComparisonOperator, a: string, b: string): string | null {
  return operator === '=' || operator === '<>' ? `(${a} ${scripted(operator)} ${b})` : null;
}

const isInt32 = (value: string): string => `${value} === (${value} | 0)`;
const isSafe = (value: string): string => `(${value} <= 9007199254740991 && ${value} >= -9007199254740991)`;
const isFinite32 = (value: string): string => `${value} - ${value} === 0`;

function inlineArithmetic(name: string, a: string, b: string): Inline | null {
  const parts = /^(int4|int8|int48|int84|int24|int42|float8)(pl|mi|mul|div|mod)$/.exec(name);
  if (parts === null) return null;
  const family = parts[1]!;
  const holds =
    family === 'float8'
      ? isFinite32
      : family === 'int4' || family === 'int24' || family === 'int42'
        ? isInt32
        : isSafe;
  const checked = (code: string, before: string | null): Inline => ({
    code,
    result: 'number',
    isTotal: false,
    holds,
    before,
  });
  switch (parts[2]) {
    case 'pl':
      return checked(`${a} + ${b}`, null);
    case 'mi':
      return checked(`${a} - ${b}`, null);
    case 'mul':
      // `+ 0` turns -0, which integers do not have, into 0.
      return checked(family === 'float8' ? `${a} * ${b}` : `${a} * ${b} + 0`, null);
    case 'div':
      return checked(family === 'float8' ? `${a} / ${b}` : `Math.trunc(${a} / ${b}) + 0`, `${b} !== 0`);
    default:
      return family === 'float8' ? null : checked(`${a} % ${b} + 0`, `${b} !== 0`);
  }
}

const widenings = new Set(['int4>int4', 'int4>int8', 'int4>float8', 'float4>float8']);

/** JavaScript for a cast between numbers that loses nothing, or null. */
export function inlineCast(cast: Cast, operand: Operand): Inline | null {
  if (cast.method === 'binary') {
    return { code: operand.code, result: operand.representation, isTotal: true };
  }
  if (operand.representation !== 'number' || cast.method !== 'function') return null;
  const source = typeInfo(cast.source);
  const target = typeInfo(cast.target);
  if (source.category !== 'N' || target.category !== 'N' || target.length < source.length) return null;
  if (!widenings.has(`${source.physical.kind}>${target.physical.kind}`)) return null;
  return { code: operand.code, result: 'number', isTotal: true };
}
