import { ByteReader } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import type { Clock } from '../../base/env/env.ts';
import { type NodeId, rangeId } from '../../base/ids.ts';
import { defaultRaftLimits, type Membership, type RaftLimits, type RaftStatus } from '../raft/contract.ts';
import type { Ticker, Ticking } from './ticker.ts';

/** Of the mesh's messages: those between nodes, and of no range. */
export const nodeMessages = rangeId(0);

/** A range, as the nodes' liveness sees it. */
export type Sleeper = { wake(): void };

export type LivenessOptions = {
  readonly self: NodeId;
  readonly clock: Pick<Clock, 'monotonicMs'>;
  readonly ticker: Ticker;
  /** As `nodeMessages`, in order. */
  send(to: NodeId, message: Uint8Array): void;
  readonly limits?: Partial<Pick<RaftLimits, 'heartbeatMs' | 'electionMs'>>;
};

/** Another node, by the quiet ranges that this one shares with it. */
type Neighbour = {
  /** It leads them. */
  readonly followed: Set<Sleeper>;
  /** This node leads them. */
  led: number;
  heardMs: number;
};

/** Where a quiet range is. */
type Place = {
  readonly leader: NodeId;
  readonly membership: Membership;
  readonly others: readonly NodeId[];
};
type QuietStatus = Pick<RaftStatus, 'isQuiet' | 'leader' | 'membership'>;

/**
 * Ranges that are quiet have no heartbeats of their own; their nodes have one for all of them. It says how many quiet ranges
 * its sender leads that the receiver is a member of. Where it does not come for an election timeout, or names fewer than the
 * receiver follows, these are woken, and stand for election unless their leader speaks. So a quiet range has another leader
 * as soon as a busy one.
 *
 * Invariant: for each quiet range either its leader's node is heard, or it is woken.
 */
export class Liveness implements Ticking {
  readonly #options: LivenessOptions;
  readonly #heartbeatMs: number;
  readonly #silenceMs: number;
  readonly #neighbours = new Map<NodeId, Neighbour>();
  readonly #places = new Map<Sleeper, Place>();
  #beatMs = Number.NEGATIVE_INFINITY;

  constructor(options: LivenessOptions) {
    const { heartbeatMs, electionMs } = { ...defaultRaftLimits, ...options.limits };
    this.#options = options;
    this.#heartbeatMs = heartbeatMs;
    this.#silenceMs = electionMs;
    options.ticker.add(this);
  }

  get deadlineMs(): number | null {
    let deadlineMs = Number.POSITIVE_INFINITY;
    for (const { followed, led, heardMs } of this.#neighbours.values()) {
      if (led > 0) deadlineMs = Math.min(deadlineMs, this.#beatMs + this.#heartbeatMs);
      if (followed.size > 0) deadlineMs = Math.min(deadlineMs, heardMs + this.#silenceMs);
    }
    return deadlineMs === Number.POSITIVE_INFINITY ? null : deadlineMs;
  }

  /** What a range is after each step; null: this node has it no more. */
  note(range: Sleeper, status: QuietStatus | null): void {
    const before = this.#places.get(range);
    const leader = status?.isQuiet === true ? status.leader : null;
    const membership = status?.membership;
    if (before === undefined && leader === null) return;
    if (before?.leader === leader && before?.membership === membership) return;
    if (before !== undefined) this.#leave(range, before);
    if (leader !== null && membership !== undefined) this.#enter(range, leader, membership);
    this.#options.ticker.note(this);
  }

  receive(from: NodeId, message: Uint8Array): void {
    const led = new ByteReader(message).uint32();
    const neighbour = this.#neighbours.get(from);
    if (neighbour === undefined) return;
    neighbour.heardMs = this.#options.clock.monotonicMs();
    if (led < neighbour.followed.size) wakeAll(neighbour);
  }

  /** The link to it broke. */
  onUnreachable(peer: NodeId): void {
    const neighbour = this.#neighbours.get(peer);
    if (neighbour !== undefined) wakeAll(neighbour);
  }

  tick(nowMs: number): void {
    if (nowMs >= this.#beatMs + this.#heartbeatMs) this.#beat(nowMs);
    for (const neighbour of [...this.#neighbours.values()]) {
      if (neighbour.followed.size === 0 || nowMs < neighbour.heardMs + this.#silenceMs) continue;
      // A range that cannot wake now, for it keeps a vote, is asked once more after as long.
      neighbour.heardMs = nowMs;
      wakeAll(neighbour);
    }
  }

  #beat(nowMs: number): void {
    this.#beatMs = nowMs;
    for (const [node, { led }] of this.#neighbours) {
      if (led === 0) continue;
      const writer = new ByteWriter();
      writer.uint32(led);
      this.#options.send(node, writer.toBytes());
    }
  }

  #enter(range: Sleeper, leader: NodeId, membership: Membership): void {
    const { self, clock } = this.#options;
    const others = [...membership.members, ...membership.outgoing].map(({ id }) => id);
    const place: Place = { leader, membership, others: [...new Set(others)].filter((id) => id !== self) };
    this.#places.set(range, place);
    if (leader === self) {
      for (const id of place.others) this.#neighbour(id).led += 1;
      return;
    }
    const neighbour = this.#neighbour(leader);
    neighbour.followed.add(range);
    // Its leader has just said so.
    neighbour.heardMs = clock.monotonicMs();
  }

  #leave(range: Sleeper, { leader, others }: Place): void {
    this.#places.delete(range);
    if (leader === this.#options.self) for (const id of others) this.#neighbour(id).led -= 1;
    else this.#neighbour(leader).followed.delete(range);
    for (const [id, { followed, led }] of this.#neighbours)
      if (followed.size === 0 && led === 0) this.#neighbours.delete(id);
  }

  #neighbour(id: NodeId): Neighbour {
    const known = this.#neighbours.get(id);
    if (known !== undefined) return known;
    const neighbour: Neighbour = { followed: new Set(), led: 0, heardMs: Number.NEGATIVE_INFINITY };
    this.#neighbours.set(id, neighbour);
    return neighbour;
  }
}

function wakeAll({ followed }: Neighbour): void {
  for (const range of [...followed]) range.wake();
}
