import type { Socket } from 'node:net';
import { DatabaseError } from 'pg-protocol';
import type {
  BackendMessage,
  ParameterStatusMessage,
  ReadyForQueryMessage,
} from 'pg-protocol/dist/messages.js';
import { Parser } from 'pg-protocol/dist/parser.js';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { lost, problemOf } from './problem.ts';

export type { BackendMessage };

/** What is sent, and what is done with the answer. */
export type Exchange = {
  readonly bytes: Uint8Array;
  /** Each message of the answer, in order. What it throws is the exchange's error, once the answer has ended. */
  readonly onMessage: (message: BackendMessage) => void;
  /** The answer's last message. Default: ReadyForQuery, which every error is followed by. */
  readonly isLast?: (message: BackendMessage) => boolean;
  readonly placeOf?: (position: number) => number;
};

type Pending = Exchange & {
  readonly resolve: () => void;
  readonly reject: (error: AlopexError) => void;
  problem: AlopexError | null;
};

/**
 * One socket to a server, and the messages on it. Invariants:
 * - one exchange at a time; whoever shares the wire queues above;
 * - a socket that ended, or an answer that makes no sense, ends the exchange with 08006 and the wire with it.
 */
export class Wire {
  readonly #socket: Socket;
  readonly #parser = new Parser();
  #pending: Pending | null = null;
  #failure: AlopexError | null = null;
  #isOpen = true;
  /** Of the last ReadyForQuery: I idle, T in a transaction, E in a failed one. */
  status = 'I';
  readonly parameters = new Map<string, string>();
  onClosed: () => void = () => {};
  #isAnswered = false;
  #heardMs = 0;
  #isPaused = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('error', (error) => {
      this.#failure ??= lost(error);
    });
    socket.on('close', () => this.#onClose());
    socket.resume();
  }

  get isOpen(): boolean {
    return this.#isOpen;
  }

  /** The server has said something to the last exchange but why it ends. */
  get isAnswered(): boolean {
    return this.#isAnswered;
  }

  /** How long an exchange has waited for the server's next word. */
  get silentMs(): number {
    return this.#pending === null || this.#isPaused ? 0 : performance.now() - this.#heardMs;
  }

  /** Sends, and waits for the last message of the answer. Rejects with the answer's error. */
  exchange(exchange: Exchange): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#pending !== null) {
        throw new AlopexError('object_in_use', 'the connection is running another statement');
      }
      if (!this.#isOpen) throw this.#failure ?? lost(null);
      this.#pending = { ...exchange, resolve, reject, problem: null };
      this.#isAnswered = false;
      this.#heardMs = performance.now();
      this.#socket.write(exchange.bytes);
    });
  }

  /** Within an exchange: the answer to what the server asked. */
  reply(bytes: Uint8Array): void {
    if (this.#isOpen) this.#socket.write(bytes);
  }

  #receive(bytes: Buffer): void {
    this.#heardMs = performance.now();
    try {
      this.#parser.parse(bytes, (message) => this.#onMessage(message));
    } catch (error) {
      this.destroy(
        new AlopexError('protocol_violation', 'the server sent what is no message', { cause: error }),
      );
    }
  }

  #onMessage(message: BackendMessage): void {
    const pending = this.#pending;
    if (message.name === 'parameterStatus') {
      const { parameterName, parameterValue } = message as ParameterStatusMessage;
      this.parameters.set(parameterName, parameterValue);
    } else if (message.name === 'readyForQuery') {
      this.status = (message as ReadyForQueryMessage).status;
    } else if (message instanceof DatabaseError && message.name === 'error') {
      const problem = problemOf(message, pending?.placeOf ?? ((position) => position));
      // Said without being asked, it is why the server ends the connection.
      if (pending === null) this.#failure ??= problem;
      else pending.problem ??= problem;
    } else this.#isAnswered = true;
    if (pending === null) return;
    try {
      pending.onMessage(message);
    } catch (error) {
      pending.problem ??= asAlopexError(error);
    }
    const isLast = pending.isLast?.(message) ?? message.name === 'readyForQuery';
    if (isLast) this.#end(pending);
  }

  #end(pending: Pending): void {
    this.#pending = null;
    if (pending.problem === null) pending.resolve();
    else pending.reject(pending.problem);
  }

  #onClose(): void {
    this.#isOpen = false;
    const pending = this.#pending;
    if (pending !== null) {
      pending.problem ??= this.#failure ?? lost(null);
      this.#end(pending);
    }
    this.onClosed();
  }

  /** Nothing more is read until `resume`: the server's sockets fill, and it waits. */
  pause(): void {
    this.#isPaused = true;
    this.#socket.pause();
  }
  resume(): void {
    this.#isPaused = false;
    this.#heardMs = performance.now();
    this.#socket.resume();
  }

  /** Whether this wire keeps the process alive. */
  keepsAlive(keeps: boolean): void {
    if (keeps) this.#socket.ref();
    else this.#socket.unref();
  }

  /** Says goodbye, and closes. */
  end(terminate: Uint8Array): void {
    if (this.#isOpen) this.#socket.end(terminate);
  }

  destroy(reason: AlopexError): void {
    this.#failure ??= reason;
    this.#isOpen = false;
    this.#socket.destroy();
  }
}
