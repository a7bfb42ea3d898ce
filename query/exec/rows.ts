import type { ColumnBatch, ColumnVector } from '../../base/values/column.ts';
import { datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { liveCount } from './vectors.ts';

/** The live rows of a batch as arrays of datums, column by column, so that each loop reads one kind of array. */
export function rowsOf(batch: ColumnBatch): Datum[][] {
  const count = liveCount(batch);
  const width = batch.columns.length;
  const rows = new Array<Datum[]>(count);
  for (let at = 0; at < count; at++) rows[at] = new Array<Datum>(width);
  for (let column = 0; column < width; column++)
    fillColumn(rows, column, batch.columns[column]!, batch.selection);
  return rows;
}

function fillColumn(
  rows: Datum[][],
  column: number,
  vector: ColumnVector,
  selection: Uint32Array | null,
): void {
  const isTyped = vector.kind === 'float64' || vector.kind === 'int32';
  if (vector.kind === 'datum' || (isTyped && vector.nulls === null)) {
    fillPlain(rows, column, vector.values, selection);
    return;
  }
  for (let at = 0; at < rows.length; at++) {
    rows[at]![column] = datumAt(vector, selection === null ? at : selection[at]!);
  }
}

function fillPlain(
  rows: Datum[][],
  column: number,
  values: { readonly [index: number]: Datum },
  selection: Uint32Array | null,
): void {
  if (selection === null) for (let at = 0; at < rows.length; at++) rows[at]![column] = values[at]!;
  else for (let at = 0; at < rows.length; at++) rows[at]![column] = values[selection[at]!]!;
}
