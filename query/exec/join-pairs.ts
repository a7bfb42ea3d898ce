import { batchRowsMax, type ColumnBatch, type ColumnVector } from '../../base/values/column.ts';
import type { Expression } from '../plan/expression.ts';
import type { JoinKind } from '../plan/logical.ts';
import { BatchFilter } from './batch-expressions.ts';
import type { Environment } from './operator.ts';
import type { RowStore } from './row-store.ts';
import { datumVector, gather, liveCount } from './vectors.ts';

/** Candidate pairs: row `left[i]` of the left batch and row `right[i]` of the kept side, for i in [0, count). */
export type PairChunk = { readonly left: Uint32Array; readonly right: Uint32Array; readonly count: number };

/**
 * What all joins with a kept right side share: from candidate pairs to rows, by the kind of the join. The
 * condition sees the joined row. Rows of the kept side that found no partner come at the end.
 */
export class PairJoin {
  readonly #kind: JoinKind;
  readonly #condition: BatchFilter | null;
  readonly #store: RowStore;
  readonly #leftWidth: number;
  readonly #rightMatched: Uint8Array | null;

  constructor(
    kind: JoinKind,
    condition: Expression | null,
    store: RowStore,
    leftWidth: number,
    environment: Environment,
  ) {
    this.#kind = kind;
    this.#condition = condition === null ? null : new BatchFilter(condition, environment);
    this.#store = store;
    this.#leftWidth = leftWidth;
    this.#rightMatched = kind === 'right' || kind === 'full' ? new Uint8Array(store.rowCount) : null;
  }

  /** Which left rows have found a partner: what `join` needs of each left batch, or null. */
  newMatches(batch: ColumnBatch): Uint8Array | null {
    return keepsLeft.has(this.#kind) ? new Uint8Array(batch.rowCount) : null;
  }

  /** The output of one left batch, null where a chunk gave none; `isWhole`: no partners of it will come any more. */
  *join(
    batch: ColumnBatch,
    chunks: Iterable<PairChunk>,
    matched: Uint8Array | null,
    isWhole: boolean,
  ): Generator<ColumnBatch | null> {
    const kind = this.#kind;
    for (const chunk of chunks) {
      if (kind === 'semi' || kind === 'anti') {
        this.#markLeft(batch, chunk, matched!);
        yield null;
        continue;
      }
      const joined = this.#joined(batch, chunk);
      if (joined !== null) this.#mark(joined.selection, chunk, matched);
      yield joined;
    }
    if (!isWhole) return;
    if (kind === 'semi' || kind === 'anti') yield* this.#leftWhere(batch, matched!, kind === 'semi' ? 1 : 0);
    if (kind === 'left' || kind === 'full') {
      for (const rest of this.#leftWhere(batch, matched!, 0)) {
        yield {
          ...rest,
          columns: [...rest.columns, ...nullColumns(this.#store.columns.length, rest.rowCount)],
        };
      }
    }
  }

  /** Rows of the kept side without a partner: of a right or full join, after all left batches. */
  *unmatched(): Generator<ColumnBatch> {
    const matched = this.#rightMatched;
    if (matched === null) return;
    const indexes = new Uint32Array(batchRowsMax);
    let count = 0;
    for (let row = 0; row < matched.length; row++) {
      if (matched[row] === 0) indexes[count++] = row;
      if (count === batchRowsMax || (row === matched.length - 1 && count > 0)) {
        const columns = [...nullColumns(this.#leftWidth, count), ...this.#store.rows(indexes, count, false)];
        yield { rowCount: count, columns, selection: null };
        count = 0;
      }
    }
  }

  #joined(batch: ColumnBatch, chunk: PairChunk): ColumnBatch | null {
    const left = batch.columns.map((column) => gather(column, chunk.left, chunk.count, false));
    const columns = [...left, ...this.#store.rows(chunk.right, chunk.count, false)];
    const joined: ColumnBatch = { rowCount: chunk.count, columns, selection: null };
    return this.#condition === null ? joined : this.#condition.apply(joined);
  }

  #mark(selection: Uint32Array | null, chunk: PairChunk, leftMatched: Uint8Array | null): void {
    const count = selection === null ? chunk.count : selection.length;
    for (let at = 0; at < count; at++) {
      const pair = selection === null ? at : selection[at]!;
      if (leftMatched !== null) leftMatched[chunk.left[pair]!] = 1;
      if (this.#rightMatched !== null) this.#rightMatched[chunk.right[pair]!] = 1;
    }
  }

  #markLeft(batch: ColumnBatch, chunk: PairChunk, matched: Uint8Array): void {
    if (this.#condition === null) {
      for (let at = 0; at < chunk.count; at++) matched[chunk.left[at]!] = 1;
      return;
    }
    const joined = this.#joined(batch, chunk);
    if (joined !== null) this.#mark(joined.selection, chunk, matched);
  }

  *#leftWhere(batch: ColumnBatch, matched: Uint8Array, wanted: 0 | 1): Generator<ColumnBatch> {
    const count = liveCount(batch);
    const kept = new Uint32Array(count);
    let length = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      if (matched[row] === wanted) kept[length++] = row;
    }
    if (length > 0) yield { ...batch, selection: kept.subarray(0, length) };
  }
}

const keepsLeft: ReadonlySet<JoinKind> = new Set(['left', 'full', 'semi', 'anti'] as const);

export function nullColumns(width: number, rowCount: number): ColumnVector[] {
  return Array.from({ length: width }, () => datumVector(new Array(rowCount).fill(null)));
}

/** Collects pairs, and hands them out in chunks of a batch. */
export class PairCollector {
  #left = new Uint32Array(batchRowsMax);
  #right = new Uint32Array(batchRowsMax);
  #count = 0;

  get isFull(): boolean {
    return this.#count === batchRowsMax;
  }

  add(left: number, right: number): void {
    this.#left[this.#count] = left;
    this.#right[this.#count++] = right;
  }

  /** The pairs so far, or null; the collector starts anew. */
  take(): PairChunk | null {
    if (this.#count === 0) return null;
    const chunk = { left: this.#left, right: this.#right, count: this.#count };
    this.#left = new Uint32Array(batchRowsMax);
    this.#right = new Uint32Array(batchRowsMax);
    this.#count = 0;
    return chunk;
  }
}
