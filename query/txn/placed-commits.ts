import type { AlopexError } from '../../base/errors.ts';
import type { Offset, Timestamp } from '../../base/ids.ts';
import type { Transaction } from './transaction.ts';

/** A commit that stands in the log, and waits until it is answered. */
export type PlacedCommit = {
  readonly transaction: Transaction;
  readonly end: Offset;
  readonly timestamp: Timestamp;
  readonly resolve: () => void;
  readonly reject: (error: AlopexError) => void;
  /** Before it was committed: it asked for no more than this node's disk. */
  isAnswered: boolean;
};

/** In the order of the log. */
export class PlacedCommits {
  #commits: PlacedCommit[] = [];
  /** Of the first so many it is known that they are flushed. */
  #flushed = 0;

  add(commit: PlacedCommit): void {
    this.#commits.push(commit);
  }

  has(transactionId: number): boolean {
    return this.#commits.some(({ transaction }) => transaction.id === transactionId);
  }

  /** Those that end at or below an offset; they wait no more. */
  takeTo(highWatermark: Offset): readonly PlacedCommit[] {
    let count = 0;
    while (count < this.#commits.length && this.#commits[count]!.end <= highWatermark) count++;
    this.#flushed = Math.max(0, this.#flushed - count);
    return this.#commits.splice(0, count);
  }

  /** Those that are flushed now, and asked for nothing else. A change of the catalog always asks for more. */
  answerableAt(flushed: Offset): readonly PlacedCommit[] {
    const answerable: PlacedCommit[] = [];
    for (; this.#flushed < this.#commits.length; this.#flushed++) {
      const commit = this.#commits[this.#flushed]!;
      if (commit.end > flushed) break;
      const { durability, catalog } = commit.transaction;
      if (durability !== 'async' || catalog !== null) continue;
      commit.isAnswered = true;
      answerable.push(commit);
    }
    return answerable;
  }

  /** Those that end above an offset: the log lost them. */
  takeAbove(end: Offset): readonly PlacedCommit[] {
    const lost = this.#commits.filter((commit) => commit.end > end);
    this.#commits = this.#commits.filter((commit) => commit.end <= end);
    this.#flushed = Math.min(this.#flushed, this.#commits.length);
    return lost;
  }
}
