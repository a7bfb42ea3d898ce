import type { ColumnRef, Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import { oids } from '../../types/type.ts';
import { place } from '../ast.ts';
import type { ExpressionContext } from './context.ts';
import { type Environment, located, typeOf } from './environment.ts';
import {
  findColumn,
  findRelation,
  missingColumn,
  missingRelation,
  type Scope,
  type ScopeColumn,
  type ScopeRelation,
} from './scope.ts';

/** The system column that says which table a row is of. */
const tableOid = 'tableoid';

function oidConstant(value: number): Expression {
  return { kind: 'constant', type: typeOf(oids.oid), value };
}

/** A column's value, `level` queries out. */
export function columnAt(level: number, column: ScopeColumn): Expression {
  const { type, index } = column;
  return level === 0 ? { kind: 'column', type, index } : { kind: 'outer-column', type, level, index };
}

/** A relation's name in an expression: the row of all its columns. */
export function wholeRow(level: number, relation: ScopeRelation): Expression {
  const fields = relation.columns.map((column) => columnAt(level, column));
  const names = relation.columns.map((column) => column.name);
  return { kind: 'row', type: typeOf(oids.record), fields, names };
}

/** A name's parts, without a database that is put before schema and table. */
export function partsOf(node: ColumnRef): readonly string[] {
  const names = (node.fields ?? []).map(nameOf);
  if (names.length <= 3) return names;
  if (names.length === 4) return names.slice(1);
  throw new AlopexError(
    'syntax_error',
    `improper qualified name (too many dotted names): ${names.join('.')}`,
    place(node.location),
  );
}

function nameOf(field: Node): string {
  return 'String' in field ? (field.String.sval ?? '') : '*';
}

/** `column`, `table.column`, `schema.table.column`; or a table's name, which stands for its row. */
export function bindColumn(context: ExpressionContext, node: ColumnRef): Expression {
  const { environment, scope } = context;
  const location = node.location ?? 0;
  const parts = partsOf(node);
  const name = parts.at(-1)!;
  if (name === '*') return located(environment, starRow(scope, parts, location), location);
  const expression =
    parts.length === 1 ? bindName(scope, name, location) : bindQualified(environment, scope, parts, location);
  return located(environment, expression, location);
}

/** `t.*` as a value: the table's row. */
function starRow(scope: Scope, parts: readonly string[], location: number): Expression {
  const alias = parts.at(-2);
  if (alias === undefined) {
    throw new AlopexError('syntax_error', 'row expansion via "*" is not supported here', place(location));
  }
  const found = findRelation(scope, parts.at(-3) ?? null, alias, location);
  if (found === null) throw missingRelation(scope, alias, location);
  return wholeRow(found.level, found.relation);
}

function bindName(scope: Scope, name: string, location: number): Expression {
  const column = findColumn(scope, name, location);
  if (column !== null) return columnAt(column.level, column.column);
  const relation = findRelation(scope, null, name, location);
  if (relation !== null) return wholeRow(relation.level, relation.relation);
  const [only, ...others] = scope.relations;
  if (name === tableOid && only !== undefined && others.length === 0 && only.oid !== undefined) {
    return oidConstant(only.oid);
  }
  throw missingColumn(scope, null, name, location);
}

function bindQualified(
  environment: Environment,
  scope: Scope,
  parts: readonly string[],
  location: number,
): Expression {
  const [qualifier, name] = parts.slice(-2) as [string, string];
  const schema = parts.length === 3 ? parts[0]! : null;
  const found = findRelation(scope, schema, qualifier, location);
  if (found === null) throw missingRelation(scope, qualifier, location);
  const columns = found.relation.columns.filter((column) => column.name === name);
  if (columns.length > 1) {
    throw new AlopexError('ambiguous_column', `column reference "${name}" is ambiguous`, place(location));
  }
  if (columns[0] !== undefined) return located(environment, columnAt(found.level, columns[0]), location);
  if (name === tableOid && found.relation.oid !== undefined) return oidConstant(found.relation.oid);
  throw missingColumn(scope, qualifier, name, location);
}
