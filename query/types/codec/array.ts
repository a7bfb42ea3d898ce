import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray } from '../../../base/values/datum.ts';
import type { FunctionContext, TypeCodec } from '../function.ts';
import type { SqlType, TypeOid } from '../type.ts';
import { invalidBinary } from './integer.ts';

export const dimensionsMax = 6;
export const arrayItemsMax = 134_217_727;

type Dimension = SqlArray['dimensions'][number];

function malformed(text: string, detail: string): AlopexError {
  return new AlopexError('invalid_text_representation', `malformed array literal: "${text}"`, { detail });
}

/** Reads `[1:2]={{a,b},{"c d",NULL}}`; items come out as text, or null. */
class ArrayReader {
  readonly #text: string;
  #at = 0;
  readonly items: (string | null)[] = [];
  /** Items at each depth; -1 where not known yet. */
  readonly #lengths: number[] = [];
  /** Depth at which items stand; -1 until the first one. */
  #itemDepth = -1;

  constructor(text: string) {
    this.#text = text;
  }

  read(): readonly Dimension[] {
    const bounds = this.#readBounds();
    if (this.#peek() !== '{') {
      throw malformed(this.#text, 'Array value must start with "{" or dimension information.');
    }
    this.#readList(0);
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw malformed(this.#text, 'Junk after closing right brace.');
    if (this.items.length === 0) return [];
    const lengths = this.#lengths;
    if (bounds !== null) {
      const fits =
        bounds.length === lengths.length && bounds.every((bound, index) => bound.length === lengths[index]);
      if (!fits) throw malformed(this.#text, 'Specified array dimensions do not match array contents.');
      return bounds;
    }
    return lengths.map((length) => ({ length, lowerBound: 1 }));
  }

  #skipBlanks(): void {
    while (/[ \t\n\r\v\f]/.test(this.#text[this.#at] ?? '')) this.#at++;
  }

  #peek(): string | undefined {
    this.#skipBlanks();
    return this.#text[this.#at];
  }

  #readBounds(): Dimension[] | null {
    const match = /^\s*((?:\[\s*[+-]?\d+(?:\s*:\s*[+-]?\d+)?\s*\]\s*)+)=/.exec(this.#text);
    if (match === null) return null;
    this.#at = match[0].length;
    return Array.from(match[1]!.matchAll(/\[\s*([+-]?\d+)(?:\s*:\s*([+-]?\d+))?\s*\]/g), (bound) => {
      const lower = bound[2] === undefined ? 1 : Number(bound[1]);
      const upper = Number(bound[2] ?? bound[1]);
      if (upper < lower)
        throw new AlopexError('array_subscript_error', 'upper bound cannot be less than lower bound');
      return { length: upper - lower + 1, lowerBound: lower };
    });
  }

  #readList(depth: number): void {
    if (depth >= dimensionsMax) {
      throw new AlopexError(
        'program_limit_exceeded',
        `number of array dimensions (${depth + 1}) exceeds the maximum allowed (${dimensionsMax})`,
      );
    }
    this.#at++;
    let count = 0;
    if (this.#peek() === '}') {
      this.#at++;
      if (depth > 0 && this.#lengths.length > depth) this.#checkLength(depth, 0);
      return;
    }
    for (;;) {
      if (this.#peek() === '{') {
        if (this.#itemDepth === depth) throw malformed(this.#text, 'Unexpected "{" character.');
        this.#readList(depth + 1);
      } else {
        if (this.#lengths.length > depth + 1) this.#mismatch();
        this.#itemDepth = depth;
        this.items.push(this.#readItem());
      }
      count++;
      const next = this.#peek();
      if (next !== ',' && next !== '}') {
        if (next === undefined) throw malformed(this.#text, 'Unexpected end of input.');
        throw malformed(this.#text, `Unexpected "${next}" character.`);
      }
      this.#at++;
      if (next === '}') break;
    }
    this.#checkLength(depth, count);
  }

  #checkLength(depth: number, count: number): void {
    while (this.#lengths.length <= depth) this.#lengths.push(-1);
    if (this.#lengths[depth] === -1) this.#lengths[depth] = count;
    else if (this.#lengths[depth] !== count) this.#mismatch();
  }

  #mismatch(): never {
    throw malformed(this.#text, 'Multidimensional arrays must have sub-arrays with matching dimensions.');
  }

  #readItem(): string | null {
    if (this.#text[this.#at] === '"') return this.#readQuoted();
    let value = '';
    let keptLength = 0;
    for (; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at]!;
      if (character === ',' || character === '}') break;
      if (character === '{') throw malformed(this.#text, 'Unexpected "{" character.');
      if (character === '"') throw malformed(this.#text, 'Unexpected array element.');
      if (character === '\\') {
        this.#at++;
        value += this.#text[this.#at] ?? '';
        keptLength = value.length;
      } else {
        value += character;
        if (!/[ \t\n\r\v\f]/.test(character)) keptLength = value.length;
      }
    }
    if (this.#at >= this.#text.length) throw malformed(this.#text, 'Unexpected end of input.');
    if (keptLength === 0) throw malformed(this.#text, `Unexpected "${this.#text[this.#at]}" character.`);
    const text = value.slice(0, keptLength);
    return text.toUpperCase() === 'NULL' ? null : text;
  }

  #readQuoted(): string {
    let value = '';
    for (this.#at++; this.#at < this.#text.length; this.#at++) {
      const character = this.#text[this.#at]!;
      if (character === '"') {
        this.#at++;
        const next = this.#peek();
        if (next !== undefined && next !== ',' && next !== '}') {
          throw malformed(this.#text, 'Unexpected array element.');
        }
        return value;
      }
      if (character === '\\') this.#at++;
      value += this.#text[this.#at] ?? '';
    }
    throw malformed(this.#text, 'Unexpected end of input.');
  }
}

function parseArray(text: string, parseItem: (text: string) => Datum): SqlArray {
  const reader = new ArrayReader(text);
  const dimensions = reader.read();
  return new SqlArray(
    reader.items.map((item) => (item === null ? null : parseItem(item))),
    dimensions,
  );
}

/** Needs quotes: empty, NULL, blanks, and the characters of the syntax itself. */
function quoteItem(text: string): string {
  if (text !== '' && !/[{},"\\\s]/.test(text) && text.toUpperCase() !== 'NULL') return text;
  return `"${text.replace(/["\\]/g, '\\$&')}"`;
}

function formatArray(array: SqlArray, formatItem: (item: Datum) => string): string {
  const { dimensions } = array;
  if (dimensions.length === 0) return '{}';
  let at = 0;
  const list = (depth: number): string => {
    const parts: string[] = [];
    for (let index = 0; index < dimensions[depth]!.length; index++) {
      if (depth < dimensions.length - 1) parts.push(list(depth + 1));
      else {
        const item = array.items[at++]!;
        parts.push(item === null ? 'NULL' : quoteItem(formatItem(item)));
      }
    }
    return `{${parts.join(',')}}`;
  };
  const hasBounds = dimensions.some((dimension) => dimension.lowerBound !== 1);
  const bounds = dimensions.map(({ length, lowerBound }) => `[${lowerBound}:${lowerBound + length - 1}]`);
  return hasBounds ? `${bounds.join('')}=${list(0)}` : list(0);
}

/** The codec of an array of `element`, whose own codec is asked for when it is needed. */
export function arrayCodec(element: TypeOid, elementCodec: () => TypeCodec): TypeCodec {
  const elementOf = (type: SqlType): SqlType => ({ oid: element, modifier: type.modifier });
  return {
    parse(text: string, type: SqlType, context: FunctionContext): SqlArray {
      const codec = elementCodec();
      return parseArray(text, (item) => codec.parse(item, elementOf(type), context));
    },
    format(value: Datum, type: SqlType, context: FunctionContext): string {
      const codec = elementCodec();
      return formatArray(value as SqlArray, (item) => codec.format(item, elementOf(type), context));
    },
    decode: (bytes, type) => decodeArray(bytes, elementOf(type), elementCodec()),
    encode: (value, type) => encodeArray(value as SqlArray, elementOf(type), elementCodec()),
  };
}

function decodeArray(bytes: Uint8Array, element: SqlType, codec: TypeCodec): SqlArray {
  const reader = new ByteReader(bytes);
  const dimensionCount = reader.int32();
  if (dimensionCount < 0 || dimensionCount > dimensionsMax) {
    throw new AlopexError(
      'program_limit_exceeded',
      `number of array dimensions (${dimensionCount}) exceeds the maximum allowed (${dimensionsMax})`,
    );
  }
  const flags = reader.int32();
  if (flags !== 0 && flags !== 1)
    throw new AlopexError('invalid_binary_representation', 'invalid array flags');
  const oid = reader.uint32();
  if (oid !== element.oid) throw new AlopexError('datatype_mismatch', 'wrong element type');
  const dimensions: Dimension[] = [];
  let count = dimensionCount === 0 ? 0 : 1;
  for (let index = 0; index < dimensionCount; index++) {
    const length = reader.int32();
    dimensions.push({ length, lowerBound: reader.int32() });
    if (length < 0) throw invalidBinary();
    count *= length;
  }
  if (count > arrayItemsMax || count * 4 > reader.remaining) throw invalidBinary();
  const items: Datum[] = [];
  for (let index = 0; index < count; index++) {
    const length = reader.int32();
    items.push(length === -1 ? null : codec.decode(reader.raw(length), element));
  }
  return new SqlArray(items, count === 0 ? [] : dimensions);
}

function encodeArray(array: SqlArray, element: SqlType, codec: TypeCodec): Uint8Array {
  const writer = new ByteWriter(64);
  writer.int32(array.dimensions.length);
  writer.int32(array.items.includes(null) ? 1 : 0);
  writer.uint32(element.oid);
  for (const dimension of array.dimensions) {
    writer.int32(dimension.length);
    writer.int32(dimension.lowerBound);
  }
  for (const item of array.items) {
    if (item === null) {
      writer.int32(-1);
      continue;
    }
    const bytes = codec.encode(item, element);
    writer.int32(bytes.length);
    writer.raw(bytes);
  }
  return writer.toBytes();
}
