import { AlopexError } from '../../base/errors.ts';
import type { ParsedStatement } from '../../query/sql/parse.ts';
import {
  type Change,
  closed,
  type Database,
  type Queryable,
  type QueryResult,
  type Row,
  type Statement,
  type TailOptions,
  type TransactionOptions,
} from './database.ts';
import { EmbeddedStatement, parametersOf, runOnce } from './embedded-statement.ts';
import { databaseName, type Engine } from './engine.ts';
import { ResultReader } from './result-reader.ts';
import type { EngineSession } from './session.ts';
import { tailChanges } from './tail.ts';
import type { Value } from './values.ts';

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

  borrow(): EngineSession {
    if (this.#isClosed) throw closed();
    return (
      this.#idle.pop() ??
      this.engine.connect({ user: superuser, database: databaseName, settings: {}, clientAddress: null })
    );
  }

  giveBack(session: EngineSession): void {
    if (this.#isClosed || this.#idle.length >= idleSessionsMax || session.status !== 'idle')
      void session.close();
    else this.#idle.push(session);
  }

  async #withSession<Result>(work: (session: EngineSession) => Promise<Result>): Promise<Result> {
    const session = this.borrow();
    try {
      return await work(session);
    } finally {
      this.giveBack(session);
    }
  }

  query<R = Row>(sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return this.#withSession((session) => runScript<R>(session, sql, parameters));
  }

  async execute(sql: string, parameters: readonly Value[] = []): Promise<number> {
    return (await this.query(sql, parameters)).rowCount;
  }

  once<R = Row>(requestId: string, sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return this.#withSession(async (session) => {
      oneStatement(session, sql);
      session.settings.set('alopex.request_id', requestId);
      try {
        return await runScript<R>(session, sql, parameters);
      } finally {
        session.settings.reset('alopex.request_id');
      }
    });
  }

  async prepare<R = Row>(sql: string): Promise<Statement<R>> {
    const prepared = await this.#withSession((session) => session.prepare(oneStatement(session, sql), []));
    return new EmbeddedStatement<R>(prepared, this);
  }

  async *stream<R = Row>(sql: string, parameters: readonly Value[] = []): AsyncIterable<R> {
    const session = this.borrow();
    try {
      yield* streamRows<R>(session, sql, parameters);
    } finally {
      // Also where the loop was left: the statement's own transaction ends here, before another takes the session.
      try {
        await session.sync();
      } finally {
        this.giveBack(session);
      }
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

  borrow(): EngineSession {
    if (this.#isEnded) throw new AlopexError('invalid_transaction_state', 'the transaction has ended');
    return this.#session;
  }

  giveBack(): void {}

  async query<R = Row>(sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return runScript<R>(this.borrow(), sql, parameters);
  }

  async execute(sql: string, parameters: readonly Value[] = []): Promise<number> {
    return (await this.query(sql, parameters)).rowCount;
  }

  async prepare<R = Row>(sql: string): Promise<Statement<R>> {
    const session = this.borrow();
    const prepared = await session.prepare(oneStatement(session, sql), []);
    return new EmbeddedStatement<R>(prepared, this);
  }

  async *stream<R = Row>(sql: string, parameters: readonly Value[] = []): AsyncIterable<R> {
    yield* streamRows<R>(this.borrow(), sql, parameters);
  }
}

const questionMarks = { questionMarks: true };

function oneStatement(session: EngineSession, sql: string): ParsedStatement {
  const [statement, ...others] = session.parse(sql, questionMarks);
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
  const statements = session.parse(sql, questionMarks);
  if (parameters.length > 0 && statements.length > 1) {
    throw new AlopexError('syntax_error', 'a script of several statements takes no parameters');
  }
  let result: QueryResult<R> = { command: '', rowCount: 0, rows: [], fields: [] };
  for (const statement of statements)
    result = await runOnce<R>(session, await session.prepare(statement, []), parameters);
  await session.sync();
  return result;
}

async function* streamRows<R>(
  session: EngineSession,
  sql: string,
  values: readonly Value[],
): AsyncIterable<R> {
  const prepared = await session.prepare(oneStatement(session, sql), []);
  const portal = await session.bind(prepared, parametersOf(session, prepared, values));
  if (portal.kind !== 'rows') return;
  const results = new ResultReader<R>(portal.columns);
  try {
    for (let isDone = false; !isDone; ) {
      const fetched = await portal.fetch(0);
      yield* results.read(session, fetched.rows);
      isDone = fetched.isDone;
    }
  } finally {
    portal.close();
  }
}
