import { batchRowsMax, type ColumnBatch, type ColumnVector } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { AggregateCall, Expression } from '../plan/expression.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import type { TypeOid } from '../types/type.ts';
import { type Accumulator, accumulatorOf } from './accumulators.ts';
import { BatchProjection } from './batch-expressions.ts';
import { GatheredAccumulator } from './gathered-accumulator.ts';
import { KeyTable } from './key-table.ts';
import type { MemoryShare } from './memory.ts';
import type { Operator, Runtime } from './operator.ts';
import { Partitions, partitionBytes, partitionDepthMax } from './spill/partitions.ts';
import { type Steps, stepwise } from './steps.ts';
import { datumVector, isNullAt, liveCount } from './vectors.ts';

type AggregatePlan = Extract<PhysicalPlan, { readonly kind: 'aggregate' }>;

/** Where an aggregate's arguments, sort keys and filter stand among the columns that one projection computes. */
type Places = {
  readonly call: AggregateCall;
  readonly operands: readonly number[];
  readonly order: readonly number[];
  readonly filter: number | null;
};

/** GROUP BY by hash, and aggregates over all rows. */
export function aggregateOperator(plan: AggregatePlan, input: Operator, runtime: Runtime): Operator {
  const { expressions, places } = layOut(plan);
  const projection = new BatchProjection(expressions, runtime.environment);
  const projected: Operator = {
    next() {
      const batch = input.next();
      if (batch === null || batch instanceof Promise) return batch;
      return { ...batch, columns: projection.apply(batch) };
    },
    close: () => input.close(),
  };
  const share = runtime.memory.share(plan);
  const pass = new AggregatePass(plan, places, expressions.length, 0, share, runtime);
  const steps = stepwise(pass.run(projected));
  return {
    next: () => steps.next(),
    close() {
      input.close();
      pass.close();
      share.close();
    },
  };
}

/**
 * Aggregates rows of keys and operands. Groups come out in the order in which they were first seen. Once no more of them
 * fit into memory, rows of new groups go to partitions, which are aggregated one by one afterwards.
 */
class AggregatePass {
  readonly #plan: AggregatePlan;
  readonly #places: readonly Places[];
  readonly #width: number;
  readonly #depth: number;
  readonly #share: MemoryShare;
  readonly #runtime: Runtime;
  #accumulators: readonly Accumulator[];
  #table: KeyTable;
  #ids = new Int32Array(batchRowsMax);
  /** Bytes when the last group was taken in. */
  #fullBytes = 0;
  #partitions: Partitions | null = null;
  #inner: AggregatePass | null = null;

  constructor(
    plan: AggregatePlan,
    places: readonly Places[],
    width: number,
    depth: number,
    share: MemoryShare,
    runtime: Runtime,
  ) {
    this.#plan = plan;
    this.#places = places;
    this.#width = width;
    this.#depth = depth;
    this.#share = share;
    this.#runtime = runtime;
    this.#accumulators = plan.aggregates.map((call) =>
      call.isDistinct || call.orderBy.length > 0
        ? new GatheredAccumulator(call, plan, runtime)
        : accumulatorOf(call, runtime.environment.functions),
    );
    this.#table = new KeyTable(this.#keyTypes);
  }

  get #keyTypes(): readonly TypeOid[] {
    return this.#plan.keys.map((key) => key.type.oid);
  }

  *run(input: Operator): Steps {
    for (;;) {
      const batch = input.next();
      if (batch === null) break;
      if (batch instanceof Promise) yield batch;
      else yield* this.#consume(batch);
    }
    yield* this.#results();
    yield* this.#runPartitions();
  }

  close(): void {
    for (const accumulator of this.#accumulators) accumulator.close?.();
    this.#partitions?.close();
    this.#inner?.close();
  }

  *#consume(batch: ColumnBatch): Steps {
    const hasKeys = this.#plan.keys.length > 0;
    const keys = batch.columns.slice(0, this.#plan.keys.length);
    const unknown = hasKeys ? this.#assign(batch, keys) : null;
    const selection = unknown === null ? batch.selection : knownRows(batch, this.#ids);
    this.#accumulate({ ...batch, selection }, hasKeys ? this.#ids : null);
    this.#account();
    for (const accumulator of this.#accumulators) {
      const wait = accumulator.settle?.() ?? null;
      if (wait !== null) yield wait;
    }
    if (unknown === null) return;
    const wait = this.#partitions!.append({ ...batch, selection: unknown }, keys);
    if (wait !== null) yield wait;
  }

  #accumulate(batch: ColumnBatch, ids: Int32Array | null): void {
    const { columns, selection } = batch;
    const count = liveCount(batch);
    for (const [at, places] of this.#places.entries()) {
      const operands = [...places.operands, ...places.order].map((place) => columns[place]!);
      const kept = places.filter === null ? selection : whereTrue(columns[places.filter]!, selection, count);
      this.#accumulators[at]!.add(operands, kept, kept === null ? count : kept.length, ids);
    }
  }

  /** Gives the rows their groups; the rows that have none for want of memory, or null. */
  #assign(batch: ColumnBatch, keys: readonly ColumnVector[]): Uint32Array | null {
    const count = liveCount(batch);
    if (this.#ids.length < batch.rowCount) this.#ids = new Int32Array(batch.rowCount);
    const isOpen = this.#partitions === null;
    this.#table.assign(keys, batch.selection, count, isOpen, this.#ids);
    if (isOpen) {
      for (const accumulator of this.#accumulators) accumulator.grow(this.#table.size);
      return null;
    }
    const unknown = new Uint32Array(count);
    let length = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      if (this.#ids[row]! < 0) unknown[length++] = row;
    }
    return length === 0 ? null : unknown.subarray(0, length);
  }

  #account(): void {
    const { memory } = this.#runtime;
    let bytes = this.#table.bytes;
    for (const accumulator of this.#accumulators) bytes += accumulator.bytes;
    if (this.#partitions !== null) {
      // What is left to grow are the groups' own values: a list that cannot be cut.
      if (bytes > 2 * this.#fullBytes) this.#share.require(bytes);
      return;
    }
    const canSpill = memory.spill !== null && this.#plan.keys.length > 0 && this.#depth < partitionDepthMax;
    if (!canSpill) {
      this.#share.require(bytes);
      return;
    }
    if (this.#share.tryHold(bytes + partitionBytes(memory))) return;
    this.#fullBytes = bytes;
    const shape = { width: this.#width, keyTypes: this.#keyTypes };
    this.#partitions = new Partitions(memory.spill, shape, this.#depth, this.#share, this.#runtime);
  }

  *#results(): Steps {
    const hasKeys = this.#plan.keys.length > 0;
    const size = hasKeys ? this.#table.size : 1;
    for (const accumulator of this.#accumulators) yield* accumulator.finish?.() ?? [];
    for (let from = 0; from < size; from += batchRowsMax) {
      const pause = this.#runtime.pause();
      if (pause !== null) yield pause;
      const rowCount = Math.min(batchRowsMax, size - from);
      const columns = hasKeys ? this.#table.keys(from, from + rowCount) : [];
      for (const accumulator of this.#accumulators) {
        const values = new Array<Datum>(rowCount);
        for (let row = 0; row < rowCount; row++) values[row] = accumulator.result(from + row);
        columns.push(datumVector(values));
      }
      yield { rowCount, columns, selection: null };
    }
  }

  *#runPartitions(): Steps {
    const partitions = this.#partitions;
    if (partitions === null) return;
    for (const accumulator of this.#accumulators) accumulator.close?.();
    this.#accumulators = [];
    this.#table = new KeyTable([]);
    yield partitions.finish();
    for (const part of partitions.parts) {
      if (part.rowCount === 0) continue;
      this.#share.hold(0);
      const depth = this.#depth + 1;
      const inner = new AggregatePass(
        this.#plan,
        this.#places,
        this.#width,
        depth,
        this.#share,
        this.#runtime,
      );
      this.#inner = inner;
      yield* inner.run(partitions.reader(part));
      inner.close();
    }
  }
}

/** The live rows that have a group. */
function knownRows(batch: ColumnBatch, ids: Int32Array): Uint32Array {
  const count = liveCount(batch);
  const known = new Uint32Array(count);
  let length = 0;
  for (let at = 0; at < count; at++) {
    const row = batch.selection === null ? at : batch.selection[at]!;
    if (ids[row]! >= 0) known[length++] = row;
  }
  return known.subarray(0, length);
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
