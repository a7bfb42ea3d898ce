import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum, PhysicalKind } from '../../base/values/datum.ts';
import { Numeric, narrow } from '../../base/values/numeric.ts';
import type { AggregateCall } from '../plan/expression.ts';
import { compareFunction } from '../types/compare.ts';
import type { AggregateFunction, FunctionContext } from '../types/function.ts';
import { floatOverflow } from '../types/functions/float.ts';
import { divideNumeric } from '../types/numeric/arithmetic.ts';
import { typeInfo } from '../types/registry.ts';
import { oids } from '../types/type.ts';
import { grown } from './growth.ts';
import { addInts, countRows, extremumOfFloats, extremumOfInts, sumOfInts } from './kernels.ts';
import { datumBytes } from './vectors.ts';

/**
 * One aggregate over all groups. `add` takes the live rows of a batch; `ids` has the group of each at its index,
 * or is null where all rows are of group 0.
 */
export type Accumulator = {
  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void;
  /** Makes room for groups [0, count). */
  grow(count: number): void;
  result(group: number): Datum;
  /** About what it holds in memory. */
  readonly bytes: number;
  /** After `add`: a promise to await before the next one. */
  settle?(): Promise<void> | null;
  /** Before the first `result`: each promise is awaited before the next step. */
  finish?(): Iterable<Promise<void>>;
  close?(): void;
};

export function accumulatorOf(call: AggregateCall, context: FunctionContext): Accumulator {
  return kernelOf(call.function) ?? new FoldAccumulator(call, context);
}

/** Compiled loops for what is asked most, or null. */
function kernelOf(aggregate: AggregateFunction): Accumulator | null {
  const argument = aggregate.arguments[0];
  if (aggregate.kernel === 'count-star') return new CountAccumulator(false);
  if (aggregate.kernel === null || argument === undefined) return null;
  if (aggregate.kernel === 'count') return new CountAccumulator(true);
  const kind = typeInfo(argument).physical.kind;
  const isInteger = kind === 'int4' || kind === 'int8';
  switch (aggregate.kernel) {
    case 'sum':
      if (isInteger) return new IntegerSum(aggregate.result === oids.numeric ? numericSum : narrow);
      return kind === 'float8' ? new FloatSum(false) : null;
    case 'avg':
      if (isInteger && aggregate.result === oids.numeric) return new IntegerSum(numericAverage);
      return kind === 'float8' || kind === 'float4' ? new FloatSum(true) : null;
    case 'min':
    case 'max':
      return isInteger || kind === 'float8' || kind === 'float4'
        ? new NumberExtremum(aggregate.kernel === 'max')
        : new DatumExtremum(aggregate.kernel === 'max', compareFunction(argument));
  }
}

class CountAccumulator implements Accumulator {
  readonly #skipsNulls: boolean;
  #counts = new Float64Array(1);

  constructor(skipsNulls: boolean) {
    this.#skipsNulls = skipsNulls;
  }

  get bytes(): number {
    return this.#counts.byteLength;
  }

  grow(count: number): void {
    this.#counts = grown(this.#counts, count);
  }

  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const column = this.#skipsNulls ? values[0]! : null;
    const counts = this.#counts;
    const canBeNull = column !== null && (column.kind === 'datum' || column.nulls !== null);
    if (!canBeNull && ids === null) {
      counts[0]! += count;
      return;
    }
    if (!canBeNull && ids !== null && selection === null) {
      countRows(counts, count, ids);
      return;
    }
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      if (canBeNull && isNull(column!, row)) continue;
      counts[ids === null ? 0 : ids[row]!]!++;
    }
  }

  result(group: number): Datum {
    return this.#counts[group]!;
  }
}

function isNull(column: ColumnVector, row: number): boolean {
  return column.kind === 'datum'
    ? column.values[row] === null
    : column.nulls !== null && column.nulls[row] === 1;
}

/** Calls `visit` for each value that is not null. */
function forEachValue(
  column: ColumnVector,
  selection: Uint32Array | null,
  count: number,
  ids: Int32Array | null,
  visit: (value: Datum, group: number) => void,
): void {
  for (let at = 0; at < count; at++) {
    const row = selection === null ? at : selection[at]!;
    const value = datumAt(column, row);
    if (value !== null) visit(value, ids === null ? 0 : ids[row]!);
  }
}

const safeMax = Number.MAX_SAFE_INTEGER;
/** So many int4 values add up to less than half of the safe integers. */
const uncheckedMax = 2 ** 20;

/** Sum of integers: a double a group while it is exact, the rest as bigints aside. */
class IntegerSum implements Accumulator {
  readonly #finish: (total: number | bigint, count: number) => Datum;
  #sums = new Float64Array(1);
  #counts = new Float64Array(1);
  readonly #spilled = new Map<number, bigint>();
  /** Values that were added without looking at the sum since all sums were small. */
  #unchecked = 0;

  /** `finish`: the result of a sum and of how many values it is. */
  constructor(finish: (total: number | bigint, count: number) => Datum) {
    this.#finish = finish;
  }

  get bytes(): number {
    return this.#sums.byteLength + this.#counts.byteLength + this.#spilled.size * 64;
  }

  grow(count: number): void {
    this.#sums = grown(this.#sums, count);
    this.#counts = grown(this.#counts, count);
  }

  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const column = values[0]!;
    if (column.kind !== 'int32' && column.kind !== 'float64') {
      forEachValue(column, selection, count, ids, (value, group) => {
        this.#addSum(value as number | bigint, group);
        this.#counts[group]!++;
      });
      this.#unchecked = uncheckedMax;
      return;
    }
    if (column.kind === 'int32' && selection === null && column.nulls === null) {
      this.#addInts(column.values, count, ids);
      return;
    }
    this.#unchecked = uncheckedMax;
    this.#addNumbers(column.values, column.nulls, selection, count, ids);
  }

  /** A batch of int4 cannot leave the safe integers; a few hundred of them can. */
  #addInts(numbers: Int32Array, count: number, ids: Int32Array | null): void {
    if (ids === null) {
      this.#addSum(sumOfInts(numbers, count), 0);
      this.#counts[0]! += count;
      return;
    }
    this.#unchecked += count;
    if (this.#unchecked > uncheckedMax) this.#settle(count);
    addInts(this.#sums, this.#counts, numbers, count, ids);
  }

  /** Moves large sums aside, so that the next `uncheckedMax` int4 values are added exactly. */
  #settle(count: number): void {
    this.#unchecked = count;
    for (let group = 0; group < this.#sums.length; group++) {
      const sum = this.#sums[group]!;
      if (Math.abs(sum) <= safeMax / 2) continue;
      this.#spilled.set(group, (this.#spilled.get(group) ?? 0n) + BigInt(sum));
      this.#sums[group] = 0;
    }
  }

  #addNumbers(
    numbers: Int32Array | Float64Array,
    nulls: Uint8Array | null,
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const sums = this.#sums;
    const counts = this.#counts;
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      if (nulls !== null && nulls[row] === 1) continue;
      const group = ids === null ? 0 : ids[row]!;
      const sum = sums[group]! + numbers[row]!;
      counts[group]!++;
      if (sum <= safeMax && sum >= -safeMax) sums[group] = sum;
      else this.#addSum(numbers[row]!, group);
    }
  }

  #addSum(value: number | bigint, group: number): void {
    if (typeof value === 'number') {
      const sum = this.#sums[group]! + value;
      if (sum <= safeMax && sum >= -safeMax) {
        this.#sums[group] = sum;
        return;
      }
    }
    this.#spilled.set(group, (this.#spilled.get(group) ?? 0n) + BigInt(value));
  }

  #total(group: number): number | bigint {
    const spilled = this.#spilled.get(group);
    return spilled === undefined ? this.#sums[group]! : narrow(spilled + BigInt(this.#sums[group]!));
  }

  result(group: number): Datum {
    const count = this.#counts[group]!;
    return count === 0 ? null : this.#finish(this.#total(group), count);
  }
}

function numericSum(total: number | bigint): Numeric {
  return Numeric.of(total, 0);
}

function numericAverage(total: number | bigint, count: number): Numeric {
  return divideNumeric(Numeric.of(total, 0), Numeric.of(count, 0));
}

/** Sum and average of doubles, added in the order of the rows. */
class FloatSum implements Accumulator {
  readonly #isAverage: boolean;
  #sums = new Float64Array(1);
  #counts = new Float64Array(1);

  constructor(isAverage: boolean) {
    this.#isAverage = isAverage;
  }

  get bytes(): number {
    return this.#sums.byteLength + this.#counts.byteLength;
  }

  grow(count: number): void {
    this.#sums = grown(this.#sums, count);
    this.#counts = grown(this.#counts, count);
  }

  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const column = values[0]!;
    if (column.kind !== 'float64' && column.kind !== 'int32') {
      forEachValue(column, selection, count, ids, (value, group) => {
        this.#sums[group] = checkedSum(this.#sums[group]!, value as number);
        this.#counts[group]!++;
      });
      return;
    }
    const numbers = column.values;
    if (ids === null && selection === null && column.nulls === null) {
      let sum = this.#sums[0]!;
      for (let row = 0; row < count; row++) sum += numbers[row]!;
      // What is not finite is added again, to tell an overflow from an infinity that was there.
      if (!Number.isFinite(sum)) {
        sum = this.#sums[0]!;
        for (let row = 0; row < count; row++) sum = checkedSum(sum, numbers[row]!);
      }
      this.#sums[0] = sum;
      this.#counts[0]! += count;
      return;
    }
    const { nulls } = column;
    const sums = this.#sums;
    const counts = this.#counts;
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      if (nulls !== null && nulls[row] === 1) continue;
      const group = ids === null ? 0 : ids[row]!;
      const sum = sums[group]! + numbers[row]!;
      sums[group] = sum - sum === 0 ? sum : checkedSum(sums[group]!, numbers[row]!);
      counts[group]!++;
    }
  }

  result(group: number): Datum {
    const count = this.#counts[group]!;
    if (count === 0) return null;
    return this.#isAverage ? this.#sums[group]! / count : this.#sums[group]!;
  }
}

/** Throws 22003 where finite values add up to an infinity. */
function checkedSum(sum: number, value: number): number {
  const next = sum + value;
  if (!Number.isFinite(next) && Number.isFinite(sum) && Number.isFinite(value)) throw floatOverflow();
  return next;
}

/** Minimum or maximum of numbers; NaN is above all. */
class NumberExtremum implements Accumulator {
  readonly #isMaximum: boolean;
  #best = new Float64Array(1);
  #seen = new Uint8Array(1);
  /** Groups whose best is a bigint. */
  readonly #bigs = new Map<number, bigint>();

  constructor(isMaximum: boolean) {
    this.#isMaximum = isMaximum;
  }

  get bytes(): number {
    return this.#best.byteLength + this.#seen.byteLength + this.#bigs.size * 64;
  }

  grow(count: number): void {
    this.#best = grown(this.#best, count);
    this.#seen = grown(this.#seen, count);
  }

  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const column = values[0]!;
    if (column.kind !== 'float64' && column.kind !== 'int32') {
      forEachValue(column, selection, count, ids, (value, group) =>
        this.#offer(value as number | bigint, group),
      );
      return;
    }
    const { nulls, values: numbers } = column;
    if (ids === null && selection === null && nulls === null && count > 0) {
      const best =
        numbers instanceof Int32Array
          ? extremumOfInts(numbers, count, this.#isMaximum)
          : extremumOfFloats(numbers, count, this.#isMaximum);
      this.#offer(best, 0);
      return;
    }
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      if (nulls === null || nulls[row] === 0) this.#offer(numbers[row]!, ids === null ? 0 : ids[row]!);
    }
  }

  #offer(value: number | bigint, group: number): void {
    if (this.#seen[group] === 1) {
      const best = this.#bigs.get(group) ?? this.#best[group]!;
      const isBetter = this.#isMaximum ? isAbove(value, best) : isAbove(best, value);
      if (!isBetter) return;
    }
    this.#seen[group] = 1;
    if (typeof value === 'bigint') {
      this.#bigs.set(group, value);
    } else {
      this.#bigs.delete(group);
      this.#best[group] = value;
    }
  }

  result(group: number): Datum {
    if (this.#seen[group] === 0) return null;
    return this.#bigs.get(group) ?? this.#best[group]!;
  }
}

function isAbove(left: number | bigint, right: number | bigint): boolean {
  // biome-ignore lint/suspicious/noSelfCompare: the test for NaN that also takes a bigint.
  return left > right || (left !== left && right === right);
}

class DatumExtremum implements Accumulator {
  readonly #isMaximum: boolean;
  readonly #compare: (left: Datum, right: Datum) => number;
  readonly #best: Datum[] = [null];
  bytes = 8;

  constructor(isMaximum: boolean, compare: (left: Datum, right: Datum) => number) {
    this.#isMaximum = isMaximum;
    this.#compare = compare;
  }

  grow(count: number): void {
    this.bytes += Math.max(0, count - this.#best.length) * 8;
    while (this.#best.length < count) this.#best.push(null);
  }

  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    forEachValue(values[0]!, selection, count, ids, (value, group) => {
      const best = this.#best[group]!;
      const order = best === null ? 0 : this.#compare(value, best);
      if (best !== null && !(this.#isMaximum ? order > 0 : order < 0)) return;
      this.#best[group] = value;
      this.bytes += datumBytes(value) - (best === null ? 0 : datumBytes(best));
    });
  }

  result(group: number): Datum {
    return this.#best[group]!;
  }
}

/** About what a state holds that does not grow. */
const stateBytes = 64;

/** Whether the result is a list or a text: what kind of one. */
export function gatheredKind(call: AggregateCall): PhysicalKind | null {
  const { kind } = typeInfo(call.type.oid).physical;
  return kind === 'array' || kind === 'text' || kind === 'bytes' ? kind : null;
}

export function gatheredBytes(operands: readonly Datum[], into: PhysicalKind): number {
  let bytes = 0;
  for (const operand of operands) {
    if (into === 'text') bytes += typeof operand === 'string' ? operand.length : 0;
    else bytes += datumBytes(operand);
  }
  return bytes;
}

/** Any aggregate, by its own fold. */
class FoldAccumulator implements Accumulator {
  readonly #aggregate: AggregateFunction;
  readonly #context: FunctionContext;
  readonly #states: unknown[] = [];
  /** Of a list or a text, which is about as large as all that went into it. */
  readonly #gathers: PhysicalKind | null;
  bytes = 0;

  constructor(call: AggregateCall, context: FunctionContext) {
    this.#gathers = gatheredKind(call);
    this.#aggregate = call.function;
    this.#context = context;
    this.grow(1);
  }

  grow(count: number): void {
    this.bytes += Math.max(0, count - this.#states.length) * stateBytes;
    while (this.#states.length < count) this.#states.push(this.#aggregate.initial(this.#context));
  }

  add(
    values: readonly ColumnVector[],
    selection: Uint32Array | null,
    count: number,
    ids: Int32Array | null,
  ): void {
    const { skipsNulls } = this.#aggregate;
    for (let at = 0; at < count; at++) {
      const row = selection === null ? at : selection[at]!;
      const operands = values.map((column) => datumAt(column, row));
      if (skipsNulls && operands.includes(null)) continue;
      const group = ids === null ? 0 : ids[row]!;
      this.#states[group] = this.#aggregate.step(this.#states[group], ...operands);
      if (this.#gathers !== null) this.bytes += gatheredBytes(operands, this.#gathers);
    }
  }

  result(group: number): Datum {
    return this.#aggregate.final(this.#states[group]);
  }
}
