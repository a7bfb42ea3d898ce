import { AlopexError } from '../../../base/errors.ts';

type Matches = (text: string) => boolean;

type Part =
  | { readonly kind: 'any' }
  | { readonly kind: 'one' }
  /** An escape at the end: an error once a match comes so far. */
  | { readonly kind: 'unfinished' }
  | { readonly kind: 'text'; readonly point: string };

function splitPattern(pattern: string, escapeMark: string | null): readonly Part[] {
  const parts: Part[] = [];
  const points = [...pattern];
  for (let index = 0; index < points.length; index++) {
    const point = points[index]!;
    if (point === escapeMark) {
      index++;
      const escaped = points[index];
      parts.push(escaped === undefined ? { kind: 'unfinished' } : { kind: 'text', point: escaped });
    } else if (point === '%') {
      if (parts.at(-1)?.kind !== 'any') parts.push({ kind: 'any' });
    } else parts.push(point === '_' ? { kind: 'one' } : { kind: 'text', point });
  }
  return parts;
}

/** `%` at the ends alone: the plain string methods do it. */
function plainMatch(parts: readonly Part[]): Matches | null {
  const inner = parts.slice(
    parts[0]?.kind === 'any' ? 1 : 0,
    parts.at(-1)?.kind === 'any' ? -1 : parts.length,
  );
  if (parts.length === 1 && parts[0]!.kind === 'any') return () => true;
  if (inner.some((part) => part.kind !== 'text')) return null;
  const wanted = inner.map((part) => (part as { readonly point: string }).point).join('');
  const isOpenLeft = parts[0]?.kind === 'any';
  const isOpenRight = parts.at(-1)?.kind === 'any';
  if (isOpenLeft && isOpenRight) return (text) => text.includes(wanted);
  if (isOpenLeft) return (text) => text.endsWith(wanted);
  return isOpenRight ? (text) => text.startsWith(wanted) : (text) => text === wanted;
}

/** Greedy with one point to return to: time at worst text times pattern. */
function generalMatch(parts: readonly Part[]): Matches {
  return (text) => {
    const points = [...text];
    let at = 0;
    let part = 0;
    let anyPart = -1;
    let anyAt = 0;
    while (at < points.length) {
      const wanted = parts[part];
      if (wanted?.kind === 'one' || (wanted?.kind === 'text' && wanted.point === points[at])) {
        at++;
        part++;
      } else if (wanted?.kind === 'any') {
        anyPart = part++;
        anyAt = at;
      } else if (wanted?.kind === 'unfinished') {
        throw new AlopexError('invalid_escape_sequence', 'LIKE pattern must not end with escape character');
      } else if (anyPart >= 0) {
        part = anyPart + 1;
        at = ++anyAt;
      } else return false;
    }
    while (parts[part]?.kind === 'any') part++;
    return part === parts.length;
  };
}

const cachedMax = 500;
const cache = new Map<string, Matches>();

/** LIKE with backslash as its escape. ILIKE gives both sides in lower case. */
export function compileLike(pattern: string, escapeMark: string | null = '\\'): Matches {
  const key = `${escapeMark ?? ''} ${pattern}`;
  let matches = cache.get(key);
  if (matches === undefined) {
    const parts = splitPattern(pattern, escapeMark);
    matches = plainMatch(parts) ?? generalMatch(parts);
    if (cache.size >= cachedMax) cache.clear();
    cache.set(key, matches);
  }
  return matches;
}

function checkEscape(escapeMark: string): void {
  if ([...escapeMark].length > 1) {
    throw new AlopexError('invalid_escape_sequence', 'invalid escapeMark string', {
      hint: 'Escape string must be empty or one character.',
    });
  }
}

/** LIKE … ESCAPE: the pattern with backslash in the place of the given character (like_escape). */
export function rewriteEscape(pattern: string, escapeMark: string): string {
  checkEscape(escapeMark);
  if (escapeMark === '\\') return pattern;
  let rewritten = '';
  const points = [...pattern];
  for (let index = 0; index < points.length; index++) {
    const point = points[index]!;
    if (point === escapeMark) rewritten += `\\${points[++index] ?? ''}`;
    else rewritten += point === '\\' ? '\\\\' : point;
  }
  return rewritten;
}

/** SIMILAR TO: SQL's pattern as a regular expression (similar_to_escape). */
export function similarToRegex(pattern: string, escapeMark = '\\'): string {
  checkEscape(escapeMark);
  let regex = '^(?:';
  let isInBracket = false;
  let separators = 0;
  const points = [...pattern];
  for (let index = 0; index < points.length; index++) {
    const point = points[index]!;
    if (point === escapeMark && escapeMark !== '') {
      const next = points[++index] ?? '';
      if (next === '"') {
        regex += separators === 0 ? '){1,1}?(' : '){1,1}(?:';
        separators++;
      } else regex += /[A-Za-z0-9]/.test(next) ? next : `\\${next}`;
    } else if (isInBracket) {
      regex += point === '\\' ? '\\\\' : point;
      if (point === ']') isInBracket = false;
    } else if (point === '[') {
      isInBracket = true;
      regex += point;
    } else if (point === '%') regex += '.*';
    else if (point === '_') regex += '.';
    else if (point === '(') regex += '(?:';
    else regex += /[\\.^$]/.test(point) ? `\\${point}` : point;
  }
  return `${regex})$`;
}
