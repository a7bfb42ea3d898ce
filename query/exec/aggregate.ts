import { batchRowsMax, type ColumnBatch, type ColumnVector } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { AggregateCall, Expression } from '../plan/expression.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { type Accumulator, accumulatorOf } from './accumulators.ts';
import { BatchProjection } from './batch-expressions.ts';
import { GatheredAccumulator } from './gathered-accumulator.ts';
import { KeyTable } from './key-table.ts';
import type { Operator, Runtime } from './operator.ts';
import { datumVector, isNullAt, liveCount } from './vectors.ts';

type AggregatePlan = Extract<PhysicalPlan, { readonly kind: 'aggregate' }>;

/** Where an aggregate's arguments, sort keys and filter stand among the columns that one projection computes. */
type Places = {
  readonly call: AggregateCall;
  readonly operands: readonly number[];
  readonly order: readonly number[];
  readonly filter: number | null;
};

/** GROUP BY by hash, and aggregates over all rows. Groups come out in the order in which they were first seen. */
export class AggregateOperator implements Operator {
  readonly #plan: AggregatePlan;
  readonly #runtime: Runtime;
  readonly #input: Operator;
  readonly #projection: BatchProjection;
  readonly #places: readonly Places[];
  readonly #accumulators: readonly Accumulator[];
  readonly #table: KeyTable;
  #ids = new Int32Array(batchRowsMax);
  #reserved = 0;
  #output: Iterator<ColumnBatch> | null = null;

  constructor(plan: AggregatePlan, input: Operator, runtime: Runtime) {
    this.#plan = plan;
    this.#runtime = runtime;
    this.#input = input;
    const { expressions, places } = layOut(plan);
    this.#projection = new BatchProjection(expressions, runtime.environment);
    this.#places = places;
    this.#accumulators = plan.aggregates.map((call) =>
      call.isDistinct || call.orderBy.length > 0
        ? new GatheredAccumulator(call, runtime.environment.functions)
        : accumulatorOf(call, runtime.environment.functions),
    );
    this.#table = new KeyTable(plan.keys.map((key) => key.type.oid));
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#output === null) {
      for (;;) {
        const batch = this.#input.next();
        if (batch instanceof Promise) return batch;
        if (batch === null) break;
        this.#consume(batch);
      }
      this.#output = this.#results();
    }
    const step = this.#output.next();
    return step.done === true ? null : step.value;
  }

  close(): void {
    this.#input.close();
    this.#runtime.context.release(this.#reserved);
    this.#reserved = 0;
  }

  #consume(batch: ColumnBatch): void {
    const columns = this.#projection.apply(batch);
    const count = liveCount(batch);
    const { selection } = batch;
    const ids = this.#plan.keys.length === 0 ? null : this.#assign(columns, batch, count);
    for (const [at, places] of this.#places.entries()) {
      const operands = [...places.operands, ...places.order].map((place) => columns[place]!);
      const kept = places.filter === null ? selection : whereTrue(columns[places.filter]!, selection, count);
      this.#accumulators[at]!.add(operands, kept, kept === null ? count : kept.length, ids);
    }
  }

  #assign(columns: readonly ColumnVector[], batch: ColumnBatch, count: number): Int32Array {
    if (this.#ids.length < batch.rowCount) this.#ids = new Int32Array(batch.rowCount);
    const before = this.#table.size;
    this.#table.assign(columns.slice(0, this.#plan.keys.length), batch.selection, count, true, this.#ids);
    const size = this.#table.size;
    if (size > before) {
      const bytes = this.#table.bytes + size * 16 * this.#accumulators.length;
      this.#runtime.context.reserve(bytes - this.#reserved);
      this.#reserved = bytes;
      for (const accumulator of this.#accumulators) accumulator.grow(size);
    }
    return this.#ids;
  }

  *#results(): Generator<ColumnBatch> {
    const hasKeys = this.#plan.keys.length > 0;
    const size = hasKeys ? this.#table.size : 1;
    const keys = hasKeys ? this.#table.keys() : [];
    for (let from = 0; from < size; from += batchRowsMax) {
      const rowCount = Math.min(batchRowsMax, size - from);
      const columns = keys.map((key) =>
        datumVector((key.kind === 'datum' ? key.values : []).slice(from, from + rowCount)),
      );
      for (const accumulator of this.#accumulators) {
        const values = new Array<Datum>(rowCount);
        for (let row = 0; row < rowCount; row++) values[row] = accumulator.result(from + row);
        columns.push(datumVector(values));
      }
      yield { rowCount, columns, selection: null };
    }
  }
}

function layOut(plan: AggregatePlan): {
  readonly expressions: readonly Expression[];
  readonly places: readonly Places[];
} {
  const expressions: Expression[] = [...plan.keys];
  const place = (expression: Expression): number => expressions.push(expression) - 1;
  const places = plan.aggregates.map((call) => ({
    call,
    operands: call.arguments.map(place),
    order: call.orderBy.map((key) => place(key.expression)),
    filter: call.filter === null ? null : place(call.filter),
  }));
  return { expressions, places };
}

function whereTrue(column: ColumnVector, selection: Uint32Array | null, count: number): Uint32Array {
  const kept = new Uint32Array(count);
  let length = 0;
  for (let at = 0; at < count; at++) {
    const row = selection === null ? at : selection[at]!;
    if (isNullAt(column, row)) continue;
    const holds =
      column.kind === 'bool'
        ? column.values[row] === 1
        : column.kind === 'datum' && column.values[row] === true;
    if (holds) kept[length++] = row;
  }
  return kept.subarray(0, length);
}
