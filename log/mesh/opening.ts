import { concatBytes } from '../../base/bytes/compare.ts';
import type { Clock, Connection } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';

type Handlers = Parameters<Connection['handle']>[0];

/** What a connection begins with, and the connection from there on, still to be handled. */
export type Opening = { readonly bytes: Uint8Array; readonly connection: Connection };

/**
 * Takes the first `length` bytes off a connection that nobody handles yet. Rejects with connection_failure where it ends
 * before, or `timeoutMs` passes; then it is destroyed.
 */
export function readOpening(
  connection: Connection,
  length: number,
  clock: Clock,
  timeoutMs: number,
): Promise<Opening> {
  const { promise, resolve, reject } = Promise.withResolvers<Opening>();
  const rest = new OpenedConnection(connection);
  let parts: Uint8Array[] = [];
  let partsBytes = 0;
  const fail = (reason: string) => {
    timer.cancel();
    connection.destroy();
    reject(new AlopexError('connection_failure', `the connection was not opened: ${reason}`));
  };
  const timer = clock.setTimer(timeoutMs, () => fail(`nothing was heard within ${timeoutMs} ms`));
  rest.start({
    onData: (bytes) => {
      parts.push(bytes);
      partsBytes += bytes.length;
      if (partsBytes < length) return;
      timer.cancel();
      const whole = concatBytes(parts);
      parts = [];
      rest.hold(whole.subarray(length));
      resolve({ bytes: whole.subarray(0, length), connection: rest });
    },
    onDrain: () => {},
    onClose: (error) => fail(error === null ? 'it ended' : asAlopexError(error).message),
  });
  return promise;
}

/** A connection that changes hands: what arrives between two of its handlers waits for the second. */
class OpenedConnection implements Connection {
  readonly #inner: Connection;
  #handlers: Handlers | null = null;
  #held: Uint8Array[] = [];
  #closed: { readonly error: Error | null } | null = null;
  #isPaused = false;

  constructor(inner: Connection) {
    this.#inner = inner;
  }

  get remote() {
    return this.#inner.remote;
  }

  start(handlers: Handlers): void {
    this.#handlers = handlers;
    this.#inner.handle({
      onData: (bytes) => {
        if (this.#handlers === null || this.#isPaused || this.#held.length > 0) this.#held.push(bytes);
        else this.#handlers.onData(bytes);
      },
      onDrain: () => this.#handlers?.onDrain(),
      onClose: (error) => {
        this.#closed = { error };
        this.#handlers?.onClose(error);
      },
    });
  }

  hold(rest: Uint8Array): void {
    this.#handlers = null;
    this.#inner.pause();
    if (rest.length > 0) this.#held.push(rest);
  }

  handle(handlers: Handlers): void {
    queueMicrotask(() => {
      this.#handlers = handlers;
      this.#release();
      if (this.#closed !== null) handlers.onClose(this.#closed.error);
      else if (!this.#isPaused) this.#inner.resume();
    });
  }

  #release(): void {
    while (!this.#isPaused) {
      const bytes = this.#held.shift();
      if (bytes === undefined) return;
      this.#handlers?.onData(bytes);
    }
  }

  write(bytes: Uint8Array): boolean {
    return this.#inner.write(bytes);
  }
  end(): void {
    this.#inner.end();
  }
  destroy(): void {
    this.#inner.destroy();
  }
  pause(): void {
    this.#isPaused = true;
    this.#inner.pause();
  }
  resume(): void {
    this.#isPaused = false;
    this.#release();
    if (!this.#isPaused) this.#inner.resume();
  }
}
