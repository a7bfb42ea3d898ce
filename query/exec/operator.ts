import type { ColumnBatch } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { PhysicalPlan, PlannedSubplan } from '../plan/physical.ts';
import type { FunctionContext } from '../types/function.ts';
import type { TypeOid } from '../types/type.ts';
import type { ExecutionContext } from './contract.ts';
import type { StatementMemory } from './memory.ts';

/**
 * A running plan node. `next` gives a batch with at least one live row, `null` at the end (and again after it),
 * or a promise: await it and call again. Whatever an operator has read from its input when it hands a promise
 * on, it keeps.
 */
export type Operator = {
  next(): ColumnBatch | null | Promise<void>;
  close(): void;
};

/** What expressions read beside their row. */
export type Environment = {
  readonly parameters: readonly Datum[];
  /** Values that enclosing rows have bound: see `PlannedSubplan`. */
  readonly slots: Datum[];
  readonly functions: FunctionContext;
  readonly subplans: SubplanRunner;
};

/** Rows of a subplan for the slots as they are bound now. Throws `PageWait` where a page must be fetched first. */
export type SubplanRunner = {
  scalar(subplan: PlannedSubplan): Datum;
  exists(subplan: PlannedSubplan): boolean;
  rows(subplan: PlannedSubplan): readonly (readonly Datum[])[];
  /** The rows as a set for `=`: what `left = ANY (subquery)` probes. */
  membership(subplan: PlannedSubplan, type: TypeOid): Membership;
  close(): void;
};

export type Membership = {
  readonly isEmpty: boolean;
  readonly hasNull: boolean;
  /** Of a value that is not null. */
  has(value: Datum): boolean;
};

/**
 * Thrown by an expression whose subplan waits for storage. Only operators that evaluate row by row see it: they
 * keep their place, hand the promise on, and evaluate the same row again.
 */
export class PageWait extends Error {
  override readonly name = 'PageWait';
  readonly promise: Promise<void>;
  constructor(promise: Promise<void>) {
    super('waiting for a page');
    this.promise = promise;
  }
}

/** One execution of a statement: what its operators share. */
export type Runtime = {
  readonly context: ExecutionContext;
  readonly memory: StatementMemory;
  readonly environment: Environment;
  /** Rows of WITH queries by the id of their definition. */
  readonly commonTables: Map<number, CommonTable>;
  /** EXPLAIN ANALYZE: counts by plan node. */
  readonly actuals: Map<PhysicalPlan, Actual> | null;
  start(plan: PhysicalPlan): Operator;
  /** Checks for cancellation, and returns a promise where the slice of the event loop is used up. */
  pause(): Promise<void> | null;
  /** Runs what must answer at once: until it has, `pause` only checks for cancellation. */
  withoutPauses<Answer>(run: () => Answer): Answer;
};

/** Rows of one WITH query, read by any number of scans. */
export type CommonTable = {
  /** The batch at `index`, null past the end, or a promise as `Operator.next`. */
  batch(index: number): ColumnBatch | null | Promise<void>;
  close(): void;
};

/** Filled while a statement runs; the time includes that of the inputs. */
export type Actual = { rows: number; loops: number; milliseconds: number; spilledBytes: number };
