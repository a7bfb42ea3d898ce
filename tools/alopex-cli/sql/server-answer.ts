import type { Socket } from 'node:net';
import { serialize } from 'pg-protocol';
import type {
  CommandCompleteMessage,
  CopyDataMessage,
  DataRowMessage,
  NoticeMessage,
  RowDescriptionMessage,
} from 'pg-protocol/dist/messages.js';
import type { BackendMessage } from '../../../api/remote/wire.ts';
import { type AlopexError, asAlopexError } from '../../../base/errors.ts';
import type { ResultHandler, ResultRow, ShellNotice } from './connection.ts';

/** Rows, or bytes of rows, that are handed over at once. */
const batchRowsMax = 1_000;
const batchBytesMax = 1024 * 1024;

export type AnswerListener = {
  readonly onNotice: (notice: ShellNotice) => void;
  readonly onHandlerFailed: () => void;
};

/**
 * The messages of one run, handed to the handler one after another. While the handler works, the socket is paused, so
 * that no more waits here than one read of the socket brings. Notices and errors pass the queue.
 */
export class ServerAnswer {
  isCancelled = false;
  readonly #socket: Socket;
  readonly #handler: ResultHandler;
  readonly #listener: AnswerListener;
  #last: Promise<void> = Promise.resolve();
  #working = 0;
  #rows: ResultRow[] = [];
  #rowBytes = 0;
  #hasColumns = false;
  #serverFailed = false;
  #problem: AlopexError | null = null;

  constructor(socket: Socket, handler: ResultHandler, listener: AnswerListener) {
    this.#socket = socket;
    this.#handler = handler;
    this.#listener = listener;
  }

  /** Throws what failed first: the handler, or the server. */
  async end(exchanged: Promise<void>): Promise<void> {
    try {
      await exchanged;
    } catch (thrown) {
      // A lost connection is not told in a message.
      this.#serverFailed = true;
      await this.#last;
      throw this.#problem ?? thrown;
    }
    await this.#last;
    if (this.#problem !== null) throw this.#problem;
  }

  onMessage(message: BackendMessage): void {
    const handler = this.#handler;
    switch (message.name) {
      case 'rowDescription':
        this.#describe(message as RowDescriptionMessage);
        return;
      case 'dataRow':
        this.#add(message as DataRowMessage);
        return;
      case 'commandComplete':
        this.#complete((message as CommandCompleteMessage).text);
        return;
      case 'copyInResponse':
        this.#enqueue(() => this.#copyIn());
        return;
      case 'copyData': {
        // The parser uses its buffer again.
        const chunk = new Uint8Array((message as CopyDataMessage).chunk);
        this.#enqueuePaused(() => handler.copyOut(chunk));
        return;
      }
      case 'notice':
        this.#listener.onNotice(noticeOf(message as NoticeMessage));
        return;
      case 'error':
        this.#serverFailed = true;
        return;
      default:
        return;
    }
  }

  #describe({ fields }: RowDescriptionMessage): void {
    const columns = fields.map(({ name, dataTypeID }) => ({ name, type: dataTypeID }));
    this.#hasColumns = true;
    this.#enqueuePaused(async () => this.#handler.columns(columns));
  }

  #add({ fields, length }: DataRowMessage): void {
    this.#rows.push(fields);
    this.#rowBytes += length;
    if (this.#rows.length >= batchRowsMax || this.#rowBytes >= batchBytesMax) this.#handOver();
  }

  #handOver(): void {
    const rows = this.#rows;
    this.#rows = [];
    this.#rowBytes = 0;
    this.#enqueuePaused(() => this.#handler.rows(rows));
  }

  #complete(tag: string): void {
    if (this.#hasColumns) this.#handOver();
    this.#hasColumns = false;
    this.#enqueuePaused(() => this.#handler.complete(tag));
  }

  #enqueuePaused(work: () => Promise<void>): void {
    this.#working++;
    this.#socket.pause();
    this.#enqueue(work);
    this.#last = this.#last.then(() => {
      this.#working--;
      if (this.#working === 0) this.#socket.resume();
    });
  }

  #enqueue(work: () => Promise<void>): void {
    this.#last = this.#last.then(async () => {
      if (this.#problem !== null) return;
      try {
        await work();
      } catch (thrown) {
        if (this.#serverFailed) return;
        this.#problem = asAlopexError(thrown);
        this.#listener.onHandlerFailed();
      }
    });
  }

  /**
   * The socket is read meanwhile: the server may fail before the input ends. The rest is then read all the same, for
   * it is data, not statements, unless who runs it wants to be done with it.
   */
  async #copyIn(): Promise<void> {
    try {
      for await (const chunk of this.#handler.copyIn()) {
        if (this.isCancelled) break;
        if (!this.#serverFailed) await this.#send(serialize.copyData(Buffer.from(chunk)));
      }
    } catch (thrown) {
      if (this.#serverFailed) return;
      this.#problem = asAlopexError(thrown);
      await this.#send(serialize.copyFail(this.#problem.message));
      return;
    }
    if (this.#serverFailed) return;
    await this.#send(this.isCancelled ? serialize.copyFail('canceled') : serialize.copyDone());
  }

  /** Resolves when the bytes are with the system, or the connection is lost. */
  #send(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve) => {
      this.#socket.write(bytes, () => resolve());
    });
  }
}

function noticeOf({ severity, message, detail, hint }: NoticeMessage): ShellNotice {
  return {
    severity: severity ?? 'NOTICE',
    message: message ?? '',
    detail: detail ?? null,
    hint: hint ?? null,
  };
}
