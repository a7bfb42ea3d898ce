import { ByteWriter } from '../../base/bytes/writer.ts';
import type { Clock, Connection, Timer } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Channel, MessageClass } from './contract.ts';
import { FrameReader, nextSequence } from './frame.ts';
import type { MeshLimits } from './limits.ts';
import { decodeMeshFrame, frameBytes, type MeshFrame, writeMeshFrame } from './messages.ts';

export type LinkHandlers = {
  /** Throws an AlopexError where the other node may not say that: the link ends with it. */
  readonly onFrame: (link: Link, frame: MeshFrame) => void;
  /** Everything that was posted has been handed to the connection, which takes more. */
  readonly onDrain: () => void;
  /** Once, however it ends; null: this node ended it. */
  readonly onEnd: (link: Link, error: AlopexError | null) => void;
};

/** A write takes no further frame above it. Frames are put down side by side: a call of the system costs more than they. */
const writeBytesGood = 64 * 1024;

/**
 * One channel in use: frames in and out. What is posted within one turn leaves in one write: of the microtasks, or of the
 * event loop where nothing hurries. Whoever opened the channel
 * pings while one of the directions is silent, so both ends hear something and notice when nothing comes any more.
 *
 * Invariants: frames leave in the order of posting; nothing is told after `onEnd`.
 */
export class Link {
  readonly peer: NodeId;
  readonly class: MessageClass;
  readonly #connection: Connection;
  readonly #clock: Clock;
  readonly #limits: MeshLimits;
  readonly #isOpener: boolean;
  readonly #handlers: LinkHandlers;
  readonly #reader: FrameReader;
  #outbox: MeshFrame[] = [];
  #outboxBytes = 0;
  readonly #place: { sequence: number; readonly isSealed: boolean };
  #isWritable = true;
  #isFlushing = false;
  #isPaused = false;
  #isEnded = false;
  #hasReceived = true;
  #hasPosted = true;
  #silentPings = 0;
  #timer: Timer;
  #onClosed: () => void = () => {};

  constructor(
    channel: Channel,
    options: { readonly clock: Clock; readonly limits: MeshLimits; readonly isOpener: boolean },
    handlers: LinkHandlers,
  ) {
    this.peer = channel.peer;
    this.class = channel.class;
    this.#connection = channel.connection;
    this.#clock = options.clock;
    this.#limits = options.limits;
    this.#isOpener = options.isOpener;
    this.#handlers = handlers;
    this.#reader = new FrameReader(options.limits.frameBytesMax, channel.isSealed);
    this.#place = { sequence: 0, isSealed: channel.isSealed };
    this.#timer = this.#clock.setTimer(this.#limits.pingMs, this.#tick);
    this.#connection.handle({
      onData: (bytes) => this.#receive(bytes),
      onDrain: () => {
        this.#isWritable = true;
        this.#flush();
      },
      onClose: (error) => {
        this.#onClosed();
        this.fail(this.#broken(error?.message ?? 'the other node ended it'));
      },
    });
  }

  get isEnded(): boolean {
    return this.#isEnded;
  }

  /** Posted, and not yet taken by the connection. */
  get queuedBytes(): number {
    return this.#outboxBytes;
  }

  /** The connection takes no more for the moment: `onDrain` says when. */
  get isFull(): boolean {
    return !this.#isWritable;
  }

  /** The bytes in it are the link's from then on. */
  post(frame: MeshFrame): void {
    if (this.#isEnded) return;
    this.#outbox.push(frame);
    this.#outboxBytes += frameBytes(frame);
    this.#hasPosted = true;
    this.#limitReading();
    if (this.#isFlushing || !this.#isWritable) return;
    this.#isFlushing = true;
    const flush = () => {
      this.#isFlushing = false;
      this.#flush();
    };
    // Of questions and answers more come with the sockets that are read in this turn; an append overtakes the disk.
    if (this.class === 'control') this.#clock.setTimer(0, flush);
    else queueMicrotask(flush);
  }

  /** Ends it at once. */
  fail(error: AlopexError | null): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#timer.cancel();
    this.#outbox = [];
    this.#outboxBytes = 0;
    this.#connection.destroy();
    this.#handlers.onEnd(this, error);
  }

  /** Ends it; answered once what was posted has left, or after `closeMsMax`. */
  end(): Promise<void> {
    if (this.#isEnded) return Promise.resolve();
    this.#isEnded = true;
    this.#timer.cancel();
    for (let sent = 0; sent < this.#outbox.length; ) sent = this.#writeFrom(sent);
    this.#connection.end();
    this.#handlers.onEnd(this, null);
    return new Promise((resolve) => {
      const timer = this.#clock.setTimer(this.#limits.closeMsMax, () => {
        this.#connection.destroy();
        resolve();
      });
      this.#onClosed = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #broken(reason: string): AlopexError {
    return new AlopexError(
      'connection_failure',
      `the link to node ${this.peer} (${this.class}) broke: ${reason}`,
    );
  }

  #receive(bytes: Uint8Array): void {
    if (this.#isEnded) return;
    this.#hasReceived = true;
    try {
      this.#reader.push(bytes, (kind, payload) => {
        if (!this.#isEnded) this.#take(decodeMeshFrame(kind, payload));
      });
    } catch (thrown) {
      if (!(thrown instanceof AlopexError)) throw thrown;
      this.fail(
        new AlopexError(thrown.condition, `the link to node ${this.peer} (${this.class}): ${thrown.message}`),
      );
    }
  }

  #take(frame: MeshFrame): void {
    switch (frame.kind) {
      case 'ping':
        this.post({ kind: 'pong' });
        return;
      case 'pong':
        return;
      default:
        this.#handlers.onFrame(this, frame);
    }
  }

  #flush(): void {
    if (this.#isEnded) return;
    let sent = 0;
    while (this.#isWritable && sent < this.#outbox.length) sent = this.#writeFrom(sent);
    this.#outbox.splice(0, sent);
    this.#limitReading();
    if (this.#isWritable) this.#handlers.onDrain();
  }

  /** As many frames as one write shall have, from one of the outbox on; returns the first that it left. */
  #writeFrom(first: number): number {
    let [end, bytes] = [first, 0];
    while (end < this.#outbox.length) {
      const more = frameBytes(this.#outbox[end]!);
      if (end > first && bytes + more > writeBytesGood) break;
      bytes += more;
      end += 1;
    }
    this.#outboxBytes -= bytes;
    const writer = new ByteWriter(bytes);
    for (let index = first; index < end; index++) {
      writeMeshFrame(writer, this.#outbox[index]!, this.#place);
      this.#place.sequence = nextSequence(this.#place.sequence);
    }
    this.#isWritable = this.#connection.write(writer.view());
    return end;
  }

  /** Who does not read the answers to its questions is asked for no more of them. The opener reads always. */
  #limitReading(): void {
    const isPaused = !this.#isOpener && this.#outboxBytes > this.#limits.controlQueueBytesMax;
    if (isPaused === this.#isPaused) return;
    this.#isPaused = isPaused;
    if (isPaused) this.#connection.pause();
    else this.#connection.resume();
  }

  /** Counts pings, not milliseconds: a process that was stopped for a while finds the other one's words unread. */
  readonly #tick = (): void => {
    this.#silentPings = this.#hasReceived || this.#isPaused ? 0 : this.#silentPings + 1;
    if (this.#silentPings >= this.#limits.silentPingsMax) {
      this.fail(this.#broken(`nothing was heard for ${this.#limits.pingMs * this.#silentPings} ms`));
      return;
    }
    const isQuiet = !(this.#hasReceived && this.#hasPosted);
    [this.#hasReceived, this.#hasPosted] = [false, false];
    if (isQuiet && this.#isOpener) this.post({ kind: 'ping' });
    this.#timer = this.#clock.setTimer(this.#limits.pingMs, this.#tick);
  };
}
