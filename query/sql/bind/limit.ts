import type { Node, SelectStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import type { LogicalPlan } from '../../plan/logical.ts';
import { formatType } from '../../types/format-type.ts';
import { oids } from '../../types/type.ts';
import { locationOf, place } from '../ast.ts';
import { coerce } from './coerce.ts';
import { type Environment, placeOf, typeOf } from './environment.ts';
import { contextOf } from './expression.ts';
import type { Scope } from './scope.ts';
import { someExpression } from './traverse.ts';

/** LIMIT, OFFSET and FETCH FIRST. */
export function withLimit(
  environment: Environment,
  select: SelectStmt,
  scope: Scope,
  input: LogicalPlan,
): LogicalPlan {
  if (select.limitOption === 'LIMIT_OPTION_WITH_TIES') {
    throw unsupported('WITH TIES', place(locationOf(select.limitCount)).position);
  }
  const count = bindCount(environment, select.limitCount, scope, 'LIMIT');
  const offset = bindCount(environment, select.limitOffset, scope, 'OFFSET');
  if (count === null && offset === null) return input;
  return { kind: 'limit', columns: input.columns, input, count, offset };
}

function bindCount(
  environment: Environment,
  node: Node | undefined,
  scope: Scope,
  clause: 'LIMIT' | 'OFFSET',
): Expression | null {
  if (node === undefined) return null;
  if ('A_Const' in node && node.A_Const.isnull === true) return null;
  const context = contextOf(environment, scope, clause);
  const value = context.bind(context, node);
  refuseColumns(environment, value, clause);
  const count = coerce(environment, value, typeOf(oids.int8), 'assignment');
  if (count !== null) return count;
  throw new AlopexError(
    'datatype_mismatch',
    `argument of ${clause} must be type bigint, not type ${formatType(typeOf(value.type.oid))}`,
    placeOf(environment, value),
  );
}

/** The count is one for the whole query: no column of its own rows can be part of it. */
function refuseColumns(environment: Environment, value: Expression, clause: string): void {
  someExpression(value, (part, depth) => {
    const isOwn = part.kind === 'column' ? depth === 0 : part.kind === 'outer-column' && part.level === depth;
    if (!isOwn) return false;
    throw new AlopexError(
      'invalid_column_reference',
      `argument of ${clause} must not contain variables`,
      placeOf(environment, part),
    );
  });
}
