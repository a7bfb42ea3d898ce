import type { NodeId } from '../../base/ids.ts';
import type { MemberRecord, SwimLimits } from './swim.ts';

type Rumour = { readonly record: MemberRecord; told: number };

/**
 * Records that are passed on with the next messages, those that were told least first (SWIM §4.1).
 *
 * Invariant: one of each node, the last that was told here.
 */
export class Rumours {
  readonly #limits: Pick<SwimLimits, 'retellings' | 'updatesMax'>;
  readonly #rumours = new Map<NodeId, Rumour>();

  constructor(limits: Pick<SwimLimits, 'retellings' | 'updatesMax'>) {
    this.#limits = limits;
  }

  tell(record: MemberRecord): void {
    this.#rumours.set(record.node, { record, told: 0 });
  }

  forget(node: NodeId): void {
    this.#rumours.delete(node);
  }

  /** For one message, in a group of so many. */
  take(groupSize: number): MemberRecord[] {
    const toldMax = this.#limits.retellings * Math.ceil(Math.log2(groupSize + 1));
    const next = [...this.#rumours.values()]
      .sort((left, right) => left.told - right.told)
      .slice(0, this.#limits.updatesMax);
    for (const rumour of next) {
      rumour.told += 1;
      if (rumour.told >= toldMax) this.#rumours.delete(rumour.record.node);
    }
    return next.map(({ record }) => record);
  }
}
