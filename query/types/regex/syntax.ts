import { AlopexError, unsupported } from '../../../base/errors.ts';

/** A regular expression of PostgreSQL's advanced kind (POSIX chapter 9.7.3 of its manual), as a tree. */
export type Node =
  | { readonly kind: 'empty' }
  | { readonly kind: 'set'; readonly accepts: (point: number) => boolean }
  | { readonly kind: 'sequence' | 'choice'; readonly items: readonly Node[] }
  | {
      readonly kind: 'repeat';
      readonly item: Node;
      readonly min: number;
      readonly max: number;
      readonly isGreedy: boolean;
    }
  | { readonly kind: 'group'; readonly index: number; readonly item: Node }
  | { readonly kind: 'assert'; readonly test: Assertion }
  | { readonly kind: 'look'; readonly isAhead: boolean; readonly isNegated: boolean; readonly item: Node };

export type Assertion =
  | 'text-start'
  | 'text-end'
  | 'line-start'
  | 'line-end'
  | 'word-start'
  | 'word-end'
  | 'word-edge'
  | 'word-inside';

export type Syntax = { readonly root: Node; readonly groupCount: number };

export type RegexOptions = {
  readonly ignoresCase: boolean;
  /** `.` and negated sets stop at line ends. */
  readonly dotStopsAtLine: boolean;
  /** `^` and `$` match at lines. */
  readonly anchorsMatchLines: boolean;
  readonly isExpanded: boolean;
  readonly isLiteral: boolean;
};

export const plainOptions: RegexOptions = {
  ignoresCase: false,
  dotStopsAtLine: false,
  anchorsMatchLines: false,
  isExpanded: false,
  isLiteral: false,
};

const repeatMax = 255;

export function invalidRegex(problem: string): AlopexError {
  return new AlopexError('invalid_regular_expression', `invalid regular expression: ${problem}`);
}

/** One letter of a flags argument, or of `(?letters)`; null where it is none of them. */
export function applyFlag(options: RegexOptions, flag: string): RegexOptions | null {
  switch (flag) {
    case 'i':
      return { ...options, ignoresCase: true };
    case 'c':
      return { ...options, ignoresCase: false };
    case 'n':
    case 'm':
      return { ...options, dotStopsAtLine: true, anchorsMatchLines: true };
    case 'p':
      return { ...options, dotStopsAtLine: true, anchorsMatchLines: false };
    case 'w':
      return { ...options, dotStopsAtLine: false, anchorsMatchLines: true };
    case 's':
      return { ...options, dotStopsAtLine: false, anchorsMatchLines: false };
    case 'x':
      return { ...options, isExpanded: true };
    case 't':
      return { ...options, isExpanded: false };
    case 'q':
      return { ...options, isLiteral: true };
    case 'e':
    case 'b':
      return options;
    default:
      return null;
  }
}

const isLetter = (point: number) => /\p{L}/u.test(String.fromCodePoint(point));
const isUpper = (point: number) => /\p{Lu}/u.test(String.fromCodePoint(point));
const isLower = (point: number) => /\p{Ll}/u.test(String.fromCodePoint(point));
const isDigit = (point: number) => point >= 48 && point <= 57;
const isBlank = (point: number) => point === 32 || (point >= 9 && point <= 13);
const isPunctuation = (point: number) =>
  point < 128
    ? point > 32 && point !== 127 && !isLetter(point) && !isDigit(point)
    : /[\p{P}\p{S}]/u.test(String.fromCodePoint(point));

export function isWordPoint(point: number): boolean {
  if (point < 128) {
    return (point >= 97 && point <= 122) || (point >= 65 && point <= 90) || isDigit(point) || point === 95;
  }
  return isLetter(point);
}

const classes: Readonly<Record<string, (point: number) => boolean>> = {
  alpha: isLetter,
  digit: isDigit,
  alnum: (point) => isLetter(point) || isDigit(point),
  upper: isUpper,
  lower: isLower,
  space: isBlank,
  blank: (point) => point === 32 || point === 9,
  punct: isPunctuation,
  print: (point) => point >= 32 && point !== 127,
  graph: (point) => point > 32 && point !== 127,
  cntrl: (point) => point < 32 || point === 127,
  xdigit: (point) => /[0-9a-fA-F]/.test(String.fromCodePoint(point)),
  word: isWordPoint,
};

const escapeClasses: Readonly<Record<string, (point: number) => boolean>> = {
  d: isDigit,
  s: isBlank,
  w: isWordPoint,
  D: (point) => !isDigit(point),
  S: (point) => !isBlank(point),
  W: (point) => !isWordPoint(point),
};
const escapeAssertions: Readonly<Record<string, Assertion>> = {
  A: 'text-start',
  Z: 'text-end',
  m: 'word-start',
  M: 'word-end',
  y: 'word-edge',
  Y: 'word-inside',
};
const escapePoints: Readonly<Record<string, number>> = {
  a: 7,
  b: 8,
  B: 92,
  e: 27,
  f: 12,
  n: 10,
  r: 13,
  t: 9,
  v: 11,
};

function otherCase(point: number): readonly number[] {
  const text = String.fromCodePoint(point);
  return [text.toLowerCase(), text.toUpperCase()]
    .filter((form) => [...form].length === 1)
    .map((form) => form.codePointAt(0)!);
}

class SyntaxReader {
  readonly #points: readonly string[];
  #at = 0;
  #options: RegexOptions;
  #groupCount = 0;

  constructor(pattern: string, options: RegexOptions) {
    this.#options = options;
    let body = pattern;
    if (body.startsWith('***=')) {
      this.#options = { ...options, isLiteral: true };
      body = body.slice(4);
    } else if (body.startsWith('***:')) body = body.slice(4);
    const embedded = /^\(\?([a-z]+)\)/.exec(body);
    if (embedded !== null && !this.#options.isLiteral) {
      for (const flag of embedded[1]!) {
        const next = applyFlag(this.#options, flag);
        if (next === null) throw invalidRegex('invalid embedded option');
        this.#options = next;
      }
      body = body.slice(embedded[0].length);
    }
    this.#points = [...body];
  }

  read(): Syntax {
    if (this.#options.isLiteral) {
      return {
        root: { kind: 'sequence', items: this.#points.map((point) => this.#character(point)) },
        groupCount: 0,
      };
    }
    const root = this.#choice();
    if (this.#at < this.#points.length) throw invalidRegex('parentheses () not balanced');
    return { root, groupCount: this.#groupCount };
  }

  #peek(offset = 0): string | undefined {
    return this.#points[this.#at + offset];
  }

  #startsWith(text: string): boolean {
    return this.#points.slice(this.#at, this.#at + text.length).join('') === text;
  }

  #skipExpanded(): void {
    if (!this.#options.isExpanded) return;
    for (;;) {
      if (/^\s$/.test(this.#peek() ?? '')) this.#at++;
      else if (this.#peek() === '#')
        while (this.#at < this.#points.length && this.#peek() !== '\n') this.#at++;
      else return;
    }
  }

  #choice(): Node {
    const branches = [this.#sequence()];
    while (this.#peek() === '|') {
      this.#at++;
      branches.push(this.#sequence());
    }
    return branches.length === 1 ? branches[0]! : { kind: 'choice', items: branches };
  }

  #sequence(): Node {
    const items: Node[] = [];
    for (;;) {
      this.#skipExpanded();
      const next = this.#peek();
      if (next === undefined || next === '|' || next === ')') break;
      items.push(this.#quantified());
    }
    if (items.length === 1) return items[0]!;
    return items.length === 0 ? { kind: 'empty' } : { kind: 'sequence', items };
  }

  #quantified(): Node {
    const item = this.#atom();
    this.#skipExpanded();
    const bounds = this.#quantifier();
    if (bounds === null) return item;
    if (item.kind === 'assert' || item.kind === 'look') throw invalidRegex('quantifier operand invalid');
    const isGreedy = this.#peek() !== '?';
    if (!isGreedy) this.#at++;
    const next = this.#peek() ?? '';
    if (/^[*+?]$/.test(next) || (next === '{' && isDigit(this.#peek(1)?.codePointAt(0) ?? 0))) {
      throw invalidRegex('quantifier operand invalid');
    }
    return { kind: 'repeat', item, min: bounds.min, max: bounds.max, isGreedy };
  }

  #quantifier(): { readonly min: number; readonly max: number } | null {
    switch (this.#peek()) {
      case '*':
        this.#at++;
        return { min: 0, max: Number.POSITIVE_INFINITY };
      case '+':
        this.#at++;
        return { min: 1, max: Number.POSITIVE_INFINITY };
      case '?':
        this.#at++;
        return { min: 0, max: 1 };
      case '{':
        return isDigit(this.#peek(1)?.codePointAt(0) ?? 0) ? this.#bound() : null;
      default:
        return null;
    }
  }

  #bound(): { readonly min: number; readonly max: number } {
    const match = /^\{(\d+)(?:(,)(\d*))?\}/.exec(this.#points.slice(this.#at, this.#at + 12).join(''));
    if (match === null) throw invalidRegex('invalid repetition count(s)');
    this.#at += match[0].length;
    const min = Number(match[1]);
    const max = match[2] === undefined ? min : match[3] === '' ? Number.POSITIVE_INFINITY : Number(match[3]);
    if (min > repeatMax || (Number.isFinite(max) && max > repeatMax) || min > max) {
      throw invalidRegex('invalid repetition count(s)');
    }
    return { min, max };
  }

  #atom(): Node {
    const next = this.#points[this.#at]!;
    this.#at++;
    switch (next) {
      case '(':
        return this.#parenthesis();
      case '[':
        return this.#bracket();
      case '.':
        return { kind: 'set', accepts: this.#options.dotStopsAtLine ? (point) => point !== 10 : () => true };
      case '^':
        return { kind: 'assert', test: this.#options.anchorsMatchLines ? 'line-start' : 'text-start' };
      case '$':
        return { kind: 'assert', test: this.#options.anchorsMatchLines ? 'line-end' : 'text-end' };
      case '\\':
        return this.#escape();
      case '*':
      case '+':
      case '?':
        throw invalidRegex('quantifier operand invalid');
      case '{':
        if (isDigit(this.#peek()?.codePointAt(0) ?? 0)) throw invalidRegex('quantifier operand invalid');
        return this.#character(next);
      default:
        return this.#character(next);
    }
  }

  #character(text: string): Node {
    const point = text.codePointAt(0)!;
    if (!this.#options.ignoresCase) return { kind: 'set', accepts: (other) => other === point };
    const forms = new Set([point, ...otherCase(point)]);
    return { kind: 'set', accepts: (other) => forms.has(other) };
  }

  #parenthesis(): Node {
    for (const [prefix, isAhead, isNegated] of [
      ['?=', true, false],
      ['?!', true, true],
      ['?<=', false, false],
      ['?<!', false, true],
    ] as const) {
      if (this.#startsWith(prefix)) {
        this.#at += prefix.length;
        return { kind: 'look', isAhead, isNegated, item: this.#closed() };
      }
    }
    if (this.#startsWith('?:')) {
      this.#at += 2;
      return this.#closed();
    }
    if (this.#peek() === '?') throw invalidRegex('quantifier operand invalid');
    const index = ++this.#groupCount;
    return { kind: 'group', index, item: this.#closed() };
  }

  #closed(): Node {
    const item = this.#choice();
    if (this.#peek() !== ')') throw invalidRegex('parentheses () not balanced');
    this.#at++;
    return item;
  }

  #escape(): Node {
    const letter = this.#peek();
    if (letter === undefined) throw invalidRegex('invalid escape \\ sequence');
    this.#at++;
    const accepts = escapeClasses[letter];
    if (accepts !== undefined) return { kind: 'set', accepts };
    const test = escapeAssertions[letter];
    if (test !== undefined) return { kind: 'assert', test };
    if (/^[1-9]$/.test(letter)) throw unsupported('a back reference in a regular expression');
    return this.#character(String.fromCodePoint(this.#escapedPoint(letter)));
  }

  #escapedPoint(letter: string): number {
    const digits = { u: 4, U: 8, x: 255 }[letter];
    if (digits !== undefined) {
      const match = /^[0-9a-fA-F]+/.exec(
        this.#points.slice(this.#at, this.#at + Math.min(digits, 8)).join(''),
      );
      if (match === null || (digits !== 255 && match[0].length !== digits))
        throw invalidRegex('invalid escape \\ sequence');
      this.#at += match[0].length;
      return Number.parseInt(match[0], 16);
    }
    if (letter === 'c') {
      const control = this.#peek();
      if (control === undefined) throw invalidRegex('invalid escape \\ sequence');
      this.#at++;
      return control.codePointAt(0)! & 31;
    }
    if (letter === '0') {
      const match = /^[0-7]{0,2}/.exec(this.#points.slice(this.#at, this.#at + 2).join(''))!;
      this.#at += match[0].length;
      return match[0] === '' ? 0 : Number.parseInt(match[0], 8);
    }
    const point = escapePoints[letter];
    if (point !== undefined) return point;
    if (/^[A-Za-z0-9]$/.test(letter)) throw invalidRegex('invalid escape \\ sequence');
    return letter.codePointAt(0)!;
  }

  #bracket(): Node {
    if (this.#startsWith('[:<:]]') || this.#startsWith('[:>:]]')) {
      const test = this.#startsWith('[:<:]]') ? 'word-start' : 'word-end';
      this.#at += 6;
      return { kind: 'assert', test };
    }
    const isNegated = this.#peek() === '^';
    if (isNegated) this.#at++;
    const points = new Set<number>();
    const ranges: [number, number][] = [];
    const tests: ((point: number) => boolean)[] = [];
    for (let isFirst = true; isFirst || this.#peek() !== ']'; isFirst = false) {
      const start = this.#bracketItem(tests);
      if (start === null) continue;
      if (this.#peek() === '-' && this.#peek(1) !== ']' && this.#peek(1) !== undefined) {
        this.#at++;
        const end = this.#bracketItem(tests);
        if (end === null || end < start) throw invalidRegex('invalid character range');
        ranges.push([start, end]);
      } else points.add(start);
    }
    this.#at++;
    const holds = (point: number) =>
      points.has(point) ||
      ranges.some(([low, high]) => point >= low && point <= high) ||
      tests.some((test) => test(point));
    const folded = this.#options.ignoresCase
      ? (point: number) => holds(point) || otherCase(point).some(holds)
      : holds;
    if (!isNegated) return { kind: 'set', accepts: folded };
    const stops = this.#options.dotStopsAtLine;
    return { kind: 'set', accepts: (point) => !folded(point) && !(stops && point === 10) };
  }

  /** The point of a single character, or null for a class, which goes to `tests`. */
  #bracketItem(tests: ((point: number) => boolean)[]): number | null {
    const next = this.#peek();
    if (next === undefined) throw invalidRegex('brackets [] not balanced');
    const named = /^\[([:.=])(.+?)\1\]/.exec(this.#points.slice(this.#at, this.#at + 20).join(''));
    if (named !== null) {
      this.#at += [...named[0]].length;
      if (named[1] !== ':') {
        if ([...named[2]!].length !== 1) throw invalidRegex('invalid collating element');
        return named[2]!.codePointAt(0)!;
      }
      const accepts = classes[named[2]!];
      if (accepts === undefined) throw invalidRegex('invalid character class');
      tests.push(accepts);
      return null;
    }
    this.#at++;
    if (next !== '\\') return next.codePointAt(0)!;
    const letter = this.#peek();
    if (letter === undefined) throw invalidRegex('brackets [] not balanced');
    this.#at++;
    const accepts = escapeClasses[letter];
    if (accepts === undefined) return this.#escapedPoint(letter);
    tests.push(accepts);
    return null;
  }
}

export function parseRegex(pattern: string, options: RegexOptions): Syntax {
  return new SyntaxReader(pattern, options).read();
}
