import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import type { CommonTablePlan } from '../plan/physical.ts';
import { KeyTable } from './key-table.ts';
import type { CommonTable, Operator, Runtime } from './operator.ts';
import { compact, liveCount, RowStore } from './vectors.ts';

/** Rows of an operator that are kept as they are read, for any number of readers. */
export class KeptRows implements CommonTable {
  readonly #operator: Operator;
  readonly #runtime: Runtime;
  readonly #batches: ColumnBatch[] = [];
  #isDone = false;
  #reserved = 0;

  constructor(operator: Operator, runtime: Runtime) {
    this.#operator = operator;
    this.#runtime = runtime;
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
      const bytes = bytesOf(batch);
      this.#runtime.context.reserve(bytes);
      this.#reserved += bytes;
      this.#batches.push(compact(batch));
    }
    return this.#batches[index]!;
  }

  close(): void {
    this.#operator.close();
    this.#runtime.context.release(this.#reserved);
    this.#reserved = 0;
    this.#isDone = true;
  }
}

function bytesOf(batch: ColumnBatch): number {
  const store = new RowStore(batch.columns.length);
  store.append(batch);
  return store.bytes;
}

/** Batches that are there already. */
function fixedTable(batches: readonly ColumnBatch[]): CommonTable {
  return { batch: (index) => batches[index] ?? null, close: () => undefined };
}

/**
 * WITH RECURSIVE: the first term's rows, then the step's over the rows of the round before, until a round adds
 * none. UNION drops rows that were seen; UNION ALL ends by itself, by LIMIT, or at the statement's memory.
 */
export class RecursiveOperator implements Operator {
  readonly #runtime: Runtime;
  readonly #step: (working: CommonTable) => Operator;
  readonly #seen: KeyTable | null;
  #current: Operator;
  #round: ColumnBatch[] = [];
  #seenCount = 0;
  #reserved = 0;

  constructor(plan: CommonTablePlan, runtime: Runtime, step: (working: CommonTable) => Operator) {
    this.#runtime = runtime;
    this.#step = step;
    this.#seen = plan.recursive?.all === true ? null : new KeyTable(plan.plan.types.map((type) => type.oid));
    this.#current = runtime.start(plan.plan);
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      const batch = this.#current.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        if (this.#round.length === 0) return null;
        const working = fixedTable(this.#round);
        this.#round = [];
        this.#current.close();
        this.#current = this.#step(working);
        const pause = this.#runtime.pause();
        if (pause !== null) return pause;
        continue;
      }
      const fresh = this.#seen === null ? batch : this.#unseen(batch, this.#seen);
      if (fresh === null) continue;
      const kept = compact(fresh);
      this.#round.push(kept);
      return kept;
    }
  }

  close(): void {
    this.#current.close();
    this.#runtime.context.release(this.#reserved);
    this.#reserved = 0;
    this.#round = [];
  }

  #unseen(batch: ColumnBatch, seen: KeyTable): ColumnBatch | null {
    const fresh = firstSeen(batch, seen, batch.columns, this.#seenCount);
    this.#seenCount = seen.size;
    this.#runtime.context.reserve(Math.max(0, seen.bytes - this.#reserved));
    this.#reserved = Math.max(this.#reserved, seen.bytes);
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
