import { utf8ToStringStrict } from '../../base/bytes/utf8.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type {
  CopyInPortal,
  CopyOutPortal,
  Portal,
  PreparedStatement,
  RowsPortal,
  Session,
} from '../database/contract.ts';
import { type FieldEncoder, fieldEncoders, formatOf } from './backend.ts';
import { decodeMessage, type FrontendMessage, protocolViolation } from './frontend.ts';
import { portalsMax, preparedStatementsMax } from './limits.ts';
import type { Outbox } from './outbox.ts';

type Message<K extends FrontendMessage['kind']> = Extract<FrontendMessage, { readonly kind: K }>;

/** A portal of the extended protocol: the session starts it at its first Execute. */
type BoundPortal = {
  /** Null: an empty statement. */
  readonly prepared: PreparedStatement | null;
  readonly parameters: readonly Datum[];
  readonly resultFormats: readonly number[];
  started: Portal | null;
  encoders: readonly FieldEncoder[] | null;
  isDone: boolean;
};

type RunningCopy = {
  readonly portal: CopyInPortal;
  readonly isExtended: boolean;
  /** Simple protocol: the script goes on with the tag. */
  readonly resolve: (tag: string) => void;
};

/** The simple and the extended query protocol over a session (PostgreSQL manual, 55.2). */
export class SessionProtocol {
  readonly #session: Session;
  readonly #outbox: Outbox;
  readonly #statements = new Map<string, PreparedStatement | null>();
  readonly #portals = new Map<string, BoundPortal>();
  /** After an error, extended messages are ignored until Sync. */
  #isSkipping = false;
  #copy: RunningCopy | null = null;
  /** The rest of a simple query's script, which goes on after its COPY. */
  #script: Promise<void> | null = null;

  constructor(session: Session, outbox: Outbox) {
    this.#session = session;
    this.#outbox = outbox;
  }

  handle(kind: FrontendMessage['kind'], body: Uint8Array): void | Promise<void> {
    if (this.#isSkipping && kind !== 'sync') return;
    let message: FrontendMessage;
    try {
      message = decodeMessage(kind, body);
    } catch (error) {
      if (asAlopexError(error).condition === 'protocol_violation') throw error;
      return this.#refuse(error, kind !== 'query');
    }
    return this.#copy === null ? this.#dispatch(message) : this.#onCopyMessage(message);
  }

  #dispatch(message: FrontendMessage): void | Promise<void> {
    switch (message.kind) {
      case 'query':
        return this.#onQuery(message.text);
      case 'parse':
        return this.#extended(() => this.#onParse(message));
      case 'bind':
        return this.#extended(() => this.#onBind(message));
      case 'describe':
        return this.#extended(() => this.#onDescribe(message));
      case 'execute':
        return this.#extended(() => this.#onExecute(message));
      case 'close':
        return this.#extended(() => this.#onCloseMessage(message));
      case 'flush':
        this.#outbox.flush();
        return;
      case 'sync':
        return this.#onSync();
      case 'copy-data':
      case 'copy-done':
      case 'copy-fail':
        return;
      case 'function-call':
        return this.#refuse(
          new AlopexError('feature_not_supported', 'the function call protocol is not supported'),
          false,
        );
      case 'terminate':
      case 'password':
        throw protocolViolation(`unexpected message of kind ${message.kind}`);
    }
  }

  close(): void {
    this.#copy = null;
  }

  // ---- errors

  /** An error of a message itself, which the session has not seen. */
  async #refuse(thrown: unknown, isExtended: boolean): Promise<void> {
    const error = asAlopexError(thrown);
    await this.#session.fail(error);
    this.#outbox.writer.error(error);
    if (isExtended) this.#isSkipping = true;
    else this.#ready();
  }

  async #extended(work: () => void | Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      await this.#refuse(error, true);
    }
  }

  #ready(): void {
    if (this.#session.status === 'idle') this.#portals.clear();
    this.#outbox.writer.readyForQuery(this.#session.status);
  }

  // ---- the simple protocol

  async #onQuery(text: string): Promise<void> {
    this.#closePortal('');
    const script = this.#runScript(text);
    this.#script = script;
    await Promise.race([script, this.#copyStarted()]);
  }

  /** A COPY FROM STDIN inside a script needs messages before the script can go on. */
  #copyStarted(): Promise<void> {
    return new Promise((resolve) => {
      this.#onCopyStarted = resolve;
    });
  }
  #onCopyStarted: () => void = () => {};

  async #runScript(text: string): Promise<void> {
    try {
      const statements = this.#session.parse(text);
      if (statements.length === 0) this.#outbox.writer.emptyQueryResponse();
      for (const [index, statement] of statements.entries()) {
        const prepared = await this.#session.prepare(statement, []);
        const portal = await this.#session.bind(prepared, []);
        await this.#sendSimple(portal, index === statements.length - 1);
      }
      await this.#session.sync();
    } catch (error) {
      await this.#session.fail(asAlopexError(error));
      this.#outbox.writer.error(asAlopexError(error));
    }
    this.#script = null;
    this.#ready();
  }

  async #sendSimple(portal: Portal, isLast: boolean): Promise<void> {
    const { writer } = this.#outbox;
    switch (portal.kind) {
      case 'empty':
        writer.emptyQueryResponse();
        return;
      case 'command':
        if (isLast) await this.#session.sync();
        writer.commandComplete(portal.tag);
        return;
      case 'rows':
        writer.rowDescription(portal.columns, []);
        await this.#sendRows(portal, fieldEncoders(portal.columns, [], this.#session.functions), 0);
        if (isLast) await this.#session.sync();
        writer.commandComplete(portal.tag);
        return;
      case 'copy-in': {
        const tag = await this.#receiveCopy(portal, false);
        if (isLast) await this.#session.sync();
        writer.commandComplete(tag);
        return;
      }
      case 'copy-out':
        await this.#sendCopy(portal);
    }
  }

  // ---- the extended protocol

  async #onParse(message: Message<'parse'>): Promise<void> {
    if (message.name !== '' && this.#statements.has(message.name)) {
      throw new AlopexError(
        'duplicate_prepared_statement',
        `prepared statement "${message.name}" already exists`,
      );
    }
    if (this.#statements.size >= preparedStatementsMax) {
      throw new AlopexError(
        'configuration_limit_exceeded',
        `a connection cannot prepare more than ${preparedStatementsMax} statements`,
      );
    }
    const [statement, ...others] = this.#session.parse(message.text);
    if (others.length > 0) {
      throw new AlopexError('syntax_error', 'cannot insert multiple commands into a prepared statement');
    }
    this.#statements.set(
      message.name,
      statement === undefined ? null : await this.#session.prepare(statement, message.parameterTypes),
    );
    this.#outbox.writer.parseComplete();
  }

  #statement(name: string): PreparedStatement | null {
    const statement = this.#statements.get(name);
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
    this.#portals.set(message.portal, {
      prepared,
      parameters: prepared === null ? [] : this.#decodeParameters(prepared, message),
      resultFormats: checkedFormats(prepared, message),
      started: null,
      encoders: null,
      isDone: false,
    });
    this.#outbox.writer.bindComplete();
  }

  #decodeParameters(prepared: PreparedStatement, message: Message<'bind'>): readonly Datum[] {
    const { parameters, parameterFormats } = message;
    const wanted = prepared.parameterTypes.length;
    if (parameters.length !== wanted) {
      throw protocolViolation(
        `bind message supplies ${parameters.length} parameters, but prepared statement "${message.statement}" requires ${wanted}`,
      );
    }
    return parameters.map((bytes, index) => {
      if (bytes === null) return null;
      const type = { oid: prepared.parameterTypes[index]!, modifier: -1 };
      const codec = codecOf(type.oid);
      if (formatOf(parameterFormats, index) === 1) return codec.decode(bytes, type);
      const text = utf8ToStringStrict(bytes);
      if (text === null || text.includes('\0')) {
        throw new AlopexError('character_not_in_repertoire', 'invalid byte sequence for encoding "UTF8"');
      }
      return codec.parse(text, type, this.#session.functions);
    });
  }

  #portal(name: string): BoundPortal {
    const portal = this.#portals.get(name);
    if (portal !== undefined) return portal;
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

  async #onExecute(message: Message<'execute'>): Promise<void> {
    const portal = this.#portal(message.portal);
    const { writer } = this.#outbox;
    if (portal.prepared === null) {
      writer.emptyQueryResponse();
      return;
    }
    portal.started ??= await this.#session.bind(portal.prepared, portal.parameters);
    const { started } = portal;
    switch (started.kind) {
      case 'empty':
        writer.emptyQueryResponse();
        return;
      case 'command':
        if (portal.isDone)
          throw new AlopexError(
            'object_not_in_prerequisite_state',
            `portal "${message.portal}" cannot be run`,
          );
        portal.isDone = true;
        writer.commandComplete(started.tag);
        return;
      case 'rows': {
        portal.encoders ??= fieldEncoders(started.columns, portal.resultFormats, this.#session.functions);
        portal.isDone = await this.#sendRows(started, portal.encoders, message.rowsMax);
        if (portal.isDone) writer.commandComplete(started.tag);
        else writer.portalSuspended();
        return;
      }
      case 'copy-in':
        void this.#receiveCopy(started, true);
        return;
      case 'copy-out':
        await this.#sendCopy(started);
    }
  }

  /** Sends rows until the portal is done, or `rowsMax` are sent. */
  async #sendRows(portal: RowsPortal, encoders: readonly FieldEncoder[], rowsMax: number): Promise<boolean> {
    let left = rowsMax;
    for (;;) {
      const { rows, isDone } = await portal.fetch(left);
      for (const row of rows) {
        this.#outbox.writer.dataRow(row, encoders);
        const room = this.#outbox.room();
        if (room !== null) await room;
      }
      if (isDone) return true;
      left -= rows.length;
      if (rowsMax > 0 && left <= 0) return false;
    }
  }

  #onCloseMessage(message: Message<'close'>): void {
    if (message.target === 'statement') this.#statements.delete(message.name);
    else this.#closePortal(message.name);
    this.#outbox.writer.closeComplete();
  }

  #closePortal(name: string): void {
    const started = this.#portals.get(name)?.started;
    if (started?.kind === 'rows' || started?.kind === 'copy-out') started.close();
    this.#portals.delete(name);
  }

  async #onSync(): Promise<void> {
    this.#isSkipping = false;
    try {
      await this.#session.sync();
    } catch (error) {
      this.#outbox.writer.error(asAlopexError(error));
    }
    this.#ready();
  }

  // ---- COPY

  /** Resolves with the tag when the client has ended the copy, and it went well. */
  #receiveCopy(portal: CopyInPortal, isExtended: boolean): Promise<string> {
    this.#outbox.writer.copyResponse('in', portal.format === 'binary', portal.columnCount);
    this.#outbox.flush();
    return new Promise((resolve) => {
      this.#copy = { portal, isExtended, resolve };
      this.#onCopyStarted();
    });
  }

  async #onCopyMessage(message: FrontendMessage): Promise<void> {
    const copy = this.#copy!;
    try {
      switch (message.kind) {
        case 'copy-data':
          await copy.portal.write(message.data);
          return;
        case 'copy-done': {
          const tag = await copy.portal.finish();
          this.#copy = null;
          if (copy.isExtended) this.#outbox.writer.commandComplete(tag);
          else copy.resolve(tag);
          break;
        }
        case 'copy-fail':
          await copy.portal.abort(message.message);
          return;
        case 'flush':
        case 'sync':
          return;
        default:
          throw new AlopexError(
            'protocol_violation',
            `unexpected message of kind ${message.kind} during COPY from stdin`,
          );
      }
    } catch (error) {
      this.#copy = null;
      await this.#failCopy(copy, error);
    }
    if (this.#script !== null) await Promise.race([this.#script, this.#copyStarted()]);
  }

  async #failCopy(copy: RunningCopy, thrown: unknown): Promise<void> {
    const error = asAlopexError(thrown);
    await this.#session.fail(error);
    this.#outbox.writer.error(error);
    if (copy.isExtended) {
      this.#isSkipping = true;
      return;
    }
    // The script ends here: its promise stays unresolved, and nothing waits for it.
    this.#script = null;
    this.#ready();
  }

  async #sendCopy(portal: CopyOutPortal): Promise<void> {
    const { writer } = this.#outbox;
    writer.copyResponse('out', portal.format === 'binary', portal.columnCount);
    for (let data = await portal.read(); data !== null; data = await portal.read()) {
      writer.copyData(data);
      const room = this.#outbox.room();
      if (room !== null) await room;
    }
    writer.copyDone();
    writer.commandComplete(portal.tag);
  }
}

function checkedFormats(prepared: PreparedStatement | null, message: Message<'bind'>): readonly number[] {
  const columns = prepared?.columns?.length ?? 0;
  const { resultFormats } = message;
  if (resultFormats.length > 1 && resultFormats.length !== columns) {
    throw protocolViolation(
      `bind message has ${resultFormats.length} result formats but query has ${columns} columns`,
    );
  }
  return resultFormats;
}
