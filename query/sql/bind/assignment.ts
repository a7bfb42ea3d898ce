import type { MultiAssignRef, Node, ResTarget } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { ColumnDefinition, RelationDefinition } from '../../catalog/definition.ts';
import type { Expression } from '../../plan/expression.ts';
import { locationOf, place } from '../ast.ts';
import { coerceToColumn } from './coerce.ts';
import type { ExpressionContext } from './context.ts';
import { columnDefault } from './default.ts';
import { located } from './environment.ts';
import { visibleColumns } from './relation.ts';
import { subquery } from './subquery.ts';

export type Assignment = { readonly attribute: number; readonly value: Expression };

/** A column that a statement names as a target. */
export function targetColumn(
  table: RelationDefinition,
  name: string,
  location: number | undefined,
): ColumnDefinition {
  const column = visibleColumns(table).find((candidate) => candidate.name === name);
  if (column !== undefined) return column;
  throw new AlopexError(
    'undefined_column',
    `column "${name}" of relation "${table.name}" does not exist`,
    place(location),
  );
}

/** SET of UPDATE and of ON CONFLICT DO UPDATE. */
export function bindAssignments(
  context: ExpressionContext,
  table: RelationDefinition,
  nodes: readonly Node[],
): readonly Assignment[] {
  const assignments: Assignment[] = [];
  for (const node of nodes) {
    if (!('ResTarget' in node)) continue;
    const target = node.ResTarget;
    const column = targetColumn(table, target.name ?? '', target.location);
    if ((target.indirection ?? []).length > 0) {
      throw unsupported('assignment to a part of a column', place(target.location).position);
    }
    if (assignments.some(({ attribute }) => attribute === column.attribute)) {
      throw new AlopexError('syntax_error', `multiple assignments to same column "${column.name}"`);
    }
    assignments.push({ attribute: column.attribute, value: assignedValue(context, target, column) });
  }
  return assignments;
}

function assignedValue(context: ExpressionContext, target: ResTarget, column: ColumnDefinition): Expression {
  const { environment } = context;
  const node = sourceOf(target.val!);
  if (node !== null && 'SetToDefault' in node) return columnDefault(environment, column);
  if (column.identity === 'always') {
    throw new AlopexError('generated_always', `column "${column.name}" can only be updated to DEFAULT`, {
      detail: `Column "${column.name}" is an identity column defined as GENERATED ALWAYS.`,
    });
  }
  const value =
    node === null
      ? subqueryColumn(context, 'MultiAssignRef' in target.val! ? target.val.MultiAssignRef : {})
      : context.bind(context, node);
  return coerceToColumn(environment, value, column);
}

/** The node that gives the value; null where it is a column of a subquery. */
function sourceOf(node: Node): Node | null {
  if (!('MultiAssignRef' in node)) return node;
  const { source, colno = 1, ncolumns = 1 } = node.MultiAssignRef;
  if (source === undefined || 'SubLink' in source) return null;
  const fields = 'RowExpr' in source ? (source.RowExpr.args ?? []) : [source];
  if (fields.length !== ncolumns) {
    throw new AlopexError(
      'syntax_error',
      'number of columns does not match number of values',
      place(locationOf(source)),
    );
  }
  return fields[colno - 1]!;
}

/** `(a, b) = (SELECT …)`: a scalar subquery for each column. */
function subqueryColumn(context: ExpressionContext, node: MultiAssignRef): Expression {
  const { environment, scope } = context;
  const { source, colno = 1, ncolumns = 1 } = node;
  const query = source !== undefined && 'SubLink' in source ? source.SubLink.subselect! : source!;
  const plan = environment.bindQuery(environment, query, {
    outer: scope,
    ctes: scope.ctes,
    resolvesUnknowns: true,
  });
  if (plan.columns.length !== ncolumns) {
    throw new AlopexError(
      'syntax_error',
      'number of columns does not match number of values',
      place(locationOf(source)),
    );
  }
  const column = plan.columns[colno - 1]!;
  const value: Expression = { kind: 'column', type: column.type, index: colno - 1 };
  const projected = { kind: 'project', columns: [column], input: plan, expressions: [value] } as const;
  return located(environment, subquery({ kind: 'scalar' }, column.type, projected), locationOf(source));
}
