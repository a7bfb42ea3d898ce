import { AlopexError } from '../../base/errors.ts';
import type { Value } from './values.ts';

/** A row as an object, by column name; a later column of the same name wins. */
export type Row = Readonly<Record<string, Value>>;

export type Field = {
  readonly name: string;
  /** PostgreSQL's oid of the type. */
  readonly type: number;
  readonly modifier: number;
};

export type QueryResult<R = Row> = {
  /** 'SELECT', 'INSERT', 'CREATE TABLE' …: the command tag without its count. */
  readonly command: string;
  /** Rows returned, or affected. */
  readonly rowCount: number;
  readonly rows: readonly R[];
  readonly fields: readonly Field[];
};

export type Isolation = 'read committed' | 'repeatable read' | 'serializable';
export type TransactionOptions = { readonly isolation?: Isolation; readonly readOnly?: boolean };

/** Statements with `$1` or `?` parameters (`??` is the operator `?`); outside a transaction each is one by itself. */
export type Queryable = {
  /** One statement, or, without parameters, a script: the last one's result. */
  query<R = Row>(sql: string, parameters?: readonly Value[]): Promise<QueryResult<R>>;
  /** As `query`, for what returns no rows: the number of rows affected. */
  execute(sql: string, parameters?: readonly Value[]): Promise<number>;
  prepare<R = Row>(sql: string): Promise<Statement<R>>;
  /** Rows as they come, in bounded memory; ending the loop early frees the statement. */
  stream<R = Row>(sql: string, parameters?: readonly Value[]): AsyncIterable<R>;
};

/** A statement that is parsed and planned once. */
export type Statement<R = Row> = {
  readonly parameterTypes: readonly number[];
  query(parameters?: readonly Value[]): Promise<QueryResult<R>>;
  execute(parameters?: readonly Value[]): Promise<number>;
  /**
   * Runs it once for each row of parameters, in one transaction: all of them or none. The fastest way to insert
   * many rows. Returns the number of rows affected in all.
   */
  executeMany(rows: Iterable<readonly Value[]>): Promise<number>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

/** One row's change, as the log has it. */
export type Change = {
  readonly schema: string;
  readonly table: string;
  /** Debezium's letters: create, update, delete, read. */
  readonly operation: 'c' | 'u' | 'd' | 'r';
  /** Position in the log; go on from `offset + 1`. */
  readonly offset: number;
  readonly committedAt: Date;
  readonly transaction: number;
  readonly before: Row | null;
  readonly after: Row | null;
};

export type TailOptions = {
  /** `table` or `schema.table`; all tables without it. */
  readonly table?: string;
  /** First offset; without it, what is committed from now on. */
  readonly from?: number;
  readonly signal?: AbortSignal;
};

/**
 * A database: in this process (`{path}`), or on a server (`{url}`). The same interface, SQL, types and errors
 * (AlopexError, with its SQLSTATE as `code`) either way.
 */
export type Database = Queryable & {
  /**
   * Runs `work` in one transaction: committed when it resolves, rolled back when it throws. Never runs it twice;
   * 40001 and 40P01 are the caller's to retry.
   */
  transaction<Result>(
    work: (transaction: Queryable) => Promise<Result>,
    options?: TransactionOptions,
  ): Promise<Result>;
  /**
   * As `query` of one statement, executed once for its id, however often it is asked for within a day, and on whatever
   * server: of what ran before, the count comes again and no rows. 22023 where the id was another statement's. By url,
   * it is sent again by itself where an answer is lost.
   */
  once<R = Row>(requestId: string, sql: string, parameters?: readonly Value[]): Promise<QueryResult<R>>;
  /** Committed changes, in the order of the log. */
  tail(options?: TailOptions): AsyncIterable<Change>;
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
};

export type OpenOptions = {
  /** A directory: the database in this process. */
  readonly path?: string;
  /** postgresql://[user[:password]@]host[:port][,host[:port]…][/database]: a server. */
  readonly url?: string;
  /** Bytes of decoded pages that are kept in memory; in this process only. Default 256 MiB. */
  readonly cacheBytes?: number;
  /** How long the log is kept for `tail` and AS OF OFFSET; in this process only. Default a day. */
  readonly logRetentionMs?: number;
  /** How much of the log is kept at the most, in whole segments of 32 MiB; in this process only. Default: no limit. */
  readonly logRetentionBytes?: number;
  /** Connections to a server at the most. Default 10. */
  readonly connectionsMax?: number;
  /** Told of a problem that no call answers for: a background flush that failed. Default: a process warning. */
  readonly onProblem?: (problem: AlopexError) => void;
};

export function closed(): AlopexError {
  return new AlopexError('connection_does_not_exist', 'the database is closed');
}
