import type { Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { ColumnDefinition } from '../../catalog/definition.ts';
import type { Expression } from '../../plan/expression.ts';
import { formatType } from '../../types/format-type.ts';
import { oids, type SqlType } from '../../types/type.ts';
import { locationOf, place } from '../ast.ts';
import { parse } from '../parse.ts';
import { coerce, coerceToColumn } from './coerce.ts';
import { constantOf } from './constant.ts';
import { type Environment, placeOf, typeOf } from './environment.ts';
import { contextOf } from './expression.ts';
import { callFunction } from './function.ts';
import { emptyScope } from './scope.ts';

/** Parse trees of defaults: definitions are immutable, and each INSERT asks again. */
const parsedDefaults = new WeakMap<ColumnDefinition, Node>();

/** What a column holds where a statement gives it no value: its sequence, its default, or null. */
export function columnDefault(environment: Environment, column: ColumnDefinition): Expression {
  if (column.identity !== null && column.ownedSequence !== null) {
    const sequence = constantOf(oids.regclass, column.ownedSequence);
    return coerceToColumn(environment, callFunction(environment, 'nextval', [sequence], -1), column);
  }
  if (column.defaultText === null) return { kind: 'constant', type: column.type, value: null };
  const node = parsedDefaults.get(column) ?? parseExpression(column.defaultText);
  parsedDefaults.set(column, node);
  const stored: Environment = { ...environment, locations: new WeakMap() };
  const context = contextOf(stored, emptyScope, 'DEFAULT expressions');
  return coerceToColumn(stored, context.bind(context, node), column);
}

/** The parse tree of an expression that stands alone. */
export function parseExpression(text: string): Node {
  const [statement] = parse(`SELECT ${text}`);
  const select = statement !== undefined && 'SelectStmt' in statement.node ? statement.node.SelectStmt : {};
  const target = select.targetList?.[0];
  const value = target !== undefined && 'ResTarget' in target ? target.ResTarget.val : undefined;
  if (value === undefined) throw new AlopexError('syntax_error', `"${text}" is no expression`);
  return value;
}

/** Binds the expression of DEFAULT in CREATE or ALTER TABLE: without columns, of the column's type. */
export function bindNewDefault(
  environment: Environment,
  node: Node,
  column: { readonly name: string; readonly type: SqlType },
): Expression {
  refuseInDefault(node);
  const context = contextOf(environment, emptyScope, 'DEFAULT expressions');
  const value = context.bind(context, node);
  const coerced = coerce(environment, value, column.type, 'assignment');
  if (coerced !== null) return coerced;
  throw new AlopexError(
    'datatype_mismatch',
    `column "${column.name}" is of type ${formatType(typeOf(column.type.oid))} but default expression is of type ${formatType(value.type)}`,
    { hint: 'You will need to rewrite or cast the expression.', ...placeOf(environment, value) },
  );
}

/** A value without columns, as a type that assignment casts lead to. */
export function bindValue(environment: Environment, node: Node, type: SqlType): Expression {
  const context = contextOf(environment, emptyScope, 'EXECUTE');
  const value = context.bind(context, node);
  const coerced = coerce(environment, value, type, 'assignment');
  if (coerced !== null) return coerced;
  throw new AlopexError(
    'datatype_mismatch',
    `expression of type ${formatType(value.type)} cannot be coerced to the expected type ${formatType(type)}`,
    { hint: 'You will need to rewrite or cast the expression.', ...placeOf(environment, value) },
  );
}

function refuseInDefault(node: Node): void {
  const construct = 'ColumnRef' in node ? 'column reference' : 'SubLink' in node ? 'subquery' : null;
  if (construct !== null) {
    throw new AlopexError(
      'feature_not_supported',
      `cannot use ${construct} in DEFAULT expression`,
      place(locationOf(node)),
    );
  }
  for (const value of Object.values(node) as unknown[]) refuseWithin(value);
}

function refuseWithin(tree: unknown): void {
  if (typeof tree !== 'object' || tree === null) return;
  if ('ColumnRef' in tree || 'SubLink' in tree) refuseInDefault(tree as Node);
  for (const value of Object.values(tree) as unknown[]) refuseWithin(value);
}
