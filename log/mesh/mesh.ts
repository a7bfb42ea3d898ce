import type { Env, Listener, NetworkAddress } from '../../base/env/env.ts';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { NodeId, RangeId } from '../../base/ids.ts';
import type { Compression } from './compression.ts';
import type { Channel, Mesh, MeshHandlers, Transport } from './contract.ts';
import { Incoming } from './incoming.ts';
import { defaultMeshLimits, type MeshLimits } from './limits.ts';
import { Peer } from './peer.ts';

export type MeshOptions = {
  readonly self: NodeId;
  readonly env: Env;
  /** Closed with the mesh. */
  readonly transport: Transport;
  readonly listen: NetworkAddress;
  readonly handlers: MeshHandlers;
  readonly limits?: Partial<MeshLimits>;
  /** Of what is fetched, where both nodes have it. */
  readonly compression?: Compression;
  /** What a person should hear of: damaged frames, a node that is not who it should be. Never a broken link. */
  readonly onProblem: (problem: AlopexError) => void;
};

/** Rejects where it cannot listen. */
export async function openMesh(options: MeshOptions): Promise<Mesh> {
  const mesh = new LinkedMesh(options);
  await mesh.listen(options.listen);
  return mesh;
}

/**
 * The mesh over any transport. Who wants something of another node opens a channel to it (`Peer`); who is asked answers on
 * that (`Incoming`).
 */
class LinkedMesh implements Mesh {
  readonly self: NodeId;
  readonly #options: MeshOptions;
  readonly #limits: MeshLimits;
  readonly #peers = new Map<NodeId, Peer>();
  readonly #incoming: Incoming;
  #listener: Listener | null = null;
  #address: NetworkAddress;
  #closed: Promise<void> | null = null;

  constructor(options: MeshOptions) {
    const { self, env, handlers, onProblem } = options;
    this.self = self;
    this.#options = options;
    this.#limits = { ...defaultMeshLimits, ...options.limits };
    this.#address = options.listen;
    this.#incoming = new Incoming({
      clock: env.clock,
      limits: this.#limits,
      compression: options.compression ?? null,
      handlers,
      onRaftLink: (from, isUp) => this.#onRaftLink(from, isUp),
      onProblem,
    });
  }

  async listen(address: NetworkAddress): Promise<void> {
    this.#listener = await this.#options.transport.listen(address, (channel) => this.#accept(channel));
    this.#address = this.#listener.address;
  }

  get address(): NetworkAddress {
    return this.#address;
  }

  setPeer(id: NodeId, address: NetworkAddress | null): void {
    if (id === this.self || this.#closed !== null) return;
    const peer = this.#peers.get(id);
    if (address === null) {
      this.#peers.delete(id);
      peer?.close();
      this.#incoming.drop(id);
    } else if (peer === undefined) this.#peers.set(id, this.#meet(id, address));
    else peer.moveTo(address);
  }

  send(to: NodeId, group: RangeId, bytes: Uint8Array): void {
    this.#peers.get(to)?.send(group, bytes);
  }

  request(
    to: NodeId,
    name: string,
    body: Uint8Array,
    timeoutMs = this.#limits.requestTimeoutMs,
  ): Promise<Uint8Array> {
    const peer = this.#peers.get(to);
    return peer === undefined ? Promise.reject(this.#unknown(to)) : peer.request(name, body, timeoutMs);
  }

  async *fetch(to: NodeId, name: string, body: Uint8Array): AsyncGenerator<Uint8Array> {
    const peer = this.#peers.get(to);
    if (peer === undefined) throw this.#unknown(to);
    yield* peer.fetch(name, body);
  }

  isLinked(peer: NodeId): boolean {
    return this.#peers.get(peer)?.isLinked === true || this.#incoming.isLinked(peer);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const peers = [...this.#peers.values()];
    this.#peers.clear();
    await Promise.all([
      this.#listener?.close(),
      this.#incoming.close(),
      ...peers.map((peer) => peer.close()),
    ]);
    await this.#options.transport.close();
  }

  #meet(id: NodeId, address: NetworkAddress): Peer {
    const { env, transport, compression, onProblem } = this.#options;
    return new Peer(id, address, {
      env,
      transport,
      limits: this.#limits,
      compression: compression ?? null,
      onRaftLink: (isUp) => this.#onRaftLink(id, isUp),
      onProblem,
    });
  }

  /** A node that is not known yet may ask to become one: who may connect is the transport's to say. */
  #accept(channel: Channel): void {
    if (this.#closed !== null) {
      channel.connection.destroy();
      return;
    }
    this.#incoming.accept(channel);
    this.#peers.get(channel.peer)?.onHeard();
  }

  #onRaftLink(peer: NodeId, isUp: boolean): void {
    if (this.#closed !== null) return;
    try {
      this.#options.handlers.onLink(peer, isUp);
    } catch (thrown) {
      this.#options.onProblem(asAlopexError(thrown));
    }
  }

  #unknown(id: NodeId): AlopexError {
    return new AlopexError('connection_failure', `node ${id} is not known here, or this node is stopping`);
  }
}
