/** A literal of a statement's text, with the sign that stands before it where the grammar makes it part of it. */
export type Literal = {
  /** By what the binder makes of it: a string's type is found by its use. */
  readonly kind: 'int4' | 'int8' | 'numeric' | 'string';
  /** A string's value; a number's digits. */
  readonly text: string;
};

/** A statement's text with `$1`, `$2` … in place of its literals. */
export type LiteralText = {
  readonly template: string;
  readonly literals: readonly Literal[];
};

/** Longer texts, and texts with more literals, are not usual. */
const textLengthMax = 2000;
const literalsMax = 100;
/** More may not fit an int8. */
const digitsMax = 18;

const int4Min = -2_147_483_648;
const int4Max = 2_147_483_647;

/**
 * Finds the literals of one plain statement: a scan, without a parser. Null where a text has none, or has anything that
 * the scan does not know for certain: comments, parameters, other kinds of strings, several statements.
 */
export function literalsOf(text: string): LiteralText | null {
  if (text.length > textLengthMax) return null;
  const scan = new LiteralScan(text);
  return scan.run() && scan.literals.length > 0 ? { template: scan.template, literals: scan.literals } : null;
}

const quote = 39;
const minus = 45;
const dot = 46;
const slash = 47;
const colon = 58;
const semicolon = 59;
const bracket = 91;

/** After one of these a minus is a sign: = < > + - * / % ( , */
const beforeSign: ReadonlySet<number> = new Set(Array.from('=<>+-*/%(,', (each) => each.charCodeAt(0)));

class LiteralScan {
  readonly #text: string;
  readonly literals: Literal[] = [];
  template = '';
  #at = 0;
  /** Where what was not copied to the template begins. */
  #copied = 0;
  /** The last character that is not white space; a letter for any word. */
  #previous = 0;

  constructor(text: string) {
    this.#text = text;
  }

  /** False: the text is not for this scan. */
  run(): boolean {
    const text = this.#text;
    while (this.#at < text.length) {
      const unit = text.charCodeAt(this.#at);
      if (isSpace(unit)) this.#at++;
      else if (unit === semicolon) return this.#end();
      else if (!this.#token(unit)) return false;
    }
    this.template += text.slice(this.#copied);
    return true;
  }

  /** A semicolon: nothing may come after it. */
  #end(): boolean {
    this.template += this.#text.slice(this.#copied, this.#at);
    return this.#afterSpace(this.#at + 1) === this.#text.length;
  }

  #token(unit: number): boolean {
    const text = this.#text;
    if (isWordStart(unit)) return this.#word();
    if (isDigit(unit)) return this.#number(this.#at);
    if (unit === quote) return this.#string();
    const next = text.charCodeAt(this.#at + 1);
    if (unit === minus) {
      if (next === minus) return false;
      if (isDigit(next) && beforeSign.has(this.#previous)) return this.#number(this.#at + 1);
    }
    if (unit === slash && next === 42) return false;
    if (unit === dot && isDigit(next)) return false;
    return this.#isPlain(unit) && this.#pass(unit, this.#at + 1);
  }

  /** Double quotes, dollars, backslashes, question marks and what is not ASCII are left to the lexer. */
  #isPlain(unit: number): boolean {
    return unit > 32 && unit < 127 && unit !== 34 && unit !== 36 && unit !== 92 && unit !== 63;
  }

  #pass(previous: number, at: number): boolean {
    this.#previous = previous;
    this.#at = at;
    return true;
  }

  /** An E, B or X before a quote makes another kind of string of it. */
  #word(): boolean {
    let end = this.#at + 1;
    while (isWordPart(this.#text.charCodeAt(end))) end++;
    return this.#text.charCodeAt(end) !== quote && this.#pass(97, end);
  }

  #number(digits: number): boolean {
    const text = this.#text;
    let end = digits;
    while (isDigit(text.charCodeAt(end))) end++;
    const isInteger = text.charCodeAt(end) !== dot;
    if (!isInteger) for (end++; isDigit(text.charCodeAt(end)); ) end++;
    const next = text.charCodeAt(end);
    if (end - digits > digitsMax || next === dot || isWordPart(next)) return false;
    if (this.#at < digits && this.#isBoundFirst(end)) return false;
    const literal = text.slice(this.#at, end);
    return this.#add({ kind: isInteger ? integerKind(Number(literal)) : 'numeric', text: literal }, end);
  }

  /** Whether what follows takes a number before the minus ahead of it does: `-1::text` is `-(1::text)`. */
  #isBoundFirst(end: number): boolean {
    const next = this.#text.charCodeAt(this.#afterSpace(end));
    return next === colon || next === bracket;
  }

  #string(): boolean {
    const text = this.#text;
    let value = '';
    let from = this.#at + 1;
    for (;;) {
      const end = text.indexOf("'", from);
      if (end < 0) return false;
      value += text.slice(from, end);
      from = end + 1;
      if (text.charCodeAt(from) !== quote) break;
      value += "'";
      from++;
    }
    // Strings on lines one after another are one string.
    if (value.includes('\\') || text.charCodeAt(this.#afterSpace(from)) === quote) return false;
    return this.#add({ kind: 'string', text: value }, from);
  }

  #add(literal: Literal, end: number): boolean {
    if (this.literals.length === literalsMax) return false;
    this.literals.push(literal);
    this.template += `${this.#text.slice(this.#copied, this.#at)}$${this.literals.length}`;
    this.#copied = end;
    return this.#pass(97, end);
  }

  #afterSpace(start: number): number {
    let at = start;
    while (isSpace(this.#text.charCodeAt(at))) at++;
    return at;
  }
}

function integerKind(value: number): 'int4' | 'int8' {
  return value >= int4Min && value <= int4Max ? 'int4' : 'int8';
}

function isSpace(unit: number): boolean {
  return unit === 32 || (unit >= 9 && unit <= 13);
}

function isDigit(unit: number): boolean {
  return unit >= 48 && unit <= 57;
}

function isWordStart(unit: number): boolean {
  return (unit >= 97 && unit <= 122) || (unit >= 65 && unit <= 90) || unit === 95;
}

function isWordPart(unit: number): boolean {
  return isWordStart(unit) || isDigit(unit) || unit === 36 || unit > 127;
}
