import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId } from '../../base/ids.ts';
import type { Compression } from './compression.ts';
import type { MeshHandlers } from './contract.ts';
import type { MeshLimits } from './limits.ts';
import type { Link } from './link.ts';
import type { FetchFrame, MeshFrame } from './messages.ts';

export type SourcesOptions = {
  readonly from: NodeId;
  readonly onFetch: MeshHandlers['onFetch'];
  readonly limits: MeshLimits;
  readonly compression: Compression | null;
  readonly onProblem: (error: AlopexError) => void;
};

/** What a node fetches on its channel. */
export class Sources {
  readonly #options: SourcesOptions;
  readonly #active = new Map<number, Source>();

  constructor(options: SourcesOptions) {
    this.#options = options;
  }

  onFrame(link: Link, frame: MeshFrame): void {
    switch (frame.kind) {
      case 'fetch':
        this.#begin(link, frame);
        return;
      // A word about a source that has come to its end meanwhile.
      case 'allow':
        this.#active.get(frame.id)?.allow(frame.until);
        return;
      case 'stop':
        this.#active.get(frame.id)?.stop();
        return;
      default:
        throw new AlopexError('protocol_violation', `"${frame.kind}" fetches nothing`);
    }
  }

  onDrain(): void {
    for (const source of this.#active.values()) source.wake();
  }

  stop(): void {
    for (const source of this.#active.values()) source.stop();
  }

  #begin(link: Link, frame: FetchFrame): void {
    const { limits } = this.#options;
    if (this.#active.has(frame.id))
      throw new AlopexError('protocol_violation', `fetch ${frame.id} is under way already`);
    if (this.#active.size >= limits.fetchesMax) {
      const error = new AlopexError('insufficient_resources', 'too much is fetched from this node already');
      link.post({ kind: 'failure', id: frame.id, error });
      return;
    }
    const source = new Source(link, frame, this.#options);
    this.#active.set(frame.id, source);
    source.run().finally(() => this.#active.delete(frame.id));
  }
}

/**
 * Sends what `onFetch` gives, and asks it for the next bytes only when those before have been handed to the link, as far as
 * the fetcher allows.
 */
class Source {
  readonly #link: Link;
  readonly #frame: FetchFrame;
  readonly #options: SourcesOptions;
  #position: number;
  #until: number;
  #isStopped = false;
  #wake: () => void = () => {};

  constructor(link: Link, frame: FetchFrame, options: SourcesOptions) {
    this.#link = link;
    this.#frame = frame;
    this.#options = options;
    this.#position = frame.position;
    this.#until = frame.until;
  }

  allow(until: number): void {
    this.#until = Math.max(this.#until, until);
    this.#wake();
  }

  stop(): void {
    this.#isStopped = true;
    this.#wake();
  }

  wake(): void {
    this.#wake();
  }

  /** Never rejects. */
  async run(): Promise<void> {
    const { id, name, body, position } = this.#frame;
    try {
      for await (const bytes of this.#options.onFetch(this.#options.from, name, body, position)) {
        await this.#send(bytes);
        if (this.#isStopped) return;
      }
      this.#link.post({ kind: 'end', id, position: this.#position });
    } catch (thrown) {
      const error = asAlopexError(thrown);
      if (!(thrown instanceof AlopexError)) this.#options.onProblem(error);
      if (!this.#isStopped) this.#link.post({ kind: 'failure', id, error });
    }
  }

  async #send(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      while (!this.#isStopped && (this.#link.isFull || this.#position >= this.#until)) await this.#change();
      if (this.#isStopped) return;
      const length = Math.min(this.#options.limits.chunkBytesMax, this.#until - this.#position);
      const piece = bytes.subarray(at, at + length);
      this.#post(piece);
      at += piece.length;
      this.#position += piece.length;
    }
  }

  #post(piece: Uint8Array): void {
    const { compression } = this.#options;
    const compressed =
      this.#frame.acceptsCompressed && compression !== null ? compression.compress(piece) : piece;
    const isCompressed = compressed.length < piece.length;
    this.#link.post({
      kind: 'chunk',
      id: this.#frame.id,
      position: this.#position,
      isCompressed,
      length: piece.length,
      bytes: isCompressed ? compressed : piece,
    });
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }
}
