import { compareText, utf8Length } from '../../../base/bytes/utf8.ts';
import { Numeric } from '../../../base/values/numeric.ts';
import { compareNumeric, numericHashKey } from '../numeric/compare.ts';

/** A JSON value: numbers are exact, an object keeps the last of equal keys. */
export type Json = null | boolean | string | Numeric | readonly Json[] | JsonObject;
export type JsonObject = ReadonlyMap<string, Json>;

export function isObject(value: Json): value is JsonObject {
  return value instanceof Map;
}

export function isArray(value: Json): value is readonly Json[] {
  return Array.isArray(value);
}

export function isContainer(value: Json): value is JsonObject | readonly Json[] {
  return isObject(value) || isArray(value);
}

export function jsonTypeName(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return 'boolean';
  if (typeof value === 'string') return 'string';
  if (isArray(value)) return 'array';
  return isObject(value) ? 'object' : 'number';
}

/** Shorter keys first, then byte order: how jsonb keeps them. */
function compareKeys(left: string, right: string): number {
  const difference = keyLength(left) - keyLength(right);
  return difference === 0 ? compareText(left, right) : difference;
}

/** In UTF-8; most keys are short ASCII, for which the host's call is most of the time. */
function keyLength(key: string): number {
  for (let at = 0; at < key.length; at++) if (key.charCodeAt(at) > 127) return utf8Length(key);
  return key.length;
}

export function sortedEntries(object: JsonObject): readonly (readonly [string, Json])[] {
  const entries = [...object];
  return entries.length < 2 ? entries : entries.sort(([left], [right]) => compareKeys(left, right));
}

const escapes: Readonly<Record<string, string>> = {
  '"': '\\"',
  '\\': '\\\\',
  '\b': '\\b',
  '\f': '\\f',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
};

// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that JSON escapes.
const escapedPattern = /["\\\u0000-\u001f]/;

export function quoteJson(text: string): string {
  if (!escapedPattern.test(text)) return `"${text}"`;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that JSON escapes.
  const escaped = text.replace(/["\\\u0000-\u001f]/g, (character) => {
    return escapes[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
  });
  return `"${escaped}"`;
}

/** jsonb's canonical text. */
export function formatJson(value: Json): string {
  if (value === null) return 'null';
  if (typeof value === 'boolean') return value ? 'true' : 'false';
  if (typeof value === 'string') return quoteJson(value);
  if (isArray(value)) return `[${value.map(formatJson).join(', ')}]`;
  if (!isObject(value)) return value.toString();
  return `{${sortedEntries(value)
    .map(([key, member]) => `${quoteJson(key)}: ${formatJson(member)}`)
    .join(', ')}}`;
}

/** jsonb_pretty: four blanks a level. */
export function prettyJson(value: Json, indent = ''): string {
  const inner = `${indent}    `;
  if (isArray(value)) {
    if (value.length === 0) return `[\n${indent}]`;
    return `[\n${value.map((item) => inner + prettyJson(item, inner)).join(',\n')}\n${indent}]`;
  }
  if (!isObject(value)) return formatJson(value);
  if (value.size === 0) return `{\n${indent}}`;
  const members = sortedEntries(value).map(
    ([key, member]) => `${inner}${quoteJson(key)}: ${prettyJson(member, inner)}`,
  );
  return `{\n${members.join(',\n')}\n${indent}}`;
}

function rank(value: Json): number {
  if (value === null) return 0;
  if (typeof value === 'string') return 1;
  if (typeof value === 'boolean') return 3;
  if (isArray(value)) return 16;
  return isObject(value) ? 17 : 2;
}

/** jsonb's btree order; a scalar at the top counts as an array of one that sorts below true arrays. */
export function compareJson(left: Json, right: Json): number {
  if (isContainer(left) && isContainer(right)) return compareNested(left, right);
  if (!isContainer(left) && !isContainer(right)) return compareNested(left, right);
  if (isArray(left)) return left.length === 0 ? -1 : 1;
  if (isArray(right)) return right.length === 0 ? 1 : -1;
  return isContainer(left) ? 1 : -1;
}

function compareNested(left: Json, right: Json): number {
  const difference = rank(left) - rank(right);
  if (difference !== 0) return difference;
  if (typeof left === 'string') return compareText(left, right as string);
  if (typeof left === 'boolean') return Number(left) - Number(right);
  if (left instanceof Numeric) return compareNumeric(left, right as Numeric);
  if (left === null) return 0;
  if (isArray(left)) return compareArrays(left, right as readonly Json[]);
  return compareObjects(left, right as JsonObject);
}

function compareArrays(left: readonly Json[], right: readonly Json[]): number {
  if (left.length !== right.length) return left.length - right.length;
  for (let index = 0; index < left.length; index++) {
    const order = compareNested(left[index]!, right[index]!);
    if (order !== 0) return order;
  }
  return 0;
}

function compareObjects(left: JsonObject, right: JsonObject): number {
  if (left.size !== right.size) return left.size - right.size;
  const rightEntries = sortedEntries(right);
  for (const [index, [key, member]] of sortedEntries(left).entries()) {
    const [otherKey, other] = rightEntries[index]!;
    const order = compareText(key, otherKey) || compareNested(member, other);
    if (order !== 0) return order;
  }
  return 0;
}

export function equalJson(left: Json, right: Json): boolean {
  return compareJson(left, right) === 0;
}

/** Equal values have equal keys: 1.0 and 1.00 too. */
export function jsonHashKey(value: Json): string {
  if (isArray(value)) return `[${value.map(jsonHashKey).join(',')}]`;
  if (isObject(value)) {
    return `{${sortedEntries(value)
      .map(([key, member]) => `${quoteJson(key)}:${jsonHashKey(member)}`)
      .join(',')}}`;
  }
  return value instanceof Numeric ? `n${numericHashKey(value)}` : formatJson(value);
}
