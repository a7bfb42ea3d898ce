import type { AlopexError } from '../../../base/errors.ts';

/** Characters of a line that are shown around the place of an error. */
const shownBefore = 50;
const shownAfter = 30;

/** An error for people: message, the line with a caret under the place, detail and hint. */
export function errorText(error: AlopexError, sql: string): string {
  const lines = [`ERROR:  ${error.code}: ${error.message}`];
  if (error.position !== undefined) lines.push(...caretLines(sql, error.position));
  if (error.detail !== undefined) lines.push(`DETAIL:  ${error.detail}`);
  if (error.hint !== undefined) lines.push(`HINT:  ${error.hint}`);
  return lines.map((line) => `${line}\n`).join('');
}

/** `position`: in characters (code points) of the text, from 1. */
function caretLines(sql: string, position: number): readonly string[] {
  const characters = [...sql];
  const at = Math.min(position - 1, characters.length);
  const lineStart = characters.lastIndexOf('\n', at - 1) + 1;
  const newline = characters.indexOf('\n', at);
  const lineEnd = newline === -1 ? characters.length : newline;
  const lineNumber = characters.slice(0, lineStart).filter((character) => character === '\n').length + 1;
  const from = at - lineStart > shownBefore ? at - shownBefore : lineStart;
  const to = lineEnd - at > shownAfter ? at + shownAfter : lineEnd;
  const prefix = `LINE ${lineNumber}: ${from > lineStart ? '...' : ''}`;
  const shown = characters
    .slice(from, to)
    .join('')
    .replaceAll(/[\t\r]/g, ' ');
  return [`${prefix}${shown}${to < lineEnd ? '...' : ''}`, `${' '.repeat(prefix.length + at - from)}^`];
}
