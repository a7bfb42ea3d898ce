import { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { Expression } from '../plan/expression.ts';
import type { FunctionContext } from '../types/function.ts';
import type { Environment, SubplanRunner } from './operator.ts';
import { compileRow } from './row-compiler.ts';

const refuse = (): never => {
  throw new AlopexError('feature_not_supported', 'a subquery cannot stand here');
};
const noSubplans: SubplanRunner = {
  scalar: refuse,
  exists: refuse,
  rows: refuse,
  membership: refuse,
  close: () => undefined,
};

/** What an expression outside a query reads: a default, an argument of EXECUTE. It has no subquery. */
export function standaloneEnvironment(
  functions: FunctionContext,
  parameters: readonly Datum[] = [],
): Environment {
  return { parameters, slots: [], functions, subplans: noSubplans };
}

/** The value of an expression without columns and subqueries. */
export function evaluateStandalone(expression: Expression, functions: FunctionContext): Datum {
  return compileRow(expression)([], standaloneEnvironment(functions));
}
