import { AlopexError } from '../../base/errors.ts';
import type { Token } from './lexer.ts';
import { maxParameters } from './limits.ts';
import type { SystemTimeClause } from './system-time.ts';

/** A part of the text that the parser gets in another form; offsets are UTF-16 units of the source. */
export type Edit = { readonly start: number; readonly end: number; readonly replacement: string };

/** A clause becomes white space of its own length: the rest of the text keeps its places. */
export function systemTimeEdits(clauses: readonly SystemTimeClause[]): readonly Edit[] {
  return clauses.map(({ start, end }) => ({ start, end, replacement: ' '.repeat(end - start) }));
}

/** `?` becomes `$1`, `$2` …; `??` becomes the operator character `?`. */
export function placeholderEdits(text: string, tokens: readonly Token[]): readonly Edit[] {
  const edits: Edit[] = [];
  let count = 0;
  let numbered: Token | null = null;
  for (const token of tokens) {
    if (token.kind === 'parameter') numbered ??= token;
    if (token.kind !== 'operator') continue;
    for (let at = text.indexOf('?', token.start); at !== -1 && at < token.end; at = text.indexOf('?', at)) {
      if (text.charAt(at + 1) === '?') {
        edits.push({ start: at, end: at + 2, replacement: '?' });
        at += 2;
        continue;
      }
      count += 1;
      edits.push({ start: at, end: at + 1, replacement: ` $${count} ` });
      at += 1;
    }
  }
  if (count > 0 && numbered !== null) {
    throw new AlopexError('syntax_error', 'cannot mix ? and $n parameters', { position: numbered.start });
  }
  if (count > maxParameters) {
    throw new AlopexError('too_many_arguments', `statement has more than ${maxParameters} parameters`);
  }
  return edits;
}

/** The edited text. `edits` are disjoint and ascend. */
export function applyEdits(text: string, edits: readonly Edit[]): string {
  let result = '';
  let at = 0;
  for (const edit of edits) {
    result += text.slice(at, edit.start) + edit.replacement;
    at = edit.end;
  }
  return result + text.slice(at);
}

/** Where a UTF-16 unit of the edited text stands in the source. */
export function sourceUnit(edits: readonly Edit[], unit: number): number {
  let shift = 0;
  for (const edit of edits) {
    const start = edit.start + shift;
    if (unit < start) break;
    if (unit < start + edit.replacement.length) return edit.start;
    shift += edit.replacement.length - (edit.end - edit.start);
  }
  return unit - shift;
}
