import type { ColumnBatch, ColumnVector } from '../../base/values/column.ts';
import type { HashJoin, NestedLoop } from '../plan/physical.ts';
import { BatchProjection } from './batch-expressions.ts';
import { type PairChunk, PairCollector, PairJoin } from './join-pairs.ts';
import { KeyTable } from './key-table.ts';
import type { Operator, Runtime } from './operator.ts';
import { isNullAt, liveCount, RowStore } from './vectors.ts';

/** How a kept side finds the partners of the rows of a left batch. */
type Partners = {
  /** A batch of the right side has been kept; its first row is row `start` of the store. */
  keep(batch: ColumnBatch, start: number): void;
  /** Candidate pairs of a left batch. */
  of(batch: ColumnBatch): Iterable<PairChunk>;
  readonly bytes: number;
};

/** A join that reads its right side whole, keeps it, and then streams the left. */
class KeptJoinOperator implements Operator {
  readonly #left: Operator;
  readonly #right: Operator;
  readonly #runtime: Runtime;
  readonly #store: RowStore;
  readonly #partners: Partners;
  readonly #newJoin: (store: RowStore) => PairJoin;
  readonly #endsWhenEmpty: boolean;
  #join: PairJoin | null = null;
  #reserved = 0;
  #output: Iterator<ColumnBatch> | null = null;
  #isLast = false;

  constructor(
    sides: { readonly left: Operator; readonly right: Operator; readonly rightWidth: number },
    partners: Partners,
    newJoin: (store: RowStore) => PairJoin,
    endsWhenEmpty: boolean,
    runtime: Runtime,
  ) {
    this.#left = sides.left;
    this.#right = sides.right;
    this.#runtime = runtime;
    this.#store = new RowStore(sides.rightWidth);
    this.#partners = partners;
    this.#newJoin = newJoin;
    this.#endsWhenEmpty = endsWhenEmpty;
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#join === null) {
      const wait = this.#build();
      if (wait !== null) return wait;
      this.#join = this.#newJoin(this.#store);
    }
    for (;;) {
      if (this.#output !== null) {
        const pause = this.#runtime.pause();
        if (pause !== null) return pause;
        const step = this.#output.next();
        if (step.done !== true) return step.value;
        this.#output = null;
      }
      if (this.#isLast) return null;
      const batch = this.#endsWhenEmpty && this.#store.rowCount === 0 ? null : this.#left.next();
      if (batch instanceof Promise) return batch;
      this.#isLast = batch === null;
      this.#output =
        batch === null ? this.#join.unmatched() : this.#join.join(batch, this.#partners.of(batch));
    }
  }

  close(): void {
    this.#left.close();
    this.#right.close();
    this.#runtime.context.release(this.#reserved);
    this.#reserved = 0;
    this.#isLast = true;
    this.#output = null;
  }

  #build(): Promise<void> | null {
    for (;;) {
      const batch = this.#right.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) return null;
      const start = this.#store.rowCount;
      this.#store.append(batch);
      this.#partners.keep(batch, start);
      const bytes = this.#store.bytes + this.#partners.bytes;
      this.#runtime.context.reserve(bytes - this.#reserved);
      this.#reserved = bytes;
    }
  }
}

const missing = -1;

/** Rows of the kept side by the value of their keys: chains through `next`, in the order of arrival. */
class HashedPartners implements Partners {
  readonly #plan: HashJoin;
  readonly #table: KeyTable;
  readonly #leftKeys: BatchProjection;
  readonly #rightKeys: BatchProjection;
  #heads = new Int32Array(1024).fill(missing);
  #tails = new Int32Array(1024).fill(missing);
  #next = new Int32Array(4096).fill(missing);
  #rows = 0;

  constructor(plan: HashJoin, runtime: Runtime) {
    this.#plan = plan;
    this.#table = new KeyTable(plan.rightKeys.map((key) => key.type.oid));
    this.#leftKeys = new BatchProjection(plan.leftKeys, runtime.environment);
    this.#rightKeys = new BatchProjection(plan.rightKeys, runtime.environment);
  }

  get bytes(): number {
    return this.#table.bytes + this.#rows * 4;
  }

  keep(batch: ColumnBatch, start: number): void {
    const ids = this.#idsOf(this.#rightKeys.apply(batch), batch, true);
    const count = liveCount(batch);
    this.#rows = start + count;
    this.#next = widened(this.#next, this.#rows);
    this.#heads = widened(this.#heads, this.#table.size);
    this.#tails = widened(this.#tails, this.#table.size);
    for (let at = 0; at < count; at++) {
      const id = ids[batch.selection === null ? at : batch.selection[at]!]!;
      if (id < 0) continue;
      const tail = this.#tails[id]!;
      if (tail === missing) this.#heads[id] = start + at;
      else this.#next[tail] = start + at;
      this.#tails[id] = start + at;
    }
  }

  *of(batch: ColumnBatch): Generator<PairChunk> {
    const ids = this.#idsOf(this.#leftKeys.apply(batch), batch, false);
    const pairs = new PairCollector();
    const count = liveCount(batch);
    for (let at = 0; at < count; at++) {
      const left = batch.selection === null ? at : batch.selection[at]!;
      const id = ids[left]!;
      if (id < 0) continue;
      for (let right = this.#heads[id]!; right !== missing; right = this.#next[right]!) {
        pairs.add(left, right);
        if (pairs.isFull) yield pairs.take()!;
      }
    }
    const rest = pairs.take();
    if (rest !== null) yield rest;
  }

  /** Ids of a batch's keys; -1 where there is none, or where a null matches nothing. */
  #idsOf(keys: readonly ColumnVector[], batch: ColumnBatch, insert: boolean): Int32Array {
    const ids = new Int32Array(batch.rowCount);
    const count = liveCount(batch);
    this.#table.assign(keys, batch.selection, count, insert, ids);
    for (const [at, key] of keys.entries()) {
      if (this.#plan.nullsMatch[at] === true || (key.kind !== 'datum' && key.nulls === null)) continue;
      for (let row = 0; row < batch.rowCount; row++) if (isNullAt(key, row)) ids[row] = missing;
    }
    return ids;
  }
}

function widened(values: Int32Array<ArrayBuffer>, length: number): Int32Array<ArrayBuffer> {
  if (length <= values.length) return values;
  const larger = new Int32Array(Math.max(length, values.length * 2)).fill(missing);
  larger.set(values);
  return larger;
}

/** Every row of the kept side, for conditions that are no equality. */
class AllPartners implements Partners {
  #rows = 0;
  readonly bytes = 0;

  keep(batch: ColumnBatch, start: number): void {
    this.#rows = start + liveCount(batch);
  }

  *of(batch: ColumnBatch): Generator<PairChunk> {
    const pairs = new PairCollector();
    const count = liveCount(batch);
    for (let at = 0; at < count; at++) {
      const left = batch.selection === null ? at : batch.selection[at]!;
      for (let right = 0; right < this.#rows; right++) {
        pairs.add(left, right);
        if (pairs.isFull) yield pairs.take()!;
      }
    }
    const rest = pairs.take();
    if (rest !== null) yield rest;
  }
}

/** Without a row on the kept side these kinds give nothing: the left need not be read. */
const needsRight = new Set(['inner', 'cross', 'semi', 'right']);

export function hashJoinOperator(
  plan: HashJoin,
  left: Operator,
  right: Operator,
  runtime: Runtime,
): Operator {
  return new KeptJoinOperator(
    { left, right, rightWidth: plan.right.types.length },
    new HashedPartners(plan, runtime),
    (store) => new PairJoin(plan.join, plan.residual, store, plan.left.types.length, runtime.environment),
    needsRight.has(plan.join),
    runtime,
  );
}

export function nestedLoopOperator(
  plan: NestedLoop,
  left: Operator,
  right: Operator,
  runtime: Runtime,
): Operator {
  return new KeptJoinOperator(
    { left, right, rightWidth: plan.right.types.length },
    new AllPartners(),
    (store) => new PairJoin(plan.join, plan.condition, store, plan.left.types.length, runtime.environment),
    needsRight.has(plan.join),
    runtime,
  );
}
