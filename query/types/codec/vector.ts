import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { TypeCodec } from '../function.ts';
import { vectorDimensionsMax } from '../modifier.ts';
import { invalidText } from '../problems.ts';
import { formatFloat4 } from './float.ts';

const elementText = /^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:nan|inf|infinity))\s*/i;

export function checkVectorElement(value: number): number {
  if (Number.isNaN(value)) throw new AlopexError('data_exception', 'NaN not allowed in vector');
  if (!Number.isFinite(value))
    throw new AlopexError('data_exception', 'infinite value not allowed in vector');
  return value;
}

export function checkVectorDimensions(count: number): void {
  if (count < 1) throw new AlopexError('data_exception', 'vector must have at least 1 dimension');
  if (count > vectorDimensionsMax) {
    throw new AlopexError(
      'program_limit_exceeded',
      `vector cannot have more than ${vectorDimensionsMax} dimensions`,
    );
  }
}

function parseVector(text: string): Float32Array {
  const trimmed = text.trim();
  if (!trimmed.startsWith('[')) throw invalidText('vector', text, 'Vector contents must start with "[".');
  const values: number[] = [];
  let rest = trimmed.slice(1).trimStart();
  if (rest.startsWith(']')) throw new AlopexError('data_exception', 'vector must have at least 1 dimension');
  for (;;) {
    const match = elementText.exec(rest);
    if (match === null) throw invalidText('vector', text);
    const value = Math.fround(Number(match[1]!.replace(/^([+-]?)inf$/i, '$1Infinity')));
    if (/\d/.test(match[1]!) && !Number.isFinite(value)) {
      throw new AlopexError('numeric_value_out_of_range', `"${match[1]}" is out of range for type vector`);
    }
    values.push(checkVectorElement(value));
    rest = rest.slice(match[0].length);
    if (rest.startsWith(',')) rest = rest.slice(1);
    else if (rest.startsWith(']')) break;
    else throw invalidText('vector', text);
  }
  if (rest.slice(1).trim() !== '') throw invalidText('vector', text, 'Junk after closing right brace.');
  checkVectorDimensions(values.length);
  return Float32Array.from(values);
}

/** pgvector's text `[1,2,3]`, and its binary form: dimensions, an unused number, then big-endian floats. */
export const vectorCodec: TypeCodec = {
  parse: parseVector,
  format: (value) => `[${Array.from(value as Float32Array, (element) => formatFloat4(element)).join(',')}]`,
  decode(bytes) {
    const reader = new ByteReader(bytes);
    const count = reader.int16();
    const unused = reader.int16();
    checkVectorDimensions(count);
    if (unused !== 0) throw new AlopexError('data_exception', `expected unused to be 0, not ${unused}`);
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    if (bytes.length !== 4 + count * 4) {
      throw new AlopexError('protocol_violation', 'insufficient data left in message');
    }
    return Float32Array.from({ length: count }, (_, index) =>
      checkVectorElement(view.getFloat32(4 + index * 4)),
    );
  },
  encode(value) {
    const vector = value as Float32Array;
    const writer = new ByteWriter(4 + vector.length * 4);
    writer.int16(vector.length);
    writer.int16(0);
    const view = new DataView(writer.bytes.buffer);
    for (let index = 0; index < vector.length; index++) view.setFloat32(4 + index * 4, vector[index]!);
    return writer.bytes;
  },
};
