import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { AggregateCall } from '../plan/expression.ts';
import type { FunctionContext } from '../types/function.ts';
import type { Accumulator } from './accumulators.ts';
import { type Direction, rowOrder } from './order.ts';

/**
 * An aggregate with DISTINCT or ORDER BY: keeps the rows of each group, and folds them in order at the end. With
 * DISTINCT they are sorted by the arguments too, as PostgreSQL does, so that equal ones stand side by side.
 */
export class GatheredAccumulator implements Accumulator {
  readonly #call: AggregateCall;
  readonly #context: FunctionContext;
  readonly #groups: (readonly Datum[])[][] = [[]];
  readonly #order: (left: readonly Datum[], right: readonly Datum[]) => number;
  readonly #sameOperands: (left: readonly Datum[], right: readonly Datum[]) => boolean;

  constructor(call: AggregateCall, context: FunctionContext) {
    this.#call = call;
    this.#context = context;
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
    this.#order = rowOrder(call.isDistinct ? [...byKeys, ...byOperands] : byKeys);
    const compareOperands = rowOrder(byOperands);
    this.#sameOperands = (left, right) =>
      compareOperands(left.slice(byKeys.length), right.slice(byKeys.length)) === 0;
  }

  grow(count: number): void {
    while (this.#groups.length < count) this.#groups.push([]);
  }

  /** Values: the arguments, then the sort keys. Rows are kept the other way round. */
  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const operandCount = this.#call.arguments.length;
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      const datums = values.map((column) => datumAt(column, row));
      const operands = datums.slice(0, operandCount);
      if (this.#call.function.skipsNulls && operands.includes(null)) continue;
      this.#groups[ids === null ? 0 : ids[row]!]!.push([...datums.slice(operandCount), ...operands]);
    }
  }

  result(group: number): Datum {
    const rows = this.#groups[group]!.sort(this.#order);
    const { function: aggregate, isDistinct, orderBy } = this.#call;
    let state = aggregate.initial(this.#context);
    for (const [at, row] of rows.entries()) {
      if (isDistinct && at > 0 && this.#sameOperands(row, rows[at - 1]!)) continue;
      state = aggregate.step(state, ...row.slice(orderBy.length));
    }
    return aggregate.final(state);
  }
}
