import type { NodeId, Offset } from '../../base/ids.ts';

/** How many copies a commit has when it is answered. DESIGN: sync = every replica in sync, semi-sync = a quorum, async = here. */
export type ReplicationMode = 'sync' | 'semi-sync' | 'async';
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
  readonly isInSync: boolean;
  /** Since its last answer. */
  readonly silentMs: number | null;
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
  /** host:port of the primary for clients, as far as is known. */
  readonly primaryClient: string | null;
  readonly status: ReplicationStatus;
  /** Null: this node may answer from its rows now, as of all that was committed. Else: wait; rejects where it may not. */
  readable(): Promise<void> | null;
  /** Of a commit that ends at an offset: as many have it as the mode asks for. */
  acknowledged(end: Offset, mode: ReplicationMode): Promise<void>;
  /** Everything below is applied here. */
  appliedPast(offset: Offset, timeoutMs: number): Promise<void>;
  /** How old at most what this node answers is; 0 on the primary, null where it does not know. */
  readonly stalenessMs: number | null;
};
