import type { ByteReader } from '../../../base/bytes/reader.ts';
import type { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError, asAlopexError } from '../../../base/errors.ts';
import type { NodeId } from '../../../base/ids.ts';
import { type Replication, sqlRequest } from '../replication.ts';
import type { EngineSession } from '../session.ts';
import type { CommitToken } from '../settings.ts';
import { decodeMessage, encodeMessage, type RemoteAnswer, type RemoteCall } from './messages.ts';

/** Statements end by their own limits: a link that breaks is told by the mesh. */
const requestMsMax = 2 ** 31 - 1;
/** How often, and at what intervals, a node is told of a session that has ended. */
const [endTriesMax, endRetryMs] = [10, 200];

export type Answered = { readonly answer: RemoteAnswer; readonly rest: ByteReader };

/**
 * A session's counterpart on another node: made by the first request, it ends with the session. Requests are carried
 * out in the order in which they are made. One that fails by the link or because the node has forgotten the session
 * (`isBroken`) leaves nothing there: an open transaction is rolled back.
 */
export class RemoteSession {
  readonly node: NodeId;
  readonly #session: EngineSession;
  readonly #replication: Replication;
  readonly #id: string;
  #isOpen = false;
  #settings: Readonly<Record<string, string>> | null = null;
  #last: Promise<unknown> = Promise.resolve();
  isBroken = false;
  #isEnded = false;

  constructor(session: EngineSession, replication: Replication, node: NodeId) {
    this.#session = session;
    this.#replication = replication;
    this.node = node;
    this.#id = session.engine.nextRemoteId(session.id);
  }

  /** `after`: what is to be applied there before anything is read. */
  call(
    call: RemoteCall,
    after: CommitToken | null = null,
    writeRest?: (out: ByteWriter) => void,
  ): Promise<Answered> {
    const answered = this.#last.then(() => this.#request(call, after, writeRest));
    this.#last = answered.catch(() => {});
    return answered;
  }

  async #request(
    call: RemoteCall,
    after: CommitToken | null,
    writeRest?: (out: ByteWriter) => void,
  ): Promise<Answered> {
    if (this.isBroken) throw forgotten();
    const { user, database, clientAddress } = this.#session;
    const settings = this.#session.settings.given;
    const request = {
      session: this.#id,
      ...call,
      ...(this.#isOpen ? {} : { opens: { user, database, clientAddress } }),
      ...(this.#settings === settings ? {} : { settings }),
      ...(after === null ? {} : { after }),
    };
    this.#isOpen = true;
    this.#settings = settings;
    try {
      const body = encodeMessage(request, writeRest);
      const { head, rest } = decodeMessage<RemoteAnswer>(
        await this.#replication.request(this.node, sqlRequest, body, requestMsMax),
      );
      for (const { severity, condition, message, fields } of head.notices) {
        this.#session.onNotice({ severity, error: new AlopexError(condition, message, fields) });
      }
      return { answer: head, rest };
    } catch (thrown) {
      const error = asAlopexError(thrown);
      // What is open there would hold its locks until this session has a use for that node again.
      if (breaking.has(error.condition)) this.end();
      throw error;
    }
  }

  /** Beside what runs there. */
  cancel(): void {
    this.#tell({ kind: 'cancel' }).catch(() => {});
  }

  end(): void {
    if (!this.#isOpen || this.#isEnded) return;
    this.#isEnded = true;
    this.isBroken = true;
    void this.#tellUntilHeard({ kind: 'end' });
  }

  #tell(call: RemoteCall): Promise<unknown> {
    const body = encodeMessage({ session: this.#id, ...call });
    return this.#replication.request(this.node, sqlRequest, body, requestMsMax);
  }

  /** What it has open there holds locks, and the log. Where the link is broken, the other node forgets it by itself. */
  async #tellUntilHeard(call: RemoteCall): Promise<void> {
    const { clock } = this.#session.engine.env;
    for (let tries = 1; tries <= endTriesMax; tries++) {
      try {
        await this.#tell(call);
        return;
      } catch {
        await new Promise<void>((resolve) => void clock.setTimer(endRetryMs, resolve));
      }
    }
  }
}

const breaking: ReadonlySet<AlopexError['condition']> = new Set([
  'connection_failure',
  'connection_does_not_exist',
  'admin_shutdown',
]);

/** 08003. */
export function forgotten(cause?: unknown): AlopexError {
  const message = 'the session is no longer there on the other node';
  return new AlopexError('connection_does_not_exist', message, cause === undefined ? {} : { cause });
}

/** A transaction that went with its node has done nothing: 40001. */
export async function ofBound<Result>(remote: RemoteSession, work: Promise<Result>): Promise<Result> {
  try {
    return await work;
  } catch (cause) {
    if (!remote.isBroken) throw cause;
    throw new AlopexError('serialization_failure', 'could not serialize access: the primary has changed', {
      hint: 'The transaction might succeed if retried.',
      cause,
    });
  }
}
