import type { Datum } from '../../base/values/datum.ts';
import type { SqlType, TypeOid } from './type.ts';

/**
 * What a function may ask of the statement it runs in. One object a statement; functions are pure in their
 * arguments and this.
 */
export type FunctionContext = {
  /** Transaction start and statement start: microseconds since 1970, UTC. */
  readonly transactionMicros: number;
  readonly statementMicros: number;
  clockMicros(): number;
  /** In [0, 1). */
  random(): number;
  randomBytes(length: number): Uint8Array;
  readonly timeZone: string;
  readonly dateStyle: string;
  readonly intervalStyle: string;
  readonly extraFloatDigits: number;
  readonly byteaOutput: 'hex' | 'escape';
  readonly user: string;
  readonly sessionUser: string;
  readonly database: string;
  readonly searchPath: readonly string[];
  readonly backendPid: number;
  getSetting(name: string): string | null;
  setSetting(name: string, value: string, isLocal: boolean): string;
  /** Catalog questions that functions ask (regclass input and output, format_type, pg_get_indexdef …). */
  readonly catalog: CatalogLookups;
  /** Sequence functions. */
  readonly sequences: SequenceAccess;
  /**
   * What the server knows of itself: rows of pg_settings, pg_stat_activity, pg_locks, pg_cursors,
   * pg_prepared_statements, by column name. Columns left out are null, or their type's zero.
   */
  readonly systemRows?: (relation: string) => Iterable<Readonly<Record<string, Datum>>>;
  /** Ends another session's statement, or the session; false where there is none. */
  readonly signalBackend?: (pid: number, signal: 'cancel' | 'terminate') => boolean;
  /** The node that the statement runs on, as of now; without it, the only one. */
  readonly node?: NodeFacts;
  /** Makes the node the primary: whether it is, in the end. */
  readonly promote?: (waitMs: number) => Promise<boolean>;
  readonly transactions?: TransactionFacts;
  /** Lets time pass; rejects once the statement is cancelled. Where nothing can wait, it is not there. */
  readonly sleep?: (ms: number) => Promise<void>;
};

/** Positions are offsets of the log. */
export type NodeFacts = {
  readonly isStandby: boolean;
  readonly highWatermark: number;
  readonly applied: number;
};

export type TransactionFacts = {
  /** Of the transaction that runs, as txid_status takes it. */
  current(): number | bigint;
  /** Null: it has written nothing yet. */
  currentIfAssigned(): number | bigint | null;
  /** 'committed', 'aborted', 'in progress'; null: too old to tell. 22023 for one to come. */
  status(id: number | bigint): Promise<string | null>;
};

/** Answered by query/catalog. Each returns null where there is no such object. */
export type CatalogLookups = {
  relationOid(schema: string | null, name: string): number | null;
  /** With the schema, where it is not on the search path: the text form of regclass. */
  relationName(oid: number): string | null;
  typeOid(schema: string | null, name: string): number | null;
  typeName(oid: number): string | null;
  namespaceOid(name: string): number | null;
  namespaceName(oid: number): string | null;
  /** Whether a role has one of the privileges (42704 …); null where there is no such object. */
  hasPrivilege?(question: PrivilegeQuestion): boolean | null;
  roleOid(name: string): number | null;
  roleName(oid: number): string | null;
  functionOid(name: string): number | null;
  functionName(oid: number): string | null;
  isTableVisible(oid: number): boolean | null;
  indexDefinition(oid: number, column: number): string | null;
  constraintDefinition(oid: number): string | null;
  columnDefault(relation: number, column: number): string | null;
  /** pg_get_serial_sequence's answer. */
  serialSequence(table: string, column: string): string | null;
  /** Bytes of a relation's rows, or an index's entries, and of a table's indexes. */
  relationSizes?(oid: number): { readonly own: number; readonly indexes: number } | null;
  databaseSizeBytes?(): number;
  /** COMMENT ON: of a relation or an index (column 0), or of a column. */
  description?(oid: number, column: number): string | null;
};

/** What has_table_privilege and its kin ask. `role`: null is the current user's. `privileges`: 'SELECT, INSERT'. */
export type PrivilegeQuestion = {
  readonly kind: 'table' | 'sequence' | 'schema' | 'role';
  readonly user: string;
  readonly role: number | string | null;
  readonly object: number | string;
  readonly privileges: string;
};

/** Nextval is not undone by a rollback. */
export type SequenceAccess = {
  nextValue(oid: number): number | bigint;
  currentValue(oid: number): number | bigint;
  lastValue(): number | bigint;
  setValue(oid: number, value: number | bigint, isCalled: boolean): void;
  /** What reading the sequence as a table shows; `left`: numbers before the log is written to again. */
  state?(oid: number): {
    readonly last: number | bigint;
    readonly isCalled: boolean;
    readonly left: number | bigint;
  };
};

/** What binding a call knows of an argument: its type, and of a row value its fields. */
export type ArgumentType = SqlType & {
  readonly fields?: readonly { readonly name: string; readonly type: ArgumentType }[];
};

export type Volatility = 'immutable' | 'stable' | 'volatile';

/**
 * A scalar function, operator or cast, for one list of argument types. `evaluate` takes the arguments, and the
 * context first where `usesContext`. A strict one is never called with a null. Never mutates an argument.
 */
export type ScalarFunction = {
  readonly kind: 'scalar';
  /** pg_proc.proname; operators name their function (int4pl), casts too. */
  readonly name: string;
  readonly arguments: readonly TypeOid[];
  /** The last argument type repeats. */
  readonly isVariadic: boolean;
  readonly result: TypeOid;
  readonly isStrict: boolean;
  readonly volatility: Volatility;
  readonly usesContext: boolean;
  // biome-ignore lint/suspicious/noExplicitAny: argument types are data here; the binder has checked them.
  readonly evaluate: (...args: any[]) => Datum;
  /** The value of one that has to wait for it: pg_sleep. It takes the context first. Null: `evaluate` has it now. */
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly later?: (context: FunctionContext, ...args: any[]) => Promise<Datum> | null;
  /** pg_proc.oid, of those that have one. */
  readonly oid?: number;
  /**
   * Where the work depends on the concrete types (polymorphic and "any" arguments): the same function for these.
   * The binder calls it once all argument types are known, and keeps the answer in place of this function.
   */
  readonly specialize?: (argumentTypes: readonly ArgumentType[]) => ScalarFunction;
};

/** A set-returning function: a row an element. `columns` are the names and types of a row. */
export type TableFunction = {
  readonly kind: 'table';
  readonly name: string;
  readonly arguments: readonly TypeOid[];
  readonly isStrict: boolean;
  readonly columns: readonly { readonly name: string; readonly type: TypeOid }[];
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly evaluate: (context: FunctionContext, ...args: any[]) => Iterable<readonly Datum[]>;
  readonly oid?: number;
  /** As a scalar function's. */
  readonly specialize?: (argumentTypes: readonly ArgumentType[]) => TableFunction;
};

/** An aggregate as a fold. `initial` makes a fresh state; `step` returns the next one (it may mutate it). */
export type AggregateFunction = {
  readonly kind: 'aggregate';
  readonly name: string;
  readonly arguments: readonly TypeOid[];
  readonly isVariadic: boolean;
  readonly result: TypeOid;
  /** Rows with a null argument are skipped. */
  readonly skipsNulls: boolean;
  /** The context of the statement: some print values (json_agg), most ignore it. */
  readonly initial: (context: FunctionContext) => unknown;
  // biome-ignore lint/suspicious/noExplicitAny: the state's type is the aggregate's own.
  readonly step: (state: any, ...args: any[]) => unknown;
  // biome-ignore lint/suspicious/noExplicitAny: as above.
  readonly final: (state: any) => Datum;
  /** What a compiled pipeline may do by itself over typed arrays instead of calling step. */
  readonly kernel: null | 'count-star' | 'count' | 'sum' | 'avg' | 'min' | 'max';
  readonly oid?: number;
  /** As a scalar function's. */
  readonly specialize?: (argumentTypes: readonly ArgumentType[]) => AggregateFunction;
};

export type AnyFunction = ScalarFunction | TableFunction | AggregateFunction;

/** An operator of pg_operator: resolved like a function; `function` does the work. Unary: `left` is null. */
export type Operator = {
  /** pg_operator.oid. */
  readonly oid?: number;
  readonly name: string;
  readonly left: TypeOid | null;
  readonly right: TypeOid;
  readonly function: ScalarFunction;
};

/** A cast of pg_cast. `method` io: through the text forms. `binary`: the datum is the same. */
export type Cast = {
  readonly source: TypeOid;
  readonly target: TypeOid;
  readonly context: 'implicit' | 'assignment' | 'explicit';
  readonly method: 'function' | 'io' | 'binary';
  readonly evaluate: (context: FunctionContext, value: Datum) => Datum;
};

/** Text and binary forms of a type. Input throws 22P02 and its kin; the modifier is applied by `coerce`. */
export type TypeCodec = {
  parse(text: string, type: SqlType, context: FunctionContext): Datum;
  format(value: Datum, type: SqlType, context: FunctionContext): string;
  decode(bytes: Uint8Array, type: SqlType): Datum;
  encode(value: Datum, type: SqlType): Uint8Array;
};
