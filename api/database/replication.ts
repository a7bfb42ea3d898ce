import type { NodeId, Offset } from '../../base/ids.ts';
import type { MeshTransport } from '../../log/mesh/contract.ts';
import type { Durability } from '../../query/txn/transaction.ts';
import type { CommitToken } from './settings.ts';

/** How many copies a commit has when it is answered. DESIGN: sync = every replica in sync, semi-sync = a quorum, async = here. */
export type ReplicationMode = Durability;
/** `nearest`: the node that the session is connected to. */
export type ReadFrom = 'primary' | 'replica' | 'nearest';

export type NodeStatus = {
  readonly id: NodeId;
  readonly role: 'primary' | 'replica' | 'learner' | 'witness';
  /** host:port for clients. */
  readonly client: string;
  readonly mesh: string;
  readonly isSelf: boolean;
  /** Durable there; null where this node does not know. */
  readonly match: Offset | null;
  /** Null where this node does not know. */
  readonly isInSync: boolean | null;
  /** Since its last answer. */
  readonly silentMs: number | null;
  /** As the nodes see each other; null: this one has not met it. */
  readonly state: 'alive' | 'suspect' | 'dead' | null;
};

export type ReplicationStatus = {
  readonly cluster: string;
  readonly mode: ReplicationMode;
  readonly epoch: number;
  readonly highWatermark: Offset;
  readonly applied: Offset;
  readonly nodes: readonly NodeStatus[];
  /** How a failover would go: 'automatic', or why it would not. */
  readonly failover: string;
};

/** What sessions ask of the node that they run on, where the database is replicated. */
export type Replication = {
  readonly self: NodeId;
  /** This node takes writes now. */
  readonly isPrimary: boolean;
  /** The node that takes writes, as far as is known. */
  readonly primary: NodeId | null;
  /** host:port of the primary for clients, as far as is known. */
  readonly primaryClient: string | null;
  /** Of sessions that ask for none. */
  readonly mode: ReplicationMode;
  readonly status: ReplicationStatus;
  /** Null: this node may answer from its rows now, as of all that was committed. Else: wait; rejects where it may not. */
  readable(): Promise<void> | null;
  /** Resolves once another node leads, or this one after all: until then no transaction begins here. Null: there is none of that. */
  readonly handingOver: Promise<void> | null;
  /** `readable` would be null. */
  readonly isReadable: boolean;
  /** Everything below is applied here. */
  appliedPast(offset: Offset, timeoutMs: number): Promise<void>;
  /** Whether a commit is in the log, of which it was once told; null: this node does not know yet. */
  holds(commit: CommitToken): boolean | null;
  /** Since its start, it has shown what a leader says is committed; or nobody leads. */
  readonly isSettled: boolean;
  /** How old at most what this node answers is; 0 on the primary, null where it does not know. */
  readonly stalenessMs: number | null;
  /**
   * Asks another node, which `RemoteSessions.answer` answers there (the mesh's control class, `sqlRequest` its name).
   * Rejects with connection_failure where the link breaks.
   */
  request(to: NodeId, name: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array>;
};

/** Of the nodes' requests to each other: statements of sessions. */
export const sqlRequest = 'sql';

export type JoinRequest = {
  readonly role: 'replica' | 'witness';
  /** The joining node's key, to be signed: a certificate request in PEM. */
  readonly certificateRequest: string;
  /** host:port of its mesh. */
  readonly mesh: string;
  /** host:port for clients; empty for a witness. */
  readonly client: string;
  readonly token: string | null;
  /** By which it can talk to others. */
  readonly transports: readonly MeshTransport[];
  /** It asks over loopback: no token is needed. */
  readonly isLoopback: boolean;
};

export type JoinAnswer = {
  readonly node: NodeId;
  readonly cluster: string;
  /** PEM: the node's own, and the authority's. */
  readonly certificate: string;
  readonly authority: string;
  /** By which the nodes talk to each other. */
  readonly transport: MeshTransport;
  readonly members: readonly {
    readonly id: NodeId;
    readonly role: 'voter' | 'witness' | 'learner';
    readonly mesh: string;
    readonly client: string;
  }[];
};

/** One table's rows on one node, as of a position that all of them have. */
export type VerifiedTable = {
  readonly table: string;
  readonly node: NodeId;
  readonly position: Offset;
  readonly rows: number;
  readonly checksum: string;
  /** As the primary's. */
  readonly isEqual: boolean;
};

/** What an operator asks of a server. Each rejects with the reason where it cannot be done, and then nothing has changed. */
export type ClusterAdmin = {
  /** Signs a node's key and takes it in: 28000 without leave, 57P03 with a hint to the primary on another node. */
  join(request: JoinRequest): Promise<JoinAnswer>;
  /** For one node to join with, from another machine. */
  createJoinToken(lifetimeMs: number): Promise<string>;
  /** Waits until so many replicas have joined and caught up, and makes them voters; 55000 where they do not come. */
  enable(replicas: number, timeoutMs: number): Promise<void>;
  /** Makes this node the primary. Forced: although a quorum is gone, which may lose what only the others have. */
  promote(isForced: boolean, timeoutMs: number): Promise<void>;
  /** This node gives the lead to another one. */
  demote(timeoutMs: number): Promise<void>;
  setMode(mode: ReplicationMode): Promise<void>;
  /** Takes a node out of the cluster: it needs to join anew. */
  remove(node: NodeId): Promise<void>;
  /** How far each node is, as the primary knows it where it can be asked; who is reached, as seen from here. */
  nodes(): Promise<readonly NodeStatus[]>;
  verify(): Promise<readonly VerifiedTable[]>;
};
