import type { Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import { locationOf, place, stringsOf } from '../ast.ts';
import type { ExpressionContext } from './context.ts';
import { findColumn } from './scope.ts';
import type { Target } from './target.ts';
import { isSame } from './traverse.ts';

/** A clause whose items may be the select list's ordinals and names. */
export type OutputClause = 'GROUP BY' | 'ORDER BY' | 'DISTINCT ON';

/**
 * The target that an item means by ordinal or by name, or null where it is an expression. SQL-92's rule: ORDER BY
 * prefers names of the output, GROUP BY those of FROM.
 */
export function findOutput(
  context: ExpressionContext,
  node: Node,
  targets: readonly Target[],
  clause: OutputClause,
): number | null {
  if ('A_Const' in node) return findOrdinal(node, targets, clause);
  if (!('ColumnRef' in node)) return null;
  const fields = node.ColumnRef.fields ?? [];
  const [name] = stringsOf(fields);
  if (fields.length !== 1 || !('String' in fields[0]!) || name === undefined) return null;
  const location = node.ColumnRef.location ?? 0;
  if (clause === 'GROUP BY' && isInputColumn(context, name, location)) return null;
  const first = targets.findIndex((target) => target.name === name);
  if (first === -1) return null;
  const isAmbiguous = targets.some(
    (target) => target.name === name && !isSame(target.expression, targets[first]!.expression),
  );
  if (isAmbiguous) {
    throw new AlopexError('ambiguous_column', `${clause} "${name}" is ambiguous`, place(location));
  }
  return first;
}

function isInputColumn({ scope }: ExpressionContext, name: string, location: number): boolean {
  return findColumn({ ...scope, parent: null }, name, location) !== null;
}

function findOrdinal(node: Node, targets: readonly Target[], clause: OutputClause): number {
  const constant = 'A_Const' in node ? node.A_Const : {};
  if (constant.ival === undefined) {
    throw new AlopexError('syntax_error', `non-integer constant in ${clause}`, place(locationOf(node)));
  }
  const ordinal = constant.ival.ival ?? 0;
  if (ordinal >= 1 && ordinal <= targets.length) return ordinal - 1;
  throw new AlopexError(
    'invalid_column_reference',
    `${clause} position ${ordinal} is not in select list`,
    place(locationOf(node)),
  );
}
