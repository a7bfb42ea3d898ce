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
  /** How long the slice has lasted, in milliseconds with a fraction. */
  sliceMs(): number;
  /** What sorts, hash tables and kept rows may hold together. */
  readonly workMemoryBytes: number;
  /** Accounts for what they hold; exec itself keeps it within `workMemoryBytes`. */
  reserve(bytes: number): void;
  release(bytes: number): void;
  /** Where what does not fit goes; null: a statement that needs more fails with 53200. */
  readonly spill: SpillStore | null;
  /** What a FOR SYSTEM_TIME clause names, by its place in the statement. */
  momentAt(moment: number): PastMoment;
  /** Carries out INSERT, UPDATE and DELETE; query/txn has it. Rows come as arrays of datums. */
  readonly writer: StatementWriter | null;
};

/** Temporary files of one statement. They are gone when it ends, however it ends. */
export type SpillStore = {
  create(): SpillFile;
};

/** Written from its start to its end, read anywhere. Throws 53100 where the disk is full, 53400 past `temp_file_limit`. */
export type SpillFile = {
  /** For messages. */
  readonly name: string;
  readonly number: number;
  write(position: number, chunks: readonly Uint8Array[]): Promise<void>;
  read(position: number, length: number): Promise<Uint8Array>;
  /** Deletes it, once what is under way has ended. */
  close(): void;
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
