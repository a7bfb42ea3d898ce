import { ByteReader, ByteReaderError } from '../../../base/bytes/reader.ts';
import { utf8ToString, utf8ToStrings } from '../../../base/bytes/utf8.ts';
import { type ColumnVector, datumAt, type LazyText } from '../../../base/values/column.ts';
import { type Datum, Interval } from '../../../base/values/datum.ts';
import { encodings, hasNullsFlag, hasOverflowFlag } from './column-encoder.ts';
import { datumFromBytes } from './datum-codec.ts';
import type { PageAddress } from './format.ts';
import { readAligned, readBits, readIntegers } from './integers.ts';

/** A page some of whose values lie elsewhere. */
export class OverflowPage {
  readonly inline: ColumnVector;
  readonly references: readonly { readonly row: number; readonly address: PageAddress }[];
  readonly #encoding: number;

  constructor(inline: ColumnVector, references: OverflowPage['references'], encoding: number) {
    this.inline = inline;
    this.references = references;
    this.#encoding = encoding;
  }

  /** The whole column, once the values have been fetched, in the order of the references. */
  complete(payloads: readonly Uint8Array[], rowCount: number): ColumnVector {
    const values = datumsOf(this.inline, rowCount);
    for (const [index, { row }] of this.references.entries()) {
      values[row] = this.#decodeValue(payloads[index]!);
    }
    return { kind: 'datum', values, nulls: null };
  }

  #decodeValue(payload: Uint8Array): Datum {
    if (this.#encoding === encodings.utf8 || this.#encoding === encodings.dictionary) {
      return utf8ToString(payload);
    }
    return this.#encoding === encodings.bytes ? payload : datumFromBytes(payload);
  }
}

/** Nulls become `null`. The array is the caller's. */
export function datumsOf(vector: ColumnVector, rowCount: number): Datum[] {
  if (vector.kind === 'datum') return vector.values.slice();
  const values: Datum[] = new Array(rowCount);
  for (let row = 0; row < rowCount; row++) values[row] = datumAt(vector, row);
  return values;
}

/** `rowCount`: what the group's index says, which the page must agree with. */
export function decodeColumn(payload: Uint8Array, rowCount: number): ColumnVector | OverflowPage {
  const reader = new ByteReader(payload);
  const encoding = reader.uint8();
  const flags = reader.uint8();
  const count = reader.varint();
  if (count !== rowCount) throw new ByteReaderError(`${count} rows where the index has ${rowCount}`);
  const nulls = flags & hasNullsFlag ? readBits(reader, count) : null;
  const references = [];
  if (flags & hasOverflowFlag) {
    for (let left = reader.varint(); left > 0; left--) {
      const row = reader.varint();
      references.push({ row, address: { position: Number(reader.varlong()), length: reader.varint() } });
    }
  }
  const vector = decodeBody(reader, encoding, count, nulls);
  if (reader.remaining !== 0) throw new ByteReaderError(`${reader.remaining} bytes follow the values`);
  return references.length === 0 ? vector : new OverflowPage(vector, references, encoding);
}

function decodeBody(
  reader: ByteReader,
  encoding: number,
  count: number,
  nulls: Uint8Array | null,
): ColumnVector {
  switch (encoding) {
    case encodings.int32:
      return { kind: 'int32', values: readIntegers(reader, new Int32Array(count)), nulls };
    case encodings.integer:
      return { kind: 'float64', values: readIntegers(reader, new Float64Array(count)), nulls };
    case encodings.int64:
      return { kind: 'int64', values: new BigInt64Array(readAligned(reader, count * 8)), nulls };
    case encodings.float64:
      return { kind: 'float64', values: new Float64Array(readAligned(reader, count * 8)), nulls };
    case encodings.float32:
      return {
        kind: 'float64',
        values: Float64Array.from(new Float32Array(readAligned(reader, count * 4))),
        nulls,
      };
    case encodings.bool:
      return { kind: 'bool', values: readBits(reader, count), nulls };
    case encodings.scaled: {
      const scale = reader.varint();
      return { kind: 'scaled', units: readIntegers(reader, new Float64Array(count)), scale, nulls };
    }
    case encodings.dictionary:
      return decodeDictionary(reader, count, nulls);
    case encodings.utf8: {
      const { bytes, offsets } = readRows(reader, count);
      return { kind: 'utf8', text: new Utf8Rows(bytes, offsets), nulls };
    }
    default:
      return { kind: 'datum', values: decodeDatums(reader, encoding, count, nulls), nulls: null };
  }
}

function decodeDictionary(reader: ByteReader, count: number, nulls: Uint8Array | null): ColumnVector {
  const size = reader.varint();
  const { bytes, offsets } = readRows(reader, size);
  const dictionary = Array.from({ length: size }, (_, code) =>
    utf8ToString(bytes, offsets[code]!, offsets[code + 1]!),
  );
  const codes =
    size <= 256 ? Uint16Array.from(reader.raw(count)) : new Uint16Array(readAligned(reader, count * 2));
  return { kind: 'dictionary', codes, dictionary, nulls };
}

function decodeDatums(
  reader: ByteReader,
  encoding: number,
  count: number,
  nulls: Uint8Array | null,
): Datum[] {
  const decodeRow =
    encoding === encodings.interval ? intervals(reader, count) : rows(reader, encoding, count);
  const values: Datum[] = new Array(count);
  for (let row = 0; row < count; row++) {
    values[row] = nulls !== null && nulls[row] === 1 ? null : decodeRow(row);
  }
  return values;
}

function intervals(reader: ByteReader, count: number): (row: number) => Datum {
  const months = readIntegers(reader, new Int32Array(count));
  const days = readIntegers(reader, new Int32Array(count));
  const microseconds = readIntegers(reader, new Float64Array(count));
  return (row) => new Interval(months[row]!, days[row]!, microseconds[row]!);
}

function rows(reader: ByteReader, encoding: number, count: number): (row: number) => Datum {
  const { bytes, offsets } = readRows(reader, count);
  const bytesOf = (row: number) => bytes.subarray(offsets[row]!, offsets[row + 1]!);
  switch (encoding) {
    case encodings.bytes:
      return bytesOf;
    case encodings.uuid:
      return (row) => (offsets[row] === offsets[row + 1] ? null : uuidText(bytes, offsets[row]!));
    case encodings.vector:
      return (row) => new Float32Array(bytes.buffer, offsets[row]!, (offsets[row + 1]! - offsets[row]!) >> 2);
    case encodings.generic:
      return (row) => (offsets[row] === offsets[row + 1] ? null : datumFromBytes(bytesOf(row)));
    default:
      throw new ByteReaderError(`unknown column encoding ${encoding}`);
  }
}

/** The bytes start at 0 of a buffer of their own: vectors in it are aligned. */
function readRows(
  reader: ByteReader,
  count: number,
): { readonly bytes: Uint8Array<ArrayBuffer>; readonly offsets: Int32Array } {
  const lengths = readIntegers(reader, new Int32Array(count));
  const offsets = new Int32Array(count + 1);
  for (let row = 0; row < count; row++) offsets[row + 1] = offsets[row]! + lengths[row]!;
  return { bytes: new Uint8Array(readAligned(reader, offsets[count]!)), offsets };
}

const hexadecimal = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, '0'));

function uuidText(bytes: Uint8Array, start: number): string {
  let text = '';
  for (let at = 0; at < 16; at++) {
    text += hexadecimal[bytes[start + at]!]!;
    if (at === 3 || at === 5 || at === 7 || at === 9) text += '-';
  }
  return text;
}

/** Rows whose strings are made together, where rows are asked for one after another. */
const windowRows = 64;

/** Strings that are made when somebody asks; the page, which a cache may hold for long, keeps but a few of them. */
export class Utf8Rows implements LazyText {
  readonly bytes: Uint8Array;
  readonly offsets: Int32Array;
  #window: readonly string[] = [];
  #windowFrom = 0;
  #last = -1;

  constructor(bytes: Uint8Array, offsets: Int32Array) {
    this.bytes = bytes;
    this.offsets = offsets;
  }

  at(row: number): string {
    const made = this.#window[row - this.#windowFrom];
    if (made !== undefined) return made;
    const isNext = row === this.#last + 1;
    this.#last = row;
    if (!isNext) return utf8ToString(this.bytes, this.offsets[row]!, this.offsets[row + 1]!);
    const count = Math.min(windowRows, this.offsets.length - 1 - row);
    this.#window = utf8ToStrings(this.bytes, this.offsets.subarray(row, row + count + 1), null, count);
    this.#windowFrom = row;
    this.#last = row + count - 1;
    return this.#window[0]!;
  }
}
