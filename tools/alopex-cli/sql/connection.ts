/** What the shell talks to: a database in this process, or a server. One statement at a time. */
export type ShellConnection = {
  readonly user: string;
  readonly database: string;
  /** Where it is, for people: a directory, or host and port. */
  readonly place: string;
  readonly status: 'idle' | 'transaction' | 'failed';
  /** Runs a script; each statement's answer goes to the handler as it comes. Throws AlopexError. */
  run(sql: string, handler: ResultHandler): Promise<void>;
  /** Ends the running statement with 57014, if there is one. */
  cancel(): void;
  onNotice: (notice: ShellNotice) => void;
  close(): Promise<void>;
};

export type ShellNotice = {
  readonly severity: string;
  readonly message: string;
  readonly detail: string | null;
  readonly hint: string | null;
};

/** `type`: PostgreSQL's oid. */
export type ResultColumn = { readonly name: string; readonly type: number };
/** Values in SQL's text form. */
export type ResultRow = readonly (string | null)[];

/** What is done with an answer. A promise holds the connection back until it resolves. */
export type ResultHandler = {
  /** A result with rows begins. */
  columns(columns: readonly ResultColumn[]): void;
  rows(rows: readonly ResultRow[]): Promise<void>;
  /** The statement is done: 'SELECT 5', 'CREATE TABLE'. */
  complete(tag: string): Promise<void>;
  /** COPY TO STDOUT's bytes. */
  copyOut(chunk: Uint8Array): Promise<void>;
  /** COPY FROM STDIN's bytes. */
  copyIn(): AsyncIterable<Uint8Array>;
};
