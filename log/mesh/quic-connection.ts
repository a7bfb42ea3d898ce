import { concatBytes } from '../../base/bytes/compare.ts';
import type { Clock, Connection, NetworkAddress } from '../../base/env/env.ts';
import type { QuicLink, QuicStream } from './quic-addon.ts';

type Handlers = Parameters<Connection['handle']>[0];

/** Of one call of the addon, each of which costs a change of threads. */
const readBytesMax = 64 * 1024;
const writeBytesMax = 256 * 1024;
/** Above it, `write` answers false. */
const queuedBytesMax = 256 * 1024;
/** For what the other end still has to say after both have ended, before the connection is closed. */
const lingerMsMax = 1_000;

/**
 * The one stream of a QUIC connection, as a Connection. The two live and die together: the addon cannot reset a stream while
 * a write waits for the other end to read.
 *
 * Invariants: one read and one write are under way at the most; nothing is told after `onClose`.
 */
export class QuicConnection implements Connection {
  readonly remote: NetworkAddress;
  readonly #link: QuicLink;
  readonly #stream: QuicStream;
  readonly #clock: Clock;
  #handlers: Handlers | null = null;
  #queue: Uint8Array[] = [];
  #queuedBytes = 0;
  #isWriting = false;
  #needsDrain = false;
  #isPaused = false;
  #resumed: (() => void) | null = null;
  /** This end ended it, before the other did. */
  #endsFirst = false;
  #isEnding = false;
  #isLastSaid = false;
  #isFinished = false;
  #hasPeerEnded = false;
  #closed: { readonly error: Error | null } | null = null;

  constructor(link: QuicLink, stream: QuicStream, remote: NetworkAddress, clock: Clock) {
    this.remote = remote;
    this.#link = link;
    this.#stream = stream;
    this.#clock = clock;
    void link.closed().then(() => this.close(new Error('the other node ended the connection')));
  }

  handle(handlers: Handlers): void {
    this.#handlers = handlers;
    if (this.#closed === null) void this.#read();
    else queueMicrotask(() => handlers.onClose(this.#closed!.error));
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed !== null || this.#isEnding) return false;
    this.#queue.push(bytes);
    this.#queuedBytes += bytes.length;
    if (!this.#isWriting) void this.#writeQueue();
    this.#needsDrain = this.#queuedBytes > queuedBytesMax;
    return !this.#needsDrain;
  }

  end(): void {
    if (this.#closed !== null || this.#isEnding) return;
    this.#isEnding = true;
    this.#endsFirst = !this.#hasPeerEnded;
    if (!this.#isWriting) void this.#writeQueue();
  }

  destroy(): void {
    this.close(null);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#resumed?.();
  }

  /** At once; `error` is what its handler is told. */
  close(error: Error | null): void {
    if (this.#closed !== null) return;
    this.#closed = { error: this.#isLastSaid && this.#hasPeerEnded ? null : error };
    this.#queue = [];
    this.#link.abort();
    this.resume();
    queueMicrotask(() => this.#handlers?.onClose(this.#closed!.error));
  }

  async #writeQueue(): Promise<void> {
    this.#isWriting = true;
    try {
      while (this.#queue.length > 0) {
        const batch = this.#takeBatch();
        await this.#stream.write(batch);
        this.#queuedBytes -= batch.length;
        if (!this.#needsDrain || this.#closed !== null || this.#queuedBytes > queuedBytesMax / 2) continue;
        this.#needsDrain = false;
        this.#handlers?.onDrain();
      }
      if (this.#isEnding && this.#closed === null) {
        // Before it is answered, the other end may have heard of it, and closed.
        this.#isLastSaid = true;
        await this.#stream.finishWrite();
        this.#isFinished = true;
        this.#finish();
      }
    } catch (error) {
      this.close(error as Error);
    } finally {
      this.#isWriting = false;
    }
  }

  #takeBatch(): Uint8Array {
    let bytes = 0;
    let count = 0;
    while (count < this.#queue.length && (count === 0 || bytes + this.#queue[count]!.length <= writeBytesMax))
      bytes += this.#queue[count++]!.length;
    const parts = this.#queue.splice(0, count);
    return parts.length === 1 ? parts[0]! : concatBytes(parts);
  }

  async #read(): Promise<void> {
    try {
      while (await this.#isReading()) {
        const bytes = await this.#stream.read(readBytesMax);
        if (!(await this.#isReading())) return;
        if (bytes === null || bytes === undefined) {
          this.#hasPeerEnded = true;
          this.end();
          this.#finish();
          return;
        }
        this.#handlers!.onData(bytes);
      }
    } catch (error) {
      this.close(error as Error);
    }
  }

  /** Waits while it is paused. */
  async #isReading(): Promise<boolean> {
    while (this.#isPaused && this.#closed === null)
      await new Promise<void>((resolve) => {
        this.#resumed = resolve;
      });
    return this.#closed === null;
  }

  /** Who ended first closes it: the other's last bytes have arrived there. The other one waits for that. */
  #finish(): void {
    if (!this.#isFinished || !this.#hasPeerEnded || this.#closed !== null) return;
    if (this.#endsFirst) this.close(null);
    else this.#clock.setTimer(lingerMsMax, () => this.close(null));
  }
}
