import { invariant } from '../../../base/unreachable.ts';
import type { AnyFunction, Operator, ScalarFunction, TableFunction, Volatility } from '../function.ts';
import { elementType, isArrayType, typeByName, typeInfo } from '../registry.ts';
import type { TypeOid } from '../type.ts';
import { oids } from '../type.ts';
import type { ArgumentTypes, Implementation } from './define.ts';
import { implementations } from './implementations.ts';
import { operatorTable } from './operator-table.ts';
import { proceduresToI } from './procedures-a-i.ts';
import { proceduresFromJ } from './procedures-j-z.ts';
import { vectorOperatorTable, vectorProcedures } from './vector-table.ts';

type Signature = {
  readonly oid: number;
  readonly name: string;
  readonly arguments: readonly TypeOid[];
  readonly isVariadic: boolean;
  readonly result: string;
  readonly isStrict: boolean;
  readonly volatility: Volatility;
  readonly implementation: string;
};

const signaturePattern = /^(\d+) ([^(]+)\(([^)]*)\) ((?:setof )?(?:\([^)]*\)|\S+))(?: \/(\w+))?(?: =(\S+))?$/;

function parseSignature(text: string): Signature {
  const match = signaturePattern.exec(text);
  invariant(match !== null, `malformed signature: ${text}`);
  const [, oid, name, list = '', result, flags = '', implementation] = match as unknown as string[];
  const names = list === '' ? [] : list.split(', ');
  const exact = `${name}(${names.map((type) => type.replace('...', '')).join(',')})`;
  const isExact = implementation === undefined && implementations[exact] !== undefined;
  return {
    oid: Number(oid),
    name: name!,
    arguments: names.map((type) => typeNamed(type.replace('...', ''))),
    isVariadic: list.includes('...'),
    result: result!,
    isStrict: !flags.includes('n'),
    volatility: flags.includes('s') ? 'stable' : flags.includes('v') ? 'volatile' : 'immutable',
    implementation: implementation ?? (isExact ? exact : name!),
  };
}

function typeNamed(name: string): TypeOid {
  const type = typeByName(name);
  invariant(type !== undefined, `no type is named ${name}`);
  return type.oid;
}

function makeFunction(signature: Signature): AnyFunction {
  const implementation = implementations[signature.implementation];
  invariant(
    implementation !== undefined,
    `${signature.name} has no implementation ${signature.implementation}`,
  );
  switch (implementation.kind) {
    case 'scalar':
    case 'typed-scalar':
      return makeScalar(signature, implementation);
    case 'rows':
      return makeTable(signature, implementation);
    case 'aggregate':
    case 'typed-aggregate':
      return makeAggregate(signature, implementation);
  }
}

function makeScalar(
  signature: Signature,
  implementation: Implementation & { readonly kind: 'scalar' | 'typed-scalar' },
): ScalarFunction {
  const { result, implementation: _, ...rest } = signature;
  const scalar = {
    ...rest,
    kind: 'scalar' as const,
    result: typeNamed(result),
    usesContext: implementation.usesContext,
  };
  if (implementation.kind === 'scalar') {
    const { evaluate, later } = implementation;
    return { ...scalar, evaluate, ...(later === undefined ? {} : { later }) };
  }
  return {
    ...scalar,
    evaluate: implementation.specialize(genericTypes(signature)),
    specialize: (types) => ({ ...scalar, evaluate: implementation.specialize(types) }),
  };
}

function makeTable(
  signature: Signature,
  implementation: Implementation & { readonly kind: 'rows' },
): TableFunction {
  const { oid, name, isStrict } = signature;
  const table = {
    kind: 'table' as const,
    oid,
    name,
    arguments: signature.arguments,
    isStrict,
    columns: tableColumns(signature),
  };
  return { ...table, evaluate: implementation.evaluate };
}

/** `setof int4` is one column named like the function; `setof (key text, …)` names its own. */
function tableColumns(signature: Signature): TableFunction['columns'] {
  const result = signature.result.replace(/^setof /, '');
  if (!result.startsWith('(')) return [{ name: signature.name, type: typeNamed(result) }];
  return result
    .slice(1, -1)
    .split(', ')
    .map((column) => {
      const [name, type] = column.split(' ') as [string, string];
      return { name, type: typeNamed(type) };
    });
}

function makeAggregate(
  signature: Signature,
  implementation: Implementation & { readonly kind: 'aggregate' | 'typed-aggregate' },
): AnyFunction {
  const isTyped = implementation.kind === 'typed-aggregate';
  const generic = isTyped ? implementation.specialize(genericTypes(signature)) : implementation.aggregation;
  const { keepsNulls = false, kernel = null } = generic;
  const aggregate = {
    kind: 'aggregate' as const,
    oid: signature.oid,
    name: signature.name,
    arguments: signature.arguments,
    isVariadic: signature.isVariadic,
    result: typeNamed(signature.result),
    skipsNulls: !keepsNulls,
    kernel,
    initial: generic.initial,
    step: generic.step,
    final: generic.final,
  };
  if (!isTyped) return aggregate;
  return {
    ...aggregate,
    specialize: (types) => {
      const { initial, step, final } = implementation.specialize(types);
      return { ...aggregate, initial, step, final };
    },
  };
}

function genericTypes(signature: Signature): ArgumentTypes {
  return signature.arguments.map((oid) => ({ oid, modifier: -1 }));
}

const byName = new Map<string, AnyFunction[]>();
const byOid = new Map<number, AnyFunction>();
const scalarBySignature = new Map<string, ScalarFunction>();

for (const text of `${proceduresToI};${proceduresFromJ};${vectorProcedures}`.split(';')) {
  if (text.trim() === '') continue;
  const made = makeFunction(parseSignature(text.trim()));
  const overloads = byName.get(made.name);
  if (overloads === undefined) byName.set(made.name, [made]);
  else overloads.push(made);
  if (!byOid.has(made.oid!)) byOid.set(made.oid!, made);
  if (made.kind === 'scalar')
    scalarBySignature.set(`${made.name}(${made.isVariadic ? '...' : ''}${made.arguments})`, made);
}

const operators = new Map<string, Operator[]>();
for (const line of `${operatorTable}${vectorOperatorTable}`.trim().split('\n')) {
  const [symbol, forms] = line.split('  ') as [string, string];
  const list = operators.get(symbol) ?? [];
  for (const form of forms.split('; ')) list.push(makeOperator(symbol, form));
  operators.set(symbol, list);
}

function makeOperator(symbol: string, form: string): Operator {
  const [oid, left, right, name] = form.split(' ') as [string, string, string, string];
  const leftType = left === '-' ? null : typeNamed(left);
  const rightType = typeNamed(right);
  const types = leftType === null ? [rightType] : [leftType, rightType];
  const scalar = scalarBySignature.get(`${name}(${types})`) ?? arrayForm(name, types);
  invariant(scalar !== undefined, `operator ${symbol} has no function ${name}(${left}, ${right})`);
  return { oid: Number(oid), name: symbol, left: leftType, right: rightType, function: scalar };
}

/** A variadic function that takes its last arguments as one array: how operators (`#>`) call it. */
function arrayForm(name: string, types: readonly TypeOid[]): ScalarFunction | undefined {
  const last = types.at(-1)!;
  const variadic = scalarBySignature.get(`${name}(...${types.with(-1, elementType(last))})`);
  return variadic === undefined ? undefined : { ...variadic, arguments: types, isVariadic: false };
}

/** Functions, aggregates and table functions of that name, in pg_catalog's order. */
export function functionsByName(name: string): readonly AnyFunction[] {
  return byName.get(name) ?? [];
}

export function functionByOid(oid: number): AnyFunction | undefined {
  return byOid.get(oid);
}

export function allFunctions(): Iterable<AnyFunction> {
  return byOid.values();
}

/** Forms of an operator: '+', '~~' (LIKE), '<=>' … */
export function operatorsByName(name: string): readonly Operator[] {
  return operators.get(name) ?? [];
}

export function allOperators(): readonly Operator[] {
  return [...operators.values()].flat();
}

/** The operator function that compares two values of one type, made for it; null where the type has no order. */
function comparison(symbol: '=' | '<', type: TypeOid): ScalarFunction | null {
  const exact = operatorsByName(symbol).find(({ left, right }) => left === type && right === type);
  if (exact !== undefined) return exact.function;
  const shared = sharedComparison(type);
  if (shared === null) return null;
  const generic = operatorsByName(symbol).find(({ left, right }) => left === shared && right === shared);
  if (generic === undefined) return null;
  const argument = { oid: type, modifier: -1 };
  return generic.function.specialize?.([argument, argument]) ?? generic.function;
}

/** Types without operators of their own use those of what they turn into. */
function sharedComparison(type: TypeOid): TypeOid | null {
  if (isArrayType(type) || elementType(type) !== 0) return oids.anyarray;
  if (type === oids.varchar || type === oids.unknown) return oids.text;
  const info = typeInfo(type);
  return info.category === 'N' && info.physical.kind === 'int4' ? oids.oid : null;
}

/** `=` of a type, or null where it has none (json). */
export function equalsFunction(type: TypeOid): ScalarFunction | null {
  return comparison('=', type);
}

/** `<` of a type, or null where it has none. */
export function lessFunction(type: TypeOid): ScalarFunction | null {
  return comparison('<', type);
}
