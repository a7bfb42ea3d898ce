import type { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError, leaderChanged } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { innerStatement } from '../../../query/sql/bind/statement.ts';
import type { ParsedStatement } from '../../../query/sql/parse.ts';
import { openSavepoint, releaseSavepoint } from '../../../query/txn/savepoints.ts';
import { setIsolation } from '../../../query/txn/transaction.ts';
import { requireBlock } from '../blocks.ts';
import type { CopyInPortal, Portal, PreparedStatement, RowsPortal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
import {
  encodeMessage,
  type RemoteBlock,
  type RemoteCall,
  type RemoteNotice,
  type RemoteRequest,
  type RemoteResult,
  type RemoteText,
  type SavepointCommand,
} from './messages.ts';
import { forgotten } from './remote-session.ts';
import { readRow, typeOfOid, writeRow } from './values.ts';

type Row = readonly Datum[];

/** Bytes of rows in one answer, but for one large row. */
const answerBytesMax = 256 * 1024;

type ServedRows = {
  readonly kind: 'rows';
  readonly portal: RowsPortal;
  /** The implicit transaction ends with it. */
  readonly ends: boolean;
  waiting: readonly Row[];
  sent: number;
  isDone: boolean;
};
type ServedCopy = { readonly kind: 'copy-in'; readonly portal: CopyInPortal };

type Result = { readonly result: RemoteResult; readonly writeRest?: (out: ByteWriter) => void };
type Call<Kind extends RemoteCall['kind']> = Extract<RemoteCall, { readonly kind: Kind }>;

/** A session that stands for one of another node: what that one asks, one thing after another. */
export class ServedSession {
  readonly #session: EngineSession;
  readonly #portals = new Map<number, ServedRows | ServedCopy>();
  #nextPortal = 1;
  #notices: RemoteNotice[] = [];
  #last: Promise<unknown> = Promise.resolve();
  #isClosed = false;

  constructor(session: EngineSession) {
    this.#session = session;
    session.onNotice = ({ severity, error: { condition, message, fields } }) =>
      this.#notices.push({ severity, condition, message, fields });
  }

  answer(request: RemoteRequest, rest: ByteReader): Promise<Uint8Array> {
    const answered = this.#last.then(async () => {
      if (request.settings !== undefined) this.#session.settings.adopt(request.settings);
      const { after } = request;
      const { lastCommit } = this.#session;
      // As if it had been made here: later statements see it.
      if (after !== undefined && after.offset > (lastCommit?.offset ?? -1)) this.#session.lastCommit = after;
      const { result, writeRest } = await this.#carryOut(request, rest).catch(this.#fail);
      if (this.#isClosed) throw forgotten();
      const notices = this.#notices;
      this.#notices = [];
      return encodeMessage({ ...result, notices, committed: this.#session.lastCommit }, writeRest);
    });
    this.#last = answered.catch(() => {});
    return answered;
  }

  cancel(): void {
    this.#session.cancel();
  }

  close(): Promise<void> {
    this.#isClosed = true;
    return this.#session.close();
  }

  /** What runs while the session is closed fails in whichever way it comes to notice. */
  readonly #fail = (error: unknown): never => {
    throw this.#isClosed ? forgotten(error) : error;
  };

  async #carryOut(call: RemoteCall, rest: ByteReader): Promise<Result> {
    switch (call.kind) {
      case 'prepare': {
        // By itself it is asked of the primary, which knows all that was defined.
        if (this.#session.transaction === null && this.#session.engine.replication?.isPrimary !== true)
          throw notPrimary();
        const { parameterTypes, columns } = await this.#prepare(call);
        return { result: { kind: 'prepared', parameterTypes, columns } };
      }
      case 'run':
        return this.#run(call, rest);
      case 'fetch':
        return this.#rows(call.portal, this.#portalOf(call.portal, 'rows'));
      case 'close':
        await this.#closePortal(call.portal);
        return done;
      case 'copy-write':
        await this.#portalOf(call.portal, 'copy-in').portal.write(rest.bytes.slice(rest.position));
        return done;
      case 'copy-finish': {
        const tag = await this.#portalOf(call.portal, 'copy-in').portal.finish();
        this.#portals.delete(call.portal);
        return { result: { kind: 'command', tag } };
      }
      case 'copy-abort':
        return this.#portalOf(call.portal, 'copy-in').portal.abort(call.message);
      case 'savepoint':
        await this.#savepoint(call.command, call.name);
        return done;
      case 'commit':
        await this.#commit();
        return done;
      case 'rollback':
        this.#portals.clear();
        if (this.#session.status === 'idle') this.#session.fail(rolledBack());
        else this.#session.rollbackBlock();
        return done;
      case 'fail':
        this.#session.fail(rolledBack());
        return done;
      case 'cancel':
      case 'end':
        throw forgotten();
    }
  }

  #portalOf<Kind extends 'rows' | 'copy-in'>(
    portal: number,
    kind: Kind,
  ): Extract<ServedRows | ServedCopy, { readonly kind: Kind }> {
    const found = this.#portals.get(portal);
    if (found?.kind === kind) return found as Extract<ServedRows | ServedCopy, { readonly kind: Kind }>;
    throw new AlopexError('invalid_cursor_state', 'the portal is closed');
  }

  #prepare({ text, hasQuestionMarks, parameterTypes }: RemoteText): Promise<PreparedStatement> {
    return this.#session.prepare(this.#statement(text, hasQuestionMarks), parameterTypes);
  }

  #statement(text: string, questionMarks: boolean): ParsedStatement {
    // Behind it stands what part of the text is meant: the body of a PREPARE.
    const [whole = '', part] = text.split('\u0000');
    const statement = this.#session.parse(whole, { questionMarks })[0]!;
    const { node } = statement;
    const body = part !== undefined && 'PrepareStmt' in node ? node.PrepareStmt.query : undefined;
    return body === undefined ? statement : { ...innerStatement(statement, body), source: text };
  }

  async #run(call: Call<'run'>, rest: ByteReader): Promise<Result> {
    if (!this.#mayAnswer(call)) throw this.#notPrimary(call);
    if (this.#session.status === 'idle' && this.#session.engine.replication?.isSettled === false)
      throw new AlopexError('cannot_connect_now', 'the node is starting up');
    if (call.begins !== null) this.#begin(call.begins);
    try {
      const prepared = await this.#prepare(call);
      const parameters = readRow(rest, call.parameterTypes.map(typeOfOid));
      const started = await this.#session.bind(prepared, parameters);
      if (this.#mayAnswer(call)) return await this.#started(started, call.ends);
      if (started.kind === 'rows') started.close();
    } catch (error) {
      if (this.#mayAnswer(call)) throw error;
    }
    throw this.#lost(call);
  }

  /** The lead, while the statement waited to be sure of it, or to begin. Nothing is left of it here. */
  #lost(call: Call<'run'>): AlopexError {
    const error = this.#notPrimary(call);
    if (call.begins !== null) this.#session.rollbackBlock();
    else if (this.#session.status === 'idle') this.#session.fail(error);
    return error;
  }

  #mayAnswer({ isPrimarys }: Call<'run'>): boolean {
    return !isPrimarys || this.#session.engine.replication?.isPrimary === true;
  }

  /** 57P03 where nothing has begun: another node may be asked. */
  #notPrimary({ begins }: Call<'run'>): AlopexError {
    if (begins === null && this.#session.status !== 'idle') return leaderChanged();
    return notPrimary();
  }

  #begin({ isolation, isReadOnly, savepoints }: RemoteBlock): void {
    const session = this.#session;
    const transaction = session.beginBlock();
    setIsolation(transaction, isolation);
    transaction.isReadOnly = isReadOnly;
    for (const name of savepoints) openSavepoint(transaction, name, session.settings.mark);
  }

  async #started(started: Portal, ends: boolean): Promise<Result> {
    switch (started.kind) {
      case 'rows': {
        const portal = this.#nextPortal++;
        const served: ServedRows = {
          kind: 'rows',
          portal: started,
          ends,
          waiting: [],
          sent: 0,
          isDone: false,
        };
        this.#portals.set(portal, served);
        return this.#rows(portal, served);
      }
      case 'copy-in': {
        const portal = this.#nextPortal++;
        this.#portals.set(portal, { kind: 'copy-in', portal: started });
        const { format, columnCount } = started;
        return { result: { kind: 'copy-in', portal, format, columnCount } };
      }
      case 'copy-out':
        started.close();
        throw new AlopexError('feature_not_supported', 'COPY TO is answered by the node that is asked');
      case 'command':
        if (ends) await this.#session.sync();
        return { result: { kind: 'command', tag: started.tag } };
      case 'empty':
        return { result: { kind: 'empty' } };
    }
  }

  /** The next rows, as many as an answer takes. */
  async #rows(portal: number, served: ServedRows): Promise<Result> {
    const { columns } = served.portal;
    const types = columns.map(({ type }) => type);
    if (served.waiting.length === 0 && !served.isDone) {
      const { rows, isDone } = await served.portal.fetch(0);
      served.waiting = rows;
      served.isDone = isDone;
    }
    const rows = served.waiting;
    const out = new ByteWriter();
    let count = 0;
    while (count < rows.length && out.length < answerBytesMax) {
      writeRow(out, rows[count++]!, types, this.#session.functions);
    }
    served.waiting = rows.slice(count);
    served.sent += count;
    const isOver = served.isDone && served.waiting.length === 0;
    const tag = isOver ? served.portal.tag(served.sent) : null;
    if (isOver) this.#portals.delete(portal);
    if (isOver && served.ends) await this.#session.sync();
    const bytes = out.toBytes();
    return { result: { kind: 'rows', portal, columns, count, tag }, writeRest: (rest) => rest.raw(bytes) };
  }

  async #closePortal(portal: number): Promise<void> {
    const served = this.#portals.get(portal);
    this.#portals.delete(portal);
    if (served?.kind !== 'rows') return;
    served.portal.close();
    if (served.ends) await this.#session.sync();
  }

  async #savepoint(command: SavepointCommand, name: string): Promise<void> {
    const session = this.#session;
    if (command === 'ROLLBACK TO') await session.rollbackToSavepoint(name);
    else if (command === 'RELEASE') releaseSavepoint(requireBlock(session, 'RELEASE SAVEPOINT'), name);
    else openSavepoint(requireBlock(session, 'SAVEPOINT'), name, session.settings.mark);
  }

  async #commit(): Promise<void> {
    this.#portals.clear();
    const session = this.#session;
    // What was to be committed is not there: it must not be said to be.
    if (session.transaction === null) throw leaderChanged();
    if (session.status === 'idle') await session.sync();
    else if ((await session.commitBlock()) !== 'COMMIT') throw rolledBack();
  }
}

const done: Result = { result: { kind: 'done' } };

function notPrimary(): AlopexError {
  return new AlopexError('cannot_connect_now', 'the node is not the primary now');
}

function rolledBack(): AlopexError {
  return new AlopexError(
    'in_failed_sql_transaction',
    'current transaction is aborted, commands ignored until end of transaction block',
  );
}
