import type { ColumnBatch, ColumnVector } from '../../base/values/column.ts';
import type { PhysicalPlan } from '../plan/physical.ts';
import { oids, type TypeOid } from '../types/type.ts';
import { BatchProjection } from './batch-expressions.ts';
import { KeyTable } from './key-table.ts';
import type { MemoryShare } from './memory.ts';
import type { Operator, Runtime } from './operator.ts';
import { RowSorter } from './sorter.ts';
import { Partitions, partitionBytes, partitionDepthMax } from './spill/partitions.ts';
import { type Steps, stepwise } from './steps.ts';
import { liveCount } from './vectors.ts';

type DistinctPlan = Extract<PhysicalPlan, { readonly kind: 'distinct' }>;

/** Where the columns of a row that is stored lie. The last one is its place among all rows. */
type Shape = { readonly width: number; readonly keysFrom: number; readonly keyTypes: readonly TypeOid[] };

/**
 * The first row of each value: of whole rows, or of the expressions of DISTINCT ON. Streams, in the order of its input.
 * Once no more values fit into memory, rows of new ones go to partitions; what these give is sorted by its place.
 */
export class DistinctOperator implements Operator {
  readonly #input: Operator;
  readonly #width: number;
  readonly #on: BatchProjection | null;
  readonly #runtime: Runtime;
  readonly #share: MemoryShare;
  readonly #sortShare: MemoryShare;
  readonly #values: FirstRows;
  #place = 0;
  #rest: Operator | null = null;
  #sorter: RowSorter | null = null;
  #isSorted = false;

  constructor(plan: DistinctPlan, input: Operator, runtime: Runtime) {
    const { on, types } = plan;
    this.#input = input;
    this.#width = types.length;
    this.#runtime = runtime;
    this.#on = on === null ? null : new BatchProjection(on, runtime.environment);
    this.#share = runtime.memory.share(plan);
    this.#sortShare = runtime.memory.share(plan);
    const keyTypes = (on === null ? types : on.map((expression) => expression.type)).map((type) => type.oid);
    const width = types.length + (on === null ? 0 : on.length) + 1;
    const shape: Shape = { width, keysFrom: on === null ? 0 : types.length, keyTypes };
    this.#values = new FirstRows(shape, 0, this.#share, runtime);
  }

  next(): ColumnBatch | null | Promise<void> {
    while (this.#rest === null) {
      const wait = this.#values.settle();
      if (wait !== null) return wait;
      const batch = this.#input.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        this.#rest = this.#values.rest();
        break;
      }
      const fresh = this.#take(batch);
      if (fresh !== null) return fresh;
    }
    return this.#sorted(this.#rest);
  }

  close(): void {
    this.#input.close();
    this.#values.close();
    this.#sorter?.close();
    this.#sortShare.close();
    this.#share.close();
  }

  #take(batch: ColumnBatch): ColumnBatch | null {
    const keys = this.#on === null ? [] : this.#on.apply(batch);
    const place = placesFrom(this.#place, batch.rowCount);
    this.#place += batch.rowCount;
    const live = this.#values.take({ ...batch, columns: [...batch.columns, ...keys, place] });
    return live === null ? null : { ...batch, selection: live };
  }

  /** The rows of what did not fit, in the order in which they came. */
  #sorted(rest: Operator): ColumnBatch | null | Promise<void> {
    if (!this.#values.hasSpilled) return null;
    const byPlace = { type: oids.float8, descending: false, nullsFirst: false };
    this.#sorter ??= new RowSorter(
      { width: this.#width, keysAt: [this.#width], directions: [byPlace] },
      Number.POSITIVE_INFINITY,
      this.#sortShare,
      this.#runtime,
    );
    while (!this.#isSorted) {
      const batch = rest.next();
      if (batch instanceof Promise) return batch;
      if (batch === null) {
        this.#isSorted = true;
        break;
      }
      const place = batch.columns[batch.columns.length - 1]!;
      const wait = this.#sorter.append({ ...batch, columns: batch.columns.slice(0, this.#width) }, [place]);
      if (wait !== null) return wait;
    }
    return this.#sorter.next();
  }
}

function placesFrom(first: number, count: number): ColumnVector {
  const values = new Float64Array(count);
  for (let row = 0; row < count; row++) values[row] = first + row;
  return { kind: 'float64', values, nulls: null };
}

/** Finds the first rows of values in memory, and in partitions those that did not fit. */
class FirstRows {
  readonly #shape: Shape;
  readonly #depth: number;
  readonly #share: MemoryShare;
  readonly #runtime: Runtime;
  #table: KeyTable;
  #known = 0;
  #ids = new Int32Array(0);
  #partitions: Partitions | null = null;
  /** What `settle` has to write. */
  #unknown: { readonly batch: ColumnBatch; readonly keys: readonly ColumnVector[] } | null = null;
  #inner: FirstRows | null = null;

  constructor(shape: Shape, depth: number, share: MemoryShare, runtime: Runtime) {
    this.#shape = shape;
    this.#depth = depth;
    this.#share = share;
    this.#runtime = runtime;
    this.#table = new KeyTable(shape.keyTypes);
  }

  get hasSpilled(): boolean {
    return this.#partitions !== null;
  }

  /** The rows of new values among those of a batch of stored shape; what goes to disk is due at `settle`. */
  take(batch: ColumnBatch): Uint32Array | null {
    const { keysFrom, keyTypes } = this.#shape;
    if (keyTypes.length === 0) return this.#first(batch);
    const keys = batch.columns.slice(keysFrom, keysFrom + keyTypes.length);
    const count = liveCount(batch);
    if (this.#ids.length < batch.rowCount) this.#ids = new Int32Array(batch.rowCount);
    this.#table.assign(keys, batch.selection, count, this.#partitions === null, this.#ids);
    const fresh = new Uint32Array(count);
    const unknown = new Uint32Array(count);
    let freshCount = 0;
    let unknownCount = 0;
    for (let at = 0; at < count; at++) {
      const row = batch.selection === null ? at : batch.selection[at]!;
      const id = this.#ids[row]!;
      if (id < 0) unknown[unknownCount++] = row;
      else if (id === this.#known) {
        this.#known++;
        fresh[freshCount++] = row;
      }
    }
    if (unknownCount > 0) {
      this.#unknown = { batch: { ...batch, selection: unknown.subarray(0, unknownCount) }, keys };
    } else if (this.#partitions === null) this.#account();
    return freshCount === 0 ? null : fresh.subarray(0, freshCount);
  }

  /** A promise where rows go to disk: await it before the next call. */
  settle(): Promise<void> | null {
    const unknown = this.#unknown;
    this.#unknown = null;
    return unknown === null ? null : this.#partitions!.append(unknown.batch, unknown.keys);
  }

  /** After the last row: the first rows of what did not fit, in any order. */
  rest(): Operator {
    return stepwise(this.#parts());
  }

  close(): void {
    this.#inner?.close();
    this.#partitions?.close();
  }

  *#parts(): Steps {
    const partitions = this.#partitions;
    if (partitions === null) return;
    this.#table = new KeyTable([]);
    yield partitions.finish();
    for (const part of partitions.parts) {
      if (part.rowCount === 0) continue;
      this.#share.hold(0);
      const inner = new FirstRows(this.#shape, this.#depth + 1, this.#share, this.#runtime);
      this.#inner = inner;
      yield* inner.#all(partitions.reader(part));
      inner.close();
    }
  }

  *#all(input: Operator): Steps {
    for (;;) {
      const batch = input.next();
      if (batch === null) break;
      if (batch instanceof Promise) {
        yield batch;
        continue;
      }
      const live = this.take(batch);
      if (live !== null) yield { ...batch, selection: live };
      const wait = this.settle();
      if (wait !== null) yield wait;
    }
    yield* this.#parts();
  }

  /** Rows without columns are all the same. */
  #first(batch: ColumnBatch): Uint32Array | null {
    if (this.#known > 0) return null;
    this.#known = 1;
    return Uint32Array.of(batch.selection === null ? 0 : batch.selection[0]!);
  }

  #account(): void {
    const { memory } = this.#runtime;
    const { bytes } = this.#table;
    if (memory.spill === null || this.#depth >= partitionDepthMax) {
      this.#share.require(bytes);
      return;
    }
    if (this.#share.tryHold(bytes + partitionBytes(memory))) return;
    const { width, keyTypes } = this.#shape;
    this.#partitions = new Partitions(
      memory.spill,
      { width, keyTypes },
      this.#depth,
      this.#share,
      this.#runtime,
    );
  }
}
