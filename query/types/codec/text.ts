import { stringToUtf8, utf8ToStringStrict } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { TypeCodec } from '../function.ts';

const nameBytesMax = 63;

/** Text of the wire: UTF-8 without zero bytes. */
export function decodeText(bytes: Uint8Array): string {
  const text = utf8ToStringStrict(bytes);
  if (text === null || text.includes('\0')) {
    const byte = text === null ? firstInvalidByte(bytes) : '0x00';
    throw new AlopexError(
      'character_not_in_repertoire',
      `invalid byte sequence for encoding "UTF8": ${byte}`,
    );
  }
  return text;
}

function firstInvalidByte(bytes: Uint8Array): string {
  let at = 0;
  while (at < bytes.length) {
    const lead = bytes[at]!;
    const length = lead < 0x80 ? 1 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
    if (utf8ToStringStrict(bytes.subarray(at, at + length)) === null) {
      const shown = lead >= 0x80 && lead < 0xc2 ? 1 : Math.min(length, bytes.length - at);
      return Array.from(
        bytes.subarray(at, at + shown),
        (byte) => `0x${byte.toString(16).padStart(2, '0')}`,
      ).join(' ');
    }
    at += length;
  }
  return '0x00';
}

export const textCodec: TypeCodec = {
  parse: (text) => text,
  format: (value) => value as string,
  decode: decodeText,
  encode: (value) => stringToUtf8(value as string),
};

/** At most 63 bytes of UTF-8, cut between characters. */
export function truncateName(text: string): string {
  if (text.length * 3 <= nameBytesMax) return text;
  const bytes = stringToUtf8(text);
  if (bytes.length <= nameBytesMax) return text;
  let end = nameBytesMax;
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return utf8ToStringStrict(bytes.subarray(0, end))!;
}

export const nameCodec: TypeCodec = { ...textCodec, parse: truncateName };

export function parseChar(text: string): string {
  const octal = /^\\([0-3][0-7]{2})$/.exec(text);
  if (octal !== null) return charOf(Number.parseInt(octal[1]!, 8));
  return text === '' ? '' : charOf(stringToUtf8(text)[0]!);
}

export function formatChar(value: string): string {
  const code = value.charCodeAt(0);
  return code > 127 ? `\\${code.toString(8).padStart(3, '0')}` : value;
}

/** One byte: bytes above 127 show as `\ooo`. The datum is one character of latin1, '' for zero. */
export const charCodec: TypeCodec = {
  parse: parseChar,
  format: (value) => formatChar(value as string),
  decode: (bytes) => charOf(bytes[0] ?? 0),
  encode: (value) => Uint8Array.of(value === '' ? 0 : (value as string).charCodeAt(0)),
};

export function charOf(byte: number): string {
  return byte === 0 ? '' : String.fromCharCode(byte);
}

export const voidCodec: TypeCodec = {
  parse: () => '',
  format: () => '',
  decode: () => '',
  encode: () => new Uint8Array(0),
};
