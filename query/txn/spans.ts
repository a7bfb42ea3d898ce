import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import type { Timestamp } from '../../base/ids.ts';
import type { KeyRange } from '../../materializers/rows/contract.ts';

/** Spans that one serializable transaction may read; more are joined into whole indexes. */
const spansMax = 10_000;
/** Keys of recent commits that are remembered while serializable transactions run. */
const recentKeysMax = 2_000_000;

/** Key bytes as latin1 text: `<` is byte order. Null is open. */
type Span = { readonly from: string | null; readonly to: string | null };

/** What a serializable transaction read: points and ranges of key bytes for each storage and index. */
export class ReadSpans {
  readonly #points = new Map<string, Set<string>>();
  readonly #ranges = new Map<string, Span[]>();
  #count = 0;

  addPoint(space: string, key: Uint8Array): void {
    let points = this.#points.get(space);
    if (points === undefined) {
      points = new Set();
      this.#points.set(space, points);
    }
    points.add(bytesToLatin1(key));
    this.#grow(space);
  }

  addRanges(space: string, ranges: readonly KeyRange[]): void {
    let spans = this.#ranges.get(space);
    if (spans === undefined) {
      spans = [];
      this.#ranges.set(space, spans);
    }
    for (const { from, to } of ranges) {
      spans.push({ from: from && bytesToLatin1(from), to: to && bytesToLatin1(to) });
    }
    this.#grow(space);
  }

  #grow(space: string): void {
    if (++this.#count <= spansMax) return;
    this.#points.delete(space);
    this.#ranges.set(space, [{ from: null, to: null }]);
  }

  /** Whether something from one key to another was read, both included. */
  overlaps(space: string, first: string, last: string): boolean {
    for (const point of this.#points.get(space) ?? []) if (point >= first && point <= last) return true;
    const spans = this.#ranges.get(space) ?? [];
    return spans.some(({ from, to }) => (from === null || from <= last) && (to === null || to > first));
  }

  contains(space: string, key: string): boolean {
    if (this.#points.get(space)?.has(key) === true) return true;
    const spans = this.#ranges.get(space);
    if (spans === undefined) return false;
    return spans.some(
      (span) => (span.from === null || key >= span.from) && (span.to === null || key < span.to),
    );
  }
}

/** The name of one index's key space. */
export function keySpace(storage: number, index: number): string {
  return `${storage}/${index}`;
}

/** Keys of one space that were written; `span`: and more, somewhere from the first key to the last. */
export type WrittenKeys = {
  readonly space: string;
  readonly keys: readonly string[];
  readonly span: readonly [first: string, last: string] | null;
};

type RecentCommit = { readonly timestamp: Timestamp; readonly writes: readonly WrittenKeys[] };

/**
 * Writes of recent commits, kept while a serializable transaction runs, and those of serializable ones until they are
 * visible: a commit is checked against what
 * was written since its snapshot (backward validation; Kung and Robinson, "On Optimistic Methods for Concurrency
 * Control", 1981). Commits that pass are serializable in the order of their timestamps; a transaction that
 * wrote nothing is serializable at its snapshot, and needs no check.
 */
export class RecentWrites {
  /** Snapshots of the serializable transactions that run. */
  readonly #readers = new Map<number, Timestamp>();
  #commits: RecentCommit[] = [];
  #keys = 0;
  /** Commits at or below it are forgotten: who reads below it cannot be checked. */
  #horizon = 0;

  get isWatched(): boolean {
    return this.#readers.size > 0;
  }

  begin(transaction: number, snapshot: Timestamp): void {
    this.#readers.set(transaction, snapshot);
  }

  /** `visible`: whoever begins now reads there, and has to be checked against what was placed and is not seen yet. */
  end(transaction: number, visible: Timestamp): void {
    if (!this.#readers.delete(transaction)) return;
    let oldest: number = visible;
    for (const snapshot of this.#readers.values()) oldest = Math.min(oldest, snapshot);
    this.#forget((commit) => commit.timestamp <= oldest);
  }

  add(timestamp: Timestamp, writes: readonly WrittenKeys[]): void {
    this.#commits.push({ timestamp, writes });
    this.#keys += countKeys(writes);
    while (this.#keys > recentKeysMax && this.#commits.length > 0) {
      const oldest = this.#commits[0]!.timestamp;
      this.#horizon = oldest;
      this.#forget((commit) => commit.timestamp <= oldest);
    }
  }

  #forget(isOld: (commit: RecentCommit) => boolean): void {
    let count = 0;
    while (count < this.#commits.length && isOld(this.#commits[count]!)) {
      this.#keys -= countKeys(this.#commits[count]!.writes);
      count++;
    }
    if (count > 0) this.#commits = this.#commits.slice(count);
  }

  /** Throws 40001 where a commit after `snapshot` wrote into what was read. */
  validate(spans: ReadSpans, snapshot: Timestamp): void {
    if (snapshot < this.#horizon)
      throw conflict('The transaction is older than the window of recent writes.');
    for (const commit of this.#commits) {
      if (commit.timestamp <= snapshot) continue;
      for (const { space, keys, span } of commit.writes) {
        const isSpanRead = span !== null && spans.overlaps(space, ...span);
        if (isSpanRead || keys.some((key) => spans.contains(space, key))) {
          throw conflict('A later commit wrote rows that this transaction had read.');
        }
      }
    }
  }
}

function countKeys(writes: readonly WrittenKeys[]): number {
  return writes.reduce((count, { keys }) => count + keys.length, 0);
}

function conflict(detail: string): AlopexError {
  return new AlopexError(
    'serialization_failure',
    'could not serialize access due to read/write dependencies among transactions',
    { detail, hint: 'The transaction might succeed if retried.' },
  );
}
