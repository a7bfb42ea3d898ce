import { concatBytes } from '../../../base/bytes/compare.ts';
import { stringToUtf8, utf8ToStringStrict } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { CopyOptions } from './options.ts';

/** A line's fields: text, or null. `line` counts from 1. */
export type CopyLine = { readonly line: number; readonly fields: readonly (string | null)[] };

/** Longest line, in bytes; PostgreSQL's limit of a field is 1 GiB, ours is below a string's. */
export const copyLineBytesMax = 256 * 1024 * 1024;

const newline = 10;
const carriageReturn = 13;
const backslash = 92;

/**
 * Decoders of COPY's text and CSV: bytes in, cut anywhere, lines out. Sans I/O. After `\.` alone on a line the
 * rest is ignored.
 */
export class CopyDecoder {
  readonly #options: CopyOptions;
  readonly #split: (text: string, line: number) => (string | null)[];
  #rest: readonly Uint8Array[] = [];
  #restBytes = 0;
  #line = 0;
  #isEnded = false;
  /** CSV: whether the kept bytes end inside quotes. */
  #isQuoted = false;

  constructor(options: CopyOptions) {
    this.#options = options;
    this.#split = options.format === 'csv' ? csvSplitter(options) : textSplitter(options);
  }

  /** The whole lines that end in this chunk. */
  *push(chunk: Uint8Array): Iterable<CopyLine> {
    let start = 0;
    for (;;) {
      const end = this.#lineEnd(chunk, start);
      if (end < 0) break;
      const bytes = this.#take(chunk.subarray(start, end));
      start = end + 1;
      const line = this.#decode(bytes);
      if (line !== null) yield line;
    }
    const rest = chunk.subarray(start);
    this.#restBytes += rest.length;
    if (this.#restBytes > copyLineBytesMax) {
      throw new AlopexError(
        'program_limit_exceeded',
        `a line of COPY is limited to ${copyLineBytesMax} bytes`,
        this.#where(),
      );
    }
    if (rest.length > 0) this.#rest = [...this.#rest, rest.slice()];
  }

  /** What is left without a newline at the end. */
  *finish(): Iterable<CopyLine> {
    if (this.#isQuoted)
      throw new AlopexError('bad_copy_file_format', 'unterminated CSV quoted field', this.#where(1));
    if (this.#restBytes === 0) return;
    const line = this.#decode(this.#take(new Uint8Array()));
    if (line !== null) yield line;
  }

  #take(tail: Uint8Array): Uint8Array {
    if (this.#rest.length === 0) return tail;
    const whole = concatBytes([...this.#rest, tail]);
    this.#rest = [];
    this.#restBytes = 0;
    return whole;
  }

  /** The newline that ends the line, or -1. In CSV one inside quotes does not. */
  #lineEnd(chunk: Uint8Array, start: number): number {
    if (this.#options.format !== 'csv') return this.#textLineEnd(chunk, start);
    const quote = this.#options.quote.charCodeAt(0);
    const escaping = this.#options.escape.charCodeAt(0);
    for (let at = start; at < chunk.length; at++) {
      const byte = chunk[at]!;
      if (byte === quote) this.#isQuoted = !this.#isQuoted;
      else if (byte === escaping && this.#isQuoted && at + 1 < chunk.length && chunk[at + 1] === quote) at++;
      else if (byte === newline && !this.#isQuoted) return at;
    }
    return -1;
  }

  /** A newline after an odd number of backslashes is data. */
  #textLineEnd(chunk: Uint8Array, start: number): number {
    for (let at = chunk.indexOf(newline, start); at >= 0; at = chunk.indexOf(newline, at + 1)) {
      let slashes = 0;
      while (at - slashes - 1 >= start && chunk[at - slashes - 1] === backslash) slashes++;
      if (at - slashes === start && this.#rest.length > 0) {
        const last = this.#rest.at(-1)!;
        for (let back = last.length - 1; back >= 0 && last[back] === backslash; back--) slashes++;
      }
      if (slashes % 2 === 0) return at;
    }
    return -1;
  }

  #decode(bytes: Uint8Array): CopyLine | null {
    this.#line++;
    if (this.#isEnded) return null;
    const end = bytes.at(-1) === carriageReturn ? bytes.length - 1 : bytes.length;
    if (end === 2 && bytes[0] === backslash && bytes[1] === 46) {
      this.#isEnded = true;
      return null;
    }
    const text = utf8ToStringStrict(bytes.subarray(0, end));
    if (text === null) {
      throw new AlopexError(
        'character_not_in_repertoire',
        'invalid byte sequence for encoding "UTF8"',
        this.#where(),
      );
    }
    return { line: this.#line, fields: this.#split(text, this.#line) };
  }

  #where(ahead = 0): { readonly where: string } {
    return { where: `COPY, line ${this.#line + ahead}` };
  }
}

const escapes: Readonly<Record<string, string>> = { b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' };

function textSplitter(options: CopyOptions): (text: string) => (string | null)[] {
  const { delimiter, nullText } = options;
  return (text) => {
    const fields: (string | null)[] = text.includes('\\')
      ? splitEscaped(text, delimiter)
      : text.split(delimiter);
    for (let index = 0; index < fields.length; index++) {
      const field = fields[index]!;
      fields[index] = field === nullText ? null : field.includes('\\') ? unescapeText(field) : field;
    }
    return fields;
  };
}

/** Splits at delimiters that no backslash stands before. */
function splitEscaped(text: string, delimiter: string): string[] {
  const fields: string[] = [];
  let start = 0;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === '\\') at++;
    else if (text[at] === delimiter) {
      fields.push(text.slice(start, at));
      start = at + 1;
    }
  }
  fields.push(text.slice(start));
  return fields;
}

/** Octal and hexadecimal escapes name bytes, which together must be UTF-8. */
function unescapeText(field: string): string {
  const hasBytes = /\\(?:[0-7]|x[0-9a-fA-F])/.test(field);
  const simple = (whole: string, letter: string): string => escapes[letter] ?? whole.slice(1);
  if (!hasBytes) return field.replaceAll(/\\([\s\S]?)/g, (whole, letter: string) => simple(whole, letter));
  const parts: Uint8Array[] = [];
  for (const match of field.matchAll(/\\([0-7]{1,3})|\\x([0-9a-fA-F]{1,2})|\\([\s\S]?)|[^\\]+/g)) {
    if (match[1] !== undefined) parts.push(Uint8Array.of(Number.parseInt(match[1], 8) & 255));
    else if (match[2] !== undefined) parts.push(Uint8Array.of(Number.parseInt(match[2], 16)));
    else parts.push(stringToUtf8(match[3] === undefined ? match[0] : simple(match[0], match[3])));
  }
  const text = utf8ToStringStrict(concatBytes(parts));
  if (text === null)
    throw new AlopexError('character_not_in_repertoire', 'invalid byte sequence for encoding "UTF8"');
  return text;
}

function csvSplitter(options: CopyOptions): (text: string, line: number) => (string | null)[] {
  const { delimiter, quote, escape: escaping, nullText } = options;
  return (text, line) => {
    if (!text.includes(quote))
      return text.split(delimiter).map((field) => (field === nullText ? null : field));
    const fields: (string | null)[] = [];
    let at = 0;
    for (;;) {
      let field = '';
      let wasQuoted = false;
      while (at < text.length && text[at] !== delimiter) {
        if (text[at] !== quote) {
          field += text[at++];
          continue;
        }
        wasQuoted = true;
        const quoted = readQuoted(text, at + 1, quote, escaping);
        if (quoted === null)
          throw new AlopexError('bad_copy_file_format', 'unterminated CSV quoted field', {
            where: `COPY, line ${line}`,
          });
        field += quoted.value;
        at = quoted.end;
      }
      fields.push(!wasQuoted && field === nullText ? null : field);
      if (at >= text.length) return fields;
      at++;
    }
  };
}

function readQuoted(
  text: string,
  start: number,
  quote: string,
  escaping: string,
): { readonly value: string; readonly end: number } | null {
  let value = '';
  for (let at = start; at < text.length; at++) {
    const character = text[at]!;
    const next = text[at + 1];
    if (character === escaping && (next === quote || (next === escaping && escaping !== quote))) {
      value += next;
      at++;
    } else if (character === quote) return { value, end: at + 1 };
    else value += character;
  }
  return null;
}
