import type { Connection } from '../../base/env/env.ts';
import { BackendWriter } from './backend.ts';
import { unsentBytesMax } from './limits.ts';

/** Bytes that go to the socket in one write, where more are to come. */
const chunkBytes = 32 * 1024;

/** Messages on their way out: gathered, sent in chunks, and held back while the client does not read. */
export class Outbox {
  readonly writer = new BackendWriter();
  #connection: Connection;
  #unsent = 0;
  #isBlocked = false;
  #isClosed = false;
  #waiters: (() => void)[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  use(connection: Connection): void {
    this.#connection = connection;
  }

  flush(): void {
    if (this.writer.length === 0) return;
    const bytes = this.writer.take();
    if (this.#isClosed) return;
    this.#unsent = this.#isBlocked ? this.#unsent + bytes.length : bytes.length;
    if (!this.#connection.write(bytes)) this.#isBlocked = true;
  }

  /** After a message: sends what is enough; a promise where the client must read first. */
  room(): Promise<void> | null {
    if (this.writer.length >= chunkBytes) this.flush();
    if (!this.#isBlocked || this.#unsent < unsentBytesMax) return null;
    return new Promise((resolve) => {
      this.#waiters.push(resolve);
    });
  }

  onDrain(): void {
    this.#isBlocked = false;
    this.#unsent = 0;
    this.#wake();
  }

  /** Nobody reads any more: who waits goes on, and finds the connection closed. */
  close(): void {
    this.#isClosed = true;
    this.#isBlocked = false;
    this.#wake();
  }

  #wake(): void {
    for (const resolve of this.#waiters.splice(0)) resolve();
  }
}
