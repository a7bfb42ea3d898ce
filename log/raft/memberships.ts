import type { NodeId, Offset } from '../../base/ids.ts';
import { firstGeneration, type Generation, type Member, type Membership } from './contract.ts';
import { Quorum } from './quorum.ts';

export type PlacedMembership = {
  /** Of its control batch. */
  readonly endOffset: Offset;
  readonly membership: Membership;
  readonly quorum: Quorum;
};

export const noMembership: Membership = { members: [], outgoing: [], forced: [] };

/**
 * The memberships that a log holds. The newest is the one that counts, from its append on, committed or not (§4.1); where
 * the log is cut below it, the one before it counts again.
 *
 * Invariants:
 * - Never empty: the first is that of the snapshot where the log begins.
 * - End offsets ascend.
 */
export class MembershipHistory {
  #placed: PlacedMembership[];

  constructor(
    startOffset: Offset,
    placed: readonly { readonly endOffset: Offset; readonly membership: Membership }[],
  ) {
    this.#placed = [];
    if (placed.length === 0) this.append(startOffset, noMembership);
    for (const { endOffset, membership } of placed) this.append(endOffset, membership);
  }

  get current(): PlacedMembership {
    return this.#placed.at(-1)!;
  }

  /** What the log says up to `place`. */
  at(place: Offset): Membership {
    return (this.#placed.findLast(({ endOffset }) => endOffset <= place) ?? this.#placed[0]!).membership;
  }

  /**
   * Whether `id` has a vote in what is committed or in anything after it. Who is removed may still be needed until that is
   * committed: it may be the only one that has it (§4.2.2).
   */
  mayNeed(id: NodeId, highWatermark: Offset): boolean {
    for (let index = this.#placed.length - 1; index >= 0; index--) {
      const { endOffset, quorum } = this.#placed[index]!;
      if (quorum.has(id)) return true;
      if (endOffset <= highWatermark) return false;
    }
    return false;
  }

  /** Whether nobody but `id` decides, by what is committed and by all that comes after it. */
  isOnly(id: NodeId, highWatermark: Offset): boolean {
    for (let index = this.#placed.length - 1; index >= 0; index--) {
      const { endOffset, quorum } = this.#placed[index]!;
      if (!quorum.isOnly(id)) return false;
      if (endOffset <= highWatermark) return true;
    }
    return true;
  }

  append(endOffset: Offset, membership: Membership): void {
    this.#placed.push({ endOffset, membership, quorum: new Quorum(membership) });
  }

  /** Returns whether another counts now. */
  truncate(end: Offset): boolean {
    const count = this.#placed.length;
    while (this.#placed.length > 1 && this.current.endOffset > end) this.#placed.pop();
    return this.#placed.length < count;
  }

  trim(startOffset: Offset): void {
    while (this.#placed.length > 1 && this.#placed[1]!.endOffset <= startOffset) this.#placed.shift();
  }
}

export function isJoint(membership: Membership): boolean {
  return membership.outgoing.length > 0;
}

export function memberOf(membership: Membership, id: NodeId): Member | null {
  return membership.members.find((member) => member.id === id) ?? null;
}

/** Everybody who takes the log: those that are left need it until their quorum is not asked any more. */
export function replicasOf(membership: Membership): readonly Member[] {
  const { members, outgoing } = membership;
  return [...members, ...outgoing.filter(({ id }) => memberOf(membership, id) === null)];
}

export function generationOf({ forced }: Membership): Generation {
  const last = forced.at(-1);
  return last === undefined ? firstGeneration : { count: last.generation, node: last.node };
}

export function isSameGeneration(left: Generation, right: Generation): boolean {
  return left.count === right.count && left.node === right.node;
}
