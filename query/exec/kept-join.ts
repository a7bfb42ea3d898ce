import type { ColumnBatch } from '../../base/values/column.ts';
import type { PairChunk, PairJoin } from './join-pairs.ts';
import type { KeyedBatch, KeyedInput } from './keyed-input.ts';
import type { MemoryShare } from './memory.ts';
import type { Operator, Runtime } from './operator.ts';
import { RowStore } from './row-store.ts';

/** How a kept side finds the partners of the rows of a left batch. */
export type Partners = {
  /** A batch of the right side has been kept; its first row is row `start` of the store. */
  keep(batch: KeyedBatch, start: number): void;
  /** Candidate pairs of a left batch. */
  of(batch: KeyedBatch): Iterable<PairChunk>;
  readonly bytes: number;
};

/** What a join is, wherever its rows are read from. */
export type KeptJoin = {
  readonly rightWidth: number;
  /** Without a row on the kept side there is no output: the left need not be read. */
  readonly endsWhenEmpty: boolean;
  newPartners(): Partners;
  newPairs(store: RowStore): PairJoin;
};

/** The right side does not fit into memory: a part of it is kept, and the left side read, again and again. */
export type Overflow =
  | { readonly kind: 'refuse' }
  /** Hands over to an operator that goes on with the rows kept so far, and needs some bytes for that. */
  | {
      readonly kind: 'hand over';
      readonly reservedBytes: number;
      readonly to: (kept: RowStore) => Operator;
    }
  /** The left side from its start, the same batches each time. */
  | { readonly kind: 'chunks'; readonly rereadLeft: () => KeyedInput };

/**
 * A join that reads its right side whole, keeps it, and then streams the left. Where memory ends it does what
 * `overflow` says.
 */
export class KeptJoinOperator implements Operator {
  readonly #kind: KeptJoin;
  readonly #right: KeyedInput;
  readonly #overflow: Overflow;
  readonly #share: MemoryShare;
  readonly #runtime: Runtime;
  #left: KeyedInput;
  #successor: Operator | null = null;
  #store: RowStore;
  #partners: Partners;
  #pairs: PairJoin | null = null;
  #isRightRead = false;
  #isLeftRead = false;
  /** Of each left batch, by its number, while the right side comes in chunks. */
  #matches: (Uint8Array | null)[] = [];
  #leftBatches = 0;
  #matchBytes = 0;
  #output: Iterator<ColumnBatch | null> | null = null;

  constructor(
    kind: KeptJoin,
    left: KeyedInput,
    right: KeyedInput,
    overflow: Overflow,
    share: MemoryShare,
    runtime: Runtime,
  ) {
    this.#kind = kind;
    this.#left = left;
    this.#right = right;
    this.#overflow = overflow;
    this.#share = share;
    this.#runtime = runtime;
    this.#store = new RowStore(kind.rightWidth);
    this.#partners = kind.newPartners();
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      if (this.#successor !== null) return this.#successor.next();
      if (this.#pairs === null) {
        const wait = this.#build();
        if (wait !== null) return wait;
        this.#pairs = this.#kind.newPairs(this.#store);
        continue;
      }
      const pause = this.#output === null ? null : this.#runtime.pause();
      if (pause !== null) return pause;
      const step = this.#output?.next();
      if (step !== undefined && step.done !== true) {
        if (step.value !== null) return step.value;
        continue;
      }
      this.#output = null;
      if (this.#isLeftRead) {
        if (this.#isRightRead) return null;
        this.#nextChunk();
        continue;
      }
      const wait = this.#joinLeft(this.#pairs);
      if (wait !== null) return wait;
    }
  }

  /** The share stays its owner's. */
  close(): void {
    this.#left.close();
    this.#right.close();
    this.#successor?.close();
    this.#isLeftRead = true;
    this.#isRightRead = true;
    this.#output = null;
  }

  #joinLeft(pairs: PairJoin): Promise<void> | null {
    // Where chunks came before this one, rows that found a partner in one of them are still to be given.
    const isEmpty = this.#kind.endsWhenEmpty && this.#store.rowCount === 0 && this.#matches.length === 0;
    const batch = isEmpty ? null : this.#left.next();
    if (batch instanceof Promise) return batch;
    if (batch === null) {
      this.#isLeftRead = true;
      this.#output = pairs.unmatched();
    } else {
      this.#output = pairs.join(
        batch.rows,
        this.#partners.of(batch),
        this.#matchesOf(batch.rows, pairs),
        this.#isRightRead,
      );
    }
    return null;
  }

  #matchesOf(batch: ColumnBatch, pairs: PairJoin): Uint8Array | null {
    const number = this.#leftBatches++;
    if (this.#overflow.kind !== 'chunks') return pairs.newMatches(batch);
    const known = this.#matches[number];
    if (known !== undefined) return known;
    const matches = pairs.newMatches(batch);
    this.#matches.push(matches);
    this.#matchBytes += matches?.length ?? 0;
    return matches;
  }

  #nextChunk(): void {
    if (this.#overflow.kind !== 'chunks') return;
    this.#left.close();
    this.#left = this.#overflow.rereadLeft();
    this.#leftBatches = 0;
    this.#isLeftRead = false;
    this.#forget();
  }

  #forget(): void {
    this.#store = new RowStore(this.#kind.rightWidth);
    this.#partners = this.#kind.newPartners();
    this.#pairs = null;
  }

  #build(): Promise<void> | null {
    for (;;) {
      const batch = this.#right.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        this.#isRightRead = true;
        return null;
      }
      const start = this.#store.rowCount;
      this.#store.append(batch.rows);
      this.#partners.keep(batch, start);
      const bytes = this.#store.bytes + this.#partners.bytes + this.#matchBytes;
      const reserved = this.#overflow.kind === 'hand over' ? this.#overflow.reservedBytes : 0;
      if (this.#share.tryHold(bytes + reserved)) continue;
      switch (this.#overflow.kind) {
        case 'refuse':
          this.#share.require(bytes);
          break;
        case 'hand over':
          this.#successor = this.#overflow.to(this.#store);
          this.#forget();
          return null;
        case 'chunks':
          this.#share.hold(bytes);
          if (this.#matches.length === 0) this.#left = this.#overflow.rereadLeft();
          return null;
      }
    }
  }
}
