import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray } from '../../../base/values/datum.ts';
import { canonicalJson } from '../codec/json.ts';
import type { FunctionContext } from '../function.ts';
import type { ToJson } from '../json/convert.ts';
import { toJsonbOf, toJsonOf } from '../json/convert.ts';
import { rawItems, rawKind, rawMembers, rawText } from '../json/raw.ts';
import { quoteJson } from '../json/value.ts';
import { invalidParameter } from '../problems.ts';
import { typeInfo } from '../registry.ts';
import { oids } from '../type.ts';
import type { Aggregation, ArgumentTypes, Evaluate, Implementations } from './define.ts';
import { pure, rows, typedAggregates, typedContextual } from './define.ts';

/** Functions of `json`, whose text is kept as written, and those that make json or jsonb out of other values. */
function field(text: string, key: string): string | null {
  if (rawKind(text) !== 'object') return null;
  let found: string | null = null;
  for (const member of rawMembers(text)) if (member.key === key) found = member.value;
  return found;
}

function item(text: string, index: number): string | null {
  if (rawKind(text) !== 'array') return null;
  return [...rawItems(text)].at(index) ?? null;
}

function follow(text: string, path: readonly (string | null)[]): string | null {
  let at: string | null = text;
  for (const step of path) {
    if (at === null || step === null) return null;
    if (rawKind(at) === 'object') at = field(at, step);
    else at = /^\s*[+-]?\d+\s*$/.test(step) ? item(at, Number(step)) : null;
  }
  return at;
}

const pathOf = (path: SqlArray) => path.items as readonly (string | null)[];
const textOf = (value: string | null) => (value === null ? null : rawText(value));

function requireKind(text: string, kind: 'object' | 'array', functionName: string): void {
  const actual = rawKind(text);
  if (actual === kind) return;
  if (functionName === 'json_array_length') {
    throw invalidParameter(`cannot get array length of ${actual === 'object' ? 'a non-array' : 'a scalar'}`);
  }
  const what = { object: 'an object', array: 'an array', scalar: 'a scalar' }[actual];
  if (kind === 'array')
    throw invalidParameter(
      `cannot call ${functionName} on ${actual === 'scalar' ? 'a scalar' : 'a non-array'}`,
    );
  if (functionName.startsWith('json_each')) {
    throw invalidParameter(`cannot deconstruct ${what}${actual === 'array' ? ' as an object' : ''}`);
  }
  throw invalidParameter(`cannot call ${functionName} on ${what}`);
}

function members(functionName: string) {
  return (text: string) => {
    requireKind(text, 'object', functionName);
    return rawMembers(text);
  };
}

function items(functionName: string) {
  return (text: string) => {
    requireKind(text, 'array', functionName);
    return rawItems(text);
  };
}

function stripNulls(text: string): string {
  const kind = rawKind(text);
  if (kind === 'array') return `[${[...rawItems(text)].map(stripNulls).join(',')}]`;
  if (kind === 'scalar') return text.trim();
  const kept = [...rawMembers(text)].filter((member) => member.value.trim() !== 'null');
  return `{${kept.map((member) => `${quoteJson(member.key)}:${stripNulls(member.value)}`).join(',')}}`;
}

/** json_object('{a,1,b,2}'), or with keys and values apart. */
function objectOfTexts(keys: SqlArray, values?: SqlArray): string {
  const problem = (message: string) => new AlopexError('array_subscript_error', message);
  const pairs: (readonly [Datum, Datum])[] = [];
  if (values === undefined) {
    if (keys.items.length % 2 !== 0) throw problem('array must have even number of elements');
    for (let index = 0; index < keys.items.length; index += 2) {
      pairs.push([keys.items[index]!, keys.items[index + 1]!]);
    }
  } else {
    if (keys.items.length !== values.items.length) throw problem('mismatched array dimensions');
    for (const [index, key] of keys.items.entries()) pairs.push([key, values.items[index]!]);
  }
  const members = pairs.map(([key, value]) => {
    if (key === null)
      throw new AlopexError('null_value_not_allowed', 'null value not allowed for object key');
    return `${quoteJson(key as string)} : ${value === null ? 'null' : quoteJson(value as string)}`;
  });
  return `{${members.join(', ')}}`;
}

/** Scalars of other types, and jsonb strings, as the text of a key. */
function keyText(toJson: ToJson, value: Datum, context: FunctionContext): string {
  const text = toJson(value, context);
  return text.startsWith('"') ? text : quoteJson(text);
}

function buildObject(finish: (text: string) => string): (types: ArgumentTypes) => Evaluate {
  return (types) => {
    const toJson = types.map((type) => toJsonOf(type));
    return (context: FunctionContext, ...values: Datum[]) => {
      if (values.length % 2 !== 0) {
        throw new AlopexError('invalid_parameter_value', 'argument list must have even number of elements', {
          hint: 'The arguments of json_build_object() must consist of alternating keys and values.',
        });
      }
      const parts: string[] = [];
      for (let index = 0; index < values.length; index += 2) {
        const key = values[index]!;
        const value = values[index + 1]!;
        if (key === null) throw invalidParameter(`argument ${index + 1} cannot be null`);
        const convert = toJson[Math.min(index + 1, toJson.length - 1)]!;
        const text = value === null ? 'null' : convert(value, context);
        parts.push(`${keyText(toJson[Math.min(index, toJson.length - 1)]!, key, context)} : ${text}`);
      }
      return finish(`{${parts.join(', ')}}`);
    };
  };
}

function buildArray(finish: (text: string) => string): (types: ArgumentTypes) => Evaluate {
  return (types) => {
    const toJson = types.map((type) => toJsonOf(type));
    return (context: FunctionContext, ...values: Datum[]) =>
      finish(
        `[${values
          .map((value, index) =>
            value === null ? 'null' : toJson[Math.min(index, toJson.length - 1)]!(value, context),
          )
          .join(', ')}]`,
      );
  };
}

type Parts = { readonly context: FunctionContext; readonly parts: string[] };

function listAggregate(finish: (text: string) => string, separator: (type: ArgumentTypes) => string) {
  return (types: ArgumentTypes): Aggregation => {
    const toJson = toJsonOf(types[0]!);
    return {
      initial: (context) => ({ context, parts: [] }),
      step: (state: Parts, value: Datum) => {
        state.parts.push(value === null ? 'null' : toJson(value, state.context));
        return state;
      },
      final: ({ parts }: Parts) => (parts.length === 0 ? null : finish(`[${parts.join(separator(types))}]`)),
      keepsNulls: true,
    };
  };
}

/** json_agg puts rows and arrays on lines of their own. */
function listSeparator(types: ArgumentTypes): string {
  const { category } = typeInfo(types[0]!.oid);
  return category === 'A' || types[0]!.oid === oids.record ? ', \n ' : ', ';
}

function objectAggregate(finish: (text: string) => string) {
  return (types: ArgumentTypes): Aggregation => {
    const [toKey, toValue] = types.map((type) => toJsonOf(type)) as [ToJson, ToJson];
    return {
      initial: (context) => ({ context, parts: [] }),
      step: (state: Parts, key: Datum, value: Datum) => {
        if (key === null) throw invalidParameter('field name must not be null');
        const text = value === null ? 'null' : toValue(value, state.context);
        state.parts.push(`${keyText(toKey, key, state.context)} : ${text}`);
        return state;
      },
      final: ({ parts }: Parts) => (parts.length === 0 ? null : finish(`{ ${parts.join(', ')} }`)),
      keepsNulls: true,
    };
  };
}

const same = (text: string) => text;

export const jsonFunctions: Implementations = {
  ...pure({
    json_object_field: field,
    json_object_field_text: (text: string, key: string) => textOf(field(text, key)),
    json_array_element: item,
    json_array_element_text: (text: string, index: number) => textOf(item(text, index)),
    json_extract_path: (text: string, ...path: [SqlArray] | string[]) => follow(text, variadicPath(path)),
    json_extract_path_text: (text: string, ...path: [SqlArray] | string[]) =>
      textOf(follow(text, variadicPath(path))),
    json_array_length: (text: string) => [...items('json_array_length')(text)].length,
    json_typeof: (text: string) => {
      const kind = rawKind(text);
      if (kind !== 'scalar') return kind;
      const first = text.trim()[0]!;
      if (first === '"') return 'string';
      if (first === 'n') return 'null';
      return first === 't' || first === 'f' ? 'boolean' : 'number';
    },
    json_strip_nulls: stripNulls,
    json_object: objectOfTexts,
    json_object_two_arg: objectOfTexts,
    jsonb_object: (keys: SqlArray) => canonicalJson(objectOfTexts(keys)),
    jsonb_object_two_arg: (keys: SqlArray, values: SqlArray) => canonicalJson(objectOfTexts(keys, values)),
    json_build_object_noargs: () => '{}',
    jsonb_build_object_noargs: () => '{}',
    json_build_array_noargs: () => '[]',
    jsonb_build_array_noargs: () => '[]',
  }),
  ...typedContextual({
    to_json: ([type]) => withContext(toJsonOf(type!)),
    to_jsonb: ([type]) => withContext(toJsonbOf(type!)),
    array_to_json: ([type]) => withContext(toJsonOf(type!)),
    array_to_json_pretty: ([type]) => pretty(type!),
    row_to_json: ([type]) => withContext(toJsonOf(type!)),
    row_to_json_pretty: ([type]) => pretty(type!),
    json_build_object: buildObject(same),
    jsonb_build_object: buildObject(canonicalJson),
    json_build_array: buildArray(same),
    jsonb_build_array: buildArray(canonicalJson),
  }),
  ...rows({
    json_array_elements: (_context, text: string) =>
      [...items('json_array_elements')(text)].map((value) => [value]),
    json_array_elements_text: (_context, text: string) =>
      [...items('json_array_elements_text')(text)].map((value) => [rawText(value)]),
    json_each: (_context, text: string) =>
      [...members('json_each')(text)].map(({ key, value }) => [key, value]),
    json_each_text: (_context, text: string) =>
      [...members('json_each_text')(text)].map(({ key, value }) => [key, rawText(value)]),
    json_object_keys: (_context, text: string) =>
      [...members('json_object_keys')(text)].map(({ key }) => [key]),
  }),
  ...typedAggregates({
    'json_agg(anyelement)': listAggregate(same, listSeparator),
    'jsonb_agg(anyelement)': listAggregate(canonicalJson, () => ', '),
    'json_object_agg(any,any)': objectAggregate(same),
    'jsonb_object_agg(any,any)': objectAggregate(canonicalJson),
  }),
};

/** One array (the operators), or the steps themselves (the variadic function). */
export function variadicPath(path: readonly [SqlArray] | readonly string[]): readonly (string | null)[] {
  const [first] = path;
  return first instanceof SqlArray ? pathOf(first) : (path as readonly string[]);
}

function withContext(toJson: ToJson): Evaluate {
  return (context: FunctionContext, value: Datum) => toJson(value, context);
}

function pretty(type: ArgumentTypes[number]): Evaluate {
  const [plain, lines] = [toJsonOf(type), toJsonOf(type, ',\n ')];
  return (context: FunctionContext, value: Datum, isPretty: boolean) =>
    (isPretty ? lines : plain)(value, context);
}
