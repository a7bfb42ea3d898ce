import type { Node, SortBy } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression, SortKey } from '../../plan/expression.ts';
import { formatType } from '../../types/format-type.ts';
import { lessFunction } from '../../types/functions/registry.ts';
import { locationOf, place, stringsOf } from '../ast.ts';
import { resolveUnknown } from './coerce.ts';
import type { ExpressionContext } from './context.ts';
import { typeOf } from './environment.ts';

/** A key of ORDER BY inside an aggregate, where no output column can be meant. */
export function bindSortKey(context: ExpressionContext, node: Node, clause: string): SortKey {
  const sortBy = sortByOf(node);
  if (sortBy.node === undefined) throw unsupported(clause, place(locationOf(node)).position);
  const expression = resolveUnknown(context.environment, context.bind(context, sortBy.node));
  return sortKeyOf(sortBy, expression);
}

export function sortByOf(node: Node): SortBy {
  return 'SortBy' in node ? node.SortBy : { node };
}

/** Direction and place of nulls; 42883 where the type has no order. */
export function sortKeyOf(node: SortBy, expression: Expression): SortKey {
  requireOrdering(expression, locationOf(node.node));
  const descending =
    node.sortby_dir === 'SORTBY_USING' ? usesGreater(node) : node.sortby_dir === 'SORTBY_DESC';
  const nullsFirst =
    node.sortby_nulls === 'SORTBY_NULLS_FIRST' || (node.sortby_nulls !== 'SORTBY_NULLS_LAST' && descending);
  return { expression, descending, nullsFirst };
}

function usesGreater(node: SortBy): boolean {
  const operator = stringsOf(node.useOp).at(-1) ?? '';
  if (operator === '<' || operator === '>') return operator === '>';
  throw new AlopexError('wrong_object_type', `operator ${operator} is not a valid ordering operator`, {
    hint: 'Ordering operators must be "<" or ">" members of btree operator families.',
    ...place(node.location),
  });
}

function requireOrdering(expression: Expression, location: number): void {
  if (lessFunction(expression.type.oid) !== null) return;
  throw new AlopexError(
    'undefined_function',
    `could not identify an ordering operator for type ${formatType(typeOf(expression.type.oid))}`,
    { hint: 'Use an explicit ordering operator or modify the query.', ...place(location) },
  );
}
