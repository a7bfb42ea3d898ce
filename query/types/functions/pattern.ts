import { bytesToLatin1 } from '../../../base/bytes/utf8.ts';
import { AlopexError } from '../../../base/errors.ts';
import { SqlArray } from '../../../base/values/datum.ts';
import { invalidParameter } from '../problems.ts';
import { compileLike, rewriteEscape, similarToRegex } from '../regex/like.ts';
import type { Regex, RegexMatch } from '../regex/match.ts';
import { compileRegex } from '../regex/match.ts';
import type { RegexOptions } from '../regex/syntax.ts';
import { applyFlag, plainOptions } from '../regex/syntax.ts';
import type { Evaluate, Implementations } from './define.ts';
import { pure, rows } from './define.ts';

const ignoringCase: RegexOptions = { ...plainOptions, ignoresCase: true };

function negate(evaluate: Evaluate): Evaluate {
  return (...args) => !evaluate(...args);
}

const matchesRegex: Evaluate = (text: string, pattern: string) =>
  compileRegex(pattern, plainOptions).test(text);
const matchesIgnoringCase: Evaluate = (text: string, pattern: string) =>
  compileRegex(pattern, ignoringCase).test(text);
const like: Evaluate = (text: string, pattern: string) => compileLike(pattern)(text);
const likeIgnoringCase: Evaluate = (text: string, pattern: string) =>
  compileLike(pattern.toLowerCase())(text.toLowerCase());
const likeBytes: Evaluate = (bytes: Uint8Array, pattern: Uint8Array) =>
  compileLike(bytesToLatin1(pattern))(bytesToLatin1(bytes));

type Flags = { readonly options: RegexOptions; readonly isGlobal: boolean };

function parseFlags(flags: string, functionName: string, allowsGlobal: boolean): Flags {
  let options = plainOptions;
  let isGlobal = false;
  for (const flag of flags) {
    if (flag === 'g') {
      if (!allowsGlobal) throw invalidParameter(`${functionName} does not support the "global" option`);
      isGlobal = true;
      continue;
    }
    const next = applyFlag(options, flag);
    if (next === null) throw invalidParameter(`invalid regular expression option: "${flag}"`);
    options = next;
  }
  return { options, isGlobal };
}

function groupText(text: string, match: RegexMatch, group: number): string | null {
  const start = match.offsets[group * 2]!;
  return start < 0 ? null : text.slice(start, match.offsets[group * 2 + 1]!);
}

/** The groups of a match, or the whole where there are none. */
function groupsOf(text: string, regex: Regex, match: RegexMatch): SqlArray {
  if (regex.groupCount === 0) return SqlArray.of([groupText(text, match, 0)]);
  return SqlArray.of(
    Array.from({ length: regex.groupCount }, (_, index) => groupText(text, match, index + 1)),
  );
}

function match(text: string, pattern: string, flags = ''): SqlArray | null {
  const { options } = parseFlags(flags, 'regexp_match()', false);
  const regex = compileRegex(pattern, options);
  const found = regex.first(text);
  return found === null ? null : groupsOf(text, regex, found);
}

function* matchRows(text: string, pattern: string, flags = ''): Generator<readonly [SqlArray]> {
  const { options, isGlobal } = parseFlags(flags, 'regexp_matches()', true);
  const regex = compileRegex(pattern, options);
  for (const found of regex.matches(text)) {
    yield [groupsOf(text, regex, found)];
    if (!isGlobal) return;
  }
}

/** `\1` to `\9` are groups, `\&` the whole match, `\\` a backslash. */
function expandReplacement(replacement: string, text: string, found: RegexMatch): string {
  return replacement.replace(/\\([0-9&\\])/g, (_, reference: string) => {
    if (reference === '\\') return '\\';
    return groupText(text, found, reference === '&' ? 0 : Number(reference)) ?? '';
  });
}

/** `occurrence` 0 replaces all from `start`, a character's number from 1. */
function replaceMatches(
  text: string,
  pattern: string,
  replacement: string,
  options: RegexOptions,
  start: number,
  occurrence: number,
): string {
  let result = '';
  let end = 0;
  let count = 0;
  for (const found of compileRegex(pattern, options).matches(text, start - 1)) {
    count++;
    if (occurrence > 0 && count < occurrence) continue;
    result += text.slice(end, found.offsets[0]) + expandReplacement(replacement, text, found);
    end = found.offsets[1]!;
    if (occurrence > 0) break;
  }
  return result + text.slice(end);
}

function replaceWithFlags(text: string, pattern: string, replacement: string, flags = ''): string {
  if (/^\d/.test(flags)) {
    throw new AlopexError('invalid_parameter_value', `invalid regular expression option: "${flags[0]}"`, {
      hint: 'If you meant to use regexp_replace() with a start parameter, cast the fourth argument to integer explicitly.',
    });
  }
  const { options, isGlobal } = parseFlags(flags, 'regexp_replace()', true);
  return replaceMatches(text, pattern, replacement, options, 1, isGlobal ? 0 : 1);
}

function checkPlace(name: string, value: number, minimum: number): number {
  if (value < minimum) throw invalidParameter(`invalid value for parameter "${name}": ${value}`);
  return value;
}

function replaceExtended(
  text: string,
  pattern: string,
  replacement: string,
  start: number,
  occurrence?: number,
  flags = '',
): string {
  const { options, isGlobal } = parseFlags(flags, 'regexp_replace()', true);
  const which = occurrence === undefined ? (isGlobal ? 0 : 1) : checkPlace('n', occurrence, 0);
  return replaceMatches(text, pattern, replacement, options, checkPlace('start', start, 1), which);
}

/** Parts between matches; an empty match at an end, or right after a match, splits nothing. */
function split(
  text: string,
  pattern: string,
  flags = '',
  functionName = 'regexp_split_to_array()',
): string[] {
  const { options } = parseFlags(flags, functionName, false);
  const parts: string[] = [];
  let end = 0;
  for (const { offsets } of compileRegex(pattern, options).matches(text)) {
    const [from, to] = offsets as [number, number];
    if (from === to && (from === 0 || from === text.length || from === end)) continue;
    parts.push(text.slice(end, from));
    end = to;
  }
  parts.push(text.slice(end));
  return parts;
}

function countMatches(text: string, pattern: string, start = 1, flags = ''): number {
  const { options } = parseFlags(flags, 'regexp_count()', false);
  let total = 0;
  for (const _ of compileRegex(pattern, options).matches(text, checkPlace('start', start, 1) - 1)) total++;
  return total;
}

function nth(
  text: string,
  pattern: string,
  start: number,
  occurrence: number,
  options: RegexOptions,
): RegexMatch | null {
  let remaining = checkPlace('n', occurrence, 1);
  for (const found of compileRegex(pattern, options).matches(text, checkPlace('start', start, 1) - 1)) {
    if (--remaining === 0) return found;
  }
  return null;
}

function matchText(
  text: string,
  pattern: string,
  start = 1,
  occurrence = 1,
  flags = '',
  group = 0,
): string | null {
  const { options } = parseFlags(flags, 'regexp_substr()', false);
  const found = nth(text, pattern, start, occurrence, options);
  return found === null || group * 2 >= found.offsets.length ? null : groupText(text, found, group);
}

function matchPlace(
  text: string,
  pattern: string,
  start = 1,
  occurrence = 1,
  endOption = 0,
  flags = '',
  group = 0,
): number {
  const { options } = parseFlags(flags, 'regexp_instr()', false);
  const found = nth(text, pattern, start, occurrence, options);
  const offset = found?.offsets[group * 2 + endOption] ?? -1;
  return offset < 0 ? 0 : [...text.slice(0, offset)].length + 1;
}

/** substring(text FROM pattern): the first group, or the whole match. */
function substringMatch(text: string, pattern: string): string | null {
  const regex = compileRegex(pattern, plainOptions);
  const found = regex.first(text);
  return found === null ? null : groupText(text, found, regex.groupCount > 0 ? 1 : 0);
}

export const patternFunctions: Implementations = {
  ...pure({
    textregexeq: matchesRegex,
    textregexne: negate(matchesRegex),
    texticregexeq: matchesIgnoringCase,
    texticregexne: negate(matchesIgnoringCase),
    nameregexeq: matchesRegex,
    nameregexne: negate(matchesRegex),
    nameicregexeq: matchesIgnoringCase,
    nameicregexne: negate(matchesIgnoringCase),
    textlike: like,
    textnlike: negate(like),
    texticlike: likeIgnoringCase,
    texticnlike: negate(likeIgnoringCase),
    namelike: like,
    namenlike: negate(like),
    nameiclike: likeIgnoringCase,
    nameicnlike: negate(likeIgnoringCase),
    bytealike: likeBytes,
    byteanlike: negate(likeBytes),
    like_escape: rewriteEscape,
    similar_to_escape_1: (pattern: string) => similarToRegex(pattern),
    similar_to_escape_2: similarToRegex,
    similar_escape: (pattern: string | null, escapeMark: string | null) =>
      pattern === null ? null : similarToRegex(pattern, escapeMark ?? '\\'),
    regexp_match: match,
    regexp_match_no_flags: match,
    'regexp_like(text,text)': matchesRegex,
    'regexp_like(text,text,text)': (text: string, pattern: string, flags: string) =>
      compileRegex(pattern, parseFlags(flags, 'regexp_like()', false).options).test(text),
    textregexreplace_noopt: replaceWithFlags,
    textregexreplace: replaceWithFlags,
    textregexreplace_extended: replaceExtended,
    textregexreplace_extended_no_n: replaceExtended,
    textregexreplace_extended_no_flags: replaceExtended,
    regexp_split_to_array: (text: string, pattern: string, flags: string) =>
      SqlArray.of(split(text, pattern, flags)),
    regexp_split_to_array_no_flags: (text: string, pattern: string) => SqlArray.of(split(text, pattern)),
    regexp_count: countMatches,
    regexp_count_no_start: countMatches,
    regexp_count_no_flags: countMatches,
    regexp_substr: matchText,
    regexp_substr_no_start: matchText,
    regexp_substr_no_n: matchText,
    regexp_substr_no_flags: matchText,
    regexp_substr_no_subexpr: matchText,
    regexp_instr: matchPlace,
    regexp_instr_no_start: matchPlace,
    regexp_instr_no_n: matchPlace,
    regexp_instr_no_endoption: matchPlace,
    regexp_instr_no_flags: matchPlace,
    regexp_instr_no_subexpr: matchPlace,
    textregexsubstr: substringMatch,
    'substring(text,text,text)': (text: string, pattern: string, escapeMark: string) =>
      substringMatch(text, similarToRegex(pattern, escapeMark)),
  }),
  ...rows({
    regexp_matches: (_context, text: string, pattern: string, flags: string) =>
      matchRows(text, pattern, flags),
    regexp_matches_no_flags: (_context, text: string, pattern: string) => matchRows(text, pattern),
    regexp_split_to_table: (_context, text: string, pattern: string, flags: string) =>
      split(text, pattern, flags, 'regexp_split_to_table()').map((part) => [part]),
    regexp_split_to_table_no_flags: (_context, text: string, pattern: string) =>
      split(text, pattern).map((part) => [part]),
  }),
};
