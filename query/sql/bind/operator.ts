import { AlopexError } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import { formatType } from '../../types/format-type.ts';
import type { Operator, ScalarFunction } from '../../types/function.ts';
import { operatorsByName } from '../../types/functions/registry.ts';
import { oids, type TypeOid } from '../../types/type.ts';
import { place } from '../ast.ts';
import { type Environment, located, typeOf } from './environment.ts';
import { finishCall } from './function.ts';
import { type Candidate, type Resolution, resolve } from './resolve.ts';

/** An operator as a statement writes it: OPERATOR(schema.name) names a schema. */
export type OperatorName = { readonly schema: string | null; readonly name: string };

/** The operator's function, with the operands brought to its types. */
export type ResolvedOperator = {
  readonly function: ScalarFunction;
  readonly operands: readonly Expression[];
  readonly result: TypeOid;
};

/** `left name right`, or `name right` where left is null. */
export function bindOperator(
  environment: Environment,
  name: OperatorName,
  left: Expression | null,
  right: Expression,
  location: number,
): Expression {
  const resolved = resolveOperator(environment, name, left, right, location);
  const call: Expression = {
    kind: 'call',
    type: typeOf(resolved.result),
    function: resolved.function,
    arguments: resolved.operands,
  };
  return located(environment, call, location);
}

/** Finds the operator by the rules of the manual's 10.2; 42883 or 42725 where there is not one. */
export function resolveOperator(
  environment: Environment,
  name: OperatorName,
  left: Expression | null,
  right: Expression,
  location: number,
): ResolvedOperator {
  const operands = left === null ? [right] : [left, right];
  const types = operands.map((operand) => operand.type.oid);
  const { value, types: declared } = chooseOperator(name, types, location);
  const call = finishCall(environment, value.function, declared, operands, location);
  if (call.function.kind !== 'scalar') throw new TypeError(`operator ${name.name} has no scalar function`);
  return { function: call.function, operands: call.arguments, result: call.result };
}

/** The operator for operands of these types, before they are coerced. */
export function chooseOperator(
  name: OperatorName,
  types: readonly TypeOid[],
  location: number,
): Candidate<Operator> {
  const candidates = candidatesOf(name, types.length === 1);
  const resolution = resolveAssumingSame(candidates, types);
  if (resolution.kind === 'found') return resolution.candidate;
  const names = types.map((oid) => formatType(typeOf(oid)));
  const symbol = name.schema === null ? name.name : `${name.schema}.${name.name}`;
  const shown = names.length === 1 ? `${symbol} ${names[0]}` : `${names[0]} ${symbol} ${names[1]}`;
  if (resolution.kind === 'ambiguous') {
    throw new AlopexError('ambiguous_function', `operator is not unique: ${shown}`, {
      hint: 'Could not choose a best candidate operator. You might need to add explicit type casts.',
      ...place(location),
    });
  }
  const plural =
    names.length === 1
      ? 'type. You might need to add an explicit type cast'
      : 'types. You might need to add explicit type casts';
  throw new AlopexError('undefined_function', `operator does not exist: ${shown}`, {
    hint: `No operator matches the given name and argument ${plural}.`,
    ...place(location),
  });
}

function candidatesOf({ schema, name }: OperatorName, isUnary: boolean): readonly Candidate<Operator>[] {
  if (schema !== null && schema !== 'pg_catalog') return [];
  return operatorsByName(name === '!=' ? '<>' : name)
    .filter((operator) => (operator.left === null) === isUnary)
    .map((value) => ({ value, types: value.left === null ? [value.right] : [value.left, value.right] }));
}

/** A literal beside an operand of known type is first taken to be of the same type. */
function resolveAssumingSame(
  candidates: readonly Candidate<Operator>[],
  types: readonly TypeOid[],
): Resolution<Operator> {
  const known = types.find((type) => type !== oids.unknown);
  if (known !== undefined && types.includes(oids.unknown)) {
    const same = candidates.find((candidate) => candidate.types.every((type) => type === known));
    if (same !== undefined) return { kind: 'found', candidate: same };
  }
  return resolve(candidates, types);
}
