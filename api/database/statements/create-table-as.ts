import type { CreateTableAsStmt } from 'libpg-query';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import { type QualifiedName, rangeVarOf, stringsOf } from '../../../query/sql/ast.ts';
import { innerStatement, isBindable } from '../../../query/sql/bind/statement.ts';
import { type ParsedStatement, parse } from '../../../query/sql/parse.ts';
import { formatType } from '../../../query/types/format-type.ts';
import { quoteIdentifier } from '../../../query/types/identifier.ts';
import type { EngineSession } from '../session.ts';
import { momentsOf } from '../time-travel.ts';
import { runDdl } from './ddl.ts';
import { prepareQuery } from './prepare.ts';
import { runQuery } from './query.ts';

/** A table of the columns that a query returns, and in the same transaction its rows: the tag. */
export async function runCreateTableAs(
  session: EngineSession,
  statement: ParsedStatement,
  node: CreateTableAsStmt,
  parameters: readonly Datum[],
): Promise<string> {
  const { into, query } = node;
  const relation = into?.rel;
  if (relation === undefined || query === undefined || node.objtype !== 'OBJECT_TABLE') {
    throw unsupported('CREATE MATERIALIZED VIEW');
  }
  if (relation.relpersistence === 't') throw unsupported('a temporary table');
  const source = { ...innerStatement(statement, query), source: `${statement.source}\u0000query` };
  if (!isBindable(source)) throw unsupported('CREATE TABLE AS of this statement');
  const name = rangeVarOf(relation);
  if (node.if_not_exists === true && exists(session, name)) {
    session.notice('NOTICE', 'duplicate_table', `relation "${name.name}" already exists, skipping`);
    return 'CREATE TABLE AS';
  }
  const moments = await momentsOf(session, source, [], parameters);
  const { columns } = prepareQuery(session, source, [], moments);
  const named = columnsNamed(columns ?? [], stringsOf(into?.colNames));
  await runDdl(session, definitionOf(name, named));
  if (into?.skipData === true) return 'CREATE TABLE AS';
  const inserted = await insertRows(session, source, relation, parameters);
  return `SELECT ${inserted}`;
}

function exists(session: EngineSession, { schema, name }: QualifiedName): boolean {
  const { presentCatalog: catalog, functions } = session;
  const [first] = schema === null ? functions.searchPath.filter((each) => catalog.namespace(each)) : [schema];
  const namespace = first === undefined ? undefined : catalog.namespace(first);
  return namespace !== undefined && catalog.relation(namespace.id, name) !== undefined;
}

/** `CREATE TABLE t (a, b) AS …` names the first columns anew. */
function columnsNamed(columns: readonly OutputColumn[], names: readonly string[]): readonly OutputColumn[] {
  if (names.length > columns.length) {
    throw new AlopexError('syntax_error', 'too many column names were specified');
  }
  return columns.map((column, index) => ({ ...column, name: names[index] ?? column.name }));
}

function definitionOf({ schema, name }: QualifiedName, columns: readonly OutputColumn[]): ParsedStatement {
  const table = `${schema === null ? '' : `${quoteIdentifier(schema)}.`}${quoteIdentifier(name)}`;
  const list = columns.map((column) => `${quoteIdentifier(column.name)} ${formatType(column.type)}`);
  return parse(`CREATE TABLE ${table} (${list.join(', ')})`)[0]!;
}

async function insertRows(
  session: EngineSession,
  source: ParsedStatement,
  relation: NonNullable<NonNullable<CreateTableAsStmt['into']>['rel']>,
  parameters: readonly Datum[],
): Promise<number> {
  const insert: ParsedStatement = {
    ...source,
    kind: 'InsertStmt',
    node: { InsertStmt: { relation, selectStmt: source.node, override: 'OVERRIDING_NOT_SET' } },
    source: `${source.source}\u0000insert`,
  };
  const moments = await momentsOf(session, insert, [], parameters);
  const portal = await runQuery(session, prepareQuery(session, insert, [], moments), parameters);
  return portal.kind === 'command' ? Number(portal.tag.split(' ').at(-1)) : 0;
}
