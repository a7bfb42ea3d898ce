import type { Node } from 'libpg-query';
import { AlopexError } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import type { JoinKind, LogicalPlan } from '../../plan/logical.ts';
import { coerceToBoolean, coerceToCommon, requireCommonType } from './coerce.ts';
import { columnAt } from './column.ts';
import { conjunction, operator } from './comparison.ts';
import { type Environment, typeOf } from './environment.ts';
import { contextOf } from './expression.ts';
import { bindOperator } from './operator.ts';
import { type FromItem, newScope, type Scope, type ScopeColumn, type ScopeRelation } from './scope.ts';
import type { CteScope } from './with.ts';

export type JoinParts = {
  readonly kind: Exclude<JoinKind, 'semi' | 'anti'>;
  readonly left: FromItem;
  readonly right: FromItem;
  readonly isLateral: boolean;
  readonly outer: Scope | null;
  readonly ctes: CteScope | null;
  readonly on?: Node | undefined;
  readonly using?: 'natural' | readonly string[];
  readonly usingAlias?: string | undefined;
};

/** Joins two parts of a FROM clause. The row is the left columns, then the right ones. */
export function joinItems(environment: Environment, parts: JoinParts): FromItem {
  const { left, right } = parts;
  const width = left.plan.columns.length;
  const shifted = shiftItem(right, width);
  refuseDuplicates(left.relations, shifted.relations);
  const relations = [...left.relations, ...shifted.relations];
  const names = parts.using === 'natural' ? commonNames(left, right) : (parts.using ?? []);
  if (names.length > 0) return joinUsing(environment, parts, names, shifted, relations);
  const columns = [...left.columns, ...shifted.columns];
  let condition: Expression | null = null;
  if (parts.on !== undefined) {
    const scope = newScope({ relations, columns }, parts.outer, parts.ctes);
    const context = contextOf(environment, scope, 'JOIN conditions');
    condition = coerceToBoolean(environment, context.bind(context, parts.on), 'JOIN/ON');
  }
  return { plan: joinPlan(parts, condition), relations, columns };
}

function joinPlan(parts: JoinParts, condition: Expression | null): LogicalPlan {
  const { left, right, isLateral } = parts;
  return {
    kind: 'join',
    columns: [...left.plan.columns, ...right.plan.columns],
    join: condition === null && parts.kind === 'inner' ? 'cross' : parts.kind,
    left: left.plan,
    right: right.plan,
    condition,
    isLateral,
  };
}

function shiftItem(item: FromItem, offset: number): FromItem {
  const shift = (column: ScopeColumn): ScopeColumn => ({ ...column, index: column.index + offset });
  return {
    plan: item.plan,
    columns: item.columns.map(shift),
    relations: item.relations.map((relation) => ({
      ...relation,
      columns: relation.columns.map(shift),
      keyIndex: relation.keyIndex === null ? null : relation.keyIndex + offset,
    })),
  };
}

function refuseDuplicates(left: readonly ScopeRelation[], right: readonly ScopeRelation[]): void {
  for (const { alias, schema } of right) {
    const isTaken = left.some(
      (relation) =>
        relation.alias === alias &&
        (relation.schema === schema || schema === null || relation.schema === null),
    );
    if (isTaken) {
      throw new AlopexError('duplicate_alias', `table name "${alias}" specified more than once`);
    }
  }
}

function commonNames(left: FromItem, right: FromItem): readonly string[] {
  const names = new Set(right.columns.map((column) => column.name));
  return left.columns.map((column) => column.name).filter((name) => names.has(name));
}

type MergedColumn = {
  readonly name: string;
  readonly left: ScopeColumn;
  readonly right: ScopeColumn;
  readonly value: Expression;
};

/** USING and NATURAL: the columns of both sides are equal, and one column in `*`. */
function joinUsing(
  environment: Environment,
  parts: JoinParts,
  names: readonly string[],
  right: FromItem,
  relations: readonly ScopeRelation[],
): FromItem {
  const merged = names.map((name) => {
    const leftColumn = usingColumn(parts.left.columns, name, 'left');
    const rightColumn = usingColumn(right.columns, name, 'right');
    const value = mergedValue(environment, parts.kind, leftColumn, rightColumn);
    return { name, left: leftColumn, right: rightColumn, value };
  });
  const tests = merged.map((pair) =>
    bindOperator(environment, operator('='), columnAt(0, pair.left), columnAt(0, pair.right), -1),
  );
  const kind = parts.kind === 'cross' ? 'inner' : parts.kind;
  const join = joinPlan({ ...parts, kind }, conjunction('and', tests));
  const { plan, columns: mergedColumns } = placeMerged(join, merged);
  const isMerged = (column: ScopeColumn): boolean => names.includes(column.name);
  const columns = [
    ...mergedColumns,
    ...parts.left.columns.filter((column) => !isMerged(column)),
    ...right.columns.filter((column) => !isMerged(column)),
  ];
  if (parts.usingAlias === undefined) return { plan, relations, columns };
  const alias = {
    alias: parts.usingAlias,
    schema: null,
    table: null,
    columns: mergedColumns,
    keyIndex: null,
  };
  return { plan, relations: [...relations, alias], columns };
}

function usingColumn(columns: readonly ScopeColumn[], name: string, side: 'left' | 'right'): ScopeColumn {
  const found = columns.filter((column) => column.name === name);
  if (found.length === 1) return found[0]!;
  if (found.length === 0) {
    throw new AlopexError(
      'undefined_column',
      `column "${name}" specified in USING clause does not exist in ${side} table`,
    );
  }
  throw new AlopexError(
    'ambiguous_column',
    `common column name "${name}" appears more than once in ${side} table`,
  );
}

/** The side that is never filled with nulls has the value; of a full join, whichever has one. */
function mergedValue(
  environment: Environment,
  kind: JoinParts['kind'],
  leftColumn: ScopeColumn,
  rightColumn: ScopeColumn,
): Expression {
  const left = columnAt(0, leftColumn);
  const right = columnAt(0, rightColumn);
  const common = requireCommonType(environment, [left, right], 'JOIN/USING');
  const leftValue = coerceToCommon(environment, left, common, 'JOIN/USING');
  const rightValue = coerceToCommon(environment, right, common, 'JOIN/USING');
  if (kind === 'full') return { kind: 'coalesce', type: typeOf(common), operands: [leftValue, rightValue] };
  return kind === 'right' ? rightValue : leftValue;
}

/** Merged values that are no column of either side become columns after the join's own. */
function placeMerged(
  join: LogicalPlan,
  merged: readonly MergedColumn[],
): { readonly plan: LogicalPlan; readonly columns: readonly ScopeColumn[] } {
  const computed: Expression[] = [];
  const outputs = [...join.columns];
  const columns = merged.map(({ name, left, right, value }): ScopeColumn => {
    if (value.kind === 'column') {
      const { table, attribute } = value.index === left.index ? left : right;
      return { name, index: value.index, type: value.type, table, attribute };
    }
    computed.push(value);
    outputs.push({ name, type: value.type, table: 0, attribute: 0 });
    return { name, index: outputs.length - 1, type: value.type, table: 0, attribute: 0 };
  });
  if (computed.length === 0) return { plan: join, columns };
  const kept = join.columns.map(({ type }, index): Expression => ({ kind: 'column', type, index }));
  const plan: LogicalPlan = {
    kind: 'project',
    columns: outputs,
    input: join,
    expressions: [...kept, ...computed],
  };
  return { plan, columns };
}
