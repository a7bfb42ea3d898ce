import type { ColumnBatch, ColumnVector } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { liveValues, rowsOf } from '../../query/exec/rows.ts';
import { liveCount } from '../../query/exec/vectors.ts';
import type { OutputColumn } from '../../query/plan/logical.ts';
import type { FunctionContext } from '../../query/types/function.ts';
import type { Rows } from './contract.ts';
import type { Field, QueryResult } from './database.ts';
import type { EngineSession } from './session.ts';
import { isValue, type ValueReader, valueReader } from './values.ts';

/** Rows after which code is generated for them; it costs what some hundred rows do. */
const rowsAssignedMax = 100;

type RowMaker<R> = (row: readonly Datum[], context: FunctionContext) => R;

/** Appends a batch's live rows. `values`: a column's by row, or, where they had to be made, those of the live rows. */
type BatchMaker<R> = (
  values: readonly unknown[],
  selection: Uint32Array | null,
  count: number,
  rows: R[],
  context: FunctionContext,
) => void;

/** Turns rows of datums into objects. The session says how some values are printed. */
export class ResultReader<R> {
  readonly fields: readonly Field[];
  readonly #names: readonly string[];
  /** Null: the datums are the values. */
  readonly #readers: readonly (ValueReader | null)[];
  #rowMaker: RowMaker<R> | null = null;
  /** By what the code depends on in a batch: 's' for a selection, and by what each column's values are indexed. */
  readonly #batchMakers = new Map<string, BatchMaker<R>>();
  #rowsRead = 0;

  constructor(columns: readonly OutputColumn[]) {
    this.#names = columns.map(({ name }) => name);
    this.#readers = columns.map(({ type }) => (isValue(type) ? null : valueReader(type)));
    this.fields = columns.map(({ name, type }) => ({ name, type: type.oid, modifier: type.modifier }));
  }

  selected(session: EngineSession, found: Rows): QueryResult<R> {
    return this.result(this.read(session, found));
  }

  result(rows: readonly R[]): QueryResult<R> {
    return { command: 'SELECT', rowCount: rows.length, rows, fields: this.fields };
  }

  read({ functions }: EngineSession, found: Rows): R[] {
    this.#rowsRead += found.length;
    if (this.#rowsRead < rowsAssignedMax) return found.map((row) => this.#assigned(row, functions));
    this.#rowMaker ??= generatedRowMaker<R>(this.#names, this.#readers);
    const make = this.#rowMaker;
    return found.map((row) => make(row, functions));
  }

  /** Straight from columns to objects: an array for each row in between costs as much as the objects. */
  append({ functions }: EngineSession, batch: ColumnBatch, rows: R[]): void {
    const count = liveCount(batch);
    const { columns, selection } = batch;
    this.#rowsRead += count;
    if (this.#rowsRead < rowsAssignedMax) {
      for (const row of rowsOf(batch)) rows.push(this.#assigned(row, functions));
      return;
    }
    const values = new Array<unknown>(columns.length);
    let signature = selection === null ? '' : 's';
    for (const [index, column] of columns.entries()) {
      const isTyped = isTypedArray(column);
      values[index] = isTyped ? column.values : liveValues(column, selection, count);
      signature += isTyped ? 'i' : 'j';
    }
    this.#batchMaker(signature)(values, selection, count, rows, functions);
  }

  #batchMaker(signature: string): BatchMaker<R> {
    let make = this.#batchMakers.get(signature);
    if (make === undefined) {
      make = generatedBatchMaker<R>(this.#names, this.#readers, signature);
      this.#batchMakers.set(signature, make);
    }
    return make;
  }

  #assigned(row: readonly Datum[], context: FunctionContext): R {
    const values = this.#readers.map((reader, index) =>
      reader === null ? row[index]! : reader(row[index]!, context),
    );
    return Object.fromEntries(this.#names.map((name, index) => [name, values[index]])) as R;
  }
}

type TypedColumn = Extract<ColumnVector, { readonly kind: 'float64' | 'int32' }>;

function isTypedArray(column: ColumnVector): column is TypedColumn {
  return (column.kind === 'float64' || column.kind === 'int32') && column.nulls === null;
}

/** Code that names the columns gives all rows one shape. */
function generatedRowMaker<R>(
  names: readonly string[],
  readers: readonly (ValueReader | null)[],
): RowMaker<R> {
  const object = objectCode(names, readers, (index) => `row[${index}]`);
  return generate(readers, `(row, context) => (${object})`) as RowMaker<R>;
}

function generatedBatchMaker<R>(
  names: readonly string[],
  readers: readonly (ValueReader | null)[],
  signature: string,
): BatchMaker<R> {
  const hasSelection = signature.startsWith('s');
  const indexes = hasSelection ? signature.slice(1) : signature;
  const object = objectCode(names, readers, (index) => `c${index}[${indexes[index]}]`);
  const columns = names.map((_name, index) => `const c${index} = values[${index}];`).join(' ');
  const row = hasSelection ? 'selection[j]' : 'j';
  return generate(
    readers,
    `(values, selection, count, rows, context) => {
      ${columns}
      for (let j = 0; j < count; j++) { const i = ${row}; rows.push(${object}); }
    }`,
  ) as BatchMaker<R>;
}

function objectCode(
  names: readonly string[],
  readers: readonly (ValueReader | null)[],
  valueCode: (index: number) => string,
): string {
  const fields = names.map((name, index) => {
    const key = name === '__proto__' ? '["__proto__"]' : JSON.stringify(name);
    const value = valueCode(index);
    return `${key}: ${readers[index] === null ? value : `r${index}(${value}, context)`}`;
  });
  return `{ ${fields.join(', ')} }`;
}

function generate(readers: readonly (ValueReader | null)[], code: string): unknown {
  const parameters = readers.map((_reader, index) => `r${index}`);
  return new Function(...parameters, `'use strict'; return ${code};`)(...readers);
}
