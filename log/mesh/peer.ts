import type { Env, NetworkAddress } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import type { NodeId, RangeId } from '../../base/ids.ts';
import type { Compression } from './compression.ts';
import type { MessageClass, Transport } from './contract.ts';
import { Fetches } from './fetches.ts';
import { damaged } from './frame.ts';
import type { MeshLimits } from './limits.ts';
import type { Link, LinkHandlers } from './link.ts';
import { MessageQueue } from './message-queue.ts';
import { Outgoing } from './outgoing.ts';
import { Requests } from './requests.ts';

export type PeerOptions = {
  readonly env: Env;
  readonly transport: Transport;
  readonly limits: MeshLimits;
  readonly compression: Compression | null;
  readonly onRaftLink: (isUp: boolean) => void;
  readonly onProblem: (error: AlopexError) => void;
};

/** What this node wants of another one: a channel of its own for each class, and what goes over it. */
export class Peer {
  readonly #id: NodeId;
  readonly #options: PeerOptions;
  readonly #raft: Outgoing;
  readonly #control: Outgoing;
  readonly #bulk: Outgoing;
  readonly #messages: MessageQueue;
  readonly #requests: Requests;
  readonly #fetches: Fetches;
  #address: NetworkAddress;

  constructor(id: NodeId, address: NetworkAddress, options: PeerOptions) {
    const { limits, compression, onRaftLink } = options;
    const { clock } = options.env;
    this.#id = id;
    this.#address = address;
    this.#options = options;
    this.#raft = this.#outgoing('raft', {
      onUp: () => onRaftLink(true),
      onFrame: (_, { kind }) => {
        throw damaged(`"${kind}" comes back where messages go one way`);
      },
      onDrain: () => this.#messages.flush(),
      onEnd: () => {
        this.#messages.clear();
        onRaftLink(false);
      },
    });
    this.#control = this.#outgoing('control', {
      onUp: () => {},
      onFrame: (_, frame) => this.#requests.onFrame(frame),
      onDrain: () => {},
      onEnd: (link, error) => this.#requests.onEnd(link, error ?? this.#gone()),
    });
    this.#bulk = this.#outgoing('bulk', {
      onUp: () => {},
      onFrame: (_, frame) => this.#fetches.onFrame(frame),
      onDrain: () => {},
      onEnd: (link) => this.#fetches.onEnd(link),
    });
    this.#messages = new MessageQueue(this.#raft, limits);
    this.#requests = new Requests({ peer: id, outgoing: this.#control, clock, limits });
    this.#fetches = new Fetches({ peer: id, outgoing: this.#bulk, clock, limits, compression });
  }

  get isLinked(): boolean {
    return this.#raft.link !== null;
  }
  /** Messages that no link took. */
  get dropped(): number {
    return this.#messages.dropped;
  }

  send(group: RangeId, bytes: Uint8Array): void {
    this.#messages.send(group, bytes);
  }
  request(name: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    return this.#requests.ask(name, body, timeoutMs);
  }
  fetch(name: string, body: Uint8Array): AsyncIterable<Uint8Array> {
    return this.#fetches.fetch(name, body);
  }

  moveTo(address: NetworkAddress): void {
    if (address.host === this.#address.host && address.port === this.#address.port) return;
    this.#address = address;
    for (const outgoing of this.#all) outgoing.move(address);
  }

  /** It opened a channel to this node. */
  onHeard(): void {
    for (const outgoing of this.#all) outgoing.hurry();
  }

  async close(): Promise<void> {
    this.#fetches.close(this.#gone());
    this.#requests.close(this.#gone());
    await Promise.all(this.#all.map((outgoing) => outgoing.close()));
  }

  get #all(): readonly Outgoing[] {
    return [this.#raft, this.#control, this.#bulk];
  }

  #gone(): AlopexError {
    return new AlopexError('connection_failure', `node ${this.#id} is no member, or this node is stopping`);
  }

  #outgoing(
    messageClass: MessageClass,
    handlers: LinkHandlers & { readonly onUp: (link: Link) => void },
  ): Outgoing {
    const { env, transport, limits, onProblem } = this.#options;
    return new Outgoing(this.#address, {
      env,
      transport,
      limits,
      peer: this.#id,
      class: messageClass,
      isKept: messageClass === 'raft',
      ...handlers,
      onEnd: (link, error) => {
        if (error !== null && error.condition !== 'connection_failure') onProblem(error);
        handlers.onEnd(link, error);
      },
      onProblem,
    });
  }
}
