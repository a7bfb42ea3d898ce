import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { ColumnBatch } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { CatalogSnapshot, RoleDefinition } from '../../query/catalog/definition.ts';
import type { ParsedStatement, ParseOptions } from '../../query/sql/parse.ts';
import { placedAt } from '../../query/sql/words.ts';
import { rollbackToSavepoint } from '../../query/txn/savepoints.ts';
import type { Transaction } from '../../query/txn/transaction.ts';
import type { TypeOid } from '../../query/types/type.ts';
import { noBlock } from './blocks.ts';
import type { Cancellation } from './cancellation.ts';
import { type Moment, noMoments } from './catalog-history.ts';
import { commit } from './commit.ts';
import type { ConnectOptions, Notice, Portal, PreparedStatement, Rows, Session } from './contract.ts';
import type { Engine } from './engine.ts';
import type { SessionFunctions } from './function-context.ts';
import { IdleTimer } from './idle-timer.ts';
import { presentSetting } from './present-settings.ts';
import { Routing } from './routing/routing.ts';
import { sessionFunctions } from './session-functions.ts';
import { SessionRuns } from './session-runs.ts';
import { SessionSettings } from './session-settings.ts';
import { requireMayBecome } from './session-user.ts';
import type { CommitToken } from './settings.ts';
import { StatementRun } from './statement-run.ts';
import { Cursors } from './statements/cursors.ts';
import { lookUp } from './statements/look-up.ts';
import { type Prepared, type PreparedQuery, prepareInTurns } from './statements/prepare.ts';
import { isPlainRead, readAll } from './statements/query.ts';
import { runStatement } from './statements/run.ts';
import { filledTemplate } from './statements/templates.ts';
import { endsFailedBlock, runTransactionStatement } from './statements/transaction.ts';
import { changeRow, insertRow, insertRows } from './statements/write-row.ts';
import { momentOfSession, momentsOf } from './time-travel.ts';

/**
 * A session. Invariants:
 * - `#block` is 'none' with a transaction: it is implicit, and `sync` ends it;
 * - in a failed block the transaction is rolled back already, and only its end is awaited;
 * - a transaction whose statements run on another node (`routing`) has written nothing here.
 */
export class EngineSession implements Session {
  readonly id: number;
  readonly user: string;
  readonly database: string;
  readonly clientAddress: string | null;
  readonly engine: Engine;
  readonly settings: SessionSettings;
  readonly functions: SessionFunctions;
  readonly named = new Map<string, Prepared | null>();
  readonly cursors = new Cursors(this);
  onSettingReported: (name: string, value: string) => void = () => {};
  onNotice: (notice: Notice) => void = () => {};
  #block: 'none' | 'explicit' | 'failed' = 'none';
  #transaction: Transaction | null = null;
  /** What its statements have in temporary files. */
  readonly temporarySpace = { usedBytes: 0 };
  readonly #runs: SessionRuns;
  /** Sequences that the open transaction drew numbers of. */
  #drawn = new Set<number>();
  #moment: Moment | null = null;
  #isClosed = false;
  readonly #idle: IdleTimer;
  readonly #isWithoutRole: boolean;
  /** For pg_stat_activity. */
  lastStatement = '';
  /** Where its last commit ends in the log, here or on another node; null: none yet. */
  lastCommit: CommitToken | null = null;
  /** The node whose session this one stands for. */
  counterpartOf: NodeId | null = null;
  #routing: Routing | null = null;

  constructor(engine: Engine, id: number, options: ConnectOptions) {
    this.engine = engine;
    this.#runs = new SessionRuns(engine);
    this.id = id;
    this.user = options.user;
    this.database = options.database;
    this.clientAddress = options.clientAddress;
    this.#isWithoutRole = engine.transactions.catalog.role(options.user) === undefined;
    this.#idle = new IdleTimer(engine.env.clock, (error) => this.onTimedOut(error));
    this.settings = new SessionSettings(
      { ...engine.settings, session_authorization: options.user },
      {
        isInTransaction: () => this.#transaction !== null,
        requireMayBecome: (setting, name) => requireMayBecome(this, setting, name),
        isSuperuser: (name) => this.roleNamed(name)?.isSuperuser === true,
        present: (key) => presentSetting(this, key),
        onReported: (name, value) => this.onSettingReported(name, value),
      },
    );
    for (const [name, value] of Object.entries(options.settings)) this.settings.set(name, value);
    this.functions = sessionFunctions(
      this,
      (ms) => this.#runs.current?.sleep(ms) ?? Promise.resolve(),
      (sequence) => this.#drawn.add(sequence),
    );
  }

  /** Trust lets in users without a role: they are the superuser. */
  roleNamed(name: string): RoleDefinition | null {
    const { presentCatalog: catalog } = this;
    return catalog.role(name) ?? (name === this.user && this.#isWithoutRole ? catalog.role('alopex')! : null);
  }

  get status(): 'idle' | 'transaction' | 'failed' {
    if (this.#block === 'failed') return 'failed';
    return this.#block === 'explicit' ? 'transaction' : 'idle';
  }
  get isRunning(): boolean {
    return this.#runs.current !== null;
  }
  get transaction(): Transaction | null {
    return this.#transaction;
  }
  /** What statements are bound by: the present, or the moment that `alopex.as_of` names. */
  get catalog(): CatalogSnapshot {
    return this.moment?.catalog ?? this.presentCatalog;
  }
  /** With `alopex.as_of` set: what the session's statements read. */
  get moment(): Moment | null {
    return this.#moment === null || this.settings.lookUps.readsPresent ? null : this.#moment;
  }
  /** The catalog as the open transaction, or else everybody, sees it, whatever `alopex.as_of` says. */
  get presentCatalog(): CatalogSnapshot {
    const { transactions } = this.engine;
    return this.#transaction === null ? transactions.catalog : transactions.catalogOf(this.#transaction);
  }

  /** Null: the database has no other nodes. */
  get routing(): Routing | null {
    const { replication } = this.engine;
    if (replication === null) return null;
    this.#routing ??= new Routing(this, replication);
    return this.#routing;
  }

  parse(text: string, options?: ParseOptions): readonly ParsedStatement[] {
    const statements = this.engine.plans.parse(text, options);
    for (const { written, kept } of statements[0]?.longNames ?? []) {
      this.notice('NOTICE', 'name_too_long', `identifier "${written}" will be truncated to "${kept}"`);
    }
    return statements;
  }

  async prepare(statement: ParsedStatement, parameterTypes: readonly TypeOid[]): Promise<Prepared> {
    try {
      this.#requireUsable(statement);
      if (!this.settings.lookUps.readsPresent) this.#moment = await momentOfSession(this);
      // What is read while names are bound, as 'now', is of this time: the statement's own is taken when it runs.
      if (this.#transaction === null) this.functions.transactionMicros = this.functions.clockMicros();
      const isPresent = statement.systemTimes.size === 0;
      const moments = isPresent ? noMoments : await momentsOf(this, statement, parameterTypes, null);
      const prepare = () => prepareInTurns(this, statement, parameterTypes, moments);
      const prepared =
        this.routing === null ? prepare() : this.routing.prepare(statement, parameterTypes, prepare);
      return prepared instanceof Promise ? await prepared : prepared;
    } catch (error) {
      throw placedAt(this.#failed(error), statement);
    }
  }

  async bind(prepared: PreparedStatement, parameters: readonly Datum[]): Promise<Portal> {
    try {
      this.#requireUsable(prepared.statement);
      if (!this.settings.lookUps.readsPresent) this.#moment = await momentOfSession(this);
      return await runStatement(this, prepared as Prepared, parameters);
    } catch (error) {
      throw placedAt(this.#failed(error), prepared.statement);
    }
  }

  fillTemplate(text: string): ReturnType<Session['fillTemplate']> {
    return this.#runs.current !== null || this.#block === 'failed' ? null : filledTemplate(this, text);
  }

  lookUp(
    prepared: PreparedStatement,
    parameters: readonly Datum[],
    source = prepared.statement.source,
  ): Rows | Promise<Rows> | null {
    const { query } = prepared as Prepared;
    const lookup = query?.lookup ?? null;
    if (query === null || lookup === null || !this.#mayLookUp(prepared as Prepared, query)) return null;
    this.lastStatement = source;
    this.engine.executed.reads++;
    return this.#done(() => lookUp(this, lookup, parameters));
  }

  command(
    statement: PreparedStatement,
    parameters: readonly Datum[],
    source = statement.statement.source,
  ): string | Promise<string> | null {
    const prepared = statement as Prepared;
    const { query } = prepared;
    if (query === null) return this.#transactionCommand(prepared);
    const { insert, change } = query;
    if ((insert === null && change === null) || !this.#mayLookUp(prepared, query)) return null;
    this.engine.executed.writes++;
    const tag = this.#done(() =>
      insert !== null
        ? insertRow(this, prepared, insert, parameters)
        : changeRow(this, prepared, change!, parameters),
    );
    this.lastStatement = source;
    return tag;
  }

  #transactionCommand({ statement }: Prepared): string | Promise<string> | null {
    const { node } = statement;
    if (!('TransactionStmt' in node) || !this.settings.lookUps.readsPresent) return null;
    return this.#done(() => {
      this.#requireUsable(statement);
      return runTransactionStatement(this, node.TransactionStmt);
    });
  }

  /** As `command` of an INSERT of one row, once for each of the parameters (null: no more). How many; null: each needs `bind`. */
  async insertRows(prepared: Prepared, next: () => readonly Datum[] | null): Promise<number | null> {
    const { query } = prepared;
    const insert = query?.insert ?? null;
    if (query === null || insert === null || !this.#mayLookUp(prepared, query)) return null;
    this.engine.executed.writes++;
    return this.guarded(() => insertRows(this, prepared, insert, next));
  }

  /**
   * The short way of a SELECT whose rows are all wanted, as `lookUp` is of a lookup; like `bind` it begins a
   * transaction. A batch is the consumer's until it returns.
   */
  select(
    prepared: PreparedStatement,
    parameters: readonly Datum[],
    consume: (batch: ColumnBatch) => void,
  ): true | Promise<true> | null {
    const { query } = prepared as Prepared;
    if (query === null || !isPlainRead(prepared.statement, query)) return null;
    if (!this.#mayLookUp(prepared as Prepared, query)) return null;
    this.engine.executed.reads++;
    return this.#done<true>(() => {
      const read = readAll(this, prepared as Prepared, query, parameters, consume);
      return read instanceof Promise ? read.then(() => true) : true;
    });
  }

  /** What a short way throws fails the transaction. */
  #done<Result>(work: () => Result | Promise<Result>): Result | Promise<Result> {
    try {
      const done = work();
      if (!(done instanceof Promise)) return done;
      return done.catch((error: unknown) => {
        throw this.#failed(error);
      });
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** The plan holds for this user, the present is read, and nothing runs. Without a transaction, no later statement shares the snapshot. */
  #mayLookUp(prepared: Prepared, query: PreparedQuery): boolean {
    if (this.#isClosed || this.#runs.current !== null || this.#block === 'failed') return false;
    const { lookUps } = this.settings;
    return (
      query.catalogVersion === this.catalog.version &&
      this.#transaction?.catalog == null &&
      query.searchPath === lookUps.searchPath &&
      lookUps.readsPresent &&
      !lookUps.hasRequest &&
      (this.engine.replication === null || this.routing!.isHere(prepared)) &&
      !this.settings.hasBeenAnother &&
      (this.#transaction !== null || lookUps.isReadCommitted)
    );
  }

  #requireUsable(statement: ParsedStatement): void {
    this.#requireOpen();
    if (this.#block === 'failed' && !endsFailedBlock(statement)) {
      throw new AlopexError(
        'in_failed_sql_transaction',
        'current transaction is aborted, commands ignored until end of transaction block',
      );
    }
  }

  // ---- statements

  /** Begins a statement: its times, its limits, its transaction. Ends with `endRun`. */
  beginRun(statement: ParsedStatement): StatementRun {
    this.#runs.requireNone();
    this.lastStatement = statement.source;
    const transaction = this.ensureTransaction();
    const { lockTimeoutMs, statementTimeoutMs } = this.settings.begins;
    transaction.lockTimeoutMs = lockTimeoutMs;
    this.functions.transactionMicros = transaction.startedMicros;
    this.functions.statementMicros = this.functions.clockMicros();
    this.#runs.current = new StatementRun(this, transaction, statementTimeoutMs);
    return this.#runs.current;
  }

  /** What runs is a cursor's, to go on when it is fetched from. */
  pauseCurrentRun(): void {
    if (this.#runs.current !== null) this.pauseRun(this.#runs.current);
  }

  pauseRun(run: StatementRun): void {
    this.#runs.pause(run);
  }

  resumeRun(run: StatementRun): void {
    this.#runs.resume(run);
  }

  endRun(run: StatementRun): void {
    this.#runs.end(run);
  }

  cancel(reason = new AlopexError('query_canceled', 'canceling statement due to user request')): void {
    this.#runs.cancel(reason);
  }

  waiting<Result>(work: (wait: Cancellation) => Promise<Result>): Promise<Result> {
    return this.#runs.waiting(this.settings.begins.statementTimeoutMs, work);
  }

  /** Runs a portal's work; what it throws fails the transaction. */
  async guarded<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      return await work();
    } catch (error) {
      throw this.#failed(error);
    }
  }

  #failed(thrown: unknown): AlopexError {
    const error = asAlopexError(thrown);
    if (error.condition === 'data_corrupted') this.engine.onDamaged(error);
    this.fail(error);
    return error;
  }

  fail(_error: AlopexError): void {
    this.#runs.endAll();
    if (this.#transaction !== null) this.#abandon();
    if (this.#block === 'explicit') this.#block = 'failed';
  }

  /** Rolls back, keeping savepoints' fates to the caller: a failed block can still go back to a savepoint. */
  #abandon(): void {
    const transaction = this.#transaction!;
    if (this.#block !== 'none' && transaction.savepoints.length > 0 && transaction.state === 'active') {
      this.#routing?.fail();
      return;
    }
    this.#routing?.rollback();
    this.engine.transactions.rollback(transaction);
    this.settings.rollbackTo(0);
    this.#transaction = null;
  }

  // ---- transactions

  ensureTransaction(): Transaction {
    if (this.#transaction !== null) return this.#transaction;
    // What waited while the session was closed: nobody would end it.
    this.#requireOpen();
    const { isolation, isReadOnly } = this.settings.begins;
    this.#transaction = this.engine.transactions.begin(isolation, isReadOnly);
    this.routing?.begin(this.#transaction, isReadOnly);
    return this.#transaction;
  }

  /** Commits the implicit transaction of a statement that goes on in another one. */
  async continueInNext(run: StatementRun): Promise<void> {
    await commit(this, run.transaction, noSequences);
    this.#transaction = null;
    run.transaction = this.ensureTransaction();
    run.transaction.lockTimeoutMs = this.settings.begins.lockTimeoutMs;
  }

  #requireOpen(): void {
    if (this.#isClosed) throw new AlopexError('connection_does_not_exist', 'the session is closed');
  }

  beginBlock(): Transaction {
    if (this.#block !== 'none') {
      this.notice('WARNING', 'active_sql_transaction', 'there is already a transaction in progress');
    }
    this.#block = 'explicit';
    return this.ensureTransaction();
  }

  /** COMMIT, or END: the tag. */
  commitBlock(): string | Promise<string> {
    const block = this.#block;
    if (block === 'none') this.#noticeNoBlock();
    if (block === 'failed') return this.rollbackBlock();
    this.#block = 'none';
    const synced = this.sync();
    return synced === undefined ? 'COMMIT' : synced.then(committed);
  }

  rollbackBlock(): string {
    if (this.#block === 'none') this.#noticeNoBlock();
    this.#block = 'none';
    this.#runs.endAll();
    if (this.#transaction !== null) this.#abandon();
    return 'ROLLBACK';
  }

  #noticeNoBlock(): void {
    this.notice('WARNING', 'no_active_sql_transaction', 'there is no transaction in progress');
  }

  async rollbackToSavepoint(name: string): Promise<void> {
    const transaction = this.#transaction;
    if (this.#block === 'failed' && transaction === null)
      throw new AlopexError('invalid_savepoint_specification', `savepoint "${name}" does not exist`);
    if (this.#block === 'none' || transaction === null) throw noBlock('ROLLBACK TO SAVEPOINT');
    await this.#routing?.savepoint('ROLLBACK TO', name);
    const { settingsMark } = await rollbackToSavepoint(transaction, name, this.engine.transactions);
    this.engine.requests.noteRollback(transaction);
    this.settings.rollbackTo(settingsMark);
    this.#block = 'explicit';
  }

  sync(): void | Promise<void> {
    if (this.#block !== 'none') return;
    this.#runs.endAll();
    const transaction = this.#transaction;
    if (transaction === null) return;
    if (this.#routing?.isElsewhere === true) return this.#commitElsewhere(transaction);
    if (this.#drawn.size > 0 || !this.engine.transactions.commitRead(transaction)) {
      return this.#commit(transaction);
    }
    this.#transaction = null;
    this.settings.commit();
  }

  #commit(transaction: Transaction): Promise<void> {
    this.#transaction = null;
    const drawn = this.#drawn;
    if (drawn.size > 0) this.#drawn = new Set();
    return commit(this, transaction, drawn).then(this.#onCommitted, this.#onNotCommitted);
  }

  #commitElsewhere(transaction: Transaction): Promise<void> {
    this.#transaction = null;
    this.engine.transactions.rollback(transaction);
    return this.#routing!.commit().then(this.#onCommitted, this.#onNotCommitted);
  }

  readonly #onCommitted = (): void => this.settings.commit();
  readonly #onNotCommitted = (error: unknown): never => {
    this.settings.rollbackTo(0);
    throw asAlopexError(error);
  };

  // ---- settings, notices, the end

  getSetting(name: string): string {
    return this.settings.require(name);
  }
  setSetting(name: string, value: string): void {
    this.settings.set(name, value);
  }

  notice(severity: Notice['severity'], condition: AlopexError['condition'], message: string): void {
    this.onNotice({ severity, error: new AlopexError(condition, message) });
  }

  startIdling(): void {
    const { idleSessionTimeoutMs, idleInTransactionTimeoutMs } = this.settings.begins;
    const isInTransaction = this.#block !== 'none';
    this.#idle.start(isInTransaction ? idleInTransactionTimeoutMs : idleSessionTimeoutMs, isInTransaction);
  }

  stopIdling(): void {
    this.#idle.stop();
  }

  /** Told to the listener, who ends the connection. */
  onTimedOut: (error: AlopexError) => void = () => {};

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.stopIdling();
    this.cancel(new AlopexError('admin_shutdown', 'terminating connection due to administrator command'));
    this.#runs.endAll();
    if (this.#transaction !== null) this.engine.transactions.rollback(this.#transaction);
    this.#transaction = null;
    this.#routing?.close();
    this.engine.forgetSession(this);
  }
}

const committed = (): string => 'COMMIT';
const noSequences: ReadonlySet<number> = new Set();
