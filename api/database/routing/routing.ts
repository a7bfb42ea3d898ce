import { AlopexError, asAlopexError, leaderChanged } from '../../../base/errors.ts';
import type { NodeId } from '../../../base/ids.ts';
import type { Datum } from '../../../base/values/datum.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { hasBegun, type Transaction } from '../../../query/txn/transaction.ts';
import type { TypeOid } from '../../../query/types/type.ts';
import type { Cancellation } from '../cancellation.ts';
import type { Portal } from '../contract.ts';
import type { Replication } from '../replication.ts';
import type { EngineSession } from '../session.ts';
import type { StatementRun } from '../statement-run.ts';
import type { Prepared } from '../statements/prepare.ts';
import { type Circumstances, placeOf, type Work, workOf } from './decide.ts';
import type { RemoteCall, RemoteText, SavepointCommand } from './messages.ts';
import { awaited, remotePortal } from './remote-portals.ts';
import { forgotten, ofBound, RemoteSession } from './remote-session.ts';
import { typeOfOid, writeRow } from './values.ts';
import { Waiting, waitMsMax } from './waiting.ts';

/** Between two looks at who the primary is. */
const lookMs = 20;

type Here = (prepared: Prepared) => Promise<Portal>;

/**
 * Where the statements of one session run, on a node of a replicated database. Invariants:
 * - `#bound` is the counterpart that the open transaction's statements run in; then nothing was written here;
 * - what the session has committed, wherever, its later statements see, wherever they run.
 */
export class Routing {
  readonly #session: EngineSession;
  readonly #replication: Replication;
  readonly #waiting: Waiting;
  readonly #others = new Map<NodeId, RemoteSession>();
  #bound: RemoteSession | null = null;
  #isBoundToPrimary = false;
  #wasPrimary: boolean;
  #turn = 0;

  constructor(session: EngineSession, replication: Replication) {
    this.#session = session;
    this.#replication = replication;
    this.#waiting = new Waiting(session, replication);
    this.#wasPrimary = replication.isPrimary;
  }

  /** The open transaction is on another node. */
  get isElsewhere(): boolean {
    return this.#bound !== null;
  }

  /** What a hot standby does. */
  get refusesWrites(): boolean {
    return !this.#replication.isPrimary && !this.#session.settings.routes.forwardsWrites;
  }

  /** A statement may take its short way: asked each time, and answered without a promise. */
  isHere(prepared: Prepared): boolean {
    const { settings, transaction } = this.#session;
    const { isPrimary } = this.#replication;
    if (this.#bound !== null || isPrimary !== this.#wasPrimary) return false;
    if (!settings.routes.isPlain || this.#isHeldUp) return false;
    if (this.#session.engine.env.rarely('the long way')) return false;
    if (!isPrimary) {
      if (transaction !== null && placeOf('read', this.#circumstances()) !== 'here') return false;
      if (workOf(prepared) === 'write') return false;
      if (!this.#waiting.hasOwn) return false;
    }
    return this.#replication.isReadable;
  }

  // ---- statements

  /** `here`: as on a database of one node. */
  async prepare(
    statement: ParsedStatement,
    parameterTypes: readonly TypeOid[],
    here: () => Prepared | Promise<Prepared>,
  ): Promise<Prepared> {
    if (this.#replication.isPrimary) this.#reportRole();
    if (this.#bound !== null) {
      const isThere = this.#isOfBound(statement, workOf({ statement, query: null }));
      return isThere ? this.#prepareAt(this.#bound, statement, parameterTypes) : here();
    }
    await this.#caughtUp(statement);
    try {
      return await here();
    } catch (error) {
      // What is old is not asked whether there is such a thing.
      if (this.#session.counterpartOf !== null) this.#waiting.requireFresh();
      if (!this.#isForwarded(statement)) throw error;
      // The primary may know what is not known here yet.
      const prepared = this.#session.waiting((wait) =>
        this.#prepareAtPrimary(wait, statement, parameterTypes),
      );
      return (await prepared) ?? here();
    }
  }

  /** Null: this node has become the primary. One that is it no more leaves nothing: the next one is asked. */
  async #prepareAtPrimary(
    wait: Cancellation,
    statement: ParsedStatement,
    parameterTypes: readonly TypeOid[],
  ): Promise<Prepared | null> {
    const { clock } = this.#session.engine.env;
    const untilMs = clock.monotonicMs() + waitMsMax;
    for (;;) {
      const primary = await this.#somePrimary(wait);
      if (this.#replication.isPrimary) return null;
      const remote = this.#counterpart(primary);
      try {
        if (primary !== this.#replication.self)
          return await wait.cancellable(this.#prepareAt(remote, statement, parameterTypes));
      } catch (thrown) {
        if (!isNotBegun(remote, asAlopexError(thrown)) || clock.monotonicMs() > untilMs) throw thrown;
      }
      await wait.sleep(lookMs);
    }
  }

  #caughtUp(statement: ParsedStatement): Promise<void> | undefined {
    const caughtUp = this.#waiting.caughtUp(statement);
    return caughtUp && this.#session.waiting((wait) => wait.cancellable(caughtUp));
  }

  /** 57P03 where there is none for too long. */
  async #somePrimary(wait: Cancellation): Promise<NodeId> {
    const { clock } = this.#session.engine.env;
    const untilMs = clock.monotonicMs() + waitMsMax;
    for (;;) {
      const { primary } = this.#replication;
      if (primary !== null) return primary;
      if (clock.monotonicMs() > untilMs) throw noPrimary();
      await wait.sleep(lookMs);
    }
  }

  #isForwarded(statement: ParsedStatement): boolean {
    const { isPrimary } = this.#replication;
    if (isPrimary || this.#session.counterpartOf !== null) return false;
    return placeOf(workOf({ statement, query: null }), this.#circumstances()) === 'primary';
  }

  async #prepareAt(
    remote: RemoteSession,
    statement: ParsedStatement,
    parameterTypes: readonly TypeOid[],
  ): Promise<Prepared> {
    const call = { kind: 'prepare', ...textOf(statement, parameterTypes) } as const;
    const { answer } = await ofBound(remote, remote.call(call, this.#waiting.after)).catch(placed(statement));
    if (answer.kind !== 'prepared') throw forgotten();
    return { statement, parameterTypes: answer.parameterTypes, columns: answer.columns, query: null };
  }

  async run(prepared: Prepared, parameters: readonly Datum[], here: Here): Promise<Portal> {
    const isPrimarys = this.#wasPrimary;
    this.#reportRole();
    const work = workOf(prepared);
    if (this.#bound !== null && this.#isOfBound(prepared.statement, work)) {
      return this.#runBound(this.#bound, prepared, parameters, work);
    }
    if (work !== 'own' || prepared.query !== null) await this.#handedOver();
    this.#requireLead(work);
    const { isPrimary } = this.#replication;
    const place =
      this.#session.counterpartOf === null ? placeOf(work, this.#circumstances(isPrimarys)) : 'here';
    if (place === 'replica') {
      const portal = await this.#runAtReplica(prepared, parameters);
      if (portal !== null) return portal;
    }
    if (place === 'primary') {
      const portal = await this.#runAtPrimary(prepared, parameters, work);
      if (portal !== null) return portal;
    }
    await this.#caughtUp(prepared.statement);
    if (work !== 'own' && this.#replication.isPrimary !== isPrimary)
      return this.run(prepared, parameters, here);
    if (work === 'read') this.#waiting.requireFresh();
    return here(prepared);
  }

  #handedOver(): Promise<void> | undefined {
    const { handingOver } = this.#replication;
    if (handingOver === null || !this.#isHeldUp) return undefined;
    return this.#session.waiting((wait) => wait.cancellable(handingOver));
  }

  /** While the lead goes to another node, transactions begin there. */
  get #isHeldUp(): boolean {
    if (this.#replication.handingOver === null) return false;
    const { transaction } = this.#session;
    return transaction === null || !hasBegun(transaction);
  }

  /** What a block has done here while this node led is not there on the next primary: no part of it goes on there. */
  #requireLead(work: Work): void {
    const { transaction, status, engine } = this.#session;
    if (transaction === null) return;
    const { generation } = engine.transactions;
    if (!hasBegun(transaction)) transaction.generation = generation;
    if (work === 'own' || status === 'idle' || this.#replication.isPrimary) return;
    if (!transaction.isReadOnly && transaction.generation !== generation) throw leaderChanged();
  }

  /** Cursors are where they were declared. */
  #isOfBound({ node }: ParsedStatement, work: Work): boolean {
    const { cursors } = this.#session;
    if ('DeclareCursorStmt' in node) return true;
    if ('FetchStmt' in node) return !cursors.has(node.FetchStmt.portalname ?? '');
    if ('ClosePortalStmt' in node) return !cursors.has(node.ClosePortalStmt.portalname ?? '');
    return work !== 'own';
  }

  #circumstances(isPrimarys = this.#wasPrimary): Circumstances {
    const { settings, transaction, status } = this.#session;
    const { routes, begins } = settings;
    return {
      isPrimary: this.#replication.isPrimary,
      isPrimarys: isPrimarys && (transaction === null || !hasBegun(transaction)),
      isInBlock: status !== 'idle',
      hasWritten: transaction !== null && (!transaction.pending.isEmpty || transaction.recordsLogged > 0),
      isolation: transaction?.isolation ?? begins.isolation,
      isReadOnly: transaction?.isReadOnly ?? begins.isReadOnly,
      readFrom: routes.readFrom,
      forwardsWrites: routes.forwardsWrites,
      isStale: this.#waiting.isStale,
    };
  }

  async #runBound(
    remote: RemoteSession,
    prepared: Prepared,
    parameters: readonly Datum[],
    work: Work,
  ): Promise<Portal> {
    const run = this.#session.beginRun(prepared.statement);
    const isWrite = work === 'write' && !run.transaction.isReadOnly;
    const call = runCall(prepared, { isWrite, isPrimarys: this.#isBoundToPrimary, ends: false });
    return ofBound(remote, this.#portal(remote, run, prepared, parameters, call));
  }

  /** Null: this node has become the primary. */
  async #runAtPrimary(prepared: Prepared, parameters: readonly Datum[], work: Work): Promise<Portal | null> {
    const { transaction } = this.#session;
    const isFirst = transaction === null || !hasBegun(transaction);
    const run = this.#session.beginRun(prepared.statement);
    const { env, transactions } = this.#session.engine;
    const untilMs = env.clock.monotonicMs() + waitMsMax;
    for (;;) {
      const { primary, self } = this.#replication;
      if (primary === self && this.#replication.isPrimary) {
        this.#session.endRun(run);
        if (isFirst) run.transaction.generation = transactions.generation;
        return null;
      }
      // This node may be about to become it.
      const isNowhere = primary === null || primary === self;
      const problem = isNowhere ? noPrimary() : await this.#tryAt(primary, run, prepared, parameters, work);
      if (!(problem instanceof AlopexError)) return problem;
      if (env.clock.monotonicMs() > untilMs) throw noPrimary(problem);
      await run.sleep(lookMs);
    }
  }

  /** The error, where nothing of it has been done. */
  async #tryAt(
    node: NodeId,
    run: StatementRun,
    prepared: Prepared,
    parameters: readonly Datum[],
    work: Work,
  ): Promise<Portal | AlopexError> {
    const isBound = work === 'write' || this.#session.status !== 'idle';
    const remote = this.#counterpart(node);
    const begins = this.#blockOf(run);
    const call = runCall(prepared, { isWrite: work === 'write', isPrimarys: true, ends: !isBound, begins });
    if (isBound) this.#bound = remote;
    this.#isBoundToPrimary = true;
    try {
      return await this.#portal(remote, run, prepared, parameters, call);
    } catch (thrown) {
      const error = asAlopexError(thrown);
      if (!isNotBegun(remote, error)) throw error;
      this.#bound = null;
      return error;
    }
  }

  /** Null: none of them may answer now. */
  async #runAtReplica(prepared: Prepared, parameters: readonly Datum[]): Promise<Portal | null> {
    const isInBlock = this.#session.status !== 'idle';
    const run = this.#session.beginRun(prepared.statement);
    for (const node of this.#replicas()) {
      const remote = this.#counterpart(node);
      const begins = this.#blockOf(run);
      const call = runCall(prepared, { isWrite: false, isPrimarys: false, ends: !isInBlock, begins });
      try {
        const portal = await this.#portal(remote, run, prepared, parameters, call);
        if (isInBlock) this.#bound = remote;
        this.#isBoundToPrimary = false;
        return portal;
      } catch (thrown) {
        const error = asAlopexError(thrown);
        if (!isNotBegun(remote, error) && error.condition !== 'object_not_in_prerequisite_state') throw error;
      }
    }
    this.#session.endRun(run);
    return null;
  }

  /** Each in its turn, and those that are behind last. */
  #replicas(): readonly NodeId[] {
    const nodes = this.#replication.status.nodes.filter(
      ({ role, isSelf }) => !isSelf && (role === 'replica' || role === 'learner'),
    );
    const turn = this.#turn++;
    const inTurn = nodes.map((_, index) => nodes[(index + turn) % nodes.length]!);
    return inTurn.toSorted((a, b) => Number(b.isInSync) - Number(a.isInSync)).map(({ id }) => id);
  }

  async #portal(
    remote: RemoteSession,
    run: StatementRun,
    prepared: Prepared,
    parameters: readonly Datum[],
    call: Extract<RemoteCall, { readonly kind: 'run' }>,
  ): Promise<Portal> {
    const { statement, parameterTypes, columns } = prepared;
    const { functions, engine } = this.#session;
    const types = parameterTypes.map(typeOfOid);
    const answered = remote.call(call, this.#waiting.after, (out) =>
      writeRow(out, parameters, types, functions),
    );
    const answer = await awaited({ run, remote }, answered).catch(placed(statement));
    if (call.isWrite) engine.executed.forwardedWrites++;
    else engine.executed.forwardedReads++;
    return remotePortal({ session: this.#session, remote, run }, answer, columns);
  }

  #blockOf({ transaction }: StatementRun): Extract<RemoteCall, { readonly kind: 'run' }>['begins'] {
    if (this.#session.status === 'idle') return null;
    const { isolation, isReadOnly, savepoints } = transaction;
    return { isolation, isReadOnly, savepoints: savepoints.map(({ name }) => name) };
  }

  #counterpart(node: NodeId): RemoteSession {
    const known = this.#others.get(node);
    if (known !== undefined && !known.isBroken) return known;
    const made = new RemoteSession(this.#session, this.#replication, node);
    this.#others.set(node, made);
    return made;
  }

  // ---- the transaction

  /** On a replica it may write all the same, elsewhere. */
  begin(transaction: Transaction, isReadOnly: boolean): void {
    transaction.isReadOnly = isReadOnly || this.refusesWrites;
    transaction.durability = this.#session.settings.replicationMode;
  }

  /** 40003 where the answer does not come. */
  async commit(): Promise<void> {
    const remote = this.#bound;
    this.#bound = null;
    if (remote === null) return;
    try {
      const { answer } = await remote.call({ kind: 'commit' });
      this.#session.lastCommit = answer.committed ?? this.#session.lastCommit;
    } catch (thrown) {
      const error = asAlopexError(thrown);
      throw remote.isBroken ? unknown(error) : error;
    }
  }

  rollback(): void {
    const remote = this.#bound;
    this.#bound = null;
    remote?.call({ kind: 'rollback' }).catch(() => {});
  }

  /** The block has failed here; it goes on at a savepoint, or not at all. */
  fail(): void {
    this.#bound?.call({ kind: 'fail' }).catch(() => {});
  }

  /** Null: it is here alone. */
  savepoint(command: SavepointCommand, name: string): Promise<unknown> | null {
    const remote = this.#bound;
    if (remote === null) return null;
    return ofBound(remote, remote.call({ kind: 'savepoint', command, name }));
  }

  close(): void {
    this.#bound = null;
    for (const remote of this.#others.values()) remote.end();
  }

  /** ParameterStatus, as PostgreSQL reports the end of recovery. Until then a client's reads are those of a primary. */
  #reportRole(): void {
    const { isPrimary } = this.#replication;
    if (isPrimary === this.#wasPrimary) return;
    this.#wasPrimary = isPrimary;
    this.#session.onSettingReported('in_hot_standby', isPrimary ? 'off' : 'on');
  }
}

function textOf(statement: ParsedStatement, parameterTypes: readonly TypeOid[]): RemoteText {
  return { text: statement.source, hasQuestionMarks: statement.hasQuestionMarks, parameterTypes };
}

type Run = Extract<RemoteCall, { readonly kind: 'run' }>;

function runCall(
  { statement, parameterTypes }: Prepared,
  how: Pick<Run, 'isWrite' | 'isPrimarys' | 'ends'> & Partial<Pick<Run, 'begins'>>,
): Run {
  return { kind: 'run', ...textOf(statement, parameterTypes), begins: null, ...how };
}

/** There, the statement's text begins at its own first character. */
function placed({ start }: ParsedStatement): (thrown: unknown) => never {
  return (thrown) => {
    const error = asAlopexError(thrown);
    const { position } = error;
    throw position === undefined ? error : error.with({ position: position + start });
  };
}

/** Whether a request that failed so has left nothing there, and may be made again elsewhere. */
function isNotBegun({ isBroken }: RemoteSession, { condition }: AlopexError): boolean {
  return isBroken || condition === 'cannot_connect_now';
}

function noPrimary(cause?: AlopexError): AlopexError {
  return new AlopexError('cannot_connect_now', 'the cluster has no primary now', { cause });
}

function unknown(cause: AlopexError): AlopexError {
  return new AlopexError(
    'statement_completion_unknown',
    'the primary was lost before it answered the commit: the transaction may be committed or not',
    { cause },
  );
}
