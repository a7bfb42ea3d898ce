import { AlopexError } from '../../../base/errors.ts';
import type { Datum, SqlArray } from '../../../base/values/datum.ts';
import { parseJson } from '../json/parse.ts';
import type { Json, JsonObject } from '../json/value.ts';
import {
  equalJson,
  formatJson,
  isArray,
  isContainer,
  isObject,
  jsonTypeName,
  prettyJson,
  sortedEntries,
} from '../json/value.ts';
import { invalidParameter } from '../problems.ts';
import type { Implementations } from './define.ts';
import { pure, rows } from './define.ts';
import { variadicPath } from './json.ts';

type Path = readonly (string | null)[];

const write = (value: Json | undefined): string | null => (value === undefined ? null : formatJson(value));

/** As text: a string without quotes; null for JSON's null. */
function textOf(value: Json | undefined): string | null {
  if (value === undefined || value === null) return null;
  return typeof value === 'string' ? value : formatJson(value);
}

function indexOf(step: string): number | null {
  return /^\s*[+-]?\d+\s*$/.test(step) ? Number(step) : null;
}

function child(value: Json, step: string): Json | undefined {
  if (isObject(value)) return value.get(step);
  const index = isArray(value) ? indexOf(step) : null;
  return index === null ? undefined : (value as readonly Json[]).at(index);
}

function follow(text: string, path: Path): Json | undefined {
  let value: Json | undefined = parseJson(text);
  for (const step of path) {
    if (value === undefined || step === null) return undefined;
    value = child(value, step);
  }
  return value;
}

function field(text: string, key: string): Json | undefined {
  const value = parseJson(text);
  return isObject(value) ? value.get(key) : undefined;
}

function item(text: string, index: number): Json | undefined {
  const value = parseJson(text);
  if (isObject(value)) return undefined;
  return (isArray(value) ? value : [value]).at(index);
}

/** Objects hold members, arrays hold items in any order; an array at the top holds a scalar too. */
function contains(container: Json, part: Json, isTop: boolean): boolean {
  if (isObject(container)) {
    if (!isObject(part)) return false;
    return [...part].every(([key, wanted]) => {
      const found = container.get(key);
      return found !== undefined && contains(found, wanted, false);
    });
  }
  if (isArray(container)) {
    if (isArray(part)) {
      return part.every((wanted) =>
        container.some((found) =>
          isContainer(wanted)
            ? isContainer(found) && contains(found, wanted, false)
            : !isContainer(found) && equalJson(found, wanted),
        ),
      );
    }
    return (
      isTop && !isContainer(part) && container.some((found) => !isContainer(found) && equalJson(found, part))
    );
  }
  return !isContainer(part) && equalJson(container, part);
}

function exists(value: Json, key: string): boolean {
  if (isObject(value)) return value.has(key);
  return isArray(value) ? value.includes(key) : value === key;
}

function concatenate(left: Json, right: Json): Json {
  if (isObject(left) && isObject(right)) return new Map([...left, ...right]);
  return [...(isArray(left) ? left : [left]), ...(isArray(right) ? right : [right])];
}

function deleteKeys(text: string, keys: Path): string {
  const value = parseJson(text);
  if (!isContainer(value)) throw invalidParameter('cannot delete from scalar');
  if (isArray(value))
    return formatJson(value.filter((entry) => typeof entry !== 'string' || !keys.includes(entry)));
  return formatJson(new Map([...value].filter(([key]) => !keys.includes(key))));
}

function deleteIndex(text: string, index: number): string {
  const value = parseJson(text);
  if (isObject(value)) throw invalidParameter('cannot delete from object using integer index');
  if (!isArray(value)) throw invalidParameter('cannot delete from scalar');
  const at = index < 0 ? value.length + index : index;
  return formatJson(value.filter((_, place) => place !== at));
}

type Change = (parent: readonly Json[] | JsonObject, step: string, position: number) => Json;

/** Rebuilds the containers along a path; `change` answers for the last one. */
function changeAt(value: Json, path: Path, depth: number, change: Change): Json {
  if (!isContainer(value)) return value;
  const step = path[depth];
  if (step === null || step === undefined) {
    throw new AlopexError('null_value_not_allowed', `path element at position ${depth + 1} is null`);
  }
  if (isArray(value) && indexOf(step) === null) {
    throw new AlopexError(
      'invalid_text_representation',
      `path element at position ${depth + 1} is not an integer: "${step}"`,
    );
  }
  if (depth === path.length - 1) return change(value, step, depth);
  const found = child(value, step);
  if (found === undefined) return value;
  return withChild(value, step, changeAt(found, path, depth + 1, change));
}

function withChild(parent: readonly Json[] | JsonObject, step: string, value: Json): Json {
  if (isObject(parent)) return new Map([...parent, [step, value]]);
  const index = indexOf(step)!;
  return (parent as readonly Json[]).with(index, value);
}

function set(text: string, pathArray: SqlArray, replacement: string, createsMissing = true): string {
  const path = pathArray.items as Path;
  const target = parseJson(text);
  if (!isContainer(target)) throw invalidParameter('cannot set path in scalar');
  if (path.length === 0) return text;
  const value = parseJson(replacement);
  const changed = changeAt(target, path, 0, (parent, step) => {
    if (child(parent, step) !== undefined) return withChild(parent, step, value);
    if (!createsMissing) return parent;
    if (isObject(parent)) return withChild(parent, step, value);
    return indexOf(step)! < 0 ? [value, ...parent] : [...parent, value];
  });
  return formatJson(changed);
}

function insert(text: string, pathArray: SqlArray, addition: string, insertsAfter = false): string {
  const path = pathArray.items as Path;
  const target = parseJson(text);
  if (!isContainer(target)) throw invalidParameter('cannot set path in scalar');
  if (path.length === 0) return text;
  const value = parseJson(addition);
  const changed = changeAt(target, path, 0, (parent, step) => {
    if (isObject(parent)) {
      if (parent.has(step)) {
        throw new AlopexError('invalid_parameter_value', 'cannot replace existing key', {
          hint: 'Try using the function jsonb_set to replace key value.',
        });
      }
      return withChild(parent, step, value);
    }
    const index = indexOf(step)!;
    const place = index < 0 ? parent.length + index : index;
    if (place < 0) return [value, ...parent];
    if (place >= parent.length) return [...parent, value];
    return parent.toSpliced(insertsAfter ? place + 1 : place, 0, value);
  });
  return formatJson(changed);
}

function deletePath(text: string, pathArray: SqlArray): string {
  const path = pathArray.items as Path;
  const target = parseJson(text);
  if (!isContainer(target)) throw invalidParameter('cannot delete path in scalar');
  if (path.length === 0) return text;
  const changed = changeAt(target, path, 0, (parent, step) => {
    if (isObject(parent)) return new Map([...parent].filter(([key]) => key !== step));
    const index = indexOf(step)!;
    const place = index < 0 ? parent.length + index : index;
    return parent.filter((_, at) => at !== place);
  });
  return formatJson(changed);
}

function stripNulls(value: Json): Json {
  if (isArray(value)) return value.map(stripNulls);
  if (!isObject(value)) return value;
  return new Map(
    [...value].filter(([, member]) => member !== null).map(([key, member]) => [key, stripNulls(member)]),
  );
}

function objectOf(text: string, functionName: string): JsonObject {
  const value = parseJson(text);
  if (isObject(value)) return value;
  const what = isArray(value) ? 'an array' : 'a scalar';
  if (functionName === 'jsonb_object_keys') throw invalidParameter(`cannot call ${functionName} on ${what}`);
  throw invalidParameter(`cannot call ${functionName} on a non-object`);
}

function arrayOf(text: string): readonly Json[] {
  const value = parseJson(text);
  if (isArray(value)) return value;
  throw invalidParameter(
    isObject(value) ? 'cannot extract elements from an object' : 'cannot extract elements from a scalar',
  );
}

function arrayLength(text: string): number {
  const value = parseJson(text);
  if (isArray(value)) return value.length;
  throw invalidParameter(`cannot get array length of ${isObject(value) ? 'a non-array' : 'a scalar'}`);
}

const keysOf = (array: SqlArray) => array.items.filter((key): key is string => key !== null);

export const jsonbFunctions: Implementations = {
  ...pure({
    jsonb_object_field: (text: string, key: string) => write(field(text, key)),
    jsonb_object_field_text: (text: string, key: string) => textOf(field(text, key)),
    jsonb_array_element: (text: string, index: number) => write(item(text, index)),
    jsonb_array_element_text: (text: string, index: number) => textOf(item(text, index)),
    jsonb_extract_path: (text: string, ...path: [SqlArray] | string[]) =>
      write(follow(text, variadicPath(path))),
    jsonb_extract_path_text: (text: string, ...path: [SqlArray] | string[]) =>
      textOf(follow(text, variadicPath(path))),
    jsonb_contains: (left: string, right: string) => contains(parseJson(left), parseJson(right), true),
    jsonb_contained: (left: string, right: string) => contains(parseJson(right), parseJson(left), true),
    jsonb_exists: (text: string, key: string) => exists(parseJson(text), key),
    jsonb_exists_any: (text: string, keys: SqlArray) => {
      const value = parseJson(text);
      return keysOf(keys).some((key) => exists(value, key));
    },
    jsonb_exists_all: (text: string, keys: SqlArray) => {
      const value = parseJson(text);
      return keysOf(keys).every((key) => exists(value, key));
    },
    jsonb_concat: (left: string, right: string) => formatJson(concatenate(parseJson(left), parseJson(right))),
    jsonb_delete: (text: string, key: string) => deleteKeys(text, [key]),
    jsonb_delete_array: (text: string, ...keys: [SqlArray] | string[]) =>
      deleteKeys(text, variadicPath(keys)),
    jsonb_delete_idx: deleteIndex,
    jsonb_delete_path: deletePath,
    jsonb_set: set,
    jsonb_insert: insert,
    jsonb_typeof: (text: string) => jsonTypeName(parseJson(text)),
    jsonb_array_length: arrayLength,
    jsonb_pretty: (text: string) => prettyJson(parseJson(text)),
    jsonb_strip_nulls: (text: string) => formatJson(stripNulls(parseJson(text))),
  }),
  ...rows({
    jsonb_array_elements: (_context, text: string) => arrayOf(text).map((value) => [formatJson(value)]),
    jsonb_array_elements_text: (_context, text: string) => arrayOf(text).map((value) => [textOf(value)]),
    jsonb_each: (_context, text: string) =>
      sortedEntries(objectOf(text, 'jsonb_each')).map(([key, value]): readonly Datum[] => [
        key,
        formatJson(value),
      ]),
    jsonb_each_text: (_context, text: string) =>
      sortedEntries(objectOf(text, 'jsonb_each_text')).map(([key, value]): readonly Datum[] => [
        key,
        textOf(value),
      ]),
    jsonb_object_keys: (_context, text: string) =>
      sortedEntries(objectOf(text, 'jsonb_object_keys')).map(([key]) => [key]),
  }),
};
