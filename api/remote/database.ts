import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type {
  Change,
  Database,
  Queryable,
  QueryResult,
  Row,
  Statement,
  TailOptions,
  TransactionOptions,
} from '../database/database.ts';
import type { Value } from '../database/values.ts';
import { Connector } from './connect.ts';
import type { ServerConnection } from './connection.ts';
import { ConnectionPool } from './connection-pool.ts';
import { commitUnknown } from './problem.ts';
import { type Repeats, Retry } from './retry.ts';
import { hasChanged } from './session-attributes.ts';
import { parseServerUrl } from './url.ts';
import { Watch } from './watch.ts';

export type RemoteOptions = { readonly url: string; readonly connectionsMax: number };

/**
 * The database on a server, over the Postgres wire. Each statement outside a transaction borrows a connection; what
 * was sent on one that is lost is never sent again (08006; 40003 if it was a commit).
 */
export class RemoteDatabase implements Database {
  readonly #pool: ConnectionPool;
  readonly #retry: Retry;

  private constructor(pool: ConnectionPool, retry: Retry) {
    this.#pool = pool;
    this.#retry = retry;
  }

  /** Connects once, so that a wrong address or password is told here. */
  static async open({ url, connectionsMax }: RemoteOptions): Promise<RemoteDatabase> {
    if (!Number.isInteger(connectionsMax) || connectionsMax < 1) {
      throw new AlopexError('invalid_parameter_value', 'connectionsMax must be a whole number above zero');
    }
    const address = parseServerUrl(url);
    const connector = new Connector(address);
    const pool = new ConnectionPool(
      () => connector.connect(),
      (connection) => !hasChanged(address.sessionAttributes, connection),
      connectionsMax,
    );
    if (address.hosts.length > 1) {
      const watch = new Watch(pool, connector, address.sessionAttributes);
      pool.onHandOut = () => watch.begin();
    }
    pool.giveBack(await pool.borrow());
    return new RemoteDatabase(pool, new Retry(pool, address));
  }

  #withConnection<Result>(
    work: (connection: ServerConnection) => Promise<Result>,
    repeats: Repeats = 'refused',
  ): Promise<Result> {
    return this.#retry.run(work, repeats);
  }

  query<R = Row>(sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return this.#withConnection((connection) => connection.query<R>(sql, parameters));
  }

  async execute(sql: string, parameters: readonly Value[] = []): Promise<number> {
    return (await this.query(sql, parameters)).rowCount;
  }

  once<R = Row>(requestId: string, sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return this.#withConnection((connection) => connection.once<R>(requestId, sql, parameters), 'always');
  }

  async prepare<R = Row>(sql: string): Promise<Statement<R>> {
    const parameterTypes = await this.#withConnection((connection) => connection.describe(sql));
    return preparedStatement(sql, parameterTypes, (work, repeats) => this.#withConnection(work, repeats));
  }

  async *stream<R = Row>(sql: string, parameters: readonly Value[] = []): AsyncIterable<R> {
    const connection = await this.#pool.borrow();
    try {
      yield* connection.stream<R>(sql, parameters);
    } finally {
      this.#pool.giveBack(connection);
    }
  }

  async transaction<Result>(
    work: (transaction: Queryable) => Promise<Result>,
    options: TransactionOptions = {},
  ): Promise<Result> {
    // Only BEGIN is done again elsewhere: what comes after it is returned, whatever it is.
    const ended = await this.#withConnection(async (connection) => {
      await connection.query(beginText(options), []);
      return outcome(() => worked(connection, work));
    });
    if (ended.isDone) return ended.result;
    throw ended.error;
  }

  /** It has a connection of its own, of the `connectionsMax`, for as long as it goes on. */
  async *tail(options: TailOptions = {}): AsyncIterable<Change> {
    const connection = await this.#pool.borrow();
    try {
      yield* connection.tail(options);
    } finally {
      this.#pool.giveBack(connection);
    }
  }

  async close(): Promise<void> {
    await this.#pool.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

type Outcome<Result> =
  | { readonly isDone: true; readonly result: Result }
  | { readonly isDone: false; readonly error: unknown };

async function outcome<Result>(work: () => Promise<Result>): Promise<Outcome<Result>> {
  try {
    return { isDone: true, result: await work() };
  } catch (error) {
    return { isDone: false, error };
  }
}

/** Runs and commits what has begun, or rolls it back. */
async function worked<Result>(
  connection: ServerConnection,
  work: (transaction: Queryable) => Promise<Result>,
): Promise<Result> {
  const scope = new TransactionScope(connection);
  try {
    const result = await work(scope);
    scope.end();
    await commit(connection);
    return result;
  } catch (error) {
    scope.end();
    // A connection that cannot say ROLLBACK ends, and its transaction with it.
    if (connection.isOpen && connection.isInTransaction)
      await connection.query('ROLLBACK', []).catch(() => {});
    throw error;
  }
}

function beginText({ isolation, readOnly }: TransactionOptions): string {
  const level = isolation === undefined ? '' : ` ISOLATION LEVEL ${isolation.toUpperCase()}`;
  return `BEGIN${level}${readOnly === true ? ' READ ONLY' : ''}`;
}

async function commit(connection: ServerConnection): Promise<void> {
  const ended = await connection.query('COMMIT', []).catch((thrown: unknown) => {
    const error = asAlopexError(thrown);
    throw connection.isOpen ? error : commitUnknown(error);
  });
  if (ended.command === 'COMMIT') return;
  throw new AlopexError(
    'in_failed_sql_transaction',
    'a statement of the transaction failed, so it was rolled back',
  );
}

/** Statements of one open transaction; of no use after it. */
class TransactionScope implements Queryable {
  readonly #connection: ServerConnection;
  #isEnded = false;

  constructor(connection: ServerConnection) {
    this.#connection = connection;
  }

  end(): void {
    this.#isEnded = true;
  }

  #open(): ServerConnection {
    if (this.#isEnded) throw new AlopexError('invalid_transaction_state', 'the transaction has ended');
    return this.#connection;
  }

  async query<R = Row>(sql: string, parameters: readonly Value[] = []): Promise<QueryResult<R>> {
    return this.#open().query<R>(sql, parameters);
  }

  async execute(sql: string, parameters: readonly Value[] = []): Promise<number> {
    return (await this.query(sql, parameters)).rowCount;
  }

  async prepare<R = Row>(sql: string): Promise<Statement<R>> {
    const parameterTypes = await this.#open().describe(sql);
    return preparedStatement(sql, parameterTypes, async (work) => work(this.#open()));
  }

  async *stream<R = Row>(sql: string, parameters: readonly Value[] = []): AsyncIterable<R> {
    yield* this.#open().stream<R>(sql, parameters);
  }
}

/** Connections keep the statement by its text: whichever runs it has it prepared, or prepares it once. */
function preparedStatement<R>(
  sql: string,
  parameterTypes: readonly number[],
  withConnection: <Result>(
    work: (connection: ServerConnection) => Promise<Result>,
    repeats: Repeats,
  ) => Promise<Result>,
): Statement<R> {
  let isClosed = false;
  const run = async <Result>(
    work: (connection: ServerConnection) => Promise<Result>,
    repeats: Repeats,
  ): Promise<Result> => {
    if (isClosed) throw new AlopexError('invalid_sql_statement_name', 'the prepared statement is closed');
    return withConnection(work, repeats);
  };
  const query = (parameters: readonly Value[] = []): Promise<QueryResult<R>> =>
    run((connection) => connection.query<R>(sql, parameters), 'refused');
  const close = async (): Promise<void> => {
    isClosed = true;
  };
  return {
    parameterTypes,
    query,
    execute: async (parameters) => (await query(parameters)).rowCount,
    // The caller's rows may be there once.
    executeMany: (rows) => run((connection) => connection.executeMany(sql, rows), 'never'),
    close,
    [Symbol.asyncDispose]: close,
  };
}
