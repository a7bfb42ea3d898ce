import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import type { CommonTablePlan } from '../plan/physical.ts';
import { KeyTable } from './key-table.ts';
import type { MemoryShare } from './memory.ts';
import type { CommonTable, Operator, Runtime } from './operator.ts';
import { BatchList } from './spill/batch-list.ts';
import { liveCount } from './vectors.ts';

/** Rows of an operator that are kept as they are read, for any number of readers. */
export class KeptRows implements CommonTable {
  readonly #operator: Operator;
  readonly #batches: BatchList;
  #isDone = false;

  constructor(operator: Operator, runtime: Runtime) {
    this.#operator = operator;
    this.#batches = new BatchList(runtime);
  }

  batch(index: number): ColumnBatch | null | Promise<void> {
    while (index >= this.#batches.length) {
      if (this.#isDone) return null;
      const batch = this.#operator.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        this.#isDone = true;
        return null;
      }
      const wait = this.#batches.append(batch);
      if (wait !== null) return wait;
    }
    return this.#batches.at(index);
  }

  close(): void {
    this.#operator.close();
    this.#batches.close();
    this.#isDone = true;
  }
}

/** Batches that are there already. */
function fixedTable(batches: BatchList): CommonTable {
  return { batch: (index) => batches.at(index), close: () => undefined };
}

/**
 * WITH RECURSIVE: the first term's rows, then the step's over the rows of the round before, until a round adds
 * none. UNION drops rows that were seen, which are kept in memory; UNION ALL ends by itself or by LIMIT.
 */
export class RecursiveOperator implements Operator {
  readonly #runtime: Runtime;
  readonly #step: (working: CommonTable) => Operator;
  readonly #seen: KeyTable | null;
  readonly #share: MemoryShare;
  #current: Operator;
  /** What the step reads. */
  #working: BatchList | null = null;
  #round: BatchList;
  #made: ColumnBatch | null = null;
  #seenCount = 0;

  constructor(plan: CommonTablePlan, runtime: Runtime, step: (working: CommonTable) => Operator) {
    this.#runtime = runtime;
    this.#step = step;
    this.#seen = plan.recursive?.all === true ? null : new KeyTable(plan.plan.types.map((type) => type.oid));
    this.#current = runtime.start(plan.plan);
    this.#round = new BatchList(runtime);
    this.#share = runtime.memory.share(null);
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      if (this.#made !== null) {
        const made = this.#made;
        this.#made = null;
        return made;
      }
      const batch = this.#current.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        if (this.#round.length === 0) return null;
        this.#nextRound();
        const pause = this.#runtime.pause();
        if (pause !== null) return pause;
        continue;
      }
      this.#made = this.#seen === null ? batch : this.#unseen(batch, this.#seen);
      const wait = this.#made === null ? null : this.#round.append(this.#made);
      if (wait !== null) return wait;
    }
  }

  close(): void {
    this.#current.close();
    this.#working?.close();
    this.#round.close();
    this.#share.close();
  }

  #nextRound(): void {
    this.#current.close();
    this.#working?.close();
    this.#working = this.#round;
    this.#round = new BatchList(this.#runtime);
    this.#current = this.#step(fixedTable(this.#working));
  }

  #unseen(batch: ColumnBatch, seen: KeyTable): ColumnBatch | null {
    const fresh = firstSeen(batch, seen, batch.columns, this.#seenCount);
    this.#seenCount = seen.size;
    this.#share.require(seen.bytes);
    return fresh;
  }
}

/** The rows of a batch whose keys are new to the table, which has `known` of them; null where there is none. */
export function firstSeen(
  batch: ColumnBatch,
  table: KeyTable,
  keys: ColumnBatch['columns'],
  known: number,
): ColumnBatch | null {
  const ids = new Int32Array(Math.max(batch.rowCount, batchRowsMax));
  const count = liveCount(batch);
  table.assign(keys, batch.selection, count, true, ids);
  const live = new Uint32Array(count);
  let next = known;
  let kept = 0;
  for (let at = 0; at < count; at++) {
    const row = batch.selection === null ? at : batch.selection[at]!;
    if (ids[row] !== next) continue;
    next++;
    live[kept++] = row;
  }
  return kept === 0 ? null : { ...batch, selection: live.subarray(0, kept) };
}

/** Reads a WITH query's rows from the start. */
export class CommonTableScan implements Operator {
  readonly #table: CommonTable;
  readonly #runtime: Runtime;
  #at = 0;

  constructor(table: CommonTable, runtime: Runtime) {
    this.#table = table;
    this.#runtime = runtime;
  }

  next(): ColumnBatch | null | Promise<void> {
    const pause = this.#runtime.pause();
    if (pause !== null) return pause;
    const batch = this.#table.batch(this.#at);
    if (batch !== null && !(batch instanceof Promise)) this.#at++;
    return batch;
  }

  close(): void {
    this.#at = Number.MAX_SAFE_INTEGER;
  }
}
