import type { Random } from '../../base/env/env.ts';
import type { NodeId } from '../../base/ids.ts';

/**
 * Each member once a round, in an order that chance makes anew for each round; who comes in between has a place by chance
 * (SWIM §4.3). So a member waits for its turn less than two rounds.
 */
export class ProbeOrder {
  readonly #random: Pick<Random, 'uint32'>;
  readonly #nodes: NodeId[] = [];
  #at = 0;

  constructor(random: Pick<Random, 'uint32'>) {
    this.#random = random;
  }

  add(node: NodeId): void {
    const place = this.#random.uint32() % (this.#nodes.length + 1);
    this.#nodes.splice(place, 0, node);
    if (place < this.#at) this.#at += 1;
  }

  remove(node: NodeId): void {
    const place = this.#nodes.indexOf(node);
    if (place < 0) return;
    this.#nodes.splice(place, 1);
    if (place < this.#at) this.#at -= 1;
  }

  /** The next of those that are wanted. */
  next(isWanted: (node: NodeId) => boolean): NodeId | null {
    // The rest of this round, and the next one.
    for (let tries = 2 * this.#nodes.length; tries > 0; tries--) {
      if (this.#at >= this.#nodes.length) this.#shuffle();
      const node = this.#nodes[this.#at++]!;
      if (isWanted(node)) return node;
    }
    return null;
  }

  /** Fisher and Yates. */
  #shuffle(): void {
    const nodes = this.#nodes;
    for (let last = nodes.length - 1; last > 0; last--) {
      const other = this.#random.uint32() % (last + 1);
      [nodes[last], nodes[other]] = [nodes[other]!, nodes[last]!];
    }
    this.#at = 0;
  }
}
