import { type ColumnBatch, type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum, PhysicalKind } from '../../base/values/datum.ts';
import type { AggregateCall } from '../plan/expression.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { oids } from '../types/type.ts';
import { type Accumulator, gatheredBytes, gatheredKind } from './accumulators.ts';
import type { MemoryShare } from './memory.ts';
import type { Runtime } from './operator.ts';
import { type Direction, rowOrder } from './order.ts';
import { rowsOf } from './rows.ts';
import { RowSorter } from './sorter.ts';

/**
 * An aggregate with DISTINCT or ORDER BY: sorts all rows by their group and their order, and folds them at the end. With
 * DISTINCT they are sorted by the arguments too, as PostgreSQL does, so that equal ones stand side by side.
 */
export class GatheredAccumulator implements Accumulator {
  /** The sorter accounts for itself. */
  readonly bytes = 0;
  readonly #call: AggregateCall;
  readonly #runtime: Runtime;
  readonly #share: MemoryShare;
  readonly #resultShare: MemoryShare;
  /** Of a list or a text, which is about as large as all that went into it. */
  readonly #gathers: PhysicalKind | null;
  readonly #sorter: RowSorter;
  readonly #sameOperands: (left: readonly Datum[], right: readonly Datum[]) => boolean;
  readonly #results: Datum[] = [];
  #groups = 1;
  #due: { readonly batch: ColumnBatch; readonly keys: readonly ColumnVector[] } | null = null;

  constructor(call: AggregateCall, plan: PhysicalPlan, runtime: Runtime) {
    this.#call = call;
    this.#runtime = runtime;
    const byGroup: Direction = { type: oids.float8, descending: false, nullsFirst: false };
    const byKeys: Direction[] = call.orderBy.map(({ expression, descending, nullsFirst }) => ({
      type: expression.type.oid,
      descending,
      nullsFirst,
    }));
    const byOperands: Direction[] = call.arguments.map((operand) => ({
      type: operand.type.oid,
      descending: false,
      nullsFirst: false,
    }));
    const directions = [byGroup, ...byKeys, ...(call.isDistinct ? byOperands : [])];
    const compareOperands = rowOrder(byOperands);
    this.#sameOperands = (left, right) => compareOperands(left, right) === 0;
    this.#share = runtime.memory.share(plan);
    this.#resultShare = runtime.memory.share(plan);
    this.#gathers = gatheredKind(call);
    const width = call.arguments.length + 1;
    const keysAt = [
      width - 1,
      ...byKeys.map((_key, at) => width + at),
      ...(call.isDistinct ? byOperands : []).map((_operand, at) => at),
    ];
    const shape = { width, keysAt, directions };
    this.#sorter = new RowSorter(shape, Number.POSITIVE_INFINITY, this.#share, runtime);
  }

  grow(count: number): void {
    this.#groups = Math.max(this.#groups, count);
  }

  /** Values: the arguments, then the sort keys. */
  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const operandCount = this.#call.arguments.length;
    const operands = values.slice(0, operandCount);
    const live = this.#call.function.skipsNulls ? withoutNulls(operands, selection, count) : selection;
    const rowCount = selection === null ? count : (selection[count - 1] ?? -1) + 1;
    const group = groupColumn(ids, rowCount);
    const batch = { rowCount, columns: [...operands, group], selection: live };
    const keys = values.slice(operandCount);
    this.#due = { batch, keys };
  }

  settle(): Promise<void> | null {
    const due = this.#due;
    this.#due = null;
    return due === null ? null : this.#sorter.append(due.batch, due.keys);
  }

  *finish(): Generator<Promise<void>> {
    const { function: aggregate, isDistinct } = this.#call;
    const { functions } = this.#runtime.environment;
    const fresh = (): unknown => aggregate.initial(functions);
    let group = 0;
    let state = fresh();
    let previous: readonly Datum[] | null = null;
    let bytes = 0;
    for (;;) {
      const batch = this.#sorter.next();
      if (batch === null) break;
      if (batch instanceof Promise) {
        yield batch;
        continue;
      }
      for (const row of rowsOf(batch)) {
        const of = row.pop() as number;
        while (group < of) {
          this.#results[group++] = aggregate.final(state);
          state = fresh();
          previous = null;
        }
        if (isDistinct && previous !== null && this.#sameOperands(previous, row)) continue;
        state = aggregate.step(state, ...row);
        previous = row;
        if (this.#gathers !== null) bytes += gatheredBytes(row, this.#gathers);
      }
      this.#resultShare.require(bytes);
    }
    for (; group < this.#groups; group++) {
      this.#results[group] = aggregate.final(state);
      state = fresh();
    }
  }

  result(group: number): Datum {
    return this.#results[group]!;
  }

  close(): void {
    this.#sorter.close();
    this.#share.close();
    this.#resultShare.close();
  }
}

/** The group of each row as a column. */
function groupColumn(ids: Int32Array | null, rowCount: number): ColumnVector {
  return {
    kind: 'float64',
    values: Float64Array.from(ids?.subarray(0, rowCount) ?? new Float64Array(rowCount)),
    nulls: null,
  };
}

function withoutNulls(
  operands: readonly ColumnVector[],
  selection: Uint32Array | null,
  count: number,
): Uint32Array {
  const live = new Uint32Array(count);
  let length = 0;
  for (let at = 0; at < count; at++) {
    const row = selection === null ? at : selection[at]!;
    if (operands.every((column) => datumAt(column, row) !== null)) live[length++] = row;
  }
  return live.subarray(0, length);
}
