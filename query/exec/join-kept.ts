import { batchRowsMax, type ColumnBatch, type ColumnVector } from '../../base/values/column.ts';
import type { HashJoin, NestedLoop, PhysicalPlan } from '../plan/physical.ts';
import { BatchProjection } from './batch-expressions.ts';
import { CommonTableScan, KeptRows } from './common-tables.ts';
import { type PairChunk, PairCollector, PairJoin } from './join-pairs.ts';
import { type KeptJoin, KeptJoinOperator, type Overflow, type Partners } from './kept-join.ts';
import { KeyTable } from './key-table.ts';
import { type KeyedBatch, type KeyedInput, keyedInput } from './keyed-input.ts';
import type { MemoryShare } from './memory.ts';
import type { Operator, Runtime } from './operator.ts';
import { PartitionedJoin } from './partitioned-join.ts';
import type { RowStore } from './row-store.ts';
import { partitionBytes } from './spill/partitions.ts';
import { isNullAt, liveCount } from './vectors.ts';

const missing = -1;

/** Rows of the kept side by the value of their keys: chains through `next`, in the order of arrival. */
class HashedPartners implements Partners {
  readonly #plan: HashJoin;
  readonly #table: KeyTable;
  #heads = new Int32Array(1024).fill(missing);
  #tails = new Int32Array(1024).fill(missing);
  #next = new Int32Array(4096).fill(missing);
  #rows = 0;

  constructor(plan: HashJoin) {
    this.#plan = plan;
    this.#table = new KeyTable(plan.rightKeys.map((key) => key.type.oid));
  }

  get bytes(): number {
    return this.#table.bytes + this.#rows * 4 + this.#table.size * 8;
  }

  keep({ rows: batch, keys }: KeyedBatch, start: number): void {
    const ids = this.#idsOf(keys, batch, true);
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

  *of({ rows: batch, keys }: KeyedBatch): Generator<PairChunk> {
    const ids = this.#idsOf(keys, batch, false);
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

  keep({ rows }: KeyedBatch, start: number): void {
    this.#rows = start + liveCount(rows);
  }

  *of({ rows: batch }: KeyedBatch): Generator<PairChunk> {
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

/** Without a row on the kept side these kinds give nothing. */
const needsRight = new Set(['inner', 'cross', 'semi', 'right']);

export function hashJoinOperator(
  plan: PhysicalPlan & HashJoin,
  left: Operator,
  right: Operator,
  runtime: Runtime,
): Operator {
  const { environment, memory } = runtime;
  const leftInput = keyedInput(left, new BatchProjection(plan.leftKeys, environment));
  const rightKeys = new BatchProjection(plan.rightKeys, environment);
  const rightInput = keyedInput(right, rightKeys);
  const share = memory.share(plan);
  const kind: KeptJoin = {
    rightWidth: plan.right.types.length,
    endsWhenEmpty: needsRight.has(plan.join),
    newPartners: () => new HashedPartners(plan),
    newPairs: (store) => new PairJoin(plan.join, plan.residual, store, plan.left.types.length, environment),
  };
  const { spill } = memory;
  const keyTypes = plan.rightKeys.map((key) => key.type.oid);
  const overflow: Overflow =
    spill === null
      ? { kind: 'refuse' }
      : {
          kind: 'hand over',
          reservedBytes: partitionBytes(memory),
          to: (kept) => {
            const sides = { left: leftInput, right: storeFirst(kept, rightKeys, rightInput) };
            const shape = { leftWidth: plan.left.types.length, keyTypes };
            return new PartitionedJoin(kind, shape, sides, 0, { spill, share, runtime });
          },
        };
  return sharing(new KeptJoinOperator(kind, leftInput, rightInput, overflow, share, runtime), share);
}

/** The rows that a store has, their keys computed anew, and then the rest. */
function storeFirst(store: RowStore, keys: BatchProjection, rest: KeyedInput): KeyedInput {
  let kept: RowStore | null = store;
  let at = 0;
  return {
    next() {
      if (kept === null) return rest.next();
      const from = at;
      at = Math.min(kept.rowCount, at + batchRowsMax);
      const rows = kept.slice(from, at);
      if (at === kept.rowCount) kept = null;
      return { rows, keys: keys.apply(rows) };
    },
    close: () => rest.close(),
  };
}

/** The operator, which gives back its share at its end. */
function sharing(operator: Operator, share: MemoryShare): Operator {
  return {
    next: () => operator.next(),
    close() {
      operator.close();
      share.close();
    },
  };
}

export function nestedLoopOperator(
  plan: PhysicalPlan & NestedLoop,
  left: Operator,
  right: Operator,
  runtime: Runtime,
): Operator {
  const { environment, memory } = runtime;
  const noKeys = new BatchProjection([], environment);
  const share = memory.share(plan);
  const kind: KeptJoin = {
    rightWidth: plan.right.types.length,
    endsWhenEmpty: needsRight.has(plan.join),
    newPartners: () => new AllPartners(),
    newPairs: (store) => new PairJoin(plan.join, plan.condition, store, plan.left.types.length, environment),
  };
  let stored: KeptRows | null = null;
  const rereadLeft = (): KeyedInput => {
    stored ??= new KeptRows(left, runtime);
    return keyedInput(new CommonTableScan(stored, runtime), noKeys);
  };
  const overflow: Overflow = memory.spill === null ? { kind: 'refuse' } : { kind: 'chunks', rereadLeft };
  const [leftInput, rightInput] = [keyedInput(left, noKeys), keyedInput(right, noKeys)];
  const join = new KeptJoinOperator(kind, leftInput, rightInput, overflow, share, runtime);
  return {
    next: () => join.next(),
    close() {
      join.close();
      stored?.close();
      left.close();
      share.close();
    },
  };
}
