import { compareBytes, concatBytes } from '../../../base/bytes/compare.ts';
import { bytesToLatin1, stringToUtf8 } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import { formatUuid, fromEscape, fromHex, toEscape, toHex } from '../codec/bytea.ts';
import { decodeText } from '../codec/text.ts';
import type { FunctionContext } from '../function.ts';
import { invalidParameter } from '../problems.ts';
import type { Implementations } from './define.ts';
import { contextual, pure } from './define.ts';

const base64Line = 76;

function toBase64(bytes: Uint8Array): string {
  const text = btoa(bytesToLatin1(bytes));
  const lines: string[] = [];
  for (let start = 0; start < text.length; start += base64Line)
    lines.push(text.slice(start, start + base64Line));
  return lines.join('\n');
}

function fromBase64(text: string): Uint8Array {
  const compact = text.replace(/[ \t\n\r]/g, '');
  const bad = /[^A-Za-z0-9+/=]/.exec(compact);
  if (bad !== null) throw invalidParameter(`invalid symbol "${bad[0]}" found while decoding base64 sequence`);
  if (compact.length % 4 !== 0) {
    throw new AlopexError('invalid_parameter_value', 'invalid base64 end sequence', {
      hint: 'Input data is missing padding, is truncated, or is otherwise corrupted.',
    });
  }
  return Uint8Array.from(atob(compact), (character) => character.charCodeAt(0));
}

type Encoding = {
  readonly encode: (bytes: Uint8Array) => string;
  readonly decode: (text: string) => Uint8Array;
};
const encodings: Readonly<Record<string, Encoding>> = {
  hex: { encode: toHex, decode: fromHex },
  base64: { encode: toBase64, decode: fromBase64 },
  escape: { encode: toEscape, decode: fromEscape },
};

function encodingNamed(name: string): Encoding {
  const encoding = encodings[name.toLowerCase()];
  if (encoding === undefined) throw invalidParameter(`unrecognized encoding: "${name}"`);
  return encoding;
}

function substring(bytes: Uint8Array, start: number, length?: number): Uint8Array {
  if (length !== undefined && length < 0) {
    throw new AlopexError('substring_error', 'negative substring length not allowed');
  }
  const from = Math.max(0, start - 1);
  return bytes.slice(from, length === undefined ? undefined : Math.max(from, start - 1 + length));
}

function position(bytes: Uint8Array, wanted: Uint8Array): number {
  for (let at = 0; at + wanted.length <= bytes.length; at++) {
    if (compareBytes(bytes.subarray(at, at + wanted.length), wanted) === 0) return at + 1;
  }
  return 0;
}

function checkIndex(index: number | bigint, count: number): number {
  if (index < 0 || index >= count) {
    throw new AlopexError('array_subscript_error', `index ${index} out of valid range, 0..${count - 1}`);
  }
  return Number(index);
}

function withByte(bytes: Uint8Array, index: number, value: number): Uint8Array {
  const copy = bytes.slice();
  copy[index] = value;
  return copy;
}

function trim(bytes: Uint8Array, characters: Uint8Array, left: boolean, right: boolean): Uint8Array {
  let start = 0;
  let end = bytes.length;
  while (left && start < end && characters.includes(bytes[start]!)) start++;
  while (right && end > start && characters.includes(bytes[end - 1]!)) end--;
  return bytes.slice(start, end);
}

function checkUtf8(name: string): void {
  if (!/^(utf-?8|unicode)$/i.test(name)) throw invalidParameter(`invalid source encoding name "${name}"`);
}

export const bytesFunctions: Implementations = {
  ...pure({
    byteacat: (left: Uint8Array, right: Uint8Array) => concatBytes([left, right]),
    byteaoctetlen: (bytes: Uint8Array) => bytes.length,
    'bit_length(bytea)': (bytes: Uint8Array) => bytes.length * 8,
    bytea_substr: substring,
    bytea_substr_no_len: substring,
    byteapos: position,
    byteatrim: (bytes: Uint8Array, characters: Uint8Array) => trim(bytes, characters, true, true),
    bytealtrim: (bytes: Uint8Array, characters: Uint8Array) => trim(bytes, characters, true, false),
    byteartrim: (bytes: Uint8Array, characters: Uint8Array) => trim(bytes, characters, false, true),
    byteaGetByte: (bytes: Uint8Array, index: number) => bytes[checkIndex(index, bytes.length)]!,
    byteaSetByte: (bytes: Uint8Array, index: number, value: number) =>
      withByte(bytes, checkIndex(index, bytes.length), value),
    byteaGetBit: (bytes: Uint8Array, index: number | bigint) => {
      const bit = checkIndex(index, bytes.length * 8);
      return (bytes[bit >> 3]! >> (bit & 7)) & 1;
    },
    byteaSetBit: (bytes: Uint8Array, index: number | bigint, value: number) => {
      if (value !== 0 && value !== 1) throw invalidParameter('new bit must be 0 or 1');
      const bit = checkIndex(index, bytes.length * 8);
      const byte = bytes[bit >> 3]!;
      return withByte(bytes, bit >> 3, value === 1 ? byte | (1 << (bit & 7)) : byte & ~(1 << (bit & 7)));
    },
    binary_encode: (bytes: Uint8Array, name: string) => encodingNamed(name).encode(bytes),
    binary_decode: (text: string, name: string) => encodingNamed(name).decode(text),
    pg_convert_from: (bytes: Uint8Array, name: string) => {
      checkUtf8(name);
      return decodeText(bytes);
    },
    pg_convert_to: (text: string, name: string) => {
      checkUtf8(name);
      return stringToUtf8(text);
    },
    bytea_bit_count: (bytes: Uint8Array) => {
      let count = 0;
      for (const byte of bytes) for (let rest = byte; rest > 0; rest &= rest - 1) count++;
      return count;
    },
  }),
  ...contextual({
    gen_random_uuid: (context: FunctionContext) => {
      const bytes = context.randomBytes(16).slice();
      bytes[6] = (bytes[6]! & 0x0f) | 0x40;
      bytes[8] = (bytes[8]! & 0x3f) | 0x80;
      return formatUuid(bytes);
    },
  }),
};
