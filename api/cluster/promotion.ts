import type { Timer } from '../../base/env/env.ts';
import { type AlopexError, asAlopexError } from '../../base/errors.ts';
import type { FollowerStatus, Member, MembershipChange, RaftStatus } from '../../log/raft/contract.ts';
import { type ClusterSettings, clusterSettings } from './cluster-settings.ts';
import type { DatabaseNode } from './node.ts';

/** Between two looks at the learners. */
const lookMs = 20;

/** What a primary does by itself: learners that have caught up become voters, and the log learns where members have moved. */
export class Promotion {
  readonly #node: DatabaseNode;
  readonly #change: (change: MembershipChange) => Promise<void>;
  readonly #onProblem: (problem: AlopexError) => void;
  #timer: Timer | null = null;
  #isLooking = false;

  constructor(
    node: DatabaseNode,
    change: (change: MembershipChange) => Promise<void>,
    onProblem: (problem: AlopexError) => void,
  ) {
    this.#node = node;
    this.#change = change;
    this.#onProblem = onProblem;
  }

  /** Looks now and then, as long as there is something to do. */
  soon(): void {
    this.#timer ??= this.#node.engine.env.clock.setTimer(lookMs, () => {
      this.#timer = null;
      this.#look().catch((error: unknown) => this.#onProblem(asAlopexError(error)));
    });
  }

  async #look(): Promise<void> {
    if (this.#isLooking || !this.#node.isPrimary || this.#node.self === null) return;
    this.#isLooking = true;
    try {
      // Clients, and nodes that join, learn from the log where the members are.
      for (const member of this.#moved) await this.#attempt({ kind: 'change', member });
      await this.#promote();
    } finally {
      this.#isLooking = false;
      if (this.#node.isPrimary && (this.#learners.length > 0 || this.#moved.length > 0)) this.soon();
    }
  }

  async #promote(): Promise<void> {
    const settings = clusterSettings(this.#node.engine.transactions.catalog);
    if (settings === null) return;
    for (const member of this.#learners) {
      const { followers, membership } = this.#status;
      const follower = followers.find(({ id }) => id === member.id);
      if (this.#isWanted(member, settings) && hasCaughtUp(follower))
        await this.#attempt(promotion(member, settings, membership));
    }
  }

  #isWanted({ id }: Member, settings: ClusterSettings): boolean {
    const { promotes, votingReplicasMax, witnesses, replaces } = settings;
    if (witnesses.includes(id)) return true;
    const hasRoom = votingReplicasMax === null || votersAmong(replicasOf(this.#node)) < votingReplicasMax;
    return promotes && (hasRoom || replaces.some(({ node }) => node === id));
  }

  get #learners(): readonly Member[] {
    return this.#members.filter(({ role }) => role === 'learner');
  }

  /** Members that are to be found elsewhere than the log says. */
  get #moved(): readonly Member[] {
    return this.#members.flatMap((member) => {
      const { mesh, client } = this.#node.addressesOf(member.id) ?? member;
      return mesh === member.mesh && client === member.client ? [] : [{ ...member, mesh, client }];
    });
  }

  get #members(): readonly Member[] {
    return this.#status.membership.members;
  }

  get #status(): RaftStatus {
    return this.#node.engine.replica!.range.status;
  }

  /** What cannot be now is tried again at the next look. */
  async #attempt(change: MembershipChange): Promise<void> {
    try {
      await this.#change(change);
    } catch (error) {
      if (asAlopexError(error).condition !== 'object_not_in_prerequisite_state') throw error;
    }
  }

  close(): void {
    this.#timer?.cancel();
  }
}

/** Of all nodes, those that have rows, but for this one. */
export function replicasOf({ engine, self }: DatabaseNode): readonly Member[] {
  const members = engine.replica?.range.status.membership.members ?? [];
  const witnesses = clusterSettings(engine.transactions.catalog)?.witnesses ?? [];
  return members.filter(({ id }) => id !== self && !witnesses.includes(id));
}

export function votersAmong(members: readonly Member[]): number {
  return members.filter(({ role }) => role === 'voter').length;
}

export function hasCaughtUp(follower: FollowerStatus | undefined): boolean {
  return follower?.isInSync === true && follower.mode === 'replicate';
}

/** A witness gets its role; a node in another's place takes it in the same change. */
function promotion(
  member: Member,
  { witnesses, replaces }: ClusterSettings,
  { members }: RaftStatus['membership'],
): MembershipChange {
  const role = witnesses.includes(member.id) ? 'witness' : 'voter';
  const old = replaces.find(({ node }) => node === member.id)?.old;
  const isThere = old !== undefined && members.some(({ id }) => id === old);
  return isThere
    ? { kind: 'replace', id: old, member: { ...member, role } }
    : { kind: 'change', member: { ...member, role } };
}
