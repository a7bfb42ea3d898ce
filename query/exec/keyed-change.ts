import type { Datum } from '../../base/values/datum.ts';
import type { Modification } from '../plan/logical.ts';
import type { Statement } from '../plan/physical.ts';
import { hasSubquery } from '../plan/rewrite.ts';
import type { FunctionContext } from '../types/function.ts';
import type { RowEvaluator } from './contract.ts';
import { type KeyLookup, keyLookup } from './point-read.ts';
import { compileRow } from './row-compiler.ts';
import { standaloneEnvironment } from './standalone.ts';

/** An UPDATE or DELETE of the one row that has a key. */
export type KeyedChange = {
  readonly modification: Exclude<Modification, { readonly kind: 'insert' }>;
  /** The row as the modification's expressions and the writer take it. */
  readonly find: KeyLookup;
};

/**
 * The short way for `UPDATE t SET … WHERE key = $1` and its DELETE: no operators, no batches. Null where the statement
 * is something else. What becomes of the row is the writer's, in both ways.
 */
export function keyedChange({ root }: Statement): KeyedChange | null {
  if (root.kind !== 'modify' || root.modification.kind === 'insert') return null;
  const { modification } = root;
  const { recheck, returning } = modification;
  const values = modification.kind === 'update' ? modification.assignments.map(({ value }) => value) : [];
  if (returning !== null || values.some(hasSubquery) || (recheck !== null && hasSubquery(recheck)))
    return null;
  const find = keyLookup(root.input);
  return find === null ? null : { modification, find };
}

/** Evaluates for the writer what has no subquery. */
export function standaloneEvaluator(functions: FunctionContext, parameters: readonly Datum[]): RowEvaluator {
  const environment = standaloneEnvironment(functions, parameters);
  return {
    compile(expression) {
      const closure = compileRow(expression);
      return (row) => closure(row, environment);
    },
  };
}
