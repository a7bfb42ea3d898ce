import { stringToUtf8, utf8Length } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import { trimBlanks } from '../compare.ts';
import { codePointOffset } from '../modifier.ts';
import { invalidParameter } from '../problems.ts';
import type { Implementations } from './define.ts';
import { pure } from './define.ts';
import { md5 } from './md5.ts';
import { sha224, sha256, sha384, sha512 } from './sha2.ts';

/** Bytes that one text may have: PostgreSQL's 1 GB less its header. */
const textBytesMax = 1_073_741_819;

/** Characters: code points, not UTF-16 units. */
export function characterCount(text: string): number {
  let count = text.length;
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index);
    if (unit >= 0xd800 && unit <= 0xdbff) count--;
  }
  return count;
}

/** Characters [start, end) by number from 0. */
function sliceCharacters(text: string, start: number, end: number): string {
  if (!/[\ud800-\udbff]/.test(text)) return text.slice(start, end);
  const from = codePointOffset(text, start);
  return text.slice(from, from + codePointOffset(text.slice(from), Math.max(0, end - start)));
}

function substring(text: string, start: number, length?: number): string {
  if (length === undefined) return sliceCharacters(text, Math.max(0, start - 1), text.length);
  if (length < 0) throw new AlopexError('substring_error', 'negative substring length not allowed');
  const end = start - 1 + length;
  return end <= 0 ? '' : sliceCharacters(text, Math.max(0, start - 1), end);
}

/** Where a text starts in another, in characters from 1; 0 where it does not. */
function position(text: string, wanted: string): number {
  const at = text.indexOf(wanted);
  return at < 0 ? 0 : characterCount(text.slice(0, at)) + 1;
}

function trim(text: string, characters: string, side: 'both' | 'left' | 'right'): string {
  const set = new Set(characters);
  const points = [...text];
  let start = 0;
  let end = points.length;
  if (side !== 'right') while (start < end && set.has(points[start]!)) start++;
  if (side !== 'left') while (end > start && set.has(points[end - 1]!)) end--;
  return points.slice(start, end).join('');
}

function left(text: string, count: number): string {
  const end = count < 0 ? characterCount(text) + count : count;
  return end <= 0 ? '' : sliceCharacters(text, 0, end);
}

function right(text: string, count: number): string {
  const length = characterCount(text);
  const start = count < 0 ? -count : length - count;
  return start >= length ? '' : sliceCharacters(text, Math.max(0, start), length);
}

function checkLength(characters: number): void {
  if (characters > textBytesMax)
    throw new AlopexError('program_limit_exceeded', 'requested length too large');
}

/** What fills up to a length; the text itself is cut where it is longer. */
function padding(
  text: string,
  length: number,
  fill: string,
): { readonly text: string; readonly fill: string } {
  checkLength(length);
  const count = characterCount(text);
  if (length <= count || fill === '')
    return { text: sliceCharacters(text, 0, Math.max(0, length)), fill: '' };
  const missing = length - count;
  const repeated = fill.repeat(Math.ceil(missing / characterCount(fill)));
  return { text, fill: sliceCharacters(repeated, 0, missing) };
}

function leftPad(text: string, length: number, fill = ' '): string {
  const padded = padding(text, length, fill);
  return padded.fill + padded.text;
}

function rightPad(text: string, length: number, fill = ' '): string {
  const padded = padding(text, length, fill);
  return padded.text + padded.fill;
}

function repeat(text: string, count: number): string {
  if (count <= 0) return '';
  checkLength(text.length * count);
  return text.repeat(count);
}

function replace(text: string, from: string, to: string): string {
  return from === '' ? text : text.replaceAll(from, () => to);
}

function splitPart(text: string, delimiter: string, field: number): string {
  if (field === 0) throw invalidParameter('field position must not be zero');
  const parts = delimiter === '' ? [text] : text.split(delimiter);
  return parts.at(field > 0 ? field - 1 : field) ?? '';
}

/** Letters and digits make words; each starts with a capital. */
function capitalize(text: string): string {
  return text.replace(/[\p{L}\p{N}]+/gu, (word) => {
    const [first = ''] = word;
    return first.toUpperCase() + word.slice(first.length).toLowerCase();
  });
}

function translate(text: string, from: string, to: string): string {
  const targets = [...to];
  const map = new Map<string, string>();
  for (const [index, character] of [...from].entries()) {
    if (!map.has(character)) map.set(character, targets[index] ?? '');
  }
  return Array.from(text, (character) => map.get(character) ?? character).join('');
}

function character(code: number): string {
  if (code === 0) throw new AlopexError('program_limit_exceeded', 'null character not permitted');
  if (code < 0) throw new AlopexError('program_limit_exceeded', 'character number must be positive');
  if (code > 0x10ffff)
    throw new AlopexError('program_limit_exceeded', `requested character too large for encoding: ${code}`);
  if (code >= 0xd800 && code <= 0xdfff) {
    throw new AlopexError('program_limit_exceeded', `requested character not valid for encoding: ${code}`);
  }
  return String.fromCodePoint(code);
}

function overlay(text: string, placing: string, start: number, length?: number): string {
  const count = length ?? characterCount(placing);
  if (start <= 0) throw new AlopexError('substring_error', 'negative substring length not allowed');
  const end = start + count;
  return substring(text, 1, start - 1) + placing + (end <= 0 ? text : substring(text, end));
}

function unescapeUnicode(text: string): string {
  return text.replace(
    /\\(?:(\\)|\+([0-9a-f]{6})|u([0-9a-f]{4})|U([0-9a-f]{8})|([0-9a-f]{4}))/gi,
    (...groups) => {
      const [, backslash, ...codes] = groups as string[];
      const hex = codes.slice(0, 4).find((code) => code !== undefined);
      return backslash === undefined ? String.fromCodePoint(Number.parseInt(hex!, 16)) : '\\';
    },
  );
}

export const textFunctions: Implementations = pure({
  textcat: (a: string, b: string) => a + b,
  textlen: characterCount,
  bpcharlen: (text: string) => characterCount(trimBlanks(text)),
  textoctetlen: utf8Length,
  bpcharoctetlen: utf8Length,
  'bit_length(text)': (text: string) => utf8Length(text) * 8,
  lower: (text: string) => text.toLowerCase(),
  upper: (text: string) => text.toUpperCase(),
  initcap: capitalize,
  text_substr: substring,
  text_substr_no_len: (text: string, start: number) => substring(text, start),
  textpos: position,
  text_starts_with: (text: string, prefix: string) => text.startsWith(prefix),
  btrim: (text: string, characters: string) => trim(text, characters, 'both'),
  btrim1: (text: string) => trim(text, ' ', 'both'),
  ltrim: (text: string, characters: string) => trim(text, characters, 'left'),
  ltrim1: (text: string) => trim(text, ' ', 'left'),
  rtrim: (text: string, characters: string) => trim(text, characters, 'right'),
  text_left: left,
  text_right: right,
  text_reverse: (text: string) => [...text].reverse().join(''),
  lpad: leftPad,
  'lpad(text,int4)': leftPad,
  rpad: rightPad,
  'rpad(text,int4)': rightPad,
  repeat,
  replace_text: replace,
  split_part: splitPart,
  translate,
  ascii: (text: string) => text.codePointAt(0) ?? 0,
  chr: character,
  textoverlay: overlay,
  textoverlay_no_len: overlay,
  md5_text: (text: string) => md5(stringToUtf8(text)),
  md5_bytea: md5,
  sha224,
  sha256,
  sha384,
  sha512,
  unistr: unescapeUnicode,
  unicode_normalize_func: (text: string, form: string) => {
    if (!/^nfk?[cd]$/i.test(form)) throw invalidParameter(`invalid normalization form: ${form}`);
    return text.normalize(form.toUpperCase());
  },
  unicode_is_normalized: (text: string, form: string) => text.normalize(form.toUpperCase()) === text,
});
