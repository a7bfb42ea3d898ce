import { AlopexError } from '../../base/errors.ts';
import { type Token, tokenize } from '../../query/sql/lexer.ts';
import { positionsOf } from '../../query/sql/positions.ts';
import { applyEdits, placeholderEdits, sourceUnit } from '../../query/sql/rewrite.ts';

/** A text as the server takes it: `?` written as `$1` …, which the wire does not know. */
export type StatementText = {
  readonly text: string;
  /** How many, by the semicolons between them. */
  readonly statements: number;
  /** A position of the sent text (in characters, from 1) in the text that the user wrote. */
  readonly placeOf: (position: number) => number;
};

export function statementText(source: string): StatementText {
  if (source.includes('\0')) {
    throw new AlopexError('character_not_in_repertoire', 'invalid byte sequence for encoding "UTF8": 0x00');
  }
  const tokens = tokenize(source);
  const edits = source.includes('?') ? placeholderEdits(source, tokens) : [];
  const text = edits.length === 0 ? source : applyEdits(source, edits);
  return {
    text,
    statements: statementCount(source, tokens),
    placeOf: (position) =>
      edits.length === 0
        ? position
        : positionsOf(text, source, (unit) => sourceUnit(edits, unit)).ofCodePoint(position - 1) + 1,
  };
}

/** Statements between semicolons. */
function statementCount(source: string, tokens: readonly Token[]): number {
  let count = 0;
  let isWithin = false;
  for (const token of tokens) {
    const isEnd = source.slice(token.start, token.end) === ';';
    if (!isEnd && !isWithin) count++;
    isWithin = !isEnd;
  }
  return count;
}
