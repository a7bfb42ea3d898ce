import type { Clock } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import { Gate } from '../../base/gate.ts';
import type { NodeId, Offset } from '../../base/ids.ts';
import type { MemberState } from '../../log/mesh/swim.ts';
import type { Member, RaftStatus } from '../../log/raft/contract.ts';
import type { Engine } from '../database/engine.ts';
import type { Replica } from '../database/replica.ts';
import {
  type NodeStatus,
  type Replication,
  type ReplicationMode,
  type ReplicationStatus,
  sqlRequest,
} from '../database/replication.ts';
import type { CommitToken } from '../database/settings.ts';
import { clusterSettings } from './cluster-settings.ts';
import type { DatabaseNode } from './node.ts';
import { Outstanding } from './outstanding.ts';
import { removedError } from './removal.ts';

/** Voters with which the loss of one leaves a majority. */
const automaticVoters = 3;

/** Of the nodes' requests to each other: answered with nothing, at once. */
export const aliveRequest = 'alive';
export const aliveMsMax = 300;

/** What the sessions of one engine ask of their node. */
export class NodeReplication implements Replication {
  readonly self: NodeId;
  readonly #node: DatabaseNode;
  readonly #engine: Engine;
  readonly #replica: Replica;
  readonly #clock: Clock;
  /** Shut while the lead goes to another node. */
  readonly gate = new Gate();
  readonly #outstanding = new Outstanding();
  #leader: NodeId | null;

  constructor(node: DatabaseNode, engine: Engine, replica: Replica, self: NodeId) {
    this.#node = node;
    this.#engine = engine;
    this.#replica = replica;
    this.#clock = engine.env.clock;
    this.#leader = replica.range.status.leader;
    this.self = self;
  }

  get isPrimary(): boolean {
    return this.#replica.isPrimary;
  }
  get primary(): NodeId | null {
    if (this.#node.isRemoved) throw removedError();
    return this.#replica.range.status.leader;
  }
  get primaryClient(): string | null {
    const { leader, membership } = this.#replica.range.status;
    const client = membership.members.find(({ id }) => id === leader)?.client ?? '';
    return client === '' ? null : client;
  }
  get mode(): ReplicationMode {
    return clusterSettings(this.#engine.transactions.catalog)?.mode ?? 'semi-sync';
  }
  get isSettled(): boolean {
    return this.#replica.isSettled;
  }
  get stalenessMs(): number | null {
    return this.#replica.stalenessMs;
  }

  get handingOver(): Promise<void> | null {
    return this.gate.opening;
  }
  get isReadable(): boolean {
    return this.#replica.isReadable && !this.#node.isRemoved;
  }
  readable(): Promise<void> | null {
    return this.#node.isRemoved ? Promise.reject(removedError()) : this.#replica.readable();
  }

  holds(commit: CommitToken): boolean | null {
    return this.#replica.holds(commit);
  }

  appliedPast(offset: Offset, timeoutMs: number): Promise<void> {
    const reached = this.#replica.appliedPast(offset);
    return new Promise((resolve, reject) => {
      const timer = this.#clock.setTimer(timeoutMs, () =>
        reject(
          new AlopexError('query_canceled', `the log was not applied up to offset ${offset} in time`, {
            detail: `This node has applied it up to ${this.#replica.shown}.`,
          }),
        ),
      );
      const end = (settle: () => void): void => {
        timer.cancel();
        settle();
      };
      reached.then(
        () => end(resolve),
        (error: unknown) => end(() => reject(error)),
      );
    });
  }

  request(to: NodeId, name: string, body: Uint8Array, timeoutMs: number): Promise<Uint8Array> {
    const { mesh } = this.#node;
    if (mesh === null) throw new AlopexError('cannot_connect_now', 'this node is not in a cluster yet');
    const answer = mesh.request(to, name, body, timeoutMs);
    return name === sqlRequest ? this.#outstanding.add(to, answer) : answer;
  }

  /**
   * What was asked of the leader before is waited for as long as it lives: one that hands over still answers. One that is
   * cut off or stands still would be found out by its link much later.
   */
  onLeader(leader: NodeId | null): void {
    const before = this.#leader;
    if (leader === null || leader === before) return;
    this.#leader = leader;
    if (before === null || !this.#outstanding.has(before)) return;
    this.request(before, aliveRequest, new Uint8Array(0), aliveMsMax).catch(() => {
      const reason = new AlopexError(
        'connection_failure',
        `node ${before}, which was the primary, does not answer`,
      );
      this.#outstanding.abandon(before, reason);
    });
  }

  get status(): ReplicationStatus {
    const status = this.#replica.range.status;
    const { log } = this.#engine;
    return {
      cluster: this.#node.cluster ?? '',
      mode: this.mode,
      epoch: status.epoch,
      highWatermark: log.highWatermark,
      applied: this.#replica.shown,
      nodes: status.membership.members.map((member) => this.#nodeStatus(member, status)),
      failover: failoverOf(status, (id) => id === this.self || isReached(this.#node.stateOf(id))),
    };
  }

  #nodeStatus({ id, role, client, mesh }: Member, status: RaftStatus): NodeStatus {
    const follower = status.followers.find((each) => each.id === id);
    const isSelf = id === this.self;
    const heardMs = follower?.heardMs ?? null;
    const roleNow = role === 'voter' ? (id === status.leader ? 'primary' : 'replica') : role;
    return {
      id,
      role: roleNow,
      client,
      mesh,
      isSelf,
      match: isSelf ? this.#engine.log.flushedOffset : heardMs === null ? null : follower!.match,
      isInSync: isSelf || (follower?.isInSync ?? null),
      state: isSelf ? 'alive' : this.#node.stateOf(id),
      silentMs: isSelf ? 0 : heardMs === null ? null : Math.max(0, this.#clock.monotonicMs() - heardMs),
    };
  }
}

/** Null: they have not met yet. */
function isReached(state: MemberState | null): boolean {
  return state !== 'dead' && state !== 'suspect';
}

/** `isThere`: as far as this node sees. */
function failoverOf({ membership, rival }: RaftStatus, isThere: (node: NodeId) => boolean): string {
  if (rival !== null)
    return `by hand: node ${rival} was promoted by force too; promote --force the one whose rows are to stay`;
  const voters = membership.members.filter(({ role }) => role !== 'learner');
  if (voters.length === 1) return 'none: no other node has a vote';
  if (voters.length < automaticVoters)
    return 'by hand: with two voters neither is a majority; add a witness, or promote --force the one that is left';
  const lost = voters.filter(({ id }) => !isThere(id));
  const isMajority = voters.length - lost.length - 1 > voters.length / 2;
  if (lost.length > 0 && !isMajority) {
    const names = lost.map(({ id }) => `node ${id}`).join(', ');
    return `not now: ${names} cannot be reached, and without one more there is no majority`;
  }
  return voters.some(({ role }) => role === 'witness') ? 'automatic, by the vote of a witness' : 'automatic';
}
