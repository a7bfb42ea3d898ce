import type { Clock } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Compression } from './compression.ts';
import { damaged } from './frame.ts';
import type { MeshLimits } from './limits.ts';
import type { Link } from './link.ts';
import type { ChunkFrame, MeshFrame } from './messages.ts';
import type { Outgoing } from './outgoing.ts';
import { refusalOf } from './requests.ts';

export type FetchesOptions = {
  readonly peer: NodeId;
  readonly outgoing: Outgoing;
  readonly clock: Clock;
  readonly limits: MeshLimits;
  readonly compression: Compression | null;
};

/** What is fetched from one node. */
export class Fetches {
  readonly #options: FetchesOptions;
  readonly #active = new Map<number, Fetch>();
  #lastId = 0;
  #closed: AlopexError | null = null;

  constructor(options: FetchesOptions) {
    this.#options = options;
  }

  /** Nothing is asked for before the first chunk is. */
  async *fetch(name: string, body: Uint8Array): AsyncGenerator<Uint8Array> {
    if (this.#closed !== null) throw this.#closed;
    const { limits, peer } = this.#options;
    const tooLong = refusalOf(name, body, limits);
    if (tooLong !== null) throw tooLong;
    if (this.#active.size >= limits.fetchesMax)
      throw new AlopexError('insufficient_resources', `too much is fetched from node ${peer} already`);
    const id = this.#nextId();
    const fetch = new Fetch(id, name, body, this.#options);
    this.#active.set(id, fetch);
    try {
      yield* fetch.chunks();
    } finally {
      this.#active.delete(id);
    }
  }

  /** A frame of a fetch that has been left meanwhile says nothing any more. */
  onFrame(frame: MeshFrame): void {
    if (frame.kind !== 'chunk' && frame.kind !== 'end' && frame.kind !== 'failure')
      throw damaged(`"${frame.kind}" answers no fetch`);
    this.#active.get(frame.id)?.onFrame(frame);
  }

  onEnd(link: Link): void {
    for (const fetch of this.#active.values()) fetch.onLinkEnd(link);
  }

  close(error: AlopexError): void {
    this.#closed = error;
    for (const fetch of this.#active.values()) fetch.fail(error);
  }

  #nextId(): number {
    do this.#lastId = (this.#lastId + 1) % 2 ** 32;
    while (this.#active.has(this.#lastId));
    return this.#lastId;
  }
}

/** Of the window: so many words to the source in its time. */
const allowedParts = 4;

/**
 * One fetch: chunks in the order of their positions, each once, although links break between them. The source sends no more
 * than the window on top of what the fetcher has taken.
 *
 * Invariant: taken <= received <= allowed <= taken + window; what arrives next begins at `received`.
 */
class Fetch {
  readonly #id: number;
  readonly #name: string;
  readonly #body: Uint8Array;
  readonly #options: FetchesOptions;
  #buffer: ChunkFrame[] = [];
  #received = 0;
  #taken = 0;
  #allowed = 0;
  /** That the source has been asked on. */
  #link: Link | null = null;
  #isEnded = false;
  #failure: AlopexError | null = null;
  /** The last reason for which it did not go on. */
  #obstacle: AlopexError | null = null;
  #wake: () => void = () => {};

  constructor(id: number, name: string, body: Uint8Array, options: FetchesOptions) {
    this.#id = id;
    this.#name = name;
    this.#body = body;
    this.#options = options;
  }

  async *chunks(): AsyncGenerator<Uint8Array> {
    this.#ask();
    try {
      for (;;) {
        const chunk = this.#buffer.shift();
        if (chunk !== undefined) {
          yield this.#decode(chunk);
          this.#take(chunk.length);
        } else if (this.#failure !== null) throw this.#failure;
        else if (this.#isEnded) return;
        else await this.#change();
      }
    } finally {
      if (!this.#isEnded && this.#failure === null) this.#link?.post({ kind: 'stop', id: this.#id });
      this.#isEnded = true;
    }
  }

  onFrame(frame: Extract<MeshFrame, { kind: 'chunk' | 'end' | 'failure' }>): void {
    if (this.#isEnded) return;
    switch (frame.kind) {
      case 'chunk':
        this.#receive(frame);
        break;
      case 'end':
        if (frame.position !== this.#received)
          throw damaged(`a fetch ends at ${frame.position}, and ${this.#received} bytes have come`);
        this.#isEnded = true;
        break;
      case 'failure':
        this.#failure ??= frame.error;
        break;
    }
    this.#wake();
  }

  onLinkEnd(link: Link): void {
    if (link !== this.#link) return;
    this.#link = null;
    this.#ask();
  }

  fail(error: AlopexError): void {
    this.#failure ??= error;
    this.#wake();
  }

  /** From where it stands; again, as often as there is a link and it breaks. */
  #ask(): void {
    if (this.#isEnded || this.#failure !== null) return;
    const { outgoing, compression } = this.#options;
    outgoing.linked().then(
      (link) => {
        if (this.#isEnded || this.#failure !== null) return;
        if (link.isEnded) {
          this.#ask();
          return;
        }
        this.#link = link;
        link.post({
          kind: 'fetch',
          id: this.#id,
          position: this.#received,
          until: this.#allow(),
          acceptsCompressed: compression !== null,
          name: this.#name,
          body: this.#body,
        });
      },
      (error: AlopexError) => {
        this.#obstacle = error;
        if (error.condition !== 'connection_failure') this.fail(error);
        else this.#ask();
      },
    );
  }

  #receive(chunk: ChunkFrame): void {
    const { chunkBytesMax } = this.#options.limits;
    if (chunk.position !== this.#received)
      throw damaged(`a chunk is of position ${chunk.position}, and ${this.#received} was next`);
    if (chunk.length === 0 || chunk.length > chunkBytesMax || chunk.bytes.length > chunkBytesMax)
      throw damaged(`a chunk has ${chunk.length} bytes`);
    if (this.#received + chunk.length > this.#allowed)
      throw damaged('a chunk is sent that was not asked for');
    this.#received += chunk.length;
    this.#buffer.push(chunk);
  }

  #decode({ bytes, length, isCompressed, position }: ChunkFrame): Uint8Array {
    const { compression } = this.#options;
    if (isCompressed && compression === null) throw damaged('a chunk is compressed, which nobody asked for');
    const decoded = isCompressed && compression !== null ? compression.decompress(bytes, length) : bytes;
    if (decoded.length !== length)
      throw damaged(`the chunk at ${position} has ${decoded.length} bytes instead of ${length}`);
    return decoded;
  }

  #take(length: number): void {
    this.#taken += length;
    const { fetchWindowBytes } = this.#options.limits;
    if ((this.#taken + fetchWindowBytes - this.#allowed) * allowedParts < fetchWindowBytes) return;
    this.#link?.post({ kind: 'allow', id: this.#id, until: this.#allow() });
  }

  #allow(): number {
    this.#allowed = this.#taken + this.#options.limits.fetchWindowBytes;
    return this.#allowed;
  }

  /** Rejects where nothing has changed for too long. */
  #change(): Promise<void> {
    const { clock, limits, peer } = this.#options;
    return new Promise((resolve, reject) => {
      const timer = clock.setTimer(limits.fetchIdleMsMax, () => {
        const reason = this.#obstacle === null ? '' : `: ${this.#obstacle.message}`;
        reject(
          new AlopexError(
            'connection_failure',
            `"${this.#name}" of node ${peer} has not come on for ${limits.fetchIdleMsMax} ms${reason}`,
          ),
        );
      });
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }
}
