import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { AlopexError } from '../../../base/errors.ts';
import { narrow } from '../../../base/values/numeric.ts';
import type { TypeCodec } from '../function.ts';
import { invalidText, textOutOfRange } from '../problems.ts';

export const int8Min = -9_223_372_036_854_775_808n;
export const int8Max = 9_223_372_036_854_775_807n;
const integerText = /^[\t-\r ]*[+-]?\d+[\t-\r ]*$/;

/** An integer of a named range, whatever its width. */
function parseInteger(
  text: string,
  typeName: string,
  minimum: number | bigint,
  maximum: number | bigint,
): number | bigint {
  if (!integerText.test(text)) throw invalidText(typeName, text);
  const value = text.length < 16 ? Number(text) : narrow(BigInt(text.trim().replace(/^\+/, '')));
  if (value < minimum || value > maximum) throw textOutOfRange(typeName, text);
  return value === 0 ? 0 : value;
}

export function invalidBinary(): AlopexError {
  return new AlopexError('invalid_binary_representation', 'incorrect binary data format');
}

function checkLength(bytes: Uint8Array, length: number): void {
  if (bytes.length === length) return;
  if (bytes.length > length) throw invalidBinary();
  throw new AlopexError('protocol_violation', 'insufficient data left in message');
}

export const int2Codec: TypeCodec = {
  parse: (text) => parseInteger(text, 'smallint', -32_768, 32_767),
  format: String,
  decode(bytes) {
    checkLength(bytes, 2);
    return (((bytes[0]! << 8) | bytes[1]!) << 16) >> 16;
  },
  encode: (value) => Uint8Array.of((value as number) >> 8, value as number),
};

export const int4Codec: TypeCodec = {
  parse: (text) => parseInteger(text, 'integer', -2_147_483_648, 2_147_483_647),
  format: String,
  decode: decodeInt4,
  encode: encodeInt4,
};

export function decodeInt4(bytes: Uint8Array): number {
  checkLength(bytes, 4);
  return (bytes[0]! << 24) | (bytes[1]! << 16) | (bytes[2]! << 8) | bytes[3]!;
}

export function encodeInt4(value: unknown): Uint8Array {
  const bits = (value as number) | 0;
  return Uint8Array.of(bits >> 24, bits >> 16, bits >> 8, bits);
}

export const int8Codec: TypeCodec = {
  parse: (text) => parseInteger(text, 'bigint', int8Min, int8Max),
  format: String,
  decode: decodeInt8,
  encode: encodeInt8,
};

export function decodeInt8(bytes: Uint8Array): number | bigint {
  checkLength(bytes, 8);
  return new ByteReader(bytes).int64();
}

export function encodeInt8(value: unknown): Uint8Array {
  const writer = new ByteWriter(8);
  writer.int64(value as number | bigint);
  return writer.bytes;
}

/** oid, xid, cid: 32 bits without sign; input wraps a negative number as PostgreSQL does. */
export function unsignedCodec(typeName: string): TypeCodec {
  return {
    parse: (text) => Number(parseInteger(text, typeName, -2_147_483_648, 4_294_967_295)) >>> 0,
    format: String,
    decode: (bytes) => decodeInt4(bytes) >>> 0,
    encode: encodeInt4,
  };
}

const booleans: Readonly<Record<string, boolean>> = {
  on: true,
  '1': true,
  off: false,
  of: false,
  '0': false,
};

function parseBoolean(text: string): boolean | null {
  const word = text.trim().toLowerCase();
  if (word === '') return null;
  if ('true'.startsWith(word) || 'yes'.startsWith(word)) return true;
  if ('false'.startsWith(word) || 'no'.startsWith(word)) return false;
  return booleans[word] ?? null;
}

export const booleanCodec: TypeCodec = {
  parse(text) {
    const value = parseBoolean(text);
    if (value === null) throw invalidText('boolean', text);
    return value;
  },
  format: (value) => (value === true ? 't' : 'f'),
  decode(bytes) {
    checkLength(bytes, 1);
    return bytes[0] !== 0;
  },
  encode: (value) => Uint8Array.of(value === true ? 1 : 0),
};
