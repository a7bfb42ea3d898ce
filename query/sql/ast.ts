import type { Node, RangeVar } from 'libpg-query';
import { AlopexError, type ErrorFields } from '../../base/errors.ts';

/** A node's `location` as an error's position. The tree leaves out a location of 0; -1 is none. */
export function place(location: number | undefined): ErrorFields {
  return location === -1 ? {} : { position: (location ?? 0) + 1 };
}

/** The names in a list of String nodes: a qualified name, an operator's, a column list. */
export function stringsOf(nodes: readonly Node[] | undefined): readonly string[] {
  return (nodes ?? []).map((node) => ('String' in node ? (node.String.sval ?? '') : ''));
}

export type QualifiedName = { readonly schema: string | null; readonly name: string };

/** `name` or `schema.name`; a database before them must be ours, so more parts are refused. */
export function qualifiedNameOf(nodes: readonly Node[] | undefined): QualifiedName {
  const names = stringsOf(nodes);
  if (names.length > 2) {
    throw new AlopexError(
      'feature_not_supported',
      `cross-database references are not implemented: ${names.join('.')}`,
    );
  }
  return { schema: names.length === 2 ? names[0]! : null, name: names.at(-1) ?? '' };
}

export type TableReference = QualifiedName & {
  readonly alias: string | null;
  readonly columnAliases: readonly string[];
  readonly location: number;
};

/** A table as a statement names it. */
export function rangeVarOf(node: RangeVar | undefined): TableReference {
  return {
    schema: node?.schemaname ?? null,
    name: node?.relname ?? '',
    alias: node?.alias?.aliasname ?? null,
    columnAliases: stringsOf(node?.alias?.colnames),
    location: node?.location ?? 0,
  };
}

/** The place of an expression as PostgreSQL's exprLocation sees it: its leftmost part. */
export function locationOf(node: Node | undefined): number {
  if (node === undefined) return -1;
  if ('A_Expr' in node) return leftmost(node.A_Expr.location, node.A_Expr.lexpr);
  if ('TypeCast' in node) return leftmost(node.TypeCast.location, node.TypeCast.arg);
  if ('CollateClause' in node) return locationOf(node.CollateClause.arg);
  if ('NullTest' in node) return leftmost(node.NullTest.location, node.NullTest.arg);
  if ('BooleanTest' in node) return leftmost(node.BooleanTest.location, node.BooleanTest.arg);
  if ('BoolExpr' in node) return leftmost(node.BoolExpr.location, node.BoolExpr.args?.[0]);
  if ('A_Indirection' in node) return locationOf(node.A_Indirection.arg);
  if ('SubLink' in node) return leftmost(node.SubLink.location, node.SubLink.testexpr);
  if ('FuncCall' in node) return leftmost(node.FuncCall.location, node.FuncCall.args?.[0]);
  if ('List' in node) return locationOf(node.List.items?.[0]);
  const [value] = Object.values(node) as { readonly location?: number }[];
  return value?.location ?? 0;
}

function leftmost(location: number | undefined, inner: Node | undefined): number {
  const own = location ?? 0;
  const innerLocation = locationOf(inner);
  if (own === -1) return innerLocation;
  return innerLocation === -1 ? own : Math.min(own, innerLocation);
}

const constructNames: Readonly<Record<string, string>> = {
  GroupingFunc: 'GROUPING',
  RangeTableSample: 'TABLESAMPLE',
  RangeTableFunc: 'XMLTABLE',
  JsonTable: 'JSON_TABLE',
  JsonFuncExpr: 'JSON_VALUE, JSON_QUERY and JSON_EXISTS',
  JsonObjectConstructor: 'JSON_OBJECT',
  JsonArrayConstructor: 'JSON_ARRAY',
  JsonIsPredicate: 'IS JSON',
  XmlExpr: 'XML',
  CurrentOfExpr: 'WHERE CURRENT OF',
  MergeStmt: 'MERGE',
  MergeSupportFunc: 'MERGE_ACTION',
};

/** What a node is called in a message that it is not supported. */
export function constructName(node: Node): string {
  const [kind = 'this construct'] = Object.keys(node);
  return constructNames[kind] ?? kind;
}
