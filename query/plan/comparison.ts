import type { ScalarFunction } from '../types/function.ts';

export type ComparisonOperator = '=' | '<>' | '<' | '<=' | '>' | '>=';

/** Types whose comparison functions are named `<type>eq`, or `<type>_eq`. PostgreSQL's pg_proc.dat has the names. */
const plainPrefixes = [
  ...['int2', 'int4', 'int8', 'int24', 'int42', 'int28', 'int82', 'int48', 'int84'],
  ...['float4', 'float8', 'float48', 'float84', 'bool', 'char', 'name', 'text', 'bpchar', 'bytea', 'oid'],
];
const underscoredPrefixes = [
  ...['date', 'time', 'timetz', 'timestamp', 'timestamptz', 'interval', 'uuid', 'numeric', 'jsonb', 'array'],
  ...['text', 'vector', 'record', 'cash', 'enum', 'pg_lsn'],
];
/** Of these the values hash alike on both sides, though the types differ. */
const mixedIntegers = new Set(['int24', 'int42', 'int28', 'int82', 'int48', 'int84']);
const suffixes: readonly (readonly [string, ComparisonOperator])[] = [
  ['eq', '='],
  ['ne', '<>'],
  ['lt', '<'],
  ['le', '<='],
  ['gt', '>'],
  ['ge', '>='],
];

const operators = new Map<string, ComparisonOperator>();
const integerNames = new Set<string>();
for (const [suffix, operator] of suffixes) {
  for (const prefix of plainPrefixes) operators.set(prefix + suffix, operator);
  for (const prefix of underscoredPrefixes) operators.set(`${prefix}_${suffix}`, operator);
  for (const prefix of mixedIntegers) integerNames.add(prefix + suffix);
}

/** What a function compares, where it is the comparison of a type's own order; else null. */
export function comparisonOf(callee: ScalarFunction): ComparisonOperator | null {
  return callee.arguments.length === 2 ? (operators.get(callee.name) ?? null) : null;
}

/** The operator with its sides exchanged: `a < b` is `b > a`. */
export function commuted(operator: ComparisonOperator): ComparisonOperator {
  switch (operator) {
    case '<':
      return '>';
    case '<=':
      return '>=';
    case '>':
      return '<';
    case '>=':
      return '<=';
    default:
      return operator;
  }
}

/** Whether both arguments have one representation: then equality is equality of hash keys and of key bytes. */
export function hashesAlike(callee: ScalarFunction): boolean {
  return callee.arguments[0] === callee.arguments[1] || integerNames.has(callee.name);
}
