import type { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import type { ParsedStatement } from '../../query/sql/parse.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import type { TypeOid } from '../../query/types/type.ts';

/**
 * A session of the engine: what every protocol adapts, and embedded use is. One statement at a time; a caller
 * that pipelines queues. Errors are AlopexErrors; one that escapes `prepare`, `bind` or a portal has already
 * failed the transaction (status 'failed') or, outside a block, rolled it back.
 */
export type Session = {
  /** The backend's process id, as clients see it. */
  readonly id: number;
  readonly status: 'idle' | 'transaction' | 'failed';
  readonly user: string;
  readonly database: string;
  /** For codecs: time zone, date style and the like, as the session's settings stand now. */
  readonly functions: FunctionContext;
  /** Named prepared statements: of PREPARE and of protocols alike. Null: of an empty text. */
  readonly named: Map<string, PreparedStatement | null>;
  /** Statements of a script, in order; 42601 with a position. An empty script has none. */
  parse(text: string): readonly ParsedStatement[];
  /** Names, types and plan of one statement. Parameter types that are 0 or absent are inferred. */
  prepare(statement: ParsedStatement, parameterTypes: readonly TypeOid[]): Promise<PreparedStatement>;
  /**
   * Starts a statement. Outside a transaction block it begins an implicit transaction, which ends with `sync`
   * (extended protocol: at Sync; simple protocol: after the script; `autocommit`: with the portal).
   */
  bind(statement: PreparedStatement, parameters: readonly Datum[]): Promise<Portal>;
  /**
   * A text that differs from an earlier one in its literals alone, for one of the short ways below: no parser, no plan.
   * Null: it is to be parsed.
   */
  fillTemplate(text: string): FilledTemplate | null;
  /**
   * The short way of a lookup by primary key: its rows, without a portal and, where its pages are in memory, without
   * a promise. Null: the statement, or the state that the session is in, needs `bind`. `source`: the text as it came.
   */
  lookUp(
    statement: PreparedStatement,
    parameters: readonly Datum[],
    source?: string,
  ): Rows | Promise<Rows> | null;
  /**
   * The short way of a statement that returns no rows, as `lookUp` is of a lookup: an INSERT of one row, an UPDATE or
   * DELETE of the row of a key, the start and the end of a transaction. Its tag; like `bind` it begins a transaction.
   */
  command(
    statement: PreparedStatement,
    parameters: readonly Datum[],
    source?: string,
  ): string | Promise<string> | null;
  /** Ends the implicit transaction: commits it, and waits until that is durable. No promise: nothing to commit. */
  sync(): void | Promise<void>;
  /** Rolls the implicit transaction back, or marks the block failed: after an error outside the session's calls. */
  fail(error: AlopexError): void;
  /** Cancels the running statement, if there is one: it ends with 57014. From any turn of the loop. */
  cancel(reason?: AlopexError): void;
  getSetting(name: string): string;
  setSetting(name: string, value: string): void;
  /** Called when a setting that clients are told of (ParameterStatus) changes. */
  onSettingReported: (name: string, value: string) => void;
  onNotice: (notice: Notice) => void;
  /** The client has its answer, and may think: the idle timeouts run until `stopIdling`. */
  startIdling(): void;
  stopIdling(): void;
  /** An idle timeout ended the session: the connection is to be ended with this error. */
  onTimedOut: (error: AlopexError) => void;
  close(): Promise<void>;
};

/** A statement, and a text's literals as its parameters. */
export type FilledTemplate = {
  readonly prepared: PreparedStatement;
  readonly parameters: readonly Datum[];
};

export type Rows = readonly (readonly Datum[])[];

export type Notice = { readonly severity: 'NOTICE' | 'WARNING' | 'INFO'; readonly error: AlopexError };

export type PreparedStatement = {
  readonly statement: ParsedStatement;
  readonly parameterTypes: readonly TypeOid[];
  /** Null: the statement returns no rows. */
  readonly columns: readonly OutputColumn[] | null;
};

/** A started statement. */
export type Portal =
  | RowsPortal
  /** Done as soon as it is bound. `tag` is the command tag: 'BEGIN', 'INSERT 0 3', 'CREATE TABLE'. */
  | { readonly kind: 'command'; readonly tag: string }
  | { readonly kind: 'empty' }
  | CopyInPortal
  | CopyOutPortal;

export type RowsPortal = {
  readonly kind: 'rows';
  readonly columns: readonly OutputColumn[];
  /** Up to `rowsMax` rows (0: no limit, but at most a batch at a time); `isDone` once nothing is left. */
  fetch(rowsMax: number): Promise<{ readonly rows: Rows; readonly isDone: boolean }>;
  /** Valid once done: 'SELECT 5' for five rows sent by this run of the portal, 'UPDATE 2' whatever was sent. */
  tag(rowsSent: number): string;
  close(): void;
};

export type CopyInPortal = {
  readonly kind: 'copy-in';
  readonly format: 'text' | 'csv' | 'binary';
  readonly columnCount: number;
  /** Bytes as they come, cut anywhere. Await before the next call: this is the back-pressure. */
  write(chunk: Uint8Array): Promise<void>;
  /** All was sent: the tag, 'COPY 5'. */
  finish(): Promise<string>;
  /** The client gave up: always throws 57014. */
  abort(message: string): Promise<never>;
};

export type CopyOutPortal = {
  readonly kind: 'copy-out';
  readonly format: 'text' | 'csv' | 'binary';
  readonly columnCount: number;
  /** Whole lines (or tuples), or null at the end. */
  read(): Promise<Uint8Array | null>;
  /** It may wait for ever for what it reads next: what it has read is sent meanwhile. */
  readonly isEndless?: true;
  /** Where each line of what was read last ends in it; the header and the trailer of the binary format count as lines. */
  readonly lineEnds: readonly number[];
  readonly tag: string;
  close(): void;
};

/** What a listener needs of the engine. */
export type SessionHost = {
  /** Throws 53300 past `max_connections`, 28000 or 3D000 for an unknown role or database. */
  connect(options: ConnectOptions): Session;
  /** False: the role is there, and NOLOGIN. */
  mayLogIn(user: string): boolean;
  /** The verifier that the role's password is checked against; null: no such role, or it has no password. */
  passwordVerifier(user: string): string | null;
  /** Names of the settings that clients are told of (ParameterStatus), in the order of the welcome. */
  readonly reportedSettings: readonly string[];
};

export type ConnectOptions = {
  readonly user: string;
  readonly database: string;
  /** Startup parameters other than user and database: application_name, DateStyle, options …. */
  readonly settings: Readonly<Record<string, string>>;
  /** For pg_stat_activity. */
  readonly clientAddress: string | null;
};
