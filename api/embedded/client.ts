import { AlopexError, asAlopexError, unsupported } from '../../base/errors.ts';
import type { ParsedStatement } from '../../query/sql/parse.ts';
import type { Portal } from '../database/contract.ts';
import type { EngineSession } from '../database/session.ts';
import type { Prepared } from '../database/statements/prepare.ts';
import { Emitter } from './emitter.ts';
import { clientParameter } from './parameter.ts';
import { type ClientResult, clientRowReader, commandResult, rowsResult, type TypeParsers } from './result.ts';
import { type Submittable, SubmittedConnection, tellError } from './submitted.ts';

export type QueryConfig = {
  readonly text: string;
  readonly values?: readonly unknown[] | undefined;
  /** Prepared once a client under this name. */
  readonly name?: string | undefined;
  readonly rowMode?: 'array' | undefined;
  readonly types?: TypeParsers | undefined;
};
export type QueryCallback = (error: Error | null, result: ClientResult | undefined) => void;

/** The forms in which node-postgres's `query` is called. */
export type Query = {
  <Submitted extends Submittable>(query: Submitted): Submitted;
  (text: string | QueryConfig, values?: readonly unknown[]): Promise<ClientResult>;
  (text: string | QueryConfig, callback: QueryCallback): void;
  (text: string | QueryConfig, values: readonly unknown[], callback: QueryCallback): void;
};

/** Statements that wait on one client for those before them. */
const queuedMax = 10_000;

/** A session of the database in this process, shaped like node-postgres's PoolClient: statements run in their order. */
export class PoolClient extends Emitter {
  readonly #session: EngineSession;
  readonly #types: TypeParsers;
  readonly #onRelease: (client: PoolClient, destroys: boolean) => void;
  readonly #texts = new Map<string, string>();
  #last: Promise<unknown> = Promise.resolve();
  #queued = 0;
  #isReleased = true;
  #resting: Promise<void> | null = null;

  constructor(
    session: EngineSession,
    types: TypeParsers,
    onRelease: (client: PoolClient, destroys: boolean) => void,
  ) {
    super();
    this.#session = session;
    this.#types = types;
    this.#onRelease = onRelease;
    session.onNotice = ({ severity, error }) => this.emit('notice', Object.assign(error, { severity }));
  }

  get processID(): number {
    return this.#session.id;
  }
  /** In no transaction, with nothing to do: fit for somebody else. */
  get isIdle(): boolean {
    return this.#session.status === 'idle' && this.#queued === 0;
  }

  readonly query: Query = (
    query: string | QueryConfig | Submittable,
    valuesOrCallback?: readonly unknown[] | QueryCallback,
    last?: QueryCallback,
    // biome-ignore lint/suspicious/noExplicitAny: the forms give the types.
  ): any => {
    if (isSubmittable(query)) {
      this.#enqueue(() => new SubmittedConnection(this.#session, query, this.#types).run()).catch((error) =>
        tellError(query, error),
      );
      return query;
    }
    const { config, callback } = queryOf(query, valuesOrCallback, last);
    return settle(
      this.#enqueue(() => this.#run(config)),
      callback,
    );
  };

  async #enqueue<Result>(work: () => Promise<Result>): Promise<Result> {
    if (this.#queued >= queuedMax) {
      throw new AlopexError(
        'configuration_limit_exceeded',
        `a client queues at most ${queuedMax} statements`,
      );
    }
    this.#queued++;
    const run = this.#last.then(work);
    this.#last = run.catch(() => {});
    try {
      return await run;
    } finally {
      this.#queued--;
    }
  }

  async #run(config: QueryConfig): Promise<ClientResult> {
    const session = this.#session;
    try {
      const isScript = (config.values ?? []).length === 0 && config.name === undefined;
      const result = isScript ? await this.#script(config) : await this.#extended(config);
      await session.sync();
      return result;
    } catch (thrown) {
      const error = asAlopexError(thrown);
      session.fail(error);
      throw error;
    }
  }

  /** The simple protocol's way: any number of statements, and as many results. */
  async #script(config: QueryConfig): Promise<ClientResult> {
    const results: ClientResult[] = [];
    for (const statement of this.#session.parse(config.text)) {
      const prepared = await this.#session.prepare(statement, []);
      if (prepared.parameterTypes.length > 0) {
        throw new AlopexError('undefined_parameter', 'there is no parameter $1');
      }
      results.push(await this.#result(await this.#session.bind(prepared, []), config));
    }
    // node-postgres gives an array here, which its types do not mention either.
    return results.length > 1 ? (results as unknown as ClientResult) : (results[0] ?? emptyResult());
  }

  async #extended(config: QueryConfig): Promise<ClientResult> {
    const session = this.#session;
    const prepared = await this.#prepared(config);
    if (prepared === null) return emptyResult();
    const values = config.values ?? [];
    const { parameterTypes } = prepared;
    if (values.length !== parameterTypes.length) {
      throw new AlopexError(
        'protocol_violation',
        `bind message supplies ${values.length} parameters, but prepared statement "${config.name ?? ''}" requires ${parameterTypes.length}`,
      );
    }
    const parameters = parameterTypes.map((oid, index) =>
      clientParameter(values[index], oid, session.functions),
    );
    return this.#result(await session.bind(prepared, parameters), config);
  }

  async #prepared({ name, text }: QueryConfig): Promise<Prepared | null> {
    const { named } = this.#session;
    const known = name === undefined ? undefined : named.get(name);
    if (name !== undefined && known !== undefined) {
      if (this.#texts.get(name) === text) return known;
      throw new AlopexError(
        'duplicate_prepared_statement',
        `Prepared statements must be unique - '${name}' was used for a different statement`,
      );
    }
    const statement = oneStatement(this.#session.parse(text));
    const prepared = statement === null ? null : await this.#session.prepare(statement, []);
    if (name !== undefined) {
      named.set(name, prepared);
      this.#texts.set(name, text);
    }
    return prepared;
  }

  async #result(portal: Portal, config: QueryConfig): Promise<ClientResult> {
    switch (portal.kind) {
      case 'command':
        return commandResult(portal.tag);
      case 'empty':
        return emptyResult();
      case 'rows': {
        const { rowMode = 'object', types = this.#types } = config;
        const read = clientRowReader(portal.columns, types, rowMode, this.#session.functions);
        const rows: unknown[] = [];
        for (let isDone = false; !isDone; ) {
          const fetched = await portal.fetch(0);
          for (const row of fetched.rows) rows.push(read(row));
          isDone = fetched.isDone;
        }
        return rowsResult(portal.tag(rows.length), portal.columns, rows);
      }
      case 'copy-in':
      case 'copy-out':
        throw unsupported('COPY through query()');
    }
  }

  escapeIdentifier(name: string): string {
    return `"${name.replaceAll('"', '""')}"`;
  }

  escapeLiteral(text: string): string {
    const quoted = text.replaceAll("'", "''");
    return text.includes('\\') ? ` E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`;
  }

  /** By the pool, as it hands the client out. */
  acquire(): void {
    this.#isReleased = false;
  }

  /** While it was released in this turn of the event loop: who releases it again means the same release. */
  get resting(): Promise<void> | null {
    return this.#resting;
  }

  /**
   * Back to the pool; with a reason, or within a transaction, the session ends instead. Knex releases the client of a
   * stream twice in a row: the second time counts for nothing within the turn, and nobody else gets the client in it.
   */
  release(reason?: Error | boolean): void {
    if (this.#resting !== null) return;
    if (this.#isReleased) {
      throw new AlopexError(
        'object_not_in_prerequisite_state',
        'Release called on client which has already been released to the pool.',
      );
    }
    this.#resting = new Promise((resolve) => {
      setImmediate(() => {
        this.#resting = null;
        resolve();
      });
    });
    this.giveBack(Boolean(reason));
  }

  /** By the pool, of what it took for itself. */
  giveBack(destroys: boolean): void {
    this.#isReleased = true;
    this.#onRelease(this, destroys);
  }

  /** By the pool: ends the session, and rolls back what it had begun. */
  async dispose(): Promise<void> {
    await this.#session.close();
    this.emit('end');
  }
}

function isSubmittable(query: string | QueryConfig | Submittable): query is Submittable {
  return typeof query === 'object' && 'submit' in query;
}

/** The forms of node-postgres's arguments as one. */
export function queryOf(
  query: string | QueryConfig | Submittable,
  valuesOrCallback: readonly unknown[] | QueryCallback | undefined,
  last: QueryCallback | undefined,
): { readonly config: QueryConfig; readonly callback: QueryCallback | undefined } {
  if (isSubmittable(query)) throw unsupported('a query object with submit(), but on a client of the pool');
  const callback = typeof valuesOrCallback === 'function' ? valuesOrCallback : last;
  const values = typeof valuesOrCallback === 'function' ? undefined : valuesOrCallback;
  const config = typeof query === 'string' ? { text: query } : query;
  return { config: values === undefined ? config : { ...config, values }, callback };
}

/** To the callback where there is one, else as a promise. */
export function settle<Result>(
  work: Promise<Result>,
  callback: ((error: Error | null, result: Result | undefined) => void) | undefined,
): Promise<Result> | undefined {
  if (callback === undefined) return work;
  work.then(
    // Outside the promise, so that what the callback throws is not swallowed.
    (result) => setImmediate(callback, null, result),
    (error: Error) => setImmediate(callback, error, undefined),
  );
  return undefined;
}

function oneStatement(statements: readonly ParsedStatement[]): ParsedStatement | null {
  if (statements.length > 1) {
    throw new AlopexError('syntax_error', 'cannot insert multiple commands into a prepared statement');
  }
  return statements[0] ?? null;
}

function emptyResult(): ClientResult {
  return { command: '', rowCount: null, oid: null, fields: [], rows: [] };
}
