import type { Node, ParseResult } from 'libpg-query';
import { AlopexError } from '../../base/errors.ts';
import { invariant } from '../../base/unreachable.ts';
import { type Token, tokenize } from './lexer.ts';
import { maxNesting, maxStatementLength } from './limits.ts';
import { type LongName, longNamesOf } from './long-names.ts';
import { nestingBound } from './nesting.ts';
import { isAscii, type Positions, positionsOf } from './positions.ts';
import { applyEdits, placeholderEdits, sourceUnit, systemTimeEdits } from './rewrite.ts';
import { findSystemTimeClauses, type SystemTimeClause } from './system-time.ts';

/** The tag of a statement's node in PostgreSQL's parse tree: 'SelectStmt', 'CreateStmt' … */
export type StatementKind = Node extends infer N ? (N extends Record<infer K, unknown> ? K : never) : never;

/** `FOR SYSTEM_TIME AS OF …` of one table of the statement. */
export type SystemTime = { readonly kind: 'timestamp' | 'offset'; readonly expression: Node };

export type ParsedStatement = {
  readonly kind: StatementKind;
  /** Its `location`s are code points of the whole text, from 0. */
  readonly node: Node;
  /** The statement's own text, without the semicolon and the white space around it. */
  readonly source: string;
  /** Where that begins in the whole text, in code points, from 0. */
  readonly start: number;
  /** Whether its text has no other statement. */
  readonly isAlone: boolean;
  /** Whether `?` in its text is a parameter: the same text means another thing where it is an operator. */
  readonly hasQuestionMarks: boolean;
  /** Names that were cut, anywhere in the text: the first of its statements has them. */
  readonly longNames: readonly LongName[];
  /** By the location of the table's RangeVar. */
  readonly systemTimes: ReadonlyMap<number, SystemTime>;
};

export type ParseOptions = {
  /** `?` stands for `$1`, `$2` …, and `??` for the operator. */
  readonly questionMarks: boolean;
};

type Parser = typeof import('libpg-query');
let parser: Parser | null = null;

/** Loads the parser; to be awaited once before `parse`. Its WebAssembly starts to compile when it is imported. */
export async function loadParser(): Promise<void> {
  const loading = await import('libpg-query');
  await loading.loadModule();
  parser = loading;
}

/**
 * Parses a text of any number of statements. Throws 42601 with PostgreSQL's message and the position; 54000 and
 * 54001 past the limits of `limits.ts`.
 */
export function parse(
  text: string,
  options: ParseOptions = { questionMarks: false },
): readonly ParsedStatement[] {
  checkText(text);
  const edits = options.questionMarks && text.includes('?') ? placeholderEdits(text, tokenize(text)) : [];
  const edited = edits.length === 0 ? text : applyEdits(text, edits);
  const place = (unit: number): number => sourceUnit(edits, unit);
  const clauses = cutAndCheck(text, edited, place);
  const parsed = clauses.length === 0 ? edited : applyEdits(edited, systemTimeEdits(clauses));
  if (parsed.trim() === '') return [];
  const positions = positionsOf(parsed, text, place);
  const result = parseText(parsed, positions, text);
  if (edits.length > 0 || !isAscii(text)) relocate(result, positions);
  const systemTimes = systemTimesOf(result, edited, clauses, text, place);
  return statementsOf(
    result,
    text,
    { positions, place },
    {
      hasQuestionMarks: edits.length > 0,
      longNames: longNamesOf(edited),
      systemTimes,
    },
  );
}

function checkText(text: string): void {
  if (text.length > maxStatementLength) {
    throw new AlopexError(
      'program_limit_exceeded',
      `statement text exceeds the maximum of ${maxStatementLength} characters`,
    );
  }
  if (text.includes('\0')) {
    throw new AlopexError('character_not_in_repertoire', 'invalid byte sequence for encoding "UTF8": 0x00');
  }
}

/** Refuses what nests too deeply, and finds the clauses that the parser does not know. */
function cutAndCheck(
  source: string,
  edited: string,
  place: (unit: number) => number,
): readonly SystemTimeClause[] {
  const mayNest = edited.length > maxNesting;
  const mayTravel = /system_time/i.test(edited);
  if (!mayNest && !mayTravel) return [];
  const tokens = tokenize(edited);
  if (mayNest) checkNesting(edited, tokens);
  if (!mayTravel) return [];
  try {
    return findSystemTimeClauses(edited, tokens);
  } catch (error) {
    if (!(error instanceof AlopexError) || error.position === undefined) throw error;
    const position = [...source.slice(0, place(error.position))].length + 1;
    throw error.with({ position });
  }
}

function checkNesting(text: string, tokens: readonly Token[]): void {
  if (nestingBound(text, tokens).depth <= maxNesting) return;
  throw new AlopexError('statement_too_complex', 'stack depth limit exceeded', {
    hint: `Statements nest brackets, operators, joins and set operations at most ${maxNesting} deep.`,
  });
}

function parseText(parsed: string, positions: Positions, source: string): ParseResult {
  invariant(parser !== null, 'loadParser was awaited');
  try {
    return parser.parseSync(parsed);
  } catch (error) {
    if (!parser.hasSqlDetails(error)) throw error;
    const position = positions.ofCodePoint(error.sqlDetails?.cursorPosition ?? 0);
    throw syntaxError(error.message, position, source);
  }
}

function syntaxError(message: string, position: number, source: string): AlopexError {
  if (message.startsWith('memory exhausted')) {
    return new AlopexError('statement_too_complex', 'stack depth limit exceeded');
  }
  const isUnsupported = /not (yet )?(implemented|supported)/.test(message);
  const isPlaceholder = [...source.slice(position, position + 1)][0] === '?';
  return new AlopexError(
    isUnsupported ? 'feature_not_supported' : 'syntax_error',
    isPlaceholder ? message.replace(/near "\$\d+"$/, 'near "?"') : message,
    { position: position + 1 },
  );
}

const locationFields = new Set([
  ...['location', 'name_location', 'list_start', 'list_end', 'rexpr_list_start', 'rexpr_list_end'],
]);

/** Rewrites the byte offsets of a parse tree in place: it is ours alone, and fresh from JSON. */
function relocate(tree: object, positions: Positions): void {
  for (const [key, value] of Object.entries(tree) as [string, unknown][]) {
    if (typeof value === 'object' && value !== null) relocate(value, positions);
    else if (typeof value === 'number' && value >= 0 && locationFields.has(key)) {
      (tree as Record<string, unknown>)[key] = positions.ofByte(value);
    }
  }
}

function statementsOf(
  result: ParseResult,
  source: string,
  { positions, place }: { readonly positions: Positions; readonly place: (unit: number) => number },
  {
    hasQuestionMarks,
    longNames,
    systemTimes,
  }: Pick<ParsedStatement, 'hasQuestionMarks' | 'longNames' | 'systemTimes'>,
): readonly ParsedStatement[] {
  const statements = result.stmts ?? [];
  const unitOfByte = (byte: number): number => place(positions.unitOfByte(byte));
  const isAlone = statements.length === 1;
  return statements.map(({ stmt, stmt_location, stmt_len }, index) => {
    const start = stmt_location ?? 0;
    const end = stmt_len === undefined || stmt_len === 0 ? source.length : unitOfByte(start + stmt_len);
    const node = stmt!;
    const kind = Object.keys(node)[0] as StatementKind;
    const own = source.slice(unitOfByte(start), end);
    return {
      kind,
      node,
      source: own.trim(),
      start: positions.ofByte(start) + own.length - own.trimStart().length,
      isAlone,
      hasQuestionMarks,
      longNames: index === 0 ? longNames : [],
      systemTimes: ownOf(systemTimes, node),
    };
  });
}

/** The clauses that stand in one statement of the text. */
function ownOf(systemTimes: ReadonlyMap<number, SystemTime>, node: Node): ReadonlyMap<number, SystemTime> {
  if (systemTimes.size === 0) return systemTimes;
  const tables = new Set<number>();
  collectTables(node, tables);
  return new Map([...systemTimes].filter(([table]) => tables.has(table)));
}

/** Parses each clause's expression, and ties it to its table. */
function systemTimesOf(
  result: ParseResult,
  edited: string,
  clauses: readonly SystemTimeClause[],
  source: string,
  place: (unit: number) => number,
): ReadonlyMap<number, SystemTime> {
  const systemTimes = new Map<number, SystemTime>();
  if (clauses.length === 0) return systemTimes;
  const tables = new Set<number>();
  collectTables(result, tables);
  const prefix = 'SELECT ';
  for (const clause of clauses) {
    const table = [...source.slice(0, place(clause.table))].length;
    if (!tables.has(table)) {
      const position = [...source.slice(0, place(clause.start))].length + 1;
      throw new AlopexError('syntax_error', 'syntax error at or near "FOR"', {
        position,
        hint: 'FOR SYSTEM_TIME stands between the name of a table and its alias.',
      });
    }
    const text = prefix + edited.slice(clause.expression, clause.end);
    const positions = positionsOf(text, source, (unit) => place(clause.expression + unit - prefix.length));
    const tree = parseText(text, positions, source);
    relocate(tree, positions);
    const statement = tree.stmts?.[0]?.stmt;
    const targets =
      statement !== undefined && 'SelectStmt' in statement ? statement.SelectStmt.targetList : [];
    const target = targets?.[0];
    if (target === undefined || !('ResTarget' in target)) continue;
    systemTimes.set(table, { kind: clause.kind, expression: target.ResTarget.val! });
  }
  return systemTimes;
}

function collectTables(tree: object, found: Set<number>): void {
  if ('relname' in tree && 'location' in tree) found.add(tree.location as number);
  for (const value of Object.values(tree) as unknown[]) {
    if (typeof value === 'object' && value !== null) collectTables(value, found);
  }
}
