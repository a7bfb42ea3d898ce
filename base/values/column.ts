import type { Datum } from './datum.ts';
import { Numeric, narrow } from './numeric.ts';

/**
 * Columns of a batch, as storage hands them to execution: typed arrays, or one array of datums. `nulls` is a
 * byte a row (1 = null), or null where no row is null; the value under a null is unspecified. Batches share
 * vectors with the block cache: never write into one.
 */
export type ColumnVector =
  /** bool, int4, int8 where all are safe, float4, float8, and what has their datum. */
  | { readonly kind: 'float64'; readonly values: Float64Array; readonly nulls: Uint8Array | null }
  | { readonly kind: 'int32'; readonly values: Int32Array; readonly nulls: Uint8Array | null }
  | { readonly kind: 'bool'; readonly values: Uint8Array; readonly nulls: Uint8Array | null }
  /** int8 of which at least one is unsafe. */
  | { readonly kind: 'int64'; readonly values: BigInt64Array; readonly nulls: Uint8Array | null }
  /** numeric of one scale whose units are all safe: the value is `units[i] / 10^scale`. */
  | {
      readonly kind: 'scaled';
      readonly units: Float64Array;
      readonly scale: number;
      readonly nulls: Uint8Array | null;
    }
  /** text with few distinct values: `dictionary[codes[i]]`. */
  | {
      readonly kind: 'dictionary';
      readonly codes: Uint16Array;
      readonly dictionary: readonly string[];
      readonly nulls: Uint8Array | null;
    }
  /** text whose strings are made when asked for. */
  | { readonly kind: 'utf8'; readonly text: LazyText; readonly nulls: Uint8Array | null }
  /** Anything. Nulls are `null` in `values`. */
  | { readonly kind: 'datum'; readonly values: readonly Datum[]; readonly nulls: null };

/** Strings in one UTF-8 buffer: row i is bytes [offsets[i], offsets[i + 1]). */
export type LazyText = {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
  /** The string of row i; made when asked for. */
  at(row: number): string;
};

/** At most `batchRowsMax` rows. `selection`: the live rows, ascending, or null for all of [0, rowCount). */
export type ColumnBatch = {
  readonly rowCount: number;
  readonly columns: readonly ColumnVector[];
  readonly selection: Uint32Array | null;
};

export const batchRowsMax = 4096;

/** The datum of one row. The slow way: compiled code reads the arrays itself. */
export function datumAt(column: ColumnVector, row: number): Datum {
  if (column.nulls !== null && column.nulls[row] === 1) return null;
  switch (column.kind) {
    case 'float64':
    case 'int32':
      return column.values[row]!;
    case 'bool':
      return column.values[row] === 1;
    case 'int64':
      return narrow(column.values[row]!);
    case 'scaled':
      return Numeric.of(column.units[row]!, column.scale);
    case 'dictionary':
      return column.dictionary[column.codes[row]!]!;
    case 'utf8':
      return column.text.at(row);
    case 'datum':
      return column.values[row]!;
  }
}
