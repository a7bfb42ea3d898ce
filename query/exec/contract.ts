import type { ColumnBatch } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import type { ReadView, RowReader } from '../../materializers/rows/contract.ts';
import type { CatalogSnapshot } from '../catalog/definition.ts';
import type { LockTarget, Modification, OutputColumn } from '../plan/logical.ts';
import type { FunctionContext } from '../types/function.ts';

/** What a running statement has to work with. One object an execution. */
export type ExecutionContext = {
  readonly reader: RowReader;
  readonly view: ReadView;
  readonly catalog: CatalogSnapshot;
  readonly functions: FunctionContext;
  readonly parameters: readonly Datum[];
  /** Throws query_canceled once the statement is cancelled or timed out. Called at every batch and slice. */
  checkCancelled(): void;
  /** Yields to the event loop when the slice (5 ms) is used up: null, or a promise to await. */
  slice(): Promise<void> | null;
  /** Bytes that sorts, hash tables and materialized results hold; throws 53200 past the statement's limit. */
  reserve(bytes: number): void;
  release(bytes: number): void;
  /** What a FOR SYSTEM_TIME clause names, by its place in the statement. */
  momentAt(moment: number): PastMoment;
  /** Carries out INSERT, UPDATE and DELETE; query/txn has it. Rows come as arrays of datums. */
  readonly writer: StatementWriter | null;
};

/** A moment of the past: its rows, and what was defined then. */
export type PastMoment = { readonly view: ReadView; readonly catalog: CatalogSnapshot };

export type StatementWriter = {
  modify(
    modification: Modification,
    input: RowSource,
    evaluate: RowEvaluator,
    context: ExecutionContext,
  ): Promise<ModifyResult>;
  lock(
    target: LockTarget,
    row: readonly Datum[],
    strength: string,
    wait: string,
    recheck: (row: readonly Datum[]) => boolean,
  ): Promise<readonly Datum[] | null>;
};

export type ModifyResult = {
  readonly affectedRows: number;
  readonly returned: readonly (readonly Datum[])[];
};

/** Rows of a plan one after another; a promise where a page must be fetched or the slice is over. */
export type RowSource = {
  next(): readonly (readonly Datum[])[] | null | Promise<readonly (readonly Datum[])[] | null>;
  close(): void;
};

/** Compiles an expression over a row of datums: what DML needs of exec. */
export type RowEvaluator = {
  compile(expression: import('../plan/expression.ts').Expression): (row: readonly Datum[]) => Datum;
};

/** A running query. */
export type Cursor = {
  readonly columns: readonly OutputColumn[];
  /** Next batch, or null at the end. Resolves synchronously (no promise) where everything is in memory. */
  next(): ColumnBatch | null | Promise<ColumnBatch | null>;
  /** Of a modification: rows affected, once `next` returned null. */
  readonly affectedRows: number;
  close(): void;
};
