import { AlopexError } from '../../../base/errors.ts';
import { checkVectorDimensions } from '../codec/vector.ts';
import { compareVectors } from '../compare.ts';
import type { Implementations } from './define.ts';
import { aggregates, pure } from './define.ts';
import { floatOverflow, floatUnderflow } from './float.ts';

function checkSameDimensions(left: Float32Array, right: Float32Array): void {
  if (left.length === right.length) return;
  throw new AlopexError('data_exception', `different vector dimensions ${left.length} and ${right.length}`);
}

/** Sums are doubles here; pgvector's are single-precision, and differ in the last digits. */
function squaredDistance(left: Float32Array, right: Float32Array): number {
  checkSameDimensions(left, right);
  let sum = 0;
  for (let index = 0; index < left.length; index++) {
    const difference = left[index]! - right[index]!;
    sum += difference * difference;
  }
  return sum;
}

function innerProduct(left: Float32Array, right: Float32Array): number {
  checkSameDimensions(left, right);
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += left[index]! * right[index]!;
  return sum;
}

function manhattanDistance(left: Float32Array, right: Float32Array): number {
  checkSameDimensions(left, right);
  let sum = 0;
  for (let index = 0; index < left.length; index++) sum += Math.abs(left[index]! - right[index]!);
  return sum;
}

/** NaN where one has no length. */
function cosineDistance(left: Float32Array, right: Float32Array): number {
  checkSameDimensions(left, right);
  let product = 0;
  let leftSquare = 0;
  let rightSquare = 0;
  for (let index = 0; index < left.length; index++) {
    product += left[index]! * right[index]!;
    leftSquare += left[index]! * left[index]!;
    rightSquare += right[index]! * right[index]!;
  }
  const similarity = product / Math.sqrt(leftSquare * rightSquare);
  return 1 - Math.min(1, Math.max(-1, similarity));
}

function norm(vector: Float32Array): number {
  let sum = 0;
  for (const element of vector) sum += element * element;
  return Math.sqrt(sum);
}

type Combine = (left: number, right: number) => number;

function elementwise(combine: Combine): (left: Float32Array, right: Float32Array) => Float32Array {
  return (left, right) => {
    checkSameDimensions(left, right);
    return left.map((element, index) => checkFinite(Math.fround(combine(element, right[index]!))));
  };
}

function checkFinite(value: number): number {
  if (!Number.isFinite(value)) throw floatOverflow();
  return value;
}

function multiply(left: Float32Array, right: Float32Array): Float32Array {
  checkSameDimensions(left, right);
  return left.map((element, index) => {
    const product = checkFinite(Math.fround(element * right[index]!));
    if (product === 0 && element !== 0 && right[index] !== 0) throw floatUnderflow();
    return product;
  });
}

function concatenate(left: Float32Array, right: Float32Array): Float32Array {
  const length = left.length + right.length;
  checkVectorDimensions(length);
  const joined = new Float32Array(length);
  joined.set(left);
  joined.set(right, left.length);
  return joined;
}

function normalize(vector: Float32Array): Float32Array {
  const length = norm(vector);
  return length === 0
    ? new Float32Array(vector.length)
    : vector.map((element) => checkFinite(element / length));
}

/** Elements from a place counted from 1. */
function subvector(vector: Float32Array, start: number, count: number): Float32Array {
  const end = Math.min(start - 1 + count, vector.length);
  const part = vector.slice(Math.max(0, start - 1), Math.max(0, end));
  if (count < 1 || part.length === 0)
    throw new AlopexError('data_exception', 'vector must have at least 1 dimension');
  return part;
}

type VectorTotal = { sums: Float64Array | null; count: number };

function addVector(total: VectorTotal, vector: Float32Array): VectorTotal {
  if (total.sums === null) total.sums = Float64Array.from(vector);
  else {
    if (total.sums.length !== vector.length) {
      throw new AlopexError(
        'data_exception',
        `expected ${total.sums.length} dimensions, not ${vector.length}`,
      );
    }
    for (let index = 0; index < vector.length; index++) total.sums[index]! += vector[index]!;
  }
  total.count++;
  return total;
}

const newTotal = (): VectorTotal => ({ sums: null, count: 0 });

export const vectorFunctions: Implementations = {
  ...pure({
    vector_add: elementwise((left, right) => left + right),
    vector_sub: elementwise((left, right) => left - right),
    vector_mul: multiply,
    vector_concat: concatenate,
    l2_distance: (left: Float32Array, right: Float32Array) => Math.sqrt(squaredDistance(left, right)),
    vector_l2_squared_distance: squaredDistance,
    inner_product: innerProduct,
    vector_negative_inner_product: (left: Float32Array, right: Float32Array) => 0 - innerProduct(left, right),
    cosine_distance: cosineDistance,
    l1_distance: manhattanDistance,
    vector_dims: (vector: Float32Array) => vector.length,
    vector_norm: norm,
    l2_normalize: normalize,
    subvector,
    vector_cmp: (left: Float32Array, right: Float32Array) => Math.sign(compareVectors(left, right)),
  }),
  ...aggregates({
    'avg(vector)': {
      initial: newTotal,
      step: addVector,
      final: ({ sums, count }: VectorTotal) =>
        sums === null ? null : Float32Array.from(sums, (sum) => sum / count),
    },
    'sum(vector)': {
      initial: newTotal,
      step: addVector,
      final: ({ sums }: VectorTotal) => (sums === null ? null : Float32Array.from(sums, checkFinite)),
    },
  }),
};
