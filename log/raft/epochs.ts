import type { Epoch, Offset } from '../../base/ids.ts';
import { invariant } from '../../base/unreachable.ts';
import type { EpochStart } from './contract.ts';

/**
 * Where each epoch of a log begins: what answers "which epoch has the batch that ends at this place?" without reading
 * the log. Raft's (index, term) of an entry is here (offset, epoch), as in Kafka (KIP-101).
 *
 * Invariants:
 * - Epochs and their starts ascend; the first start is at or before the log's first batch.
 * - An epoch has one leader, and that leader writes each offset once: two logs whose batches at a place have one epoch
 *   are equal below it (§3.5, log matching).
 */
export class EpochHistory {
  #startOffset: Offset;
  #startEpoch: Epoch;
  #starts: EpochStart[];

  constructor(startOffset: Offset, startEpoch: Epoch, starts: readonly EpochStart[]) {
    this.#startOffset = startOffset;
    this.#startEpoch = startEpoch;
    this.#starts = [];
    for (const start of starts) this.append(start.epoch, start.startOffset);
  }

  /** Of the log's last batch. */
  get last(): Epoch {
    return this.#starts.at(-1)?.epoch ?? this.#startEpoch;
  }

  append(epoch: Epoch, baseOffset: Offset): void {
    const last = this.#starts.at(-1);
    invariant(epoch >= this.last, `epoch ${epoch} is not after ${this.last}`);
    if (last !== undefined && last.epoch === epoch) return;
    invariant(last === undefined || last.startOffset < baseOffset, 'an epoch begins after the one before it');
    this.#starts.push({ epoch, startOffset: baseOffset });
  }

  /** Epoch of the batch that ends at `place`; of what the snapshot covers, where the log begins there. */
  epochAt(place: Offset): Epoch {
    if (place <= this.#startOffset) return this.#startEpoch;
    for (let index = this.#starts.length - 1; index >= 0; index--) {
      const start = this.#starts[index]!;
      if (start.startOffset < place) return start.epoch;
    }
    return this.#startEpoch;
  }

  /** The last epoch that is not above `epoch`, and where it ends in a log that ends at `logEnd`. */
  endOf(epoch: Epoch, logEnd: Offset): { readonly epoch: Epoch; readonly endOffset: Offset } {
    let endOffset = logEnd;
    for (let index = this.#starts.length - 1; index >= 0; index--) {
      const start = this.#starts[index]!;
      if (start.epoch <= epoch) return { epoch: start.epoch, endOffset };
      endOffset = start.startOffset;
    }
    return { epoch: this.#startEpoch, endOffset };
  }

  truncate(end: Offset): void {
    while (this.#starts.length > 0 && this.#starts.at(-1)!.startOffset >= end) this.#starts.pop();
  }

  trim(startOffset: Offset): void {
    this.#startEpoch = this.epochAt(startOffset);
    this.#startOffset = startOffset;
    while (this.#starts.length > 1 && this.#starts[1]!.startOffset <= startOffset) this.#starts.shift();
  }
}
