import { unreachable } from '../../../base/unreachable.ts';
import type { ColumnVector } from '../../../base/values/column.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { datumsOf, Utf8Rows } from './column-decoder.ts';

/** The pages of a column in one group, as one vector. Only encodings of variable length have several. */
export function concatVectors(pieces: readonly ColumnVector[], rowCounts: readonly number[]): ColumnVector {
  const only = pieces[0]!;
  if (pieces.length === 1) return only;
  const texts = pieces.flatMap((piece) => (piece.kind === 'utf8' ? [piece] : []));
  if (texts.length < pieces.length) {
    const values = pieces.flatMap((piece, index) => datumsOf(piece, rowCounts[index]!));
    return { kind: 'datum', values, nulls: null };
  }
  const rowCount = rowCounts.reduce((sum, count) => sum + count, 0);
  const byteCount = texts.reduce((sum, { text }) => sum + text.bytes.length, 0);
  const bytes = new Uint8Array(byteCount);
  const offsets = new Int32Array(rowCount + 1);
  const nulls = texts.some((piece) => piece.nulls !== null) ? new Uint8Array(rowCount) : null;
  let row = 0;
  let start = 0;
  for (const [index, piece] of texts.entries()) {
    bytes.set(piece.text.bytes, start);
    if (piece.nulls !== null) nulls?.set(piece.nulls, row);
    const count = rowCounts[index]!;
    for (let at = 1; at <= count; at++) offsets[row + at] = start + piece.text.offsets[at]!;
    row += count;
    start += piece.text.bytes.length;
  }
  return { kind: 'utf8', text: new Utf8Rows(bytes, offsets), nulls };
}

/** Bytes that a cached vector holds, about. */
export function vectorBytes(vector: ColumnVector): number {
  const nulls = vector.nulls?.length ?? 0;
  switch (vector.kind) {
    case 'float64':
    case 'int32':
    case 'bool':
    case 'int64':
      return vector.values.byteLength + nulls;
    case 'scaled':
      return vector.units.byteLength + nulls;
    case 'dictionary':
      return vector.codes.byteLength + nulls + datumBytes(vector.dictionary);
    case 'utf8':
      return vector.text.bytes.length + vector.text.offsets.byteLength + nulls;
    case 'datum':
      return datumBytes(vector.values);
    default:
      return unreachable(vector);
  }
}

function datumBytes(values: readonly Datum[]): number {
  let bytes = values.length * 8;
  for (const value of values) {
    if (typeof value === 'string') bytes += 16 + value.length * 2;
    else if (value instanceof Uint8Array || value instanceof Float32Array) bytes += 96 + value.byteLength;
    else if (value !== null) bytes += 64;
  }
  return bytes;
}
