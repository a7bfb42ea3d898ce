import { AlopexError } from '../../base/errors.ts';
import { closed, type Database } from '../database/database.ts';
import { EmbeddedDatabase } from '../database/embedded.ts';
import { databaseName, type Engine } from '../database/engine.ts';
import { PoolClient, type Query, type QueryCallback, type QueryConfig, queryOf, settle } from './client.ts';
import { Emitter } from './emitter.ts';
import { type ClientResult, defaultTypes, type TypeParsers } from './result.ts';
import type { Submittable } from './submitted.ts';

export type PoolOptions = {
  /** Opened by path: the database in this process. */
  readonly database: Database;
  /** Sessions at the most; who asks for more waits. Default 10. */
  readonly max?: number;
  /** Default: node-postgres's parsers. */
  readonly types?: TypeParsers;
};

type Release = (reason?: Error | boolean) => void;
type ConnectCallback = (error: Error | undefined, client: PoolClient | undefined, release: Release) => void;
type Waiter = {
  readonly resolve: (client: PoolClient | Promise<PoolClient>) => void;
  readonly reject: (error: Error) => void;
};

const maxDefault = 10;
/** Callers that wait for a client. */
const waitersMax = 10_000;

/**
 * The database in this process, shaped like node-postgres's Pool, so that what is written for that runs on it:
 * Drizzle, Kysely, Knex. The same parsers, the same values, `$1` parameters. Events: connect, acquire, release,
 * remove. `end` ends the sessions; the database stays open.
 */
export class Pool extends Emitter {
  readonly options: { readonly max: number };
  readonly #engine: Engine;
  readonly #types: TypeParsers;
  readonly #clients = new Set<PoolClient>();
  readonly #idle: PoolClient[] = [];
  readonly #waiters: Waiter[] = [];
  #ended: PromiseWithResolvers<void> | null = null;

  constructor(options: PoolOptions) {
    super();
    if (!(options.database instanceof EmbeddedDatabase)) {
      throw new AlopexError('invalid_parameter_value', 'a Pool takes a database that was opened by path', {
        hint: "On a server, use node-postgres's own Pool.",
      });
    }
    this.#engine = options.database.engine;
    this.#types = options.types ?? defaultTypes;
    this.options = { max: options.max ?? maxDefault };
  }

  get totalCount(): number {
    return this.#clients.size;
  }
  get idleCount(): number {
    return this.#idle.length;
  }
  get waitingCount(): number {
    return this.#waiters.length;
  }
  get ending(): boolean {
    return this.#ended !== null;
  }
  get ended(): boolean {
    return this.ending && this.#clients.size === 0;
  }

  connect(): Promise<PoolClient>;
  connect(callback: ConnectCallback): void;
  connect(callback?: ConnectCallback): Promise<PoolClient> | undefined {
    const acquired = this.#acquire();
    if (callback === undefined) return acquired;
    settle(acquired, (error, client) =>
      callback(error ?? undefined, client, (reason) => client?.release(reason)),
    );
    return undefined;
  }

  readonly query: Query = (
    query: string | QueryConfig | Submittable,
    valuesOrCallback?: readonly unknown[] | QueryCallback,
    last?: QueryCallback,
    // biome-ignore lint/suspicious/noExplicitAny: the forms give the types.
  ): any => {
    const { config, callback } = queryOf(query, valuesOrCallback, last);
    return settle(this.#query(config), callback);
  };

  async #query(config: QueryConfig): Promise<ClientResult> {
    const client = await this.#acquire();
    try {
      return await client.query(config);
    } finally {
      client.giveBack(false);
    }
  }

  async #acquire(): Promise<PoolClient> {
    if (this.ending) {
      throw new AlopexError('connection_does_not_exist', 'Cannot use a pool after calling end on the pool');
    }
    const idle = this.#idle.pop();
    if (idle !== undefined) return this.#handOut(idle);
    if (this.#clients.size < this.options.max) return this.#handOut(this.#connect());
    if (this.#waiters.length >= waitersMax) {
      throw new AlopexError(
        'too_many_connections',
        `more than ${waitersMax} callers wait for a client of the pool`,
      );
    }
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
    });
  }

  #connect(): PoolClient {
    const session = this.#engine.connect({
      user: 'alopex',
      database: databaseName,
      settings: {},
      clientAddress: null,
    });
    const client = new PoolClient(session, this.#types, (released, destroys) =>
      this.#takeBack(released, destroys),
    );
    this.#clients.add(client);
    this.emit('connect', client);
    return client;
  }

  #handOut(client: PoolClient): PoolClient | Promise<PoolClient> {
    if (client.resting !== null) return client.resting.then(() => this.#handOut(client));
    client.acquire();
    this.emit('acquire', client);
    return client;
  }

  #takeBack(client: PoolClient, destroys: boolean): void {
    this.emit('release', undefined, client);
    if (destroys || this.ending || !client.isIdle) {
      this.#remove(client);
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#idle.push(client);
    else waiter.resolve(this.#handOut(client));
  }

  #remove(client: PoolClient): void {
    this.#clients.delete(client);
    void client.dispose();
    this.emit('remove', client);
    if (this.#ended !== null) {
      if (this.#clients.size === 0) this.#ended.resolve();
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter === undefined) return;
    try {
      waiter.resolve(this.#handOut(this.#connect()));
    } catch (error) {
      waiter.reject(error as Error);
    }
  }

  /** Resolves when all clients are back. */
  end(): Promise<void>;
  end(callback: () => void): void;
  end(callback?: () => void): Promise<void> | void {
    const ended = this.#end();
    if (callback === undefined) return ended;
    void ended.then(callback);
  }

  async #end(): Promise<void> {
    if (this.#ended === null) {
      this.#ended = Promise.withResolvers();
      for (const waiter of this.#waiters.splice(0)) waiter.reject(closed());
      if (this.#clients.size === 0) this.#ended.resolve();
      for (const client of this.#idle.splice(0)) this.#remove(client);
    }
    await this.#ended.promise;
  }
}
