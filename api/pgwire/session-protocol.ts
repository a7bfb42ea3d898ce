import type { ByteReader } from '../../base/bytes/reader.ts';
import type { Clock } from '../../base/env/env.ts';
import { nextTurn } from '../../base/env/turn.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import type {
  FilledTemplate,
  Portal,
  PreparedStatement,
  Rows,
  RowsPortal,
  Session,
} from '../database/contract.ts';
import { receiveCopy, sendCopy } from './copy.ts';
import { type FieldEncoder, fieldEncoders } from './fields.ts';
import { decodeMessage, type FrontendMessage, type Message } from './frontend.ts';
import type { Inbox } from './inbox.ts';
import { portalsMax, preparedStatementsMax, sliceMsMax } from './limits.ts';
import type { Outbox } from './outbox.ts';
import { checkedResultFormats, decodeParameters } from './parameters.ts';

/** A portal of the extended protocol: the session starts it at its first Execute. */
type BoundPortal = {
  /** Null: an empty statement. */
  readonly prepared: PreparedStatement | null;
  readonly parameters: readonly Datum[];
  readonly resultFormats: readonly number[];
  started: Portal | null;
  isDone: boolean;
};

/** Messages between two looks at the clock. */
const messagesPerLook = 32;

/**
 * The simple and the extended query protocol over a session (PostgreSQL manual, 55.2). Messages are handled one
 * after another; a lookup by key goes from Bind to Sync without a promise.
 *
 * Invariants:
 * - after an error in an extended message nothing is handled until Sync (`#isSkipping`);
 * - portals end with the transaction: none outlives a ReadyForQuery in state idle.
 */
export class SessionProtocol {
  readonly #session: Session;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #clock: Clock;
  readonly #portals = new Map<string, BoundPortal>();
  #unnamedPortal: BoundPortal | null = null;
  /** The unnamed statement; undefined where there is none. */
  #unnamed: PreparedStatement | null | undefined = undefined;
  #isSkipping = false;

  /** Between two of the client's questions. */
  #isReady = true;

  #isSending = false;
  #isCancelled = false;

  constructor(session: Session, inbox: Inbox, outbox: Outbox, clock: Clock) {
    this.#session = session;
    this.#inbox = inbox;
    this.#outbox = outbox;
    this.#clock = clock;
  }

  get isReady(): boolean {
    return this.#isReady;
  }

  /** Until the client terminates, or the connection is closed. Throws what the connection must end with. */
  async run(): Promise<void> {
    let sliceStartMs = this.#clock.monotonicMs();
    for (let count = 1; ; count++) {
      let frame = this.#inbox.next();
      if (frame === null) {
        frame = await this.#arrival();
        if (frame === null) return;
        sliceStartMs = this.#clock.monotonicMs();
      }
      if (frame.kind !== 'message' || frame.message === 'terminate') return;
      this.#session.stopIdling();
      this.#isReady = false;
      const handled = this.#handle(frame.message, frame.body);
      if (handled !== undefined) await handled;
      const room = this.#outbox.room();
      if (room !== null) await room;
      if (count % messagesPerLook === 0 && this.#clock.monotonicMs() - sliceStartMs > sliceMsMax) {
        await nextTurn(this.#clock);
        sliceStartMs = this.#clock.monotonicMs();
      }
    }
  }

  /** Sends the answers, and waits for the next packet; null: the connection is closed. */
  async #arrival() {
    this.#outbox.flush();
    for (;;) {
      await this.#inbox.arrival();
      if (this.#inbox.isClosed) return null;
      const frame = this.#inbox.next();
      if (frame !== null) return frame;
    }
  }

  #handle(kind: FrontendMessage['kind'], body: ByteReader): void | Promise<void> {
    if (this.#isSkipping && kind !== 'sync') return;
    try {
      const handled = this.#dispatch(decodeMessage(kind, body));
      return handled?.catch((error: unknown) => this.#refuse(error, kind));
    } catch (error) {
      this.#refuse(error, kind);
    }
  }

  #dispatch(message: FrontendMessage): void | Promise<void> {
    switch (message.kind) {
      case 'query':
        return this.#onQuery(message.text);
      case 'parse':
        return this.#onParse(message);
      case 'bind':
        return this.#onBind(message);
      case 'describe':
        return this.#onDescribe(message);
      case 'execute':
        return this.#onExecute(message);
      case 'close':
        return this.#onClose(message);
      case 'flush':
        return this.#outbox.flush();
      case 'sync':
        return this.#onSync();
      case 'copy-data':
      case 'copy-done':
      case 'copy-fail':
        // What a client still sends of a COPY that has failed.
        return;
      case 'function-call':
        throw new AlopexError('feature_not_supported', 'the function call protocol is not supported');
      case 'terminate':
      case 'password':
        throw new AlopexError('protocol_violation', `unexpected message of kind ${message.kind}`);
    }
  }

  /** The error of a message: told, and the transaction fails with it. */
  #refuse(thrown: unknown, kind: FrontendMessage['kind']): void {
    const error = asAlopexError(thrown);
    this.#session.fail(error);
    this.#outbox.writer.error(error);
    if (isExtended(kind)) this.#isSkipping = true;
    else this.#ready();
  }

  #ready(): void {
    const { status } = this.#session;
    if (status === 'idle') {
      this.#unnamedPortal = null;
      if (this.#portals.size > 0) this.#portals.clear();
    }
    this.#outbox.writer.readyForQuery(status);
    this.#isReady = true;
    this.#session.startIdling();
  }

  // ---- the simple protocol

  #onQuery(text: string): void | Promise<void> {
    this.#closePortal('');
    this.#unnamed = undefined;
    const filled = this.#session.fillTemplate(text);
    const answered = filled === null ? null : this.#answer(filled, text);
    return answered === null ? this.#runScript(text) : answered;
  }

  /** By a short way; null: there is none now. */
  #answer({ prepared, parameters }: FilledTemplate, text: string): void | Promise<void> | null {
    const rows = this.#session.lookUp(prepared, parameters, text);
    if (rows instanceof Promise) return rows.then((found) => this.#answerRows(prepared, found));
    if (rows !== null) return this.#answerRows(prepared, rows);
    const tag = this.#session.command(prepared, parameters, text);
    if (tag instanceof Promise) return tag.then((done) => this.#answerTag(done));
    return tag === null ? null : this.#answerTag(tag);
  }

  #answerRows(prepared: PreparedStatement, rows: Rows): void | Promise<void> {
    this.#outbox.writer.rowDescription(prepared.columns!, []);
    return this.#answerTag(this.#writeRows(prepared, rows, []));
  }

  #answerTag(tag: string): void | Promise<void> {
    const finish = (): void => {
      this.#outbox.writer.commandComplete(tag);
      this.#ready();
    };
    const synced = this.#session.sync();
    return synced === undefined ? finish() : synced.then(finish);
  }

  async #runScript(text: string): Promise<void> {
    const statements = this.#session.parse(text);
    if (statements.length === 0) this.#outbox.writer.emptyQueryResponse();
    for (const [index, statement] of statements.entries()) {
      const prepared = await this.#session.prepare(statement, []);
      if (prepared.parameterTypes.length > 0) {
        throw new AlopexError('undefined_parameter', 'there is no parameter $1');
      }
      const isLast = index === statements.length - 1;
      const tag = this.#session.command(prepared, []);
      const portal: Portal =
        tag === null ? await this.#session.bind(prepared, []) : { kind: 'command', tag: await tag };
      await this.#sendSimple(portal, isLast);
    }
    await this.#session.sync();
    this.#ready();
  }

  /** The implicit transaction is committed before the last statement is reported as complete. */
  async #sendSimple(portal: Portal, isLast: boolean): Promise<void> {
    const tag = await this.#runSimple(portal);
    if (isLast) await this.#session.sync();
    if (tag === null) this.#outbox.writer.emptyQueryResponse();
    else this.#outbox.writer.commandComplete(tag);
  }

  /** Everything of a statement but its end: the tag, or null for an empty one. */
  async #runSimple(portal: Portal): Promise<string | null> {
    switch (portal.kind) {
      case 'empty':
        return null;
      case 'command':
        return portal.tag;
      case 'rows': {
        this.#outbox.writer.rowDescription(portal.columns, []);
        const encoders = fieldEncoders(portal.columns, []);
        const { sent } = await this.#sendRows(portal, encoders, 0);
        return portal.tag(sent);
      }
      case 'copy-in':
        return receiveCopy(portal, this.#outbox, () => this.#inbox.next() ?? this.#arrival());
      case 'copy-out':
        return sendCopy(portal, this.#outbox);
    }
  }

  // ---- the extended protocol

  async #onParse({ name, text, parameterTypes }: Message<'parse'>): Promise<void> {
    const { named } = this.#session;
    if (name === '') this.#unnamed = undefined;
    else if (named.has(name)) {
      throw new AlopexError('duplicate_prepared_statement', `prepared statement "${name}" already exists`);
    } else if (named.size >= preparedStatementsMax) {
      throw new AlopexError(
        'configuration_limit_exceeded',
        `a connection cannot prepare more than ${preparedStatementsMax} statements`,
      );
    }
    const [statement, ...others] = this.#session.parse(text);
    if (others.length > 0) {
      throw new AlopexError('syntax_error', 'cannot insert multiple commands into a prepared statement');
    }
    const prepared = statement === undefined ? null : await this.#session.prepare(statement, parameterTypes);
    if (name === '') this.#unnamed = prepared;
    else named.set(name, prepared);
    this.#outbox.writer.parseComplete();
  }

  #statement(name: string): PreparedStatement | null {
    const statement = name === '' ? this.#unnamed : this.#session.named.get(name);
    if (statement !== undefined) return statement;
    throw new AlopexError(
      'invalid_sql_statement_name',
      name === ''
        ? 'unnamed prepared statement does not exist'
        : `prepared statement "${name}" does not exist`,
    );
  }

  #onBind(message: Message<'bind'>): void {
    const prepared = this.#statement(message.statement);
    if (message.portal === '') this.#closePortal('');
    else if (this.#portals.has(message.portal)) {
      throw new AlopexError('duplicate_cursor', `cursor "${message.portal}" already exists`);
    }
    if (this.#portals.size >= portalsMax) {
      throw new AlopexError(
        'configuration_limit_exceeded',
        `a connection cannot open more than ${portalsMax} portals`,
      );
    }
    const portal: BoundPortal = {
      prepared,
      parameters: prepared === null ? [] : decodeParameters(prepared, message, this.#session.functions),
      resultFormats: checkedResultFormats(prepared, message),
      started: null,
      isDone: false,
    };
    if (message.portal === '') this.#unnamedPortal = portal;
    else this.#portals.set(message.portal, portal);
    this.#outbox.writer.bindComplete();
  }

  #portal(name: string): BoundPortal {
    const portal = this.#open(name);
    if (portal !== null) return portal;
    throw new AlopexError('invalid_cursor_name', `portal "${name}" does not exist`);
  }

  #onDescribe(message: Message<'describe'>): void {
    const { writer } = this.#outbox;
    const portal = message.target === 'portal' ? this.#portal(message.name) : null;
    const prepared = portal === null ? this.#statement(message.name) : portal.prepared;
    if (portal === null) writer.parameterDescription(prepared?.parameterTypes ?? []);
    const columns = prepared?.columns ?? null;
    if (columns === null) writer.noData();
    else writer.rowDescription(columns, portal?.resultFormats ?? []);
  }

  #onExecute({ portal: name, rowsMax }: Message<'execute'>): void | Promise<void> {
    const portal = this.#portal(name);
    const { prepared } = portal;
    if (prepared === null) return this.#outbox.writer.emptyQueryResponse();
    if (portal.started === null && !portal.isDone && rowsMax === 0) {
      const rows = this.#session.lookUp(prepared, portal.parameters);
      if (rows instanceof Promise) return rows.then((found) => this.#sendFound(portal, found));
      if (rows !== null) return this.#sendFound(portal, rows);
      const tag = this.#session.command(prepared, portal.parameters);
      if (tag instanceof Promise) return tag.then((done) => this.#sendDone(portal, done));
      if (tag !== null) return this.#sendDone(portal, tag);
    }
    return this.#execute(portal, prepared, name, rowsMax);
  }

  /** The rows of a lookup: the portal is done with them. */
  #sendFound(portal: BoundPortal, rows: Rows): void {
    const tag = this.#writeRows(portal.prepared!, rows, portal.resultFormats);
    portal.isDone = true;
    this.#outbox.writer.commandComplete(tag);
  }

  /** Of a lookup: the tag. */
  #writeRows({ columns }: PreparedStatement, rows: Rows, resultFormats: readonly number[]): string {
    const encoders = fieldEncoders(columns!, resultFormats);
    for (const row of rows) this.#outbox.writer.dataRow(row, encoders, this.#session.functions);
    return rows.length === 1 ? 'SELECT 1' : 'SELECT 0';
  }

  #sendDone(portal: BoundPortal, tag: string): void {
    portal.started = { kind: 'command', tag };
    portal.isDone = true;
    this.#outbox.writer.commandComplete(tag);
  }

  async #execute(
    portal: BoundPortal,
    prepared: PreparedStatement,
    name: string,
    rowsMax: number,
  ): Promise<void> {
    const { writer } = this.#outbox;
    if (portal.isDone && portal.started?.kind !== 'rows') {
      // A lookup's portal is as finished as any other: nothing is left to fetch.
      if (portal.started === null) return writer.commandComplete('SELECT 0');
      throw new AlopexError('object_not_in_prerequisite_state', `portal "${name}" cannot be run`);
    }
    portal.started ??= await this.#session.bind(prepared, portal.parameters);
    const { started } = portal;
    if (started.kind === 'rows') {
      const { sent, isDone } = await this.#sendRows(
        started,
        fieldEncoders(started.columns, portal.resultFormats),
        rowsMax,
      );
      portal.isDone = isDone;
      if (isDone) writer.commandComplete(started.tag(sent));
      else writer.portalSuspended();
      return;
    }
    portal.isDone = true;
    const tag = await this.#runSimple(started);
    if (tag === null) writer.emptyQueryResponse();
    else writer.commandComplete(tag);
  }

  /** A statement whose rows wait for the client to read is cancelled here: the session has it paused. */
  cancel(): void {
    if (this.#isSending) this.#isCancelled = true;
  }

  #checkCancelled(): void {
    if (!this.#isCancelled) return;
    throw new AlopexError('query_canceled', 'canceling statement due to user request');
  }

  /** Sends rows until the portal is done, or `rowsMax` are sent (0: no limit). */
  async #sendRows(
    portal: RowsPortal,
    encoders: readonly FieldEncoder[],
    rowsMax: number,
  ): Promise<{ readonly sent: number; readonly isDone: boolean }> {
    this.#isSending = true;
    this.#isCancelled = false;
    try {
      return await this.#sendAll(portal, encoders, rowsMax);
    } finally {
      this.#isSending = false;
    }
  }

  async #sendAll(
    portal: RowsPortal,
    encoders: readonly FieldEncoder[],
    rowsMax: number,
  ): Promise<{ readonly sent: number; readonly isDone: boolean }> {
    const { writer } = this.#outbox;
    const { functions } = this.#session;
    let sent = 0;
    for (;;) {
      const { rows, isDone } = await portal.fetch(rowsMax === 0 ? 0 : rowsMax - sent);
      for (const row of rows) {
        writer.dataRow(row, encoders, functions);
        const room = this.#outbox.room();
        if (room === null) continue;
        await room;
        this.#checkCancelled();
      }
      sent += rows.length;
      if (isDone || (rowsMax > 0 && sent >= rowsMax)) return { sent, isDone };
    }
  }

  #onClose(message: Message<'close'>): void {
    if (message.target === 'portal') this.#closePortal(message.name);
    else if (message.name === '') this.#unnamed = undefined;
    else this.#session.named.delete(message.name);
    this.#outbox.writer.closeComplete();
  }

  #open(name: string): BoundPortal | null {
    return name === '' ? this.#unnamedPortal : (this.#portals.get(name) ?? null);
  }

  #closePortal(name: string): void {
    const portal = this.#open(name);
    if (portal === null) return;
    const { started } = portal;
    if (started?.kind === 'rows' || started?.kind === 'copy-out') started.close();
    if (name === '') this.#unnamedPortal = null;
    else this.#portals.delete(name);
  }

  #onSync(): void | Promise<void> {
    this.#isSkipping = false;
    const synced = this.#session.sync();
    if (synced === undefined) return this.#ready();
    return synced.then(() => this.#ready());
  }
}

/** Messages whose error makes the server skip to the next Sync. */
function isExtended(kind: FrontendMessage['kind']): boolean {
  return kind === 'parse' || kind === 'bind' || kind === 'describe' || kind === 'execute' || kind === 'close';
}
