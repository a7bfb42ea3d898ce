import type { Offset } from '../../base/ids.ts';
import type { BatchHeader } from '../record/record.ts';

/** A producer whose transaction has begun and not ended, and the offset where it began. */
export type UndecidedTransaction = readonly [producerId: number, first: Offset];

/**
 * The transactions that are undecided at one place of the log: a fold of the batches' headers. A transactional
 * control batch is always the end of its producer's transaction.
 */
export class Undecided {
  /** In the order in which they began, which is the order of their offsets. */
  readonly #first: Map<number, Offset>;

  constructor(transactions: readonly UndecidedTransaction[] = []) {
    this.#first = new Map(transactions);
  }

  observe(header: BatchHeader): void {
    if (!header.isTransactional) return;
    if (header.isControl) this.#first.delete(header.producerId);
    else if (!this.#first.has(header.producerId)) this.#first.set(header.producerId, header.baseOffset);
  }

  get firstOffset(): Offset | null {
    for (const first of this.#first.values()) return first;
    return null;
  }

  get transactions(): readonly UndecidedTransaction[] {
    return [...this.#first];
  }
}
