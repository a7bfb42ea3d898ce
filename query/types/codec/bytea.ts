import { stringToUtf8 } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { TypeCodec } from '../function.ts';
import { invalidText } from '../problems.ts';

const hexDigits = '0123456789abcdef';

export function toHex(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) text += hexDigits[byte >> 4]! + hexDigits[byte & 15]!;
  return text;
}

/** Blanks between pairs are skipped. */
export function fromHex(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length >> 1);
  let length = 0;
  for (let at = 0; at < text.length; at += 2) {
    while (isBlank(text.charCodeAt(at))) at++;
    if (at >= text.length) break;
    const high = hexDigit(text, at);
    if (at + 1 === text.length) {
      throw new AlopexError('invalid_parameter_value', 'invalid hexadecimal data: odd number of digits');
    }
    bytes[length++] = high * 16 + hexDigit(text, at + 1);
  }
  return bytes.subarray(0, length);
}

function isBlank(code: number): boolean {
  return code === 32 || code === 10 || code === 9 || code === 13;
}

function hexDigit(text: string, at: number): number {
  const code = text.charCodeAt(at);
  if (code >= 48 && code <= 57) return code - 48;
  const letter = code | 32;
  if (letter >= 97 && letter <= 102) return letter - 87;
  const digit = String.fromCodePoint(text.codePointAt(at)!);
  throw new AlopexError('invalid_parameter_value', `invalid hexadecimal digit: "${digit}"`);
}

/** `\\` and `\ooo`; other characters are their UTF-8 bytes. */
export function fromEscape(text: string): Uint8Array {
  if (!text.includes('\\')) return stringToUtf8(text);
  const bytes: number[] = [];
  for (let at = 0; at < text.length; ) {
    if (text[at] !== '\\') {
      const next = text.indexOf('\\', at);
      const end = next < 0 ? text.length : next;
      for (const byte of stringToUtf8(text.slice(at, end))) bytes.push(byte);
      at = end;
    } else if (text[at + 1] === '\\') {
      bytes.push(92);
      at += 2;
    } else {
      const octal = /^[0-3][0-7]{2}/.exec(text.slice(at + 1, at + 4));
      if (octal === null)
        throw new AlopexError('invalid_text_representation', 'invalid input syntax for type bytea');
      bytes.push(Number.parseInt(octal[0], 8));
      at += 4;
    }
  }
  return Uint8Array.from(bytes);
}

export function toEscape(bytes: Uint8Array): string {
  let text = '';
  for (const byte of bytes) {
    if (byte === 92) text += '\\\\';
    else if (byte < 32 || byte > 126) text += `\\${byte.toString(8).padStart(3, '0')}`;
    else text += String.fromCharCode(byte);
  }
  return text;
}

export const byteaCodec: TypeCodec = {
  parse: (text) => (text.startsWith('\\x') ? fromHex(text.slice(2)) : fromEscape(text)),
  format: (value, _type, context) =>
    context.byteaOutput === 'escape' ? toEscape(value as Uint8Array) : `\\x${toHex(value as Uint8Array)}`,
  decode: (bytes) => bytes.slice(),
  encode: (value) => value as Uint8Array,
};

const uuidText = /^\{?([0-9a-f]{8})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{4})-?([0-9a-f]{12})\}?$/i;

/** With or without dashes (between any groups of four digits) and braces. */
function parseUuid(text: string): string {
  const braced = text.startsWith('{') === text.endsWith('}');
  const match = uuidText.exec(
    /^\{?([0-9a-f]{4}-?){7}[0-9a-f]{4}\}?$/i.test(text) ? text.replaceAll('-', '') : text,
  );
  if (match === null || !braced) throw invalidText('uuid', text);
  return match.slice(1).join('-').toLowerCase();
}

export function formatUuid(bytes: Uint8Array): string {
  const hex = toHex(bytes);
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-');
}

export const uuidCodec: TypeCodec = {
  parse: parseUuid,
  format: (value) => value as string,
  decode(bytes) {
    if (bytes.length !== 16) throw new AlopexError('protocol_violation', 'insufficient data left in message');
    return formatUuid(bytes);
  },
  encode: (value) => fromHex((value as string).replaceAll('-', '')),
};
