import { crc32cPortable } from '../../bytes/crc32c.ts';
import { invariant } from '../../unreachable.ts';
import type { Connection, NetworkAddress } from '../env.ts';
import type { Incarnation } from './incarnation.ts';
import type { SimulatedNetwork } from './network.ts';

type Handlers = Parameters<Connection['handle']>[0];

/** Sent and not yet read by the peer; above it `write` says so. */
const bufferedBytesMax = 1 << 16;
const segmentsMax = 3;

/**
 * One end of a simulated connection. What is written while a delivery is under way shares the next one; a
 * delivery is cut at random bytes, because a stream keeps no boundaries.
 *
 * Invariants: bytes arrive in order, each once; nothing is told after `onClose`.
 */
export class Endpoint implements Connection {
  readonly remote: NetworkAddress;
  readonly #network: SimulatedNetwork;
  readonly #life: Incarnation;
  #peer: Endpoint | null = null;
  #handlers: Handlers | null = null;
  #outbox: Uint8Array[] = [];
  #inbox: Uint8Array[] = [];
  #bufferedBytes = 0;
  #wantsDrain = false;
  #delivering = false;
  #paused = false;
  /** `asked`: what is in the outbox goes first. */
  #ending: 'no' | 'asked' | 'sent' = 'no';
  #peerEnded = false;
  #closed: { readonly error: Error | null } | null = null;

  constructor(network: SimulatedNetwork, life: Incarnation, remote: NetworkAddress) {
    this.#network = network;
    this.#life = life;
    this.remote = remote;
  }

  pair(peer: Endpoint): void {
    this.#peer = peer;
  }

  write(bytes: Uint8Array): boolean {
    if (this.#closed !== null || this.#ending !== 'no') return false;
    // Not a copy, as a socket keeps none: bytes that the caller reuses too early arrive changed.
    this.#outbox.push(bytes);
    this.#bufferedBytes += bytes.length;
    this.#deliver();
    const taken = this.#bufferedBytes <= bufferedBytesMax;
    if (!taken) this.#wantsDrain = true;
    return taken;
  }

  end(): void {
    if (this.#closed !== null || this.#ending !== 'no') return;
    this.#ending = 'asked';
    this.#deliver();
  }

  destroy(): void {
    if (this.#closed !== null) return;
    this.#close(null);
    this.#reset(this.#other);
  }

  pause(): void {
    this.#paused = true;
  }

  resume(): void {
    this.#paused = false;
    this.#life.schedule(0, () => this.#read());
  }

  handle(handlers: Handlers): void {
    this.#handlers = handlers;
    this.#life.schedule(0, () =>
      this.#closed === null ? this.#read() : handlers.onClose(this.#closed.error),
    );
  }

  /** Something on the way (a firewall, a router that forgot) ends the connection for both. */
  breakOff(): void {
    for (const end of [this, this.#other]) end.#close(new Error('ECONNRESET'));
  }

  get isClosed(): boolean {
    return this.#closed !== null || !this.#life.alive;
  }

  isBetween(one: string, other: string): boolean {
    const ends = [this.#life.machine, this.#other.#life.machine];
    return ends.includes(one) && ends.includes(other);
  }

  get #other(): Endpoint {
    invariant(this.#peer !== null, 'a connection has two ends');
    return this.#peer;
  }

  #deliver(): void {
    if (this.#delivering || this.#closed !== null) return;
    const peer = this.#other;
    if (this.#outbox.length === 0) {
      if (this.#ending === 'asked') this.#deliverEnd(peer);
      return;
    }
    const bytes = concatenated(this.#outbox);
    this.#outbox = [];
    this.#carry(peer, () => {
      this.#life.scheduler.trace(
        `${this.#life.machine} > ${this.remote.host}:${this.remote.port} ${bytes.length} ${crc32cPortable(bytes)}`,
      );
      peer.#receive(bytes);
    });
  }

  #deliverEnd(peer: Endpoint): void {
    this.#ending = 'sent';
    this.#carry(peer, () => {
      peer.#peerEnded = true;
      peer.#life.whenRunning(() => peer.#read());
      if (this.#peerEnded) this.#close(null);
    });
  }

  /** One delivery at a time. A peer that lost its life answers with a reset, once its machine is back. */
  #carry(peer: Endpoint, arrive: () => void): void {
    this.#delivering = true;
    const arrived = () => {
      if (!peer.#life.alive || peer.#closed !== null) this.#reset(this);
      else arrive();
      if (!this.#life.alive) return;
      this.#delivering = false;
      this.#deliver();
    };
    this.#network.carry(this.#life, peer.#life.machine, arrived, () => this.#close(new Error('ETIMEDOUT')));
  }

  #receive(bytes: Uint8Array): void {
    const { random } = this.#life.scheduler;
    const cuts = Array.from({ length: random.below(segmentsMax) }, () => random.below(bytes.length));
    let start = 0;
    for (const cut of [...cuts.sort((left, right) => left - right), bytes.length]) {
      if (cut > start) this.#inbox.push(bytes.subarray(start, cut));
      start = cut;
    }
    this.#life.whenRunning(() => this.#read());
  }

  #read(): void {
    while (!this.#paused && this.#closed === null && this.#handlers !== null) {
      const bytes = this.#inbox.shift();
      if (bytes === undefined) break;
      this.#other.#consumed(bytes.length);
      this.#handlers.onData(bytes);
    }
    if (!this.#peerEnded || this.#inbox.length > 0 || this.#handlers === null) return;
    if (this.#ending === 'sent') this.#close(null);
    else this.end();
  }

  #consumed(length: number): void {
    this.#bufferedBytes -= length;
    if (!this.#wantsDrain || this.#bufferedBytes > 0) return;
    this.#wantsDrain = false;
    this.#life.schedule(0, () => {
      if (this.#closed === null) this.#handlers?.onDrain();
    });
  }

  /** Tells an end that the other is gone. */
  #reset(end: Endpoint): void {
    const error = this.#life.scheduler.random.chance(0.5) ? new Error('ECONNRESET') : null;
    this.#network.carry(
      this.#life,
      end.#life.machine,
      () => end.#close(error),
      () => {},
    );
  }

  #close(error: Error | null): void {
    if (this.#closed !== null || !this.#life.alive) return;
    this.#closed = { error };
    this.#outbox = [];
    this.#inbox = [];
    const handlers = this.#handlers;
    if (handlers !== null) this.#life.schedule(0, () => handlers.onClose(error));
  }
}

function concatenated(chunks: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}
