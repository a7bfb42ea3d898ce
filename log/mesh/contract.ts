import type { Connection, Listener, NetworkAddress } from '../../base/env/env.ts';
import type { NodeId, RangeId } from '../../base/ids.ts';

/**
 * Chirps: how the nodes of a cluster talk. Three classes of messages, each with a stream of its own between two nodes, so that
 * none waits for another: raft (heartbeats, appends), control (questions and answers, membership), bulk (snapshots).
 */
export type MessageClass = 'raft' | 'control' | 'bulk';

/** A stream of bytes to or from a node whose key the cluster's authority signed. */
export type Channel = {
  readonly peer: NodeId;
  readonly class: MessageClass;
  readonly connection: Connection;
  /** Its records are authenticated: what arrives is what was sent, all of it, once and in order. */
  readonly isSealed: boolean;
};

/** The same on all nodes of a cluster. */
export type MeshTransport = 'tls' | 'quic';

/** A way to get streams between nodes: TLS over TCP, QUIC, and, in simulation, without cryptography. */
export type Transport = {
  readonly name: MeshTransport | 'plain';
  listen(address: NetworkAddress, accept: (channel: Channel) => void): Promise<Listener>;
  /** Rejects with connection_failure, and invalid_authorization_specification where another node answers there. */
  connect(address: NetworkAddress, peer: NodeId, messageClass: MessageClass): Promise<Channel>;
  close(): Promise<void>;
};

export type MeshHandlers = {
  /** In the order in which they were sent by that node, for one group; some may be missing. */
  readonly onMessage: (from: NodeId, group: RangeId, bytes: Uint8Array) => void;
  /** An AlopexError that it throws reaches the asker as it is. */
  readonly onRequest: (from: NodeId, name: string, body: Uint8Array) => Promise<Uint8Array>;
  /** Bytes from `position` on of what `name` and `body` name: the same each time, for a broken link is resumed. */
  readonly onFetch: (
    from: NodeId,
    name: string,
    body: Uint8Array,
    position: number,
  ) => AsyncIterable<Uint8Array>;
  /** The raft link to a node broke or is there again. */
  readonly onLink: (peer: NodeId, isUp: boolean) => void;
};

export type Mesh = {
  readonly self: NodeId;
  /** Where it listens. */
  readonly address: NetworkAddress;
  /** Where a node is to be found; null: it is a member no more. Links are made when something is sent, and kept. */
  setPeer(id: NodeId, address: NetworkAddress | null): void;
  /** Raft class. Never waits, never throws: lost where there is no link, or where too much waits to be sent. */
  send(to: NodeId, group: RangeId, bytes: Uint8Array): void;
  /** Control class. Rejects with connection_failure where the link breaks or `timeoutMs` (default 5,000) passes. */
  request(to: NodeId, name: string, body: Uint8Array, timeoutMs?: number): Promise<Uint8Array>;
  /** Bulk class: compressed on the way, resumed where a link breaks; rejects once it has not gone on for a while. */
  fetch(to: NodeId, name: string, body: Uint8Array): AsyncIterable<Uint8Array>;
  isLinked(peer: NodeId): boolean;
  close(): Promise<void>;
};
