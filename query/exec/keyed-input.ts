import type { ColumnBatch, ColumnVector } from '../../base/values/column.ts';
import type { BatchProjection } from './batch-expressions.ts';
import type { Operator } from './operator.ts';

/** Rows, and the keys by which they are joined or grouped. */
export type KeyedBatch = { readonly rows: ColumnBatch; readonly keys: readonly ColumnVector[] };

/** Rows with their keys: an operator's, whose keys are computed, or stored ones, which have them as last columns. */
export type KeyedInput = {
  next(): KeyedBatch | null | Promise<void>;
  close(): void;
};

export function keyedInput(input: Operator, keys: BatchProjection): KeyedInput {
  return mapped(input, (rows) => ({ rows, keys: keys.apply(rows) }));
}

/** `width`: columns before the keys. */
export function storedInput(input: Operator, width: number): KeyedInput {
  return mapped(input, (batch) => ({
    rows: { ...batch, columns: batch.columns.slice(0, width) },
    keys: batch.columns.slice(width),
  }));
}

/** As the rows of a keyed batch are stored. */
export function withKeys({ rows, keys }: KeyedBatch): ColumnBatch {
  return { ...rows, columns: [...rows.columns, ...keys] };
}

function mapped(input: Operator, change: (batch: ColumnBatch) => KeyedBatch): KeyedInput {
  return {
    next() {
      const batch = input.next();
      return batch === null || batch instanceof Promise ? batch : change(batch);
    },
    close: () => input.close(),
  };
}
