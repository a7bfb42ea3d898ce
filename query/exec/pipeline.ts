import { AlopexError } from '../../base/errors.ts';
import type { ColumnBatch } from '../../base/values/column.ts';
import { type Datum, SqlRow } from '../../base/values/datum.ts';
import type { Expression } from '../plan/expression.ts';
import type { ProjectSetItem } from '../plan/logical.ts';
import { BatchFilter, BatchProjection } from './batch-expressions.ts';
import { type Environment, type Operator, PageWait, type Runtime } from './operator.ts';
import { compileRow } from './row-compiler.ts';
import { rowsOf } from './rows.ts';
import { batchOfRows, liveCount, sliceBatch } from './vectors.ts';

/** Filter and projection of batches, in compiled loops. */
class BatchOperator implements Operator {
  readonly #input: Operator;
  readonly #change: (batch: ColumnBatch) => ColumnBatch | null;

  constructor(input: Operator, change: (batch: ColumnBatch) => ColumnBatch | null) {
    this.#input = input;
    this.#change = change;
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      const batch = this.#input.next();
      if (batch === null || batch instanceof Promise) return batch;
      const changed = this.#change(batch);
      if (changed !== null) return changed;
    }
  }

  close(): void {
    this.#input.close();
  }
}

export function filterOperator(input: Operator, condition: Expression, environment: Environment): Operator {
  const filter = new BatchFilter(condition, environment);
  return new BatchOperator(input, (batch) => filter.apply(batch));
}

export function projectOperator(
  input: Operator,
  expressions: readonly Expression[],
  environment: Environment,
): Operator {
  const projection = new BatchProjection(expressions, environment);
  return new BatchOperator(input, (batch) => ({ ...batch, columns: projection.apply(batch) }));
}

/**
 * Rows one by one, for expressions with subplans: `change` makes any number of rows of one, which are drawn as they
 * are wanted. It may throw `PageWait`; then it is called again for the same row once the page is there.
 */
export class RowOperator implements Operator {
  readonly #input: Operator;
  readonly #width: number;
  readonly #change: (row: readonly Datum[]) => Iterable<readonly Datum[]>;
  readonly #pause: () => Promise<void> | null;
  #rows: readonly (readonly Datum[])[] = [];
  #at = 0;
  /** What is left of the current row's. */
  #rest: Iterator<readonly Datum[]> | null = null;
  #made: (readonly Datum[])[] = [];

  constructor(
    input: Operator,
    width: number,
    pause: () => Promise<void> | null,
    change: (row: readonly Datum[]) => Iterable<readonly Datum[]>,
  ) {
    this.#input = input;
    this.#width = width;
    this.#pause = pause;
    this.#change = change;
  }

  next(): ColumnBatch | null | Promise<void> {
    for (;;) {
      while (this.#at < this.#rows.length && this.#made.length < rowsAtOnce) {
        const pause = this.#pause();
        if (pause !== null) return pause;
        const wait = this.#step(this.#rows[this.#at]!);
        if (wait !== null) return wait;
      }
      if (this.#made.length > 0) {
        const batch = batchOfRows(this.#made, this.#width);
        this.#made = [];
        return batch;
      }
      const batch = this.#input.next();
      if (batch === null || batch instanceof Promise) return batch;
      this.#rows = rowsOf(batch);
      this.#at = 0;
    }
  }

  close(): void {
    this.#input.close();
  }

  /** Draws rows that the current one makes, and goes on to the next where that was all. */
  #step(row: readonly Datum[]): Promise<void> | null {
    try {
      this.#rest ??= this.#change(row)[Symbol.iterator]();
    } catch (thrown) {
      if (thrown instanceof PageWait) return thrown.promise;
      throw thrown;
    }
    while (this.#made.length < rowsAtOnce) {
      const step = this.#rest.next();
      if (step.done === true) {
        this.#rest = null;
        this.#at++;
        return null;
      }
      this.#made.push(step.value);
    }
    return null;
  }
}

const rowsAtOnce = 1024;

export function rowFilterOperator(
  input: Operator,
  condition: Expression,
  width: number,
  runtime: Runtime,
): Operator {
  const test = compileRow(condition);
  return new RowOperator(input, width, runtime.pause, (row) =>
    test(row, runtime.environment) === true ? [row] : [],
  );
}

export function rowProjectOperator(
  input: Operator,
  expressions: readonly Expression[],
  runtime: Runtime,
): Operator {
  const closures = expressions.map(compileRow);
  return new RowOperator(input, expressions.length, runtime.pause, (row) => [
    closures.map((closure) => closure(row, runtime.environment)),
  ]);
}

/** Set-returning functions in a select list: as many rows as the longest makes, the others end in nulls. */
export function projectSetOperator(
  input: Operator,
  items: readonly ProjectSetItem[],
  runtime: Runtime,
): Operator {
  const { environment } = runtime;
  const columns = items.map((item) => {
    if (item.kind === 'scalar') return { item, operands: [compileRow(item.expression)] };
    return { item, operands: item.arguments.map(compileRow) };
  });
  const expand = (row: readonly Datum[]): Iterable<readonly Datum[]> => {
    const sources = columns.map(({ item, operands }): SetSource => {
      const values = operands.map((operand) => operand(row, environment));
      if (item.kind === 'scalar') return { value: values[0]!, rows: null };
      const isEmpty = item.function.isStrict && values.includes(null);
      const rows = isEmpty ? [] : item.function.evaluate(environment.functions, ...values);
      return { value: null, rows: rows[Symbol.iterator]() };
    });
    return abreast(sources);
  };
  return new RowOperator(input, items.length, runtime.pause, expand);
}

/** What one item of a select list gives for a row: the same value each time, or a value a step. */
type SetSource = { readonly value: Datum; readonly rows: Iterator<readonly Datum[]> | null };

function* abreast(sources: readonly SetSource[]): Generator<readonly Datum[]> {
  for (;;) {
    let hasRow = false;
    const row = sources.map(({ value, rows }) => {
      const step = rows?.next();
      if (step === undefined || step.done === true) return value;
      hasRow = true;
      return setItem(step.value);
    });
    if (!hasRow) return;
    yield row;
  }
}

function setItem(row: readonly Datum[]): Datum {
  return row.length === 1 ? row[0]! : new SqlRow(row);
}

/** LIMIT and OFFSET. */
export class LimitOperator implements Operator {
  readonly #input: Operator;
  #skip: number;
  #take: number;

  constructor(input: Operator, count: number, offset: number) {
    this.#input = input;
    this.#skip = offset;
    this.#take = count;
  }

  next(): ColumnBatch | null | Promise<void> {
    while (this.#take > 0) {
      const batch = this.#input.next();
      if (batch === null || batch instanceof Promise) return batch;
      const count = liveCount(batch);
      if (count <= this.#skip) {
        this.#skip -= count;
        continue;
      }
      const end = Math.min(count, this.#skip + this.#take);
      const taken = sliceBatch(batch, this.#skip, end);
      this.#take -= end - this.#skip;
      this.#skip = 0;
      return taken;
    }
    this.close();
    return null;
  }

  close(): void {
    this.#input.close();
  }
}

/** The values of LIMIT and OFFSET; null is no limit. */
export function limitOf(
  count: Expression | null,
  offset: Expression | null,
  environment: Environment,
): { readonly count: number; readonly offset: number } {
  return {
    count: rowCountOf(
      count,
      environment,
      Number.POSITIVE_INFINITY,
      'LIMIT',
      'invalid_row_count_in_limit_clause',
    ),
    offset: rowCountOf(offset, environment, 0, 'OFFSET', 'invalid_row_count_in_result_offset_clause'),
  };
}

function rowCountOf(
  expression: Expression | null,
  environment: Environment,
  absent: number,
  clause: string,
  condition: 'invalid_row_count_in_limit_clause' | 'invalid_row_count_in_result_offset_clause',
): number {
  const value = expression === null ? null : compileRow(expression)([], environment);
  if (value === null) return absent;
  const count = Number(value);
  if (count < 0) throw new AlopexError(condition, `${clause} must not be negative`);
  return count;
}

/** Inputs one after the other. */
export class AppendOperator implements Operator {
  readonly #inputs: readonly (() => Operator)[];
  #at = 0;
  #current: Operator | null = null;

  constructor(inputs: readonly (() => Operator)[]) {
    this.#inputs = inputs;
  }

  next(): ColumnBatch | null | Promise<void> {
    while (this.#at < this.#inputs.length) {
      this.#current ??= this.#inputs[this.#at]!();
      const batch = this.#current.next();
      if (batch !== null) return batch;
      this.#current.close();
      this.#current = null;
      this.#at++;
    }
    return null;
  }

  close(): void {
    this.#current?.close();
    this.#at = this.#inputs.length;
  }
}
