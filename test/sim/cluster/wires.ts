import type { Clock } from '../../../base/env/env.ts';
import type { SimulatedMachine, Simulation } from '../../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { NodeId, RangeId } from '../../../base/ids.ts';
import type { Mesh, MeshHandlers } from '../../../log/mesh/contract.ts';

const requestTimeoutMs = 5000;
/** A fetch asks so often for what comes next. */
const fetchTriesMax = 4;
/** Nodes tell each other that they are there; a link on which nothing was heard for a while is down. */
const presentEveryMs = 400;
const silenceMsMax = 1300;
/** Connections of one mesh to one peer. */
const connectionsMax = 1_000_000;

/**
 * Meshes without streams: each message takes the simulated network's way by itself, so that thousands of runs are
 * affordable. What a mesh promises is kept, and no more.
 */
export class Wires {
  readonly #simulation: Simulation;
  readonly #meshes = new Map<NodeId, WiredMesh>();
  #opened = 0;

  constructor(simulation: Simulation) {
    this.#simulation = simulation;
  }

  open(self: NodeId, machine: SimulatedMachine, handlers: MeshHandlers): Mesh {
    this.#opened += 1;
    const mesh = new WiredMesh(self, machine, handlers, this, this.#opened * connectionsMax);
    this.#meshes.set(self, mesh);
    return mesh;
  }

  machine(host: string): SimulatedMachine {
    return this.#simulation.machine(host);
  }

  /** Null: no such node runs on that machine. */
  meshOf(node: NodeId, machine: SimulatedMachine): WiredMesh | null {
    const mesh = this.#meshes.get(node);
    return mesh?.machine === machine && !mesh.isClosed ? mesh : null;
  }
}

class WiredMesh implements Mesh {
  readonly self: NodeId;
  readonly machine: SimulatedMachine;
  readonly handlers: MeshHandlers;
  isClosed = false;
  readonly #wires: Wires;
  readonly #first: number;
  readonly #clock: Clock;
  readonly #peers = new Map<NodeId, SimulatedMachine>();
  readonly #heardMs = new Map<NodeId, number>();
  readonly #unlinked = new Set<NodeId>();
  /** Of the connection to a peer; those that this node has hung up, or another life of it had, are others. */
  readonly #connections = new Map<NodeId, number>();
  /** The peer's number of the connection that is known here. */
  readonly #connectionsThere = new Map<NodeId, number>();
  readonly #waiting = new Map<NodeId, Set<() => void>>();

  constructor(self: NodeId, machine: SimulatedMachine, handlers: MeshHandlers, wires: Wires, first: number) {
    this.self = self;
    this.machine = machine;
    this.handlers = handlers;
    this.#wires = wires;
    this.#first = first;
    this.#clock = machine.env.clock;
    this.#bePresent();
  }

  #bePresent(): void {
    if (this.isClosed) return;
    const nowMs = this.#clock.monotonicMs();
    for (const [id, peer] of this.#peers) {
      const connection = this.#connections.get(id) ?? this.#first;
      this.machine.tell(peer, () => this.#wires.meshOf(id, peer)?.hearOf(this.self, connection));
      const isSilent = nowMs - (this.#heardMs.get(id) ?? nowMs) > silenceMsMax;
      if (isSilent) this.#hangUp(id);
    }
    this.#clock.setTimer(presentEveryMs, () => this.#bePresent());
  }

  /** What one side has hung up is at an end on the other. */
  hearOf(from: NodeId, connection: number): void {
    const known = this.#connectionsThere.get(from) ?? connection;
    this.#connectionsThere.set(from, Math.max(known, connection));
    if (connection > known && !this.#unlinked.has(from)) this.#setLinked(from, false);
    this.hear(from);
  }

  hear(from: NodeId): void {
    this.#heardMs.set(from, this.#clock.monotonicMs());
    if (this.#unlinked.has(from)) this.#setLinked(from, true);
  }

  get address() {
    return { host: this.machine.name, port: 1 };
  }

  setPeer(id: NodeId, address: { readonly host: string } | null): void {
    if (address === null) {
      this.#peers.delete(id);
      this.#unlinked.delete(id);
    } else {
      this.#peers.set(id, this.#wires.machine(address.host));
      if (!this.#heardMs.has(id)) this.#heardMs.set(id, this.#clock.monotonicMs());
    }
  }

  isLinked(peer: NodeId): boolean {
    return this.#peers.has(peer) && !this.#unlinked.has(peer);
  }

  send(to: NodeId, group: RangeId, bytes: Uint8Array): void {
    const peer = this.#peers.get(to);
    if (peer === undefined || this.isClosed) return;
    const copy = bytes.slice();
    const isSent = this.machine.tell(peer, () =>
      this.#wires.meshOf(to, peer)?.receive(this.self, group, copy),
    );
    if (!isSent) this.#hangUp(to);
  }

  receive(from: NodeId, group: RangeId, bytes: Uint8Array): void {
    this.hear(from);
    this.handlers.onMessage(from, group, bytes);
  }

  #hangUp(peer: NodeId): void {
    if (this.#unlinked.has(peer)) return;
    this.#connections.set(peer, (this.#connections.get(peer) ?? this.#first) + 1);
    this.#setLinked(peer, false);
  }

  /** Told by itself, not within the call that found out. */
  #setLinked(peer: NodeId, isUp: boolean): void {
    if (isUp) this.#unlinked.delete(peer);
    else {
      this.#unlinked.add(peer);
      for (const failed of this.#waiting.get(peer) ?? []) failed();
    }
    this.#clock.setTimer(0, () => this.isClosed || this.handlers.onLink(peer, isUp));
  }

  request(to: NodeId, name: string, body: Uint8Array, timeoutMs = requestTimeoutMs): Promise<Uint8Array> {
    const copy = body.slice();
    return this.#ask(to, timeoutMs, async (there) => there.onRequest(this.self, name, copy));
  }

  async *fetch(to: NodeId, name: string, body: Uint8Array): AsyncIterable<Uint8Array> {
    let position = 0;
    for (let tries = 0; ; ) {
      const from = position;
      try {
        const next = (there: MeshHandlers) => firstOf(there.onFetch(this.self, name, body, from));
        const chunk = await this.#ask(to, requestTimeoutMs, next);
        if (chunk === null) return;
        position += chunk.length;
        tries = 0;
        yield chunk;
      } catch (error) {
        if (++tries >= fetchTriesMax) throw error;
      }
    }
  }

  async close(): Promise<void> {
    this.isClosed = true;
  }

  #ask<Output>(
    to: NodeId,
    timeoutMs: number,
    task: (there: MeshHandlers) => Promise<Output>,
  ): Promise<Output> {
    const { promise, resolve, reject } = Promise.withResolvers<Output>();
    const failed = () => reject(new AlopexError('connection_failure', `node ${to} does not answer`));
    const timer = this.#clock.setTimer(timeoutMs, failed);
    const waiting = this.#waiting.get(to) ?? new Set();
    this.#waiting.set(to, waiting.add(failed));
    const peer = this.#peers.get(to);
    if (peer === undefined || this.isClosed) failed();
    else {
      const asked = this.machine.ask(peer, async () => {
        const mesh = this.#wires.meshOf(to, peer);
        if (mesh === null) throw new AlopexError('connection_failure', `node ${to} is not there`);
        return task(mesh.handlers);
      });
      asked.then(resolve, reject);
    }
    return promise.finally(() => {
      timer.cancel();
      waiting.delete(failed);
    });
  }
}

async function firstOf(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array | null> {
  for await (const chunk of chunks) return chunk.slice();
  return null;
}
