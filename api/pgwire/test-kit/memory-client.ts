import type { Connection } from '../../../base/env/env.ts';
import { Transcript } from './transcript.ts';

type Handlers = Parameters<Connection['handle']>[0];

/** A client whose wire is this process's memory: what the server writes is read at once, unless `isReading` is off. */
export class MemoryClient {
  readonly transcript = new Transcript();
  readonly connection: Connection;
  isClosed = false;
  /** The server asked to be sent no more. */
  isPaused = false;
  /** Bytes that the server wrote while the client did not read. */
  unread = 0;
  /** Takes bytes that are no messages: the one-letter answers before a startup packet. */
  onBytes: (bytes: Uint8Array) => void = (bytes) => this.transcript.push(bytes);
  #isReading = true;
  #handlers: Handlers | null = null;
  #held: Uint8Array[] = [];
  #seen = 0;
  #wake: () => void = () => {};

  constructor(host = '127.0.0.1') {
    this.connection = {
      remote: { host, port: 1 },
      write: (bytes) => this.#take(bytes),
      end: () => this.close(),
      destroy: () => this.close(),
      pause: () => {
        this.isPaused = true;
      },
      resume: () => {
        this.isPaused = false;
      },
      handle: (handlers) => {
        this.#handlers = handlers;
      },
    };
  }

  #take(bytes: Uint8Array): boolean {
    if (this.#isReading) {
      this.onBytes(bytes);
      this.#wake();
      return true;
    }
    this.#held.push(bytes);
    this.unread += bytes.length;
    return false;
  }

  stopReading(): void {
    this.#isReading = false;
  }

  startReading(): void {
    this.#isReading = true;
    for (const bytes of this.#held.splice(0)) this.#take(bytes);
    this.unread = 0;
    this.#handlers?.onDrain();
  }

  send(...messages: readonly Uint8Array[]): void {
    for (const bytes of messages) this.#handlers?.onData(bytes);
  }

  /** All in one piece, as a client that pipelines sends it. */
  sendTogether(...messages: readonly Uint8Array[]): void {
    const joined = new Uint8Array(messages.reduce((sum, bytes) => sum + bytes.length, 0));
    let at = 0;
    for (const bytes of messages) {
      joined.set(bytes, at);
      at += bytes.length;
    }
    this.send(joined);
  }

  close(): void {
    if (this.isClosed) return;
    this.isClosed = true;
    this.#handlers?.onClose(null);
    this.#wake();
  }

  /** The lines since the last time, up to the `count`th that starts with `kind`, or to the connection's end. */
  async until(kind: string, count = 1): Promise<readonly string[]> {
    const { lines } = this.transcript;
    for (let at = this.#seen, found = 0; ; ) {
      for (; at < lines.length; at++) {
        if (!lines[at]!.startsWith(kind) || ++found < count) continue;
        const fresh = lines.slice(this.#seen, at + 1);
        this.#seen = at + 1;
        return fresh;
      }
      if (this.isClosed) return lines.slice(this.#seen);
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Sends, and returns the answers up to ReadyForQuery. */
  ask(...messages: readonly Uint8Array[]): Promise<readonly string[]> {
    this.sendTogether(...messages);
    return this.until('ReadyForQuery');
  }
}
