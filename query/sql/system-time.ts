import { AlopexError, unsupported } from '../../base/errors.ts';
import { keywordOf, type Token } from './lexer.ts';

/** `FOR SYSTEM_TIME AS OF …` after a table name, cut out of the text; offsets are UTF-16 units of it. */
export type SystemTimeClause = {
  readonly kind: 'timestamp' | 'offset';
  /** Where the name of the table begins: where the parser says the table stands. */
  readonly table: number;
  /** The whole clause, from FOR on. */
  readonly start: number;
  readonly end: number;
  /** Where its expression begins; it ends with the clause. */
  readonly expression: number;
};

const endsClause = new Set([
  ...[')', ',', ';', ']', 'as', 'where', 'join', 'on', 'using', 'left', 'right', 'full', 'inner', 'cross'],
  ...[
    'natural',
    'group',
    'order',
    'having',
    'limit',
    'offset',
    'fetch',
    'union',
    'intersect',
    'except',
    'for',
  ],
  ...[
    'window',
    'returning',
    'tablesample',
    'set',
    'when',
    'then',
    'else',
    'end',
    'default',
    'values',
    'select',
  ],
]);
/** Words that go on with an expression whose last operand is complete: any other word is the table's alias. */
const continuesExpression = new Set([
  'at',
  'and',
  'or',
  'is',
  'collate',
  'time',
  'zone',
  'to',
  'not',
  'null',
]);
const intervalUnits = new Set(['year', 'month', 'day', 'hour', 'minute', 'second']);

/** Finds the clauses in a text's tokens. Positions of errors are in UTF-16 units: the caller converts them. */
export function findSystemTimeClauses(text: string, tokens: readonly Token[]): readonly SystemTimeClause[] {
  const clauses: SystemTimeClause[] = [];
  for (let index = 1; index + 1 < tokens.length; index += 1) {
    if (keywordOf(text, tokens[index]) !== 'for' || keywordOf(text, tokens[index + 1]) !== 'system_time') {
      continue;
    }
    clauses.push(readClause(text, tokens, index));
  }
  return clauses;
}

function readClause(text: string, tokens: readonly Token[], at: number): SystemTimeClause {
  const start = tokens[at]!.start;
  if (keywordOf(text, tokens[at + 2]) !== 'as' || keywordOf(text, tokens[at + 3]) !== 'of') {
    throw unsupported('FOR SYSTEM_TIME other than AS OF', start);
  }
  const isOffset = keywordOf(text, tokens[at + 4]) === 'offset';
  const first = at + (isOffset ? 5 : 4);
  const last = lastOfExpression(text, tokens, first);
  if (last < first) {
    const token = tokens[first];
    const place = token === undefined ? 'end of input' : `or near "${text.slice(token.start, token.end)}"`;
    throw new AlopexError('syntax_error', `syntax error at ${place}`, {
      position: token?.start ?? text.length,
    });
  }
  return {
    kind: isOffset ? 'offset' : 'timestamp',
    table: startOfName(text, tokens, at - 1),
    start,
    end: tokens[last]!.end,
    expression: tokens[first]!.start,
  };
}

/** The table's name stands before FOR: `name`, `schema.name`, `database.schema.name`. */
function startOfName(text: string, tokens: readonly Token[], last: number): number {
  let first = last;
  while (first >= 2 && keywordOf(text, tokens[first - 1]) === '.') first -= 2;
  return tokens[first]!.start;
}

/** Index of the last token of the expression that begins at `first`; `first - 1` where there is none. */
function lastOfExpression(text: string, tokens: readonly Token[], first: number): number {
  let depth = 0;
  let isComplete = false;
  for (let index = first; index < tokens.length; index += 1) {
    const token = tokens[index]!;
    const word = keywordOf(text, token);
    if (depth === 0 && endsClause.has(word)) return index - 1;
    if (depth === 0 && isComplete && isAlias(text, tokens, index)) return index - 1;
    if (word === '(' || word === '[') depth += 1;
    if (word === ')' || word === ']') depth -= 1;
    isComplete = depth === 0 && completesOperand(text, tokens, index);
  }
  return tokens.length - 1;
}

function completesOperand(text: string, tokens: readonly Token[], index: number): boolean {
  const token = tokens[index]!;
  if (token.kind === 'operator') return false;
  if (token.kind === 'punctuation') return ')]'.includes(text.charAt(token.start));
  const word = keywordOf(text, token);
  const next = tokens[index + 1];
  if (token.kind === 'word' && next?.kind === 'string') return false;
  return !continuesExpression.has(word) && keywordOf(text, next) !== '.' && keywordOf(text, next) !== '(';
}

function isAlias(text: string, tokens: readonly Token[], index: number): boolean {
  const token = tokens[index]!;
  if (token.kind === 'quoted-name') return true;
  if (token.kind !== 'word') return false;
  const word = keywordOf(text, token);
  if (continuesExpression.has(word)) return false;
  return !(intervalUnits.has(word) && keywordOf(text, tokens[index - 2]) === 'interval');
}
