import type { Connection } from '../../base/env/env.ts';
import { type Frame, Framer } from './framer.ts';
import { receivedBytesMax } from './limits.ts';

/** Packets on their way in: cut, counted, and held back at the socket while the connection is busy. */
export class Inbox {
  readonly #framer = new Framer();
  #connection: Connection;
  #isPaused = false;
  #isClosed = false;
  #wake: (() => void) | null = null;

  constructor(connection: Connection) {
    this.#connection = connection;
  }

  use(connection: Connection): void {
    this.#connection = connection;
  }

  get pendingBytes(): number {
    return this.#framer.pendingBytes;
  }
  get isClosed(): boolean {
    return this.#isClosed;
  }

  set phase(phase: Framer['phase']) {
    this.#framer.phase = phase;
  }

  push(bytes: Uint8Array): void {
    if (this.#isClosed || bytes.length === 0) return;
    this.#framer.push(bytes);
    if (this.#wake !== null) this.#wakeUp();
    else if (!this.#isPaused && this.#framer.pendingBytes > receivedBytesMax) {
      this.#isPaused = true;
      this.#connection.pause();
    }
  }

  /** The next whole packet; null: none is there yet, or the connection is closed. */
  next(): Frame | null {
    return this.#isClosed ? null : this.#framer.next();
  }

  /** Resolves when more bytes are there, or the connection is closed. */
  arrival(): Promise<void> {
    if (this.#isClosed) return Promise.resolve();
    if (this.#isPaused) {
      this.#isPaused = false;
      this.#connection.resume();
    }
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#wakeUp();
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }
}
