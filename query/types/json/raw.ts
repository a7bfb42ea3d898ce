/**
 * Members and items of valid JSON text as they were written: what `json` (not jsonb) gives out. Nothing is read
 * but where each value starts and ends.
 */
export type RawMember = { readonly key: string; readonly value: string };

const blanks = /[ \t\n\r]*/y;
const scalar = /"(?:[^"\\]|\\.)*"|[^\s,\]}:]+/sy;

function skipBlanks(text: string, at: number): number {
  blanks.lastIndex = at;
  blanks.exec(text);
  return blanks.lastIndex;
}

/** Where the value that starts at `start` ends. */
function endOfValue(text: string, start: number): number {
  let depth = 0;
  for (let at = start; ; ) {
    const character = text[at]!;
    if (character === '{' || character === '[') {
      depth++;
      at++;
    } else if (character === '}' || character === ']') {
      depth--;
      at++;
    } else if (character === ',' || character === ':' || /\s/.test(character)) {
      at++;
      continue;
    } else {
      scalar.lastIndex = at;
      scalar.exec(text);
      at = scalar.lastIndex;
    }
    if (depth === 0) return at;
  }
}

export function rawKind(text: string): 'object' | 'array' | 'scalar' {
  const first = text[skipBlanks(text, 0)];
  if (first === '{') return 'object';
  return first === '[' ? 'array' : 'scalar';
}

export function* rawItems(text: string): Generator<string> {
  let at = skipBlanks(text, skipBlanks(text, 0) + 1);
  while (text[at] !== ']') {
    const end = endOfValue(text, at);
    yield text.slice(at, end);
    at = skipBlanks(text, end);
    if (text[at] === ',') at = skipBlanks(text, at + 1);
  }
}

export function* rawMembers(text: string): Generator<RawMember> {
  let at = skipBlanks(text, skipBlanks(text, 0) + 1);
  while (text[at] !== '}') {
    const keyEnd = endOfValue(text, at);
    const key = JSON.parse(text.slice(at, keyEnd)) as string;
    const start = skipBlanks(text, skipBlanks(text, keyEnd) + 1);
    const end = endOfValue(text, start);
    yield { key, value: text.slice(start, end) };
    at = skipBlanks(text, end);
    if (text[at] === ',') at = skipBlanks(text, at + 1);
  }
}

/** The value as text: a string without its quotes, null for null. */
export function rawText(value: string): string | null {
  const trimmed = value.trim();
  if (trimmed === 'null') return null;
  return trimmed.startsWith('"') ? (JSON.parse(trimmed) as string) : value;
}
