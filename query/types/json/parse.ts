import { AlopexError } from '../../../base/errors.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { parseNumeric } from '../numeric/text.ts';
import type { Json } from './value.ts';

const depthMax = 5_000;
const numberPattern = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const wordPattern = /[A-Za-z0-9_$.+\-\u0080-\uffff]+/y;
/** Digits that are always exact as a double. */
const exactDigitsMax = 15;

function isBlank(code: number): boolean {
  return code === 32 || code === 10 || code === 13 || code === 9;
}

/** What may follow a number: a blank, a comma, a bracket; NaN at the end. */
function endsWord(code: number): boolean {
  return Number.isNaN(code) || isBlank(code) || code === 44 || code === 93 || code === 125;
}

/** Reads JSON with PostgreSQL's errors. `isStored`: for jsonb, which cannot hold the character zero. */
class JsonReader {
  readonly #text: string;
  readonly #isStored: boolean;
  #at = 0;

  constructor(text: string, isStored: boolean) {
    this.#text = text;
    this.#isStored = isStored;
  }

  read(): Json {
    const value = this.#value(0);
    this.#skipBlanks();
    if (this.#at < this.#text.length) throw this.#unexpected('end of input');
    return value;
  }

  #skipBlanks(): void {
    while (isBlank(this.#text.charCodeAt(this.#at))) this.#at++;
  }

  #value(depth: number): Json {
    if (depth > depthMax) throw new AlopexError('statement_too_complex', 'stack depth limit exceeded');
    this.#skipBlanks();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      default:
        return this.#scalar();
    }
  }

  #scalar(): Json {
    const start = this.#at;
    const integer = this.#integer(start);
    if (integer !== null) return integer;
    wordPattern.lastIndex = start;
    const word = wordPattern.exec(this.#text)?.[0];
    if (word === undefined) throw this.#unexpected('JSON value');
    numberPattern.lastIndex = start;
    const number = numberPattern.exec(this.#text)?.[0];
    if (number === word) {
      this.#at += word.length;
      return parseNumeric(word);
    }
    if (word !== 'true' && word !== 'false' && word !== 'null') throw this.#invalidToken();
    this.#at += word.length;
    return word === 'null' ? null : word === 'true';
  }

  /** Most numbers: a few digits and nothing else. Null: look again. */
  #integer(start: number): Json {
    let at = start;
    const isNegative = this.#text.charCodeAt(at) === 45;
    if (isNegative) at++;
    const first = at;
    let value = 0;
    for (; at - first <= exactDigitsMax; at++) {
      const digit = this.#text.charCodeAt(at) - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    const length = at - first;
    if (length === 0 || length > exactDigitsMax || !endsWord(this.#text.charCodeAt(at))) return null;
    if (length > 1 && this.#text.charCodeAt(first) === 48) return null;
    this.#at = at;
    return Numeric.of(isNegative && value !== 0 ? -value : value, 0);
  }

  #array(depth: number): Json {
    const items: Json[] = [];
    this.#at++;
    this.#skipBlanks();
    if (this.#text[this.#at] === ']') {
      this.#at++;
      return items;
    }
    for (;;) {
      items.push(this.#value(depth + 1));
      this.#skipBlanks();
      const next = this.#text[this.#at];
      if (next !== ',' && next !== ']') throw this.#unexpected('"," or "]"');
      this.#at++;
      if (next === ']') return items;
    }
  }

  #object(depth: number): Json {
    const members = new Map<string, Json>();
    this.#at++;
    this.#skipBlanks();
    if (this.#text[this.#at] === '}') {
      this.#at++;
      return members;
    }
    for (;;) {
      this.#skipBlanks();
      if (this.#text[this.#at] !== '"')
        throw this.#unexpected(members.size === 0 ? 'string or "}"' : 'string');
      const key = this.#string();
      this.#skipBlanks();
      if (this.#text[this.#at] !== ':') throw this.#unexpected('":"');
      this.#at++;
      members.set(key, this.#value(depth + 1));
      this.#skipBlanks();
      const next = this.#text[this.#at];
      if (next !== ',' && next !== '}') throw this.#unexpected('"," or "}"');
      this.#at++;
      if (next === '}') return members;
    }
  }

  #string(): string {
    const start = this.#at;
    let value = '';
    this.#at++;
    for (;;) {
      const end = this.#plainEnd();
      value += this.#text.slice(this.#at, end);
      this.#at = end;
      const next = this.#text[this.#at];
      if (next === '"') {
        this.#at++;
        return value;
      }
      if (next === undefined) throw this.#invalid(`Token "${this.#text.slice(start)}" is invalid.`);
      if (next !== '\\') {
        const code = next.charCodeAt(0).toString(16).padStart(2, '0');
        throw this.#invalid(`Character with value 0x${code} must be escaped.`);
      }
      value += this.#escape();
    }
  }

  /** Where the characters end that stand for themselves. */
  #plainEnd(): number {
    const text = this.#text;
    let at = this.#at;
    for (let code = text.charCodeAt(at); code >= 32 && code !== 34 && code !== 92; )
      code = text.charCodeAt(++at);
    return at;
  }

  #escape(): string {
    const kind = this.#text[this.#at + 1];
    this.#at += 2;
    switch (kind) {
      case '"':
      case '\\':
      case '/':
        return kind;
      case 'b':
        return '\b';
      case 'f':
        return '\f';
      case 'n':
        return '\n';
      case 'r':
        return '\r';
      case 't':
        return '\t';
      case 'u':
        return this.#unicode();
      default:
        throw this.#invalid(`Escape sequence "\\${kind ?? ''}" is invalid.`);
    }
  }

  #unicode(): string {
    const unit = this.#hex();
    if (unit === 0 && this.#isStored) {
      throw new AlopexError('untranslatable_character', 'unsupported Unicode escape sequence', {
        detail: '\\u0000 cannot be converted to text.',
      });
    }
    if (unit >= 0xdc00 && unit <= 0xdfff) {
      throw this.#invalid('Unicode low surrogate must follow a high surrogate.');
    }
    if (unit < 0xd800 || unit > 0xdbff) return String.fromCharCode(unit);
    if (this.#text.slice(this.#at, this.#at + 2) !== '\\u') {
      throw this.#invalid('Unicode low surrogate must follow a high surrogate.');
    }
    this.#at += 2;
    const low = this.#hex();
    if (low < 0xdc00 || low > 0xdfff)
      throw this.#invalid('Unicode low surrogate must follow a high surrogate.');
    return String.fromCharCode(unit, low);
  }

  #hex(): number {
    const digits = this.#text.slice(this.#at, this.#at + 4);
    if (!/^[0-9a-fA-F]{4}$/.test(digits))
      throw this.#invalid('"\\u" must be followed by four hexadecimal digits.');
    this.#at += 4;
    return Number.parseInt(digits, 16);
  }

  #invalid(detail: string): AlopexError {
    return new AlopexError('invalid_text_representation', 'invalid input syntax for type json', { detail });
  }

  #token(): string {
    wordPattern.lastIndex = this.#at;
    return wordPattern.exec(this.#text)?.[0] ?? this.#text.slice(this.#at, this.#at + 1);
  }

  #invalidToken(): AlopexError {
    return this.#invalid(`Token "${this.#token()}" is invalid.`);
  }

  /** A token that is well-formed and out of place, or one that is not even that. */
  #unexpected(expected: string): AlopexError {
    if (this.#at >= this.#text.length) return this.#invalid('The input string ended unexpectedly.');
    const token = this.#token();
    const isKnown = /^(?:[{}[\],:"]|true|false|null|-?\d.*)$/.test(token);
    if (!isKnown) return this.#invalidToken();
    const found = token === '"' ? this.#text.slice(this.#at).match(/^"(?:[^"\\]|\\.)*"?/s)![0] : token;
    return this.#invalid(`Expected ${expected}, but found "${found}".`);
  }
}

export function parseJson(text: string, isStored = true): Json {
  return new JsonReader(text, isStored).read();
}

/** Throws where the text is not JSON. */
export function validateJson(text: string): void {
  new JsonReader(text, false).read();
}
