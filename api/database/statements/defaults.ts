import type { Node } from 'libpg-query';
import { invariant } from '../../../base/unreachable.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { AddedColumn, BoundDefault } from '../../../query/catalog/ddl/context.ts';
import type { CatalogSnapshot, RelationDefinition } from '../../../query/catalog/definition.ts';
import { virtualRelation } from '../../../query/catalog/virtual-relations.ts';
import { compileRow } from '../../../query/exec/row-compiler.ts';
import { evaluateStandalone, standaloneEnvironment } from '../../../query/exec/standalone.ts';
import { isVolatile } from '../../../query/plan/rewrite.ts';
import { columnDefault } from '../../../query/sql/bind/default.ts';
import { type BindOptions, newEnvironment } from '../../../query/sql/bind/environment.ts';
import { bindQuery } from '../../../query/sql/bind/query.ts';
import { bindExpression } from '../../../query/sql/bind/statement.ts';
import { deparseExpression } from '../../../query/sql/deparse.ts';
import type { SqlType, TypeOid } from '../../../query/types/type.ts';
import { type Moments, noMoments } from '../catalog-history.ts';
import type { EngineSession } from '../session.ts';

/** What the binder asks of the session. */
export function bindOptions(
  session: EngineSession,
  parameterTypes: readonly TypeOid[],
  moments: Moments = noMoments,
): BindOptions {
  return {
    catalog: session.catalog,
    searchPath: session.functions.searchPath,
    functionContext: session.functions,
    parameterTypes,
    virtualRelation,
    pastCatalogs: catalogsOf(moments),
  };
}

const noCatalogs: ReadonlyMap<number, CatalogSnapshot> = new Map();

function catalogsOf(moments: Moments): ReadonlyMap<number, CatalogSnapshot> {
  if (moments.size === 0) return noCatalogs;
  return new Map(Array.from(moments, ([place, { catalog }]) => [place, catalog]));
}

/** A DEFAULT clause, for DDL. */
export function bindDefault(session: EngineSession, node: Node, type: SqlType, column: string): BoundDefault {
  const expression = bindExpression(node, { name: column, type }, bindOptions(session, []));
  return {
    text: deparseExpression(node, type),
    isVolatile: isVolatile(expression),
    evaluate: () => evaluateStandalone(expression, session.functions),
  };
}

/** What the columns that a rewritten table gained hold, row by row. */
export function addedValues(
  session: EngineSession,
  table: RelationDefinition,
  added: readonly AddedColumn[],
): ReadonlyMap<number, () => Datum> {
  const environment = standaloneEnvironment(session.functions);
  const binding = newEnvironment(bindOptions(session, []), new Map(), bindQuery);
  return new Map(
    added.map((column) => {
      if (column.kind === 'constant') return [column.attribute, () => column.value];
      const definition = table.columns[column.attribute - 1];
      invariant(definition !== undefined, 'an added column is of the table');
      const value = compileRow(columnDefault(binding, definition));
      return [column.attribute, () => value([], environment)];
    }),
  );
}
