import type { InsertStmt, Node, SelectStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { ColumnDefinition, RelationDefinition } from '../../catalog/definition.ts';
import type { Expression } from '../../plan/expression.ts';
import type { LogicalPlan, Modification, OutputColumn } from '../../plan/logical.ts';
import { locationOf, place, rangeVarOf } from '../ast.ts';
import { targetColumn } from './assignment.ts';
import { coerceToColumn } from './coerce.ts';
import { bindOnConflict } from './conflict.ts';
import { columnDefault } from './default.ts';
import type { Environment } from './environment.ts';
import { contextOf } from './expression.ts';
import { findTarget, layoutColumns, layoutScope, visibleColumns } from './relation.ts';
import { bindReturning, modifyPlan } from './returning.ts';
import { newScope } from './scope.ts';
import { bindWith, type CteScope, wrapWith } from './with.ts';

type Overriding = InsertStmt['override'];

/** What rows are made of: the columns that the statement fills, and the defaults of the rest. */
type InsertShape = {
  readonly table: RelationDefinition;
  readonly named: readonly ColumnDefinition[];
  /** Locations of the names, where they are written. */
  readonly locations: readonly number[];
  readonly override: Overriding;
  readonly defaultOf: (column: ColumnDefinition) => Expression;
};

export function bindInsert(environment: Environment, node: InsertStmt): LogicalPlan {
  const bound = bindWith(environment, node.withClause, null, null);
  const reference = rangeVarOf(node.relation);
  const { table, schema } = findTarget(environment, reference, 'INSERT');
  const shape = shapeOf(environment, table, node);
  const input = bindSource(environment, shape, node.selectStmt, bound.ctes);
  const alias = reference.alias ?? reference.name;
  const onConflict =
    node.onConflictClause === undefined
      ? null
      : bindOnConflict(environment, table, alias, node.onConflictClause, bound.ctes);
  // Who may learn which keys there are has the right to read them.
  if (node.returningClause !== undefined || node.onConflictClause?.infer !== undefined) {
    environment.accesses.push({ table, privilege: 'SELECT' });
  }
  if (onConflict?.action.kind === 'update') environment.accesses.push({ table, privilege: 'UPDATE' });
  const columns = layoutScope(table, 0);
  const relation = {
    alias,
    schema: reference.alias === null ? schema : null,
    table,
    columns,
    keyIndex: null,
  };
  const scope = newScope({ relations: [relation], columns }, null, bound.ctes);
  const returning = bindReturning(environment, scope, node.returningClause);
  const modification: Modification = {
    kind: 'insert',
    table,
    input,
    onConflict,
    returning: returning?.map((target) => target.expression) ?? null,
  };
  return wrapWith(bound, modifyPlan(modification, returning));
}

function shapeOf(environment: Environment, table: RelationDefinition, node: InsertStmt): InsertShape {
  const defaults = new Map<ColumnDefinition, Expression>();
  const defaultOf = (column: ColumnDefinition): Expression => {
    const value = defaults.get(column) ?? columnDefault(environment, column);
    defaults.set(column, value);
    return value;
  };
  const named: ColumnDefinition[] = [];
  const locations: number[] = [];
  for (const item of node.cols ?? []) {
    if (!('ResTarget' in item)) continue;
    const { name = '', indirection = [], location } = item.ResTarget;
    if (indirection.length > 0) throw unsupported('INSERT into a part of a column', place(location).position);
    const column = targetColumn(table, name, location);
    if (named.includes(column)) {
      throw new AlopexError('duplicate_column', `column "${name}" specified more than once`, place(location));
    }
    named.push(column);
    locations.push(location ?? 0);
  }
  const isImplicit = (node.cols ?? []).length === 0;
  return {
    table,
    named: isImplicit ? visibleColumns(table) : named,
    locations,
    override: node.override,
    defaultOf,
  };
}

function bindSource(
  environment: Environment,
  shape: InsertShape,
  node: Node | undefined,
  ctes: CteScope | null,
): LogicalPlan {
  if (node === undefined) return valuesPlan(shape, [fillRow(shape, new Map())]);
  const select = 'SelectStmt' in node ? node.SelectStmt : {};
  if (isPlainValues(select)) {
    const rows = select.valuesLists ?? [];
    return valuesPlan(shape, bindRows(environment, shape, rows, ctes));
  }
  const input = environment.bindQuery(environment, node, { outer: null, ctes, resolvesUnknowns: false });
  checkWidth(shape, input.columns.length, select.targetList ?? []);
  const { columns } = input;
  const isProject = input.kind === 'project';
  const given = columns.map(({ type }, index): Expression => {
    const value: Expression = isProject ? input.expressions[index]! : { kind: 'column', type, index };
    return coerceToColumn(environment, value, shape.named[index]!);
  });
  const values = new Map(given.map((value, index) => [shape.named[index]!, value]));
  for (const column of values.keys()) refuseGenerated(shape, column);
  return {
    kind: 'project',
    columns: outputsOf(shape.table),
    input: isProject ? input.input : input,
    expressions: fillRow(shape, values),
  };
}

function isPlainValues(select: SelectStmt): boolean {
  return (
    select.valuesLists !== undefined &&
    select.sortClause === undefined &&
    select.limitCount === undefined &&
    select.limitOffset === undefined &&
    select.withClause === undefined
  );
}

function bindRows(
  environment: Environment,
  shape: InsertShape,
  lists: readonly Node[],
  ctes: CteScope | null,
): readonly (readonly Expression[])[] {
  const scope = newScope({ relations: [], columns: [] }, null, ctes);
  const context = contextOf(environment, scope, 'VALUES');
  const width = itemsOf(lists[0]!).length;
  return lists.map((list) => {
    const items = itemsOf(list);
    if (items.length !== width) {
      throw new AlopexError(
        'syntax_error',
        'VALUES lists must all be the same length',
        place(locationOf(list)),
      );
    }
    checkWidth(shape, items.length, items);
    const values = new Map<ColumnDefinition, Expression>();
    for (const [index, item] of items.entries()) {
      const column = shape.named[index]!;
      if ('SetToDefault' in item) continue;
      refuseGenerated(shape, column);
      values.set(column, coerceToColumn(environment, context.bind(context, item), column));
    }
    return fillRow(shape, values);
  });
}

function itemsOf(list: Node): readonly Node[] {
  return 'List' in list ? (list.List.items ?? []) : [];
}

function checkWidth(shape: InsertShape, width: number, nodes: readonly Node[]): void {
  if (width > shape.named.length) {
    throw new AlopexError(
      'syntax_error',
      'INSERT has more expressions than target columns',
      place(locationOf(nodes[shape.named.length])),
    );
  }
  if (shape.locations.length > width) {
    throw new AlopexError(
      'syntax_error',
      'INSERT has more target columns than expressions',
      place(shape.locations[width]),
    );
  }
}

function refuseGenerated(shape: InsertShape, column: ColumnDefinition): void {
  const isOverridden =
    shape.override === 'OVERRIDING_USER_VALUE' || shape.override === 'OVERRIDING_SYSTEM_VALUE';
  if (column.identity !== 'always' || isOverridden) return;
  throw new AlopexError(
    'generated_always',
    `cannot insert a non-DEFAULT value into column "${column.name}"`,
    {
      detail: `Column "${column.name}" is an identity column defined as GENERATED ALWAYS.`,
      hint: 'Use OVERRIDING SYSTEM VALUE to override.',
    },
  );
}

/** One value for each column of the layout; OVERRIDING USER VALUE leaves identity columns to their sequence. */
function fillRow(
  shape: InsertShape,
  values: ReadonlyMap<ColumnDefinition, Expression>,
): readonly Expression[] {
  return layoutColumns(shape.table).map((column) => {
    const isForced = shape.override === 'OVERRIDING_USER_VALUE' && column.identity !== null;
    const given = isForced ? undefined : values.get(column);
    return given ?? shape.defaultOf(column);
  });
}

function outputsOf(table: RelationDefinition): readonly OutputColumn[] {
  return layoutColumns(table).map(({ name, type, attribute }) => ({
    name,
    type,
    table: table.id,
    attribute,
  }));
}

function valuesPlan(shape: InsertShape, rows: readonly (readonly Expression[])[]): LogicalPlan {
  return { kind: 'values', columns: outputsOf(shape.table), rows };
}
