import { type ColumnVector, datumAt } from '../../base/values/column.ts';
import type { Datum, PhysicalType } from '../../base/values/datum.ts';
import type { Numeric } from '../../base/values/numeric.ts';

/** The best vector for these datums of one type. Takes the array over. */
export function vectorOf(type: PhysicalType, values: readonly Datum[]): ColumnVector {
  switch (type.kind) {
    case 'bool':
      return fill('bool', new Uint8Array(values.length), values);
    case 'int4':
      return fill('int32', new Int32Array(values.length), values);
    case 'int8':
      return values.some((value) => typeof value === 'bigint')
        ? bigVector(values)
        : fill('float64', new Float64Array(values.length), values);
    case 'float4':
    case 'float8':
      return fill('float64', new Float64Array(values.length), values);
    case 'numeric':
      return scaledVector(values) ?? { kind: 'datum', values, nulls: null };
    default:
      return { kind: 'datum', values, nulls: null };
  }
}

type NumberVector = Extract<ColumnVector, { readonly kind: 'bool' | 'int32' | 'float64' }>;

function fill<Kind extends NumberVector['kind']>(
  kind: Kind,
  target: Uint8Array | Int32Array | Float64Array,
  values: readonly Datum[],
): ColumnVector {
  let nulls: Uint8Array | null = null;
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value === null) {
      nulls ??= new Uint8Array(values.length);
      nulls[row] = 1;
    } else {
      target[row] = Number(value);
    }
  }
  return { kind, values: target, nulls } as NumberVector;
}

function bigVector(values: readonly Datum[]): ColumnVector {
  const target = new BigInt64Array(values.length);
  let nulls: Uint8Array | null = null;
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value === null) {
      nulls ??= new Uint8Array(values.length);
      nulls[row] = 1;
    } else {
      target[row] = BigInt(value as number | bigint);
    }
  }
  return { kind: 'int64', values: target, nulls };
}

/** Null where the scales differ or a value is not a safe integer of units. */
function scaledVector(values: readonly Datum[]): ColumnVector | null {
  const units = new Float64Array(values.length);
  let nulls: Uint8Array | null = null;
  let scale: number | null = null;
  for (let row = 0; row < values.length; row++) {
    const value = values[row]!;
    if (value === null) {
      nulls ??= new Uint8Array(values.length);
      nulls[row] = 1;
      continue;
    }
    const numeric = value as Numeric;
    scale ??= numeric.scale;
    if (numeric.special !== null || typeof numeric.units !== 'number' || numeric.scale !== scale) return null;
    units[row] = numeric.units;
  }
  return { kind: 'scaled', units, scale: scale ?? 0, nulls };
}

/** Rows of several vectors, one piece after the other. */
export type Piece = { readonly vector: ColumnVector; readonly rows: Uint32Array };

export function gatherPieces(type: PhysicalType, pieces: readonly Piece[], count: number): ColumnVector {
  const kind = pieces[0]!.vector.kind;
  const isUniform = pieces.every((piece) => piece.vector.kind === kind);
  if (isUniform && (kind === 'float64' || kind === 'int32' || kind === 'bool')) {
    return gatherNumbers(kind, pieces as readonly NumberPiece[], count);
  }
  const values: Datum[] = new Array<Datum>(count);
  let at = 0;
  for (const { vector, rows } of pieces) {
    for (let row = 0; row < rows.length; row++) values[at++] = datumAt(vector, rows[row]!);
  }
  return vectorOf(type, values);
}

type NumberPiece = { readonly vector: NumberVector; readonly rows: Uint32Array };

function gatherNumbers(
  kind: NumberVector['kind'],
  pieces: readonly NumberPiece[],
  count: number,
): ColumnVector {
  const target =
    kind === 'float64'
      ? new Float64Array(count)
      : kind === 'int32'
        ? new Int32Array(count)
        : new Uint8Array(count);
  const nulls = pieces.some((piece) => piece.vector.nulls !== null) ? new Uint8Array(count) : null;
  let at = 0;
  for (const { vector, rows } of pieces) {
    const source = vector.values;
    for (let row = 0; row < rows.length; row++) {
      const from = rows[row]!;
      if (nulls !== null && vector.nulls !== null) nulls[at] = vector.nulls[from]!;
      target[at++] = source[from]!;
    }
  }
  return { kind, values: target, nulls } as NumberVector;
}
