import { AlopexError, unsupported } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import { parse } from '../../query/sql/parse.ts';
import type { Portal } from './contract.ts';
import {
  type Change,
  closed,
  type Database,
  type Field,
  type Queryable,
  type QueryResult,
  type Row,
  type Statement,
  type TailOptions,
  type TransactionOptions,
} from './database.ts';
import { databaseName, type Engine } from './engine.ts';
import type { EngineSession } from './session.ts';
import type { Prepared } from './statements/prepare.ts';
import { tailChanges } from './tail.ts';
import { parameterDatum, type Value, valueReader } from './values.ts';

/** Sessions that are kept for the next statement. */
const idleSessionsMax = 64;
const superuser = 'alopex';

/** The database in this process. Each statement outside a transaction borrows a session. */
export class EmbeddedDatabase implements Database {
  readonly engine: Engine;
  readonly #idle: EngineSession[] = [];
  #isClosed = false;

  constructor(engine: Engine) {
    this.engine = engine;
  }

  #borrow(): EngineSession {
    if (this.#isClosed) throw closed();
    return (
      this.#idle.pop() ??
      this.engine.connect({ user: superuser, database: databaseName, settings: {}, clientAddress: null })
    );
  }

  #giveBack(session: EngineSession): void {
    if (this.#isClosed || this.#idle.length >= idleSessionsMax || session.status !== 'idle')
      void session.close();
    else this.#idle.push(session);
  }

  async #withSession<Result>(work: (session: EngineSession) => Promise<Result>): Promise<Result> {
    const session = this.#borrow();
    try {
      return await work(session);
    } finally {
      this.#giveBack(session);
    }
  }

  query<R = Row>(sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return this.#withSession((session) => runScript<R>(session, sql, parameters));
  }

  async execute(sql: string, parameters: readonly Value[] = []): Promise<number> {
    return (await this.query(sql, parameters)).rowCount;
  }

  async prepare<R = Row>(sql: string): Promise<Statement<R>> {
    const statement = oneStatement(sql);
    const prepared = await this.#withSession((session) => session.prepare(statement, []));
    return preparedStatement(prepared, (work) => this.#withSession(work));
  }

  async *stream<R = Row>(sql: string, parameters: readonly Value[] = []): AsyncIterable<R> {
    const session = this.#borrow();
    try {
      yield* streamRows<R>(session, sql, parameters);
      await session.sync();
    } finally {
      this.#giveBack(session);
    }
  }

  async transaction<Result>(
    work: (transaction: Queryable) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    return this.#withSession(async (session) => {
      const isolation =
        options.isolation === undefined ? '' : ` ISOLATION LEVEL ${options.isolation.toUpperCase()}`;
      await runScript(session, `BEGIN${isolation}${options.readOnly === true ? ' READ ONLY' : ''}`, []);
      const scope = new TransactionScope(session);
      try {
        const result = await work(scope);
        scope.end();
        const ended = await runScript(session, 'COMMIT', []);
        if (ended.command === 'COMMIT') return result;
        throw new AlopexError(
          'in_failed_sql_transaction',
          'a statement of the transaction failed, so it was rolled back',
        );
      } catch (error) {
        scope.end();
        if (session.status !== 'idle') await runScript(session, 'ROLLBACK', []);
        throw error;
      }
    });
  }

  tail(options: TailOptions = {}): AsyncIterable<Change> {
    if (this.#isClosed) throw closed();
    return tailChanges(this.engine, options);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#idle.length = 0;
    await this.engine.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Statements of one open transaction; of no use after it. */
class TransactionScope implements Queryable {
  readonly #session: EngineSession;
  #isEnded = false;

  constructor(session: EngineSession) {
    this.#session = session;
  }

  end(): void {
    this.#isEnded = true;
  }

  #open(): EngineSession {
    if (this.#isEnded) throw new AlopexError('invalid_transaction_state', 'the transaction has ended');
    return this.#session;
  }

  async query<R = Row>(sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return runScript<R>(this.#open(), sql, parameters);
  }

  async execute(sql: string, parameters: readonly Value[] = []): Promise<number> {
    return (await this.query(sql, parameters)).rowCount;
  }

  async prepare<R = Row>(sql: string): Promise<Statement<R>> {
    const prepared = await this.#open().prepare(oneStatement(sql), []);
    return preparedStatement(prepared, (work) => work(this.#open()));
  }

  async *stream<R = Row>(sql: string, parameters: readonly Value[] = []): AsyncIterable<R> {
    yield* streamRows<R>(this.#open(), sql, parameters);
  }
}

const questionMarks = { questionMarks: true };

function oneStatement(sql: string) {
  const [statement, ...others] = parse(sql, questionMarks);
  if (statement === undefined || others.length > 0) {
    throw new AlopexError('syntax_error', 'one statement is expected here');
  }
  return statement;
}

async function runScript<R>(
  session: EngineSession,
  sql: string,
  parameters: readonly Value[],
): Promise<QueryResult<R>> {
  const statements = parse(sql, questionMarks);
  if (parameters.length > 0 && statements.length > 1) {
    throw new AlopexError('syntax_error', 'a script of several statements takes no parameters');
  }
  let result: QueryResult<R> = { command: '', rowCount: 0, rows: [], fields: [] };
  for (const statement of statements)
    result = await run<R>(session, await session.prepare(statement, []), parameters);
  await session.sync();
  return result;
}

async function run<R>(
  session: EngineSession,
  prepared: Prepared,
  values: readonly Value[],
): Promise<QueryResult<R>> {
  const portal = await session.bind(prepared, await parametersOf(session, prepared, values));
  return resultOf<R>(session, portal);
}

async function parametersOf(
  session: EngineSession,
  prepared: Prepared,
  values: readonly Value[],
): Promise<readonly Datum[]> {
  const { parameterTypes } = prepared;
  if (values.length !== parameterTypes.length) {
    const error = new AlopexError(
      'protocol_violation',
      `the statement takes ${parameterTypes.length} parameters, not ${values.length}`,
    );
    await session.fail(error);
    throw error;
  }
  return session.guarded(async () =>
    parameterTypes.map((oid, index) => parameterDatum(values[index], oid, session.functions)),
  );
}

async function resultOf<R>(session: EngineSession, portal: Portal): Promise<QueryResult<R>> {
  switch (portal.kind) {
    case 'command':
      return { ...parseTag(portal.tag), rows: [], fields: [] };
    case 'empty':
      return { command: '', rowCount: 0, rows: [], fields: [] };
    case 'rows': {
      const toRow = rowReader<R>(session, portal.columns);
      const rows: R[] = [];
      for (let isDone = false; !isDone; ) {
        const fetched = await portal.fetch(0);
        for (const row of fetched.rows) rows.push(toRow(row));
        isDone = fetched.isDone;
      }
      return {
        ...parseTag(portal.tag(rows.length)),
        rowCount: rows.length,
        rows,
        fields: portal.columns.map(fieldOf),
      };
    }
    case 'copy-in':
    case 'copy-out':
      throw unsupported('COPY through query()');
  }
}

function fieldOf(column: OutputColumn): Field {
  return { name: column.name, type: column.type.oid, modifier: column.type.modifier };
}

/** 'INSERT 0 3' is INSERT of 3 rows; 'CREATE TABLE' has no count. */
function parseTag(tag: string): { readonly command: string; readonly rowCount: number } {
  const match = /^([A-Z ]+?)(?: 0)?(?: (\d+))?$/.exec(tag);
  return { command: match?.[1] ?? tag, rowCount: Number(match?.[2] ?? 0) };
}

/** Rows as objects, by code that names the columns where it may be generated: V8 gives them one shape. */
function rowReader<R>(
  session: EngineSession,
  columns: readonly OutputColumn[],
): (row: readonly Datum[]) => R {
  const names = columns.map(({ name }) => name);
  const readers = columns.map(({ type }) => valueReader(type, session.functions));
  return (row) => {
    const object: Record<string, Value> = {};
    for (let index = 0; index < names.length; index++) object[names[index]!] = readers[index]!(row[index]!);
    return object as R;
  };
}

async function* streamRows<R>(
  session: EngineSession,
  sql: string,
  values: readonly Value[],
): AsyncIterable<R> {
  const prepared = await session.prepare(oneStatement(sql), []);
  const portal = await session.bind(prepared, await parametersOf(session, prepared, values));
  if (portal.kind !== 'rows') return;
  const toRow = rowReader<R>(session, portal.columns);
  try {
    for (let isDone = false; !isDone; ) {
      const fetched = await portal.fetch(0);
      for (const row of fetched.rows) yield toRow(row);
      isDone = fetched.isDone;
    }
  } finally {
    portal.close();
  }
}

function preparedStatement<R>(
  prepared: Prepared,
  withSession: <Result>(work: (session: EngineSession) => Promise<Result>) => Promise<Result>,
): Statement<R> {
  let isClosed = false;
  const query = (parameters: readonly Value[] = []): Promise<QueryResult<R>> => {
    if (isClosed) throw new AlopexError('invalid_sql_statement_name', 'the prepared statement is closed');
    return withSession(async (session) => {
      const result = await run<R>(session, prepared, parameters);
      await session.sync();
      return result;
    });
  };
  const close = async (): Promise<void> => {
    isClosed = true;
  };
  return {
    parameterTypes: prepared.parameterTypes,
    query,
    execute: async (parameters) => (await query(parameters)).rowCount,
    close,
    [Symbol.asyncDispose]: close,
  };
}
