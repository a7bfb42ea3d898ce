import { batchRowsMax, type ColumnBatch } from '../../base/values/column.ts';
import type { Expression } from '../plan/expression.ts';
import type { SqlType } from '../types/type.ts';
import { BatchProjection } from './batch-expressions.ts';
import { firstSeen } from './common-tables.ts';
import { KeyTable } from './key-table.ts';
import type { Operator, Runtime } from './operator.ts';
import { liveCount } from './vectors.ts';

/** A table of keys whose memory is accounted for. */
class AccountedKeys {
  readonly table: KeyTable;
  readonly #runtime: Runtime;
  #reserved = 0;

  constructor(types: readonly SqlType[], runtime: Runtime) {
    this.table = new KeyTable(types.map((type) => type.oid));
    this.#runtime = runtime;
  }

  account(): void {
    const { bytes } = this.table;
    if (bytes <= this.#reserved) return;
    this.#runtime.context.reserve(bytes - this.#reserved);
    this.#reserved = bytes;
  }

  release(): void {
    this.#runtime.context.release(this.#reserved);
    this.#reserved = 0;
  }
}

/** The first row of each value: of whole rows, or of the expressions of DISTINCT ON. Streams. */
export class DistinctOperator implements Operator {
  readonly #input: Operator;
  readonly #keys: AccountedKeys;
  readonly #on: BatchProjection | null;
  #known = 0;

  constructor(
    input: Operator,
    types: readonly SqlType[],
    on: readonly Expression[] | null,
    runtime: Runtime,
  ) {
    this.#input = input;
    this.#keys = new AccountedKeys(on === null ? types : on.map((expression) => expression.type), runtime);
    this.#on = on === null ? null : new BatchProjection(on, runtime.environment);
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      const batch = this.#input.next();
      if (batch === null || batch instanceof Promise) return batch;
      const columns = this.#on === null ? batch.columns : this.#on.apply(batch);
      const fresh =
        columns.length === 0 ? this.#first(batch) : firstSeen(batch, this.#keys.table, columns, this.#known);
      if (columns.length > 0) this.#known = this.#keys.table.size;
      this.#keys.account();
      if (fresh !== null) return fresh;
    }
  }

  close(): void {
    this.#input.close();
    this.#keys.release();
  }

  /** Rows without columns are all the same. */
  #first(batch: ColumnBatch): ColumnBatch | null {
    if (this.#known > 0) return null;
    this.#known = 1;
    return { ...batch, rowCount: 1, selection: null };
  }
}

/** INTERSECT and EXCEPT [ALL]: counts the right side's rows, then streams the left. */
export class SetOperator implements Operator {
  readonly #left: Operator;
  readonly #right: Operator;
  readonly #keys: AccountedKeys;
  readonly #isIntersect: boolean;
  readonly #isAll: boolean;
  #ids = new Int32Array(batchRowsMax);
  #counts: number[] = [];
  #emitted = new Set<number>();
  #isRightRead = false;

  constructor(
    sides: { readonly left: Operator; readonly right: Operator; readonly types: readonly SqlType[] },
    operation: 'intersect' | 'except',
    all: boolean,
    runtime: Runtime,
  ) {
    this.#left = sides.left;
    this.#right = sides.right;
    this.#keys = new AccountedKeys(sides.types, runtime);
    this.#isIntersect = operation === 'intersect';
    this.#isAll = all;
  }

  next(): ColumnBatch | null | Promise<void> {
    while (!this.#isRightRead) {
      const batch = this.#right.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) this.#isRightRead = true;
      else this.#countRight(batch);
    }
    for (;;) {
      const batch = this.#left.next();
      if (batch === null || batch instanceof Promise) return batch;
      const kept = this.#keepLeft(batch);
      if (kept !== null) return kept;
    }
  }

  close(): void {
    this.#left.close();
    this.#right.close();
    this.#keys.release();
  }

  #assign(batch: ColumnBatch): Int32Array {
    if (this.#ids.length < batch.rowCount) this.#ids = new Int32Array(batch.rowCount);
    this.#keys.table.assign(batch.columns, batch.selection, liveCount(batch), true, this.#ids);
    this.#keys.account();
    return this.#ids;
  }

  #countRight(batch: ColumnBatch): void {
    const ids = this.#assign(batch);
    const count = liveCount(batch);
    for (let at = 0; at < count; at++) {
      const id = ids[batch.selection === null ? at : batch.selection[at]!]!;
      this.#counts[id] = (this.#counts[id] ?? 0) + 1;
    }
  }

  #keepLeft(batch: ColumnBatch): ColumnBatch | null {
    const ids = this.#assign(batch);
    const count = liveCount(batch);
    const live = new Uint32Array(count);
    let kept = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      if (this.#isKept(ids[row]!)) live[kept++] = row;
    }
    return kept === 0 ? null : { ...batch, selection: live.subarray(0, kept) };
  }

  #isKept(id: number): boolean {
    const rightCount = this.#counts[id] ?? 0;
    if (this.#isAll) {
      if (rightCount > 0) this.#counts[id] = rightCount - 1;
      return rightCount > 0 === this.#isIntersect;
    }
    if (rightCount > 0 !== this.#isIntersect || this.#emitted.has(id)) return false;
    this.#emitted.add(id);
    return true;
  }
}
