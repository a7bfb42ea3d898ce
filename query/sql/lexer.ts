/** A token of PostgreSQL's lexical structure (manual, 4.1); offsets are UTF-16 units of the text. */
export type Token = {
  readonly kind: 'word' | 'quoted-name' | 'string' | 'number' | 'parameter' | 'operator' | 'punctuation';
  readonly start: number;
  readonly end: number;
};

const isNameStart = (code: number): boolean =>
  (code >= 97 && code <= 122) || (code >= 65 && code <= 90) || code === 95 || code >= 128;
const isDigit = (code: number): boolean => code >= 48 && code <= 57;
const isNamePart = (code: number): boolean => isNameStart(code) || isDigit(code) || code === 36;
const isSpace = (code: number): boolean => code === 32 || (code >= 9 && code <= 13);
const operatorCharacters = '+-*/<>=~!@#%^&|`?';

/**
 * Splits a text into tokens; comments and white space are left out. Never throws: what is not closed ends with
 * the text, and the parser says what is wrong with it.
 */
export function tokenize(text: string): readonly Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    const code = text.charCodeAt(at);
    if (isSpace(code)) {
      at += 1;
      continue;
    }
    if (text.startsWith('--', at) || text.startsWith('/*', at)) {
      at = endOfComment(text, at);
      continue;
    }
    const token = readToken(text, at, code);
    tokens.push(token);
    at = token.end;
  }
  return tokens;
}

function readToken(text: string, start: number, code: number): Token {
  if (isNameStart(code)) return readWord(text, start);
  if (isDigit(code) || (code === 46 && isDigit(text.charCodeAt(start + 1)))) {
    return { kind: 'number', start, end: endOfNumber(text, start) };
  }
  const character = text.charAt(start);
  if (character === "'") return { kind: 'string', start, end: endOfQuoted(text, start, "'", false) };
  if (character === '"') return { kind: 'quoted-name', start, end: endOfQuoted(text, start, '"', false) };
  if (character === '$') return readDollar(text, start);
  if (operatorCharacters.includes(character)) {
    return { kind: 'operator', start, end: endOfOperator(text, start) };
  }
  return { kind: 'punctuation', start, end: text.startsWith('::', start) ? start + 2 : start + 1 };
}

/** A word, or what a word of one or two letters before a quote makes: E'…', B'…', X'…', N'…', U&'…', U&"…". */
function readWord(text: string, start: number): Token {
  const first = text.charAt(start).toLowerCase();
  const next = text.charAt(start + 1);
  if (next === "'" && 'ebxn'.includes(first)) {
    return { kind: 'string', start, end: endOfQuoted(text, start + 1, "'", first === 'e') };
  }
  const quote = text.charAt(start + 2);
  if (first === 'u' && next === '&' && (quote === "'" || quote === '"')) {
    const end = endOfQuoted(text, start + 2, quote, false);
    return { kind: quote === "'" ? 'string' : 'quoted-name', start, end };
  }
  let end = start + 1;
  while (end < text.length && isNamePart(text.charCodeAt(end))) end += 1;
  return { kind: 'word', start, end };
}

function readDollar(text: string, start: number): Token {
  let end = start + 1;
  while (isDigit(text.charCodeAt(end))) end += 1;
  if (end > start + 1) return { kind: 'parameter', start, end };
  while (end < text.length && isNamePart(text.charCodeAt(end)) && text.charAt(end) !== '$') end += 1;
  if (text.charAt(end) !== '$') return { kind: 'punctuation', start, end: start + 1 };
  const close = text.indexOf(text.slice(start, end + 1), end + 1);
  return { kind: 'string', start, end: close === -1 ? text.length : close + (end + 1 - start) };
}

function endOfComment(text: string, start: number): number {
  if (text.charAt(start) === '-') {
    const newline = text.indexOf('\n', start);
    return newline === -1 ? text.length : newline + 1;
  }
  let depth = 1;
  let at = start + 2;
  while (at < text.length && depth > 0) {
    const opens = text.startsWith('/*', at);
    const closes = text.startsWith('*/', at);
    depth += opens ? 1 : closes ? -1 : 0;
    at += opens || closes ? 2 : 1;
  }
  return at;
}

function endOfQuoted(text: string, start: number, quote: string, backslashEscapes: boolean): number {
  let at = start + 1;
  while (at < text.length) {
    const character = text.charAt(at);
    if (character === '\\' && backslashEscapes) at += 2;
    else if (character !== quote) at += 1;
    else if (text.charAt(at + 1) === quote) at += 2;
    else return at + 1;
  }
  return text.length;
}

function endOfNumber(text: string, start: number): number {
  const match = /(?:0[xob][0-9a-f_]+|(?:\d[\d_]*)?\.?(?:\d[\d_]*)?(?:e[+-]?\d+)?)/iy;
  match.lastIndex = start;
  match.exec(text);
  return Math.max(match.lastIndex, start + 1);
}

function endOfOperator(text: string, start: number): number {
  let end = start + 1;
  while (
    end < text.length &&
    operatorCharacters.includes(text.charAt(end)) &&
    !text.startsWith('--', end) &&
    !text.startsWith('/*', end)
  ) {
    end += 1;
  }
  return end;
}

/** The token's text, in lower case where it is a word: what keywords are compared with. */
export function keywordOf(text: string, token: Token | undefined): string {
  if (token === undefined) return '';
  const written = text.slice(token.start, token.end);
  return token.kind === 'word' ? written.toLowerCase() : written;
}
