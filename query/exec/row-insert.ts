import type { Datum } from '../../base/values/datum.ts';
import type { RelationDefinition } from '../catalog/definition.ts';
import type { Expression } from '../plan/expression.ts';
import type { Statement } from '../plan/physical.ts';
import { hasSubquery } from '../plan/rewrite.ts';
import type { FunctionContext } from '../types/function.ts';
import { compileRow } from './row-compiler.ts';
import { standaloneEnvironment } from './standalone.ts';

/** An INSERT of one row that says nothing but its values. */
export type RowInsert = {
  readonly table: RelationDefinition;
  /** Datums of the table's layout, the parameters themselves perhaps; evaluates volatile defaults: once an execution. */
  row(functions: FunctionContext, parameters: readonly Datum[]): readonly Datum[];
};

/**
 * The short way for `INSERT INTO t VALUES ($1, …)`: no operators, no batches. Null where the statement is
 * something else.
 */
export function rowInsert({ root }: Statement): RowInsert | null {
  if (root.kind !== 'modify' || root.modification.kind !== 'insert') return null;
  const { table, onConflict, returning } = root.modification;
  const { input } = root;
  if (onConflict !== null || returning !== null || input.kind !== 'values') return null;
  const [expressions, ...others] = input.rows;
  if (expressions === undefined || others.length > 0 || expressions.some(hasSubquery)) return null;
  if (isJustParameters(expressions)) return { table, row: (_functions, parameters) => parameters };
  const closures = expressions.map(compileRow);
  return {
    table,
    row: (functions, parameters) => {
      const environment = standaloneEnvironment(functions, parameters);
      const row = new Array<Datum>(closures.length);
      for (let place = 0; place < closures.length; place++) row[place] = closures[place]!(noRow, environment);
      return row;
    },
  };
}

/** $1, $2 … for the table's columns as they stand. */
function isJustParameters(expressions: readonly Expression[]): boolean {
  return expressions.every(
    (expression, place) => expression.kind === 'parameter' && expression.index === place,
  );
}

const noRow: readonly Datum[] = [];
