import type { Offset } from '../../base/ids.ts';
import type { Entry } from '../raft/contract.ts';

/** The end of a log in memory: what followers that keep up are sent, without a look at a file. */
export class RecentEntries {
  readonly #bytesMax: number;
  /** Contiguous, in the order of the log. */
  #entries: Entry[] = [];
  /** Those before it were dropped, and are cut off now and then. */
  #first = 0;
  #bytes = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  add(entry: Entry): void {
    this.#entries.push(entry);
    this.#bytes += entry.sizeBytes;
    while (this.#bytes > this.#bytesMax && this.#first < this.#entries.length - 1)
      this.#bytes -= this.#entries[this.#first++]!.sizeBytes;
    if (this.#first * 2 <= this.#entries.length) return;
    this.#entries = this.#entries.slice(this.#first);
    this.#first = 0;
  }

  truncate(end: Offset): void {
    while (this.#entries.length > this.#first && this.#entries.at(-1)!.endOffset > end)
      this.#bytes -= this.#entries.pop()!.sizeBytes;
    if (this.#entries.length > this.#first) return;
    this.#entries = [];
    this.#first = 0;
    this.#bytes = 0;
  }

  /** From a boundary of batches on: at least one, and at most about so many bytes. Null: not all of it is here. */
  from(from: Offset, bytesMax: number): readonly Entry[] | null {
    const entries = this.#entries;
    let low = this.#first;
    let high = entries.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (entries[middle]!.baseOffset < from) low = middle + 1;
      else high = middle;
    }
    if (entries[low]?.baseOffset !== from) return null;
    let bytes = entries[low]!.sizeBytes;
    let end = low + 1;
    while (end < entries.length && bytes + entries[end]!.sizeBytes <= bytesMax)
      bytes += entries[end++]!.sizeBytes;
    return entries.slice(low, end);
  }
}
