import type { CopyStmt, Node } from 'libpg-query';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError, unsupported } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { ColumnDefinition, RelationDefinition } from '../../../query/catalog/definition.ts';
import type { ExecutionContext } from '../../../query/exec/contract.ts';
import type { OutputColumn } from '../../../query/plan/logical.ts';
import { rangeVarOf, stringsOf } from '../../../query/sql/ast.ts';
import { innerStatement, isBindable } from '../../../query/sql/bind/statement.ts';
import { type ParsedStatement, parse } from '../../../query/sql/parse.ts';
import { tableLockKey } from '../../../query/txn/locks.ts';
import { readOnly } from '../../../query/txn/writer.ts';
import { codecOf } from '../../../query/types/codec/codec.ts';
import { quoteIdentifier } from '../../../query/types/identifier.ts';
import type { CopyInPortal, CopyOutPortal, Portal, RowsPortal } from '../contract.ts';
import { writeBinaryHeader, writeBinaryTrailer, writeBinaryTuple } from '../copy/binary.ts';
import { copyChanges, isChangesFormat } from '../copy/changes.ts';
import { encodeCopyLine } from '../copy/encode.ts';
import { type CopyOptions, copyOptions } from '../copy/options.ts';
import { CopyTarget } from '../copy/target.ts';
import type { EngineSession } from '../session.ts';
import { momentsOf, requirePresent } from '../time-travel.ts';
import { type Option, optionsOf } from './ast-values.ts';
import { prepareQuery } from './prepare.ts';
import { executionContext, runQuery } from './query.ts';
import { qualifiedName, requireTable } from './tables.ts';

/** COPY … FROM STDIN, COPY … TO STDOUT. Files and programs of the server's machine are not for clients. */
export async function runCopy(
  session: EngineSession,
  statement: ParsedStatement,
  node: CopyStmt,
): Promise<Portal> {
  if (node.is_program === true || node.filename !== undefined) {
    throw new AlopexError(
      'feature_not_supported',
      'COPY from or to a file or program of the server is not supported',
      {
        hint: "Use COPY FROM STDIN or TO STDOUT, or psql's \\copy.",
      },
    );
  }
  if (node.whereClause !== undefined) throw unsupported('COPY FROM … WHERE');
  const sources = optionsOf(node.options) as readonly Option[];
  if (isChangesFormat(sources) && node.is_from !== true && node.relation !== undefined) {
    return copyChanges(session, statement, rangeVarOf(node.relation), sources);
  }
  const options = copyOptions(sources);
  return node.is_from === true
    ? copyIn(session, statement, node, options)
    : copyOut(session, statement, node, options);
}

/** The columns that the statement names, or all. */
function columnsOf(table: RelationDefinition, names: readonly string[]): readonly ColumnDefinition[] {
  const live = table.columns.filter((column) => !column.isDropped && !column.isHidden);
  if (names.length === 0) return live;
  return names.map((name, index) => {
    const column = live.find((one) => one.name === name);
    if (column === undefined) {
      throw new AlopexError(
        'undefined_column',
        `column "${name}" of relation "${table.name}" does not exist`,
      );
    }
    if (names.indexOf(name) !== index)
      throw new AlopexError('duplicate_column', `column "${name}" specified more than once`);
    return column;
  });
}

async function copyIn(
  session: EngineSession,
  statement: ParsedStatement,
  node: CopyStmt,
  options: CopyOptions,
): Promise<CopyInPortal> {
  requirePresent(session, 'COPY FROM');
  const run = session.beginRun(statement);
  if (run.transaction.isReadOnly) throw readOnly('COPY FROM');
  const named = rangeVarOf(node.relation);
  const lockKey = tableLockKey(requireTable(session, named).id);
  const locked = session.engine.transactions.locks.lock(run.transaction, lockKey, 'row exclusive');
  if (locked !== null) await locked;
  const table = requireTable(session, named);
  const columns = columnsOf(table, stringsOf(node.attlist));
  const context: ExecutionContext = executionContext(session, run, []);
  const target = CopyTarget.bind(session, table, columns, options, context);
  return {
    kind: 'copy-in',
    format: options.format,
    columnCount: columns.length,
    write: (chunk) => session.guarded(() => target.write(chunk)),
    finish: () =>
      session.guarded(async () => {
        const rows = await target.finish();
        session.endRun(run);
        return `COPY ${rows}`;
      }),
    abort: (message) =>
      session.guarded(async () => {
        throw new AlopexError('query_canceled', `COPY from stdin failed: ${message}`);
      }),
  };
}

async function copyOut(
  session: EngineSession,
  statement: ParsedStatement,
  node: CopyStmt,
  options: CopyOptions,
): Promise<CopyOutPortal> {
  const query = node.query === undefined ? tableQuery(session, node) : innerQuery(statement, node.query);
  const moments = await momentsOf(session, query, [], []);
  const prepared = prepareQuery(session, query, [], moments);
  if (prepared.columns === null)
    throw new AlopexError('feature_not_supported', 'COPY query must have a RETURNING clause');
  const portal = (await runQuery(session, prepared, [])) as RowsPortal;
  const encoder = new CopyEncoder(session, portal.columns, options);
  let isDone = false;
  return {
    kind: 'copy-out',
    format: options.format,
    columnCount: portal.columns.length,
    async read() {
      while (!isDone) {
        const fetched = await portal.fetch(0);
        isDone = fetched.isDone;
        const data = encoder.encode(fetched.rows, isDone);
        if (data.length > 0) return data;
      }
      return null;
    },
    get lineEnds() {
      return encoder.lineEnds;
    },
    get tag() {
      return `COPY ${encoder.rowCount}`;
    },
    close: () => portal.close(),
  };
}

function tableQuery(session: EngineSession, node: CopyStmt): ParsedStatement {
  const table = requireTable(session, rangeVarOf(node.relation));
  const columns = columnsOf(table, stringsOf(node.attlist)).map(({ name }) => quoteIdentifier(name));
  return parse(`SELECT ${columns.join(', ')} FROM ${qualifiedName(session, table)}`)[0]!;
}

function innerQuery(outer: ParsedStatement, node: Node): ParsedStatement {
  const inner = { ...innerStatement(outer, node), source: `${outer.source}\u0000query` };
  if (!isBindable(inner)) throw unsupported('COPY of this statement');
  return inner;
}

/** Rows as COPY's bytes: header, lines or tuples, trailer. */
class CopyEncoder {
  rowCount = 0;
  lineEnds: readonly number[] = [];
  readonly #session: EngineSession;
  readonly #columns: readonly OutputColumn[];
  readonly #names: readonly string[];
  readonly #options: CopyOptions;
  readonly #out = new ByteWriter(64 * 1024);
  #isStarted = false;

  constructor(session: EngineSession, columns: readonly OutputColumn[], options: CopyOptions) {
    this.#session = session;
    this.#columns = columns;
    this.#names = columns.map(({ name }) => name);
    this.#options = options;
  }

  encode(rows: readonly (readonly Datum[])[], isLast: boolean): Uint8Array {
    const isBinary = this.#options.format === 'binary';
    const lineEnds: number[] = [];
    if (!this.#isStarted) {
      this.#isStarted = true;
      if (isBinary) writeBinaryHeader(this.#out);
      else if (this.#options.header !== 'none')
        encodeCopyLine(this.#out, this.#names, this.#names, this.#options);
      if (this.#out.length > 0) lineEnds.push(this.#out.length);
    }
    for (const row of rows) {
      if (isBinary)
        writeBinaryTuple(
          this.#out,
          this.#fields(row, (value, column) => codecOf(column.type.oid).encode(value, column.type)),
        );
      else
        encodeCopyLine(
          this.#out,
          this.#fields(row, (value, column) => this.#text(value, column)),
          this.#names,
          this.#options,
        );
      lineEnds.push(this.#out.length);
    }
    this.rowCount += rows.length;
    if (isLast && isBinary) {
      writeBinaryTrailer(this.#out);
      lineEnds.push(this.#out.length);
    }
    this.lineEnds = lineEnds;
    const bytes = this.#out.toBytes();
    this.#out.clear();
    return bytes;
  }

  #fields<Field>(
    row: readonly Datum[],
    encode: (value: Datum, column: OutputColumn) => Field,
  ): (Field | null)[] {
    return row.map((value, index) => (value === null ? null : encode(value, this.#columns[index]!)));
  }

  #text(value: Datum, column: OutputColumn): string {
    return codecOf(column.type.oid).format(value, column.type, this.#session.functions);
  }
}
