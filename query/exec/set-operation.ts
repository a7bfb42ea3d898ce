import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { KeyTable } from './key-table.ts';
import type { MemoryShare } from './memory.ts';
import type { Operator, Runtime } from './operator.ts';
import { Partitions, partitionBytes, partitionDepthMax } from './spill/partitions.ts';
import { type Steps, stepwise } from './steps.ts';
import { liveCount } from './vectors.ts';

type SetPlan = Extract<PhysicalPlan, { readonly kind: 'set-operation' }>;

/** INTERSECT and EXCEPT [ALL]. */
export function setOperator(plan: SetPlan, left: Operator, right: Operator, runtime: Runtime): Operator {
  const share = runtime.memory.share(plan);
  const pass = new SetPass(plan, 0, share, runtime);
  const steps = stepwise(pass.run(left, right));
  return {
    next: () => steps.next(),
    close() {
      left.close();
      right.close();
      pass.close();
      share.close();
    },
  };
}

/**
 * Counts the right side's rows, then streams the left. Once no more values fit into memory, the rows of new ones go to
 * partitions, of both sides, and these are gone through one by one.
 */
class SetPass {
  readonly #plan: SetPlan;
  readonly #depth: number;
  readonly #share: MemoryShare;
  readonly #runtime: Runtime;
  #table: KeyTable;
  #ids = new Int32Array(batchRowsMax);
  #counts: number[] = [];
  #emitted = new Set<number>();
  #partitions: { readonly left: Partitions; readonly right: Partitions } | null = null;
  #inner: SetPass | null = null;

  constructor(plan: SetPlan, depth: number, share: MemoryShare, runtime: Runtime) {
    this.#plan = plan;
    this.#depth = depth;
    this.#share = share;
    this.#runtime = runtime;
    this.#table = new KeyTable(plan.types.map((type) => type.oid));
  }

  *run(left: Operator, right: Operator): Steps {
    for (;;) {
      const batch = right.next();
      if (batch === null) break;
      if (batch instanceof Promise) yield batch;
      else {
        const wait = this.#countRight(batch);
        if (wait !== null) yield wait;
      }
    }
    for (;;) {
      const batch = left.next();
      if (batch === null) break;
      if (batch instanceof Promise) yield batch;
      else yield* this.#keepLeft(batch);
    }
    yield* this.#runPartitions();
  }

  close(): void {
    this.#inner?.close();
    this.#partitions?.left.close();
    this.#partitions?.right.close();
  }

  *#runPartitions(): Steps {
    if (this.#partitions === null) return;
    const { left, right } = this.#partitions;
    this.#table = new KeyTable([]);
    this.#counts = [];
    this.#emitted = new Set();
    yield left.finish();
    yield right.finish();
    for (const [at, leftPart] of left.parts.entries()) {
      if (leftPart.rowCount === 0) continue;
      this.#share.hold(0);
      const inner = new SetPass(this.#plan, this.#depth + 1, this.#share, this.#runtime);
      this.#inner = inner;
      yield* inner.run(left.reader(leftPart), right.reader(right.parts[at]!));
      inner.close();
    }
  }

  /** The ids of rows, and those that have none for want of memory. */
  #assign(batch: ColumnBatch): { readonly ids: Int32Array; readonly unknown: Uint32Array } {
    if (this.#ids.length < batch.rowCount) this.#ids = new Int32Array(batch.rowCount);
    const count = liveCount(batch);
    const isOpen = this.#partitions === null;
    this.#table.assign(batch.columns, batch.selection, count, isOpen, this.#ids);
    if (isOpen) {
      this.#account();
      return { ids: this.#ids, unknown: new Uint32Array(0) };
    }
    const unknown = new Uint32Array(count);
    let length = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      if (this.#ids[row]! < 0) unknown[length++] = row;
    }
    return { ids: this.#ids, unknown: unknown.subarray(0, length) };
  }

  #account(): void {
    const { memory } = this.#runtime;
    const bytes = this.#table.bytes + this.#table.size * 16;
    if (memory.spill === null || this.#depth >= partitionDepthMax) {
      this.#share.require(bytes);
      return;
    }
    if (this.#share.tryHold(bytes + 2 * partitionBytes(memory))) return;
    const { types } = this.#plan;
    const shape = { width: types.length, keyTypes: types.map((type) => type.oid) };
    this.#partitions = {
      left: new Partitions(memory.spill, shape, this.#depth, this.#share, this.#runtime),
      right: new Partitions(memory.spill, shape, this.#depth, this.#share, this.#runtime),
    };
  }

  #countRight(batch: ColumnBatch): Promise<void> | null {
    const { ids, unknown } = this.#assign(batch);
    const count = liveCount(batch);
    for (let at = 0; at < count; at++) {
      const id = ids[batch.selection === null ? at : batch.selection[at]!]!;
      if (id >= 0) this.#counts[id] = (this.#counts[id] ?? 0) + 1;
    }
    if (unknown.length === 0) return null;
    return this.#partitions!.right.append({ ...batch, selection: unknown }, batch.columns);
  }

  *#keepLeft(batch: ColumnBatch): Steps {
    const { ids, unknown } = this.#assign(batch);
    const count = liveCount(batch);
    const live = new Uint32Array(count);
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      const id = ids[row]!;
      if (id >= 0 && this.#isKept(id)) live[kept++] = row;
    }
    if (kept > 0) yield { ...batch, selection: live.subarray(0, kept) };
    if (unknown.length === 0) return;
    const wait = this.#partitions!.left.append({ ...batch, selection: unknown }, batch.columns);
    if (wait !== null) yield wait;
  }

  #isKept(id: number): boolean {
    const isIntersect = this.#plan.operation === 'intersect';
    const rightCount = this.#counts[id] ?? 0;
    if (this.#plan.all) {
      if (rightCount > 0) this.#counts[id] = rightCount - 1;
      return rightCount > 0 === isIntersect;
    }
    if (rightCount > 0 !== isIntersect || this.#emitted.has(id)) return false;
    this.#emitted.add(id);
    return true;
  }
}
