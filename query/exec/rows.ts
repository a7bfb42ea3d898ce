import { utf8ToStrings } from '../../base/bytes/utf8.ts';
import { type ColumnBatch, type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum } from '../../base/values/datum.ts';
import { liveCount } from './vectors.ts';

/** The live rows of a batch as arrays of datums, column by column, so that each loop reads one kind of array. */
export function rowsOf(batch: ColumnBatch): Datum[][] {
  const count = liveCount(batch);
  const width = batch.columns.length;
  const rows = new Array<Datum[]>(count);
  for (let at = 0; at < count; at++) rows[at] = new Array<Datum>(width);
  for (let column = 0; column < width; column++) {
    const values = liveValues(batch.columns[column]!, batch.selection, count);
    for (let at = 0; at < count; at++) rows[at]![column] = values[at]!;
  }
  return rows;
}

/** A column's datums at the live rows, one after the other. */
export function liveValues(
  column: ColumnVector,
  selection: Uint32Array | null,
  count: number,
): { readonly [index: number]: Datum } {
  const isPlain = column.kind === 'datum' || column.kind === 'float64' || column.kind === 'int32';
  if (isPlain && column.nulls === null) {
    return selection === null ? column.values : picked(column.values, selection, count);
  }
  if (column.kind === 'utf8') return textsOf(column, selection, count);
  const values = new Array<Datum>(count);
  for (let at = 0; at < count; at++) values[at] = datumAt(column, selection === null ? at : selection[at]!);
  return values;
}

function textsOf(
  { text, nulls }: Extract<ColumnVector, { readonly kind: 'utf8' }>,
  selection: Uint32Array | null,
  count: number,
): readonly Datum[] {
  const texts: Datum[] = utf8ToStrings(text.bytes, text.offsets, selection, count);
  if (nulls === null) return texts;
  for (let at = 0; at < count; at++) {
    if (nulls[selection === null ? at : selection[at]!] === 1) texts[at] = null;
  }
  return texts;
}

function picked(
  values: { readonly [index: number]: Datum },
  selection: Uint32Array,
  count: number,
): readonly Datum[] {
  const datums = new Array<Datum>(count);
  for (let at = 0; at < count; at++) datums[at] = values[selection[at]!]!;
  return datums;
}
