import type { JoinExpr, Node, RangeFunction, RangeSubselect } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Expression } from '../../plan/expression.ts';
import type { LogicalPlan, OutputColumn } from '../../plan/logical.ts';
import { oids } from '../../types/type.ts';
import { constructName, locationOf, place, qualifiedNameOf, rangeVarOf, stringsOf } from '../ast.ts';
import { type Environment, typeOf } from './environment.ts';
import { contextOf } from './expression.ts';
import { callOf, type ResolvedCall, resolveFunction } from './function.ts';
import { joinItems } from './join.ts';
import { itemOf, renameColumns, tableItem } from './relation.ts';
import { type FromItem, newScope, type Scope, type ScopeColumn } from './scope.ts';
import { lowerOuterLevels, readsOuter } from './traverse.ts';
import { type CteScope, findCte } from './with.ts';

/** What a part of FROM sees: tables to its left, which only LATERAL may use, and the enclosing queries. */
type FromContext = {
  readonly environment: Environment;
  readonly lateral: Scope | null;
  /** The same scopes, with the tables to the left hidden. */
  readonly outer: Scope | null;
  readonly ctes: CteScope | null;
  /** Tables are scanned with key and version: the query locks rows. */
  readonly withVersions: boolean;
};

/** Binds a FROM clause: its tables joined from left to right. */
export function bindFrom(
  environment: Environment,
  nodes: readonly Node[],
  outer: Scope | null,
  ctes: CteScope | null,
  withVersions: boolean,
): FromItem {
  const context: FromContext = { environment, lateral: outer, outer, ctes, withVersions };
  let item: FromItem | null = null;
  for (const node of nodes) item = item === null ? bindItem(context, node) : crossJoin(context, item, node);
  return item ?? { plan: { kind: 'single-row', columns: [] }, relations: [], columns: [] };
}

/** Continues a FROM clause whose first table is bound: UPDATE … FROM, DELETE … USING. */
export function joinFrom(
  environment: Environment,
  first: FromItem,
  nodes: readonly Node[],
  ctes: CteScope | null,
): FromItem {
  const context: FromContext = { environment, lateral: null, outer: null, ctes, withVersions: false };
  return nodes.reduce<FromItem>((item, node) => crossJoin(context, item, node), first);
}

function crossJoin(context: FromContext, left: FromItem, node: Node): FromItem {
  const { item: right, isLateral } = bindRight(context, left, node, true);
  const { outer, ctes } = context;
  return joinItems(context.environment, { kind: 'cross', left, right, isLateral, outer, ctes });
}

/** Binds what stands to the right of `left`, and finds out whether it reads left's row. */
function bindRight(
  context: FromContext,
  left: FromItem,
  node: Node,
  mayRead: boolean,
): { readonly item: FromItem; readonly isLateral: boolean } {
  const hop = (parent: Scope | null, hidden: Scope['hidden']): Scope => ({
    ...newScope(left, parent, context.ctes),
    hidden,
  });
  const lateral = hop(context.lateral, mayRead ? null : 'by the kind of join');
  const item = bindItem({ ...context, lateral, outer: hop(context.outer, 'by place') }, node);
  if (readsOuter(item.plan, 1)) return { item, isLateral: true };
  return { item: { ...item, plan: lowerOuterLevels(item.plan) }, isLateral: false };
}

function bindItem(context: FromContext, node: Node): FromItem {
  if ('RangeVar' in node) {
    const reference = rangeVarOf(node.RangeVar);
    const cte = reference.schema === null ? findCte(context.ctes, reference.name) : null;
    if (cte === null) return tableItem(context.environment, reference, context.withVersions);
    if (context.environment.systemTimes.has(reference.location)) {
      throw unsupported('FOR SYSTEM_TIME of a WITH query', place(reference.location).position);
    }
    const alias = reference.alias ?? reference.name;
    const plan: LogicalPlan = { kind: 'cte-scan', columns: cte.columns, id: cte.id };
    return queryItem(plan, alias, reference.columnAliases);
  }
  if ('RangeSubselect' in node) return bindSubselect(context, node.RangeSubselect);
  if ('RangeFunction' in node) return bindFunctionItem(context, node.RangeFunction);
  if ('JoinExpr' in node) return bindJoin(context, node.JoinExpr);
  throw unsupported(constructName(node), place(locationOf(node)).position);
}

function queryItem(plan: LogicalPlan, alias: string, names: readonly string[]): FromItem {
  const columns = plan.columns.map((column, index): ScopeColumn => ({ ...column, index }));
  const renamed = renameColumns(columns, names, alias);
  return itemOf(plan, { alias, schema: null, table: null, columns: renamed, keyIndex: null });
}

function bindSubselect(context: FromContext, node: RangeSubselect): FromItem {
  const plan = context.environment.bindQuery(context.environment, node.subquery!, {
    outer: node.lateral === true ? context.lateral : context.outer,
    ctes: context.ctes,
    resolvesUnknowns: true,
  });
  const alias = node.alias?.aliasname ?? 'unnamed_subquery';
  return queryItem(plan, alias, stringsOf(node.alias?.colnames));
}

/** A function of FROM sees the tables to its left, as if LATERAL were written. */
function bindFunctionItem(context: FromContext, node: RangeFunction): FromItem {
  const [first, ...more] = node.functions ?? [];
  const call = first !== undefined && 'List' in first ? first.List.items?.[0] : undefined;
  const location = locationOf(call);
  const arrays = unnestedOf(call);
  if (arrays.length > 1 && more.length === 0) return bindUnnest(context, node, arrays, location);
  if (more.length > 0) throw unsupported('ROWS FROM of several functions', place(location).position);
  if ((node.coldeflist ?? []).length > 0) {
    throw unsupported('a column definition list', place(location).position);
  }
  const scope = newScope({ relations: [], columns: [] }, context.lateral, context.ctes);
  const bound = bindCall(context.environment, scope, call!, location);
  const alias = node.alias?.aliasname ?? bound.name;
  const withOrdinality = node.ordinality === true;
  const columns = [
    ...bound.columns.map((column) => ({
      ...column,
      name: bound.columns.length === 1 && column.name === bound.name ? alias : column.name,
    })),
    ...(withOrdinality ? [outputOf('ordinality', oids.int8)] : []),
  ];
  const plan: LogicalPlan = { ...bound.plan(withOrdinality), columns };
  return queryItem(plan, alias, stringsOf(node.alias?.colnames));
}

/** The arguments of a call of unnest. */
function unnestedOf(node: Node | undefined): readonly Node[] {
  if (node === undefined || !('FuncCall' in node)) return [];
  const { schema, name } = qualifiedNameOf(node.FuncCall.funcname);
  return name === 'unnest' && (schema ?? 'pg_catalog') === 'pg_catalog' ? (node.FuncCall.args ?? []) : [];
}

/** Several arrays side by side: what a select list makes of one unnest for each. */
function bindUnnest(
  context: FromContext,
  node: RangeFunction,
  arrays: readonly Node[],
  location: number,
): FromItem {
  if (node.ordinality === true)
    throw unsupported('WITH ORDINALITY of several arrays', place(location).position);
  const targetList = arrays.map((array): Node => {
    const call = { funcname: [{ String: { sval: 'unnest' } }], args: [array], location };
    return { ResTarget: { val: { FuncCall: call }, location } };
  });
  const plan = context.environment.bindQuery(
    context.environment,
    { SelectStmt: { targetList, limitOption: 'LIMIT_OPTION_DEFAULT', op: 'SETOP_NONE' } },
    { outer: context.lateral, ctes: context.ctes, resolvesUnknowns: true },
  );
  return queryItem(plan, node.alias?.aliasname ?? 'unnest', stringsOf(node.alias?.colnames));
}

function outputOf(name: string, oid: number): OutputColumn {
  return { name, type: typeOf(oid), table: 0, attribute: 0 };
}

type BoundCall = {
  readonly name: string;
  readonly columns: readonly OutputColumn[];
  readonly plan: (withOrdinality: boolean) => LogicalPlan;
};

/** The row that a function of FROM is computed on is the one to its left: names are one level out. */
function bindCall(environment: Environment, scope: Scope, node: Node, location: number): BoundCall {
  const context = contextOf(environment, scope, 'functions in FROM');
  if (!('FuncCall' in node)) return bindValueCall(environment, scope, node);
  const { schema, name } = qualifiedNameOf(node.FuncCall.funcname);
  const arguments_ = (node.FuncCall.args ?? []).map((argument) => context.bind(context, argument));
  const call = resolveFunction(environment, schema, name, arguments_, location);
  if (call.function.kind === 'aggregate') {
    throw new AlopexError(
      'grouping_error',
      'aggregate functions are not allowed in functions in FROM',
      place(location),
    );
  }
  const resolved = call.function;
  const columns = columnsOf(call, name);
  // A function that waits does so as an expression.
  if (resolved.kind === 'scalar' && resolved.later !== undefined) {
    return { name, columns, plan: () => singleRowOf(columns, callOf(call)) };
  }
  return {
    name,
    columns,
    plan: (withOrdinality) => ({
      kind: 'function-scan',
      columns,
      function: resolved,
      arguments: call.arguments,
      withOrdinality,
    }),
  };
}

function columnsOf(call: ResolvedCall, name: string): readonly OutputColumn[] {
  const resolved = call.function;
  if (resolved.kind !== 'table') return [outputOf(name, call.result)];
  if (resolved.columns.length === 1) return [outputOf(resolved.columns[0]!.name, call.result)];
  return resolved.columns.map((column) => outputOf(column.name, column.type));
}

/** CURRENT_DATE, a cast: an expression that the grammar takes for a function. */
function bindValueCall(environment: Environment, scope: Scope, node: Node): BoundCall {
  const context = contextOf(environment, scope, 'functions in FROM');
  const value = context.bind(context, node);
  const name = Object.keys(node)[0]!.toLowerCase();
  const columns = [outputOf(name, value.type.oid)];
  return {
    name,
    columns,
    plan: () => singleRowOf(columns, value),
  };
}

function singleRowOf(columns: readonly OutputColumn[], value: Expression): LogicalPlan {
  return { kind: 'project', columns, input: { kind: 'single-row', columns: [] }, expressions: [value] };
}

const joinKinds = { JOIN_INNER: 'inner', JOIN_LEFT: 'left', JOIN_RIGHT: 'right', JOIN_FULL: 'full' } as const;

function bindJoin(context: FromContext, node: JoinExpr): FromItem {
  const kind = joinKinds[node.jointype as keyof typeof joinKinds];
  const left = bindItem(context, node.larg!);
  const mayRead = kind === 'inner' || kind === 'left';
  const { item: right, isLateral } = bindRight(context, left, node.rarg!, mayRead);
  const joined = joinItems(context.environment, {
    kind: kind === 'inner' && node.quals === undefined ? 'cross' : kind,
    left,
    right,
    isLateral,
    outer: context.outer,
    ctes: context.ctes,
    on: node.quals,
    using: node.isNatural === true ? 'natural' : stringsOf(node.usingClause),
    usingAlias: node.join_using_alias?.aliasname,
  });
  const alias = node.alias?.aliasname;
  if (alias === undefined) return joined;
  const columns = renameColumns(joined.columns, stringsOf(node.alias?.colnames), alias);
  return itemOf(joined.plan, { alias, schema: null, table: null, columns, keyIndex: null });
}
