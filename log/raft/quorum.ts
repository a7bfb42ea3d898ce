import type { NodeId } from '../../base/ids.ts';
import type { Membership } from './contract.ts';

const noNodes: readonly NodeId[] = [];

/**
 * Who decides: a majority of the members that vote, and while the membership is joint a majority of those that are left
 * too (§4.3). Witnesses vote; learners do not (§4.2.1).
 */
export class Quorum {
  readonly #incoming: readonly NodeId[];
  readonly #outgoing: readonly NodeId[];
  readonly #sorted: Float64Array;

  constructor(membership: Membership) {
    this.#incoming = membership.members.filter(({ role }) => role !== 'learner').map(({ id }) => id);
    this.#outgoing = membership.outgoing.length === 0 ? noNodes : membership.outgoing.map(({ id }) => id);
    this.#sorted = new Float64Array(Math.max(this.#incoming.length, this.#outgoing.length));
  }

  has(id: NodeId): boolean {
    return this.#incoming.includes(id) || this.#outgoing.includes(id);
  }

  /** Whether `id` decides alone. */
  isOnly(id: NodeId): boolean {
    return (
      this.#incoming.length === 1 &&
      this.#incoming[0] === id &&
      this.#outgoing.every((outgoing) => outgoing === id)
    );
  }

  /** Each that votes, once. */
  get voters(): readonly NodeId[] {
    return [...this.#incoming, ...this.#outgoing.filter((id) => !this.#incoming.includes(id))];
  }

  /** The largest value that a quorum has reached: offsets, rounds, times. -Infinity where nobody votes. */
  reached(measure: (id: NodeId) => number): number {
    if (this.#incoming.length === 0) return Number.NEGATIVE_INFINITY;
    const incoming = this.#majority(this.#incoming, measure);
    return this.#outgoing.length === 0
      ? incoming
      : Math.min(incoming, this.#majority(this.#outgoing, measure));
  }

  isWon(granted: ReadonlySet<NodeId>): boolean {
    return this.reached((id) => (granted.has(id) ? 1 : 0)) === 1;
  }

  /** Insertion sort, descending, into one array that stays: this runs for each acknowledgement. */
  #majority(ids: readonly NodeId[], measure: (id: NodeId) => number): number {
    const sorted = this.#sorted;
    for (let count = 0; count < ids.length; count++) {
      const value = measure(ids[count]!);
      let at = count;
      for (; at > 0 && sorted[at - 1]! < value; at--) sorted[at] = sorted[at - 1]!;
      sorted[at] = value;
    }
    return sorted[ids.length >> 1]!;
  }
}
