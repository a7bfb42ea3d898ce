import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import { type Datum, type SqlArray, SqlRow } from '../../base/values/datum.ts';
import { toHex } from './codec/bytea.ts';
import { codecOf } from './codec/codec.ts';
import { formatRow } from './codec/row.ts';
import { testContext } from './context.fixture.ts';
import type { AnyFunction, FunctionContext } from './function.ts';
import { findCast } from './functions/cast-registry.ts';
import { functionsByName, operatorsByName } from './functions/registry.ts';
import { applyModifier } from './modifier.ts';
import { elementType, isArrayType, typeInfo } from './registry.ts';
import type { SqlType, TypeOid } from './type.ts';
import { oids } from './type.ts';
import { parseTypeName } from './type-name.ts';

/**
 * Each line of testdata/postgresql-15.cases is a question and what PostgreSQL 15.18 answered to it: the text of
 * the result, `NULL`, or `!` with SQLSTATE, message and detail. Arguments are `type=text`.
 */
const cases = readFileSync(new URL('testdata/postgresql-15.cases', import.meta.url), 'utf8')
  .trimEnd()
  .split('\n');
const context: FunctionContext = testContext();

type Value = { readonly type: SqlType; readonly datum: Datum };

const plainText = (text: string) => text.replaceAll('<nl>', '\n').replaceAll('<tab>', '\t');

function readValue(text: string): Value {
  const at = text.indexOf('=');
  const type = parseTypeName(text.slice(0, at))!;
  const literal = plainText(text.slice(at + 1));
  return { type, datum: literal === 'NULL' ? null : codecOf(type.oid).parse(literal, type, context) };
}

const polymorphic = new Set<TypeOid>([oids.anyelement, oids.anynonarray, oids.anycompatible, 5079]);
const polymorphicArrays = new Set<TypeOid>([oids.anyarray, oids.anycompatiblearray]);

function accepts(parameter: TypeOid, type: TypeOid): boolean {
  if (parameter === type || parameter === oids.any) return true;
  if (parameter === oids.anynonarray || parameter === 5079) return !isArrayType(type);
  if (polymorphicArrays.has(parameter)) return isArrayType(type);
  return polymorphic.has(parameter);
}

function fits(candidate: AnyFunction, types: readonly TypeOid[]): boolean {
  const isVariadic = candidate.kind !== 'table' && candidate.isVariadic;
  if (isVariadic ? types.length < candidate.arguments.length : types.length !== candidate.arguments.length)
    return false;
  const takesArrays = candidate.arguments.some((type) => polymorphicArrays.has(type));
  if (takesArrays && !types.some((type) => isArrayType(type))) return false;
  const parameterAt = (index: number) =>
    candidate.arguments[Math.min(index, candidate.arguments.length - 1)]!;
  const hasArrayForItem =
    takesArrays && types.some((type, index) => polymorphic.has(parameterAt(index)) && isArrayType(type));
  if (hasArrayForItem) return false;
  return types.every((type, index) => accepts(parameterAt(index), type));
}

/** The concrete type of a polymorphic result. */
function resultType(result: TypeOid, types: readonly TypeOid[]): TypeOid {
  const array = types.find((type) => isArrayType(type));
  if (polymorphicArrays.has(result)) return array ?? typeInfo(types[0]!).array;
  if (polymorphic.has(result)) return array === undefined ? types[0]! : elementType(array);
  return result;
}

function show(datum: Datum, type: SqlType): string {
  if (datum === null) return 'NULL';
  if (type.oid === oids.text) return datum as string;
  return findCast(type.oid, oids.text)!.evaluate(context, datum) as string;
}

function choose(candidates: readonly AnyFunction[], types: readonly TypeOid[]): AnyFunction {
  const fitting = candidates.filter((candidate) => fits(candidate, types));
  const exact = fitting.find((candidate) =>
    candidate.arguments.every((type, index) => type === types[index]),
  );
  const found = exact ?? fitting[0];
  if (found === undefined) throw new Error(`no function for (${types})`);
  const specialized = found.specialize?.(types.map((oid) => ({ oid, modifier: -1 })));
  return specialized ?? found;
}

function call(candidates: readonly AnyFunction[], values: readonly Value[]): string {
  const types = values.map((value) => value.type.oid);
  const found = choose(candidates, types);
  const datums = values.map((value) => value.datum);
  if (found.kind === 'table') {
    if (found.isStrict && datums.includes(null)) return 'NULL';
    const columns = found.columns.map((column) => resultType(column.type, types));
    const lines = [...found.evaluate(context, ...datums)].map((row) => showRow(row, columns));
    return lines.filter((line) => line !== 'NULL').length === 0
      ? 'NULL'
      : lines.filter((line) => line !== 'NULL').join(' ; ');
  }
  if (found.kind === 'aggregate') throw new Error('an aggregate is no scalar function');
  if (found.isStrict && datums.includes(null)) return 'NULL';
  const datum = found.usesContext ? found.evaluate(context, ...datums) : found.evaluate(...datums);
  return show(datum, { oid: resultType(found.result, types), modifier: -1 });
}

function showRow(row: readonly Datum[], columns: readonly TypeOid[]): string {
  if (columns.length === 1) return show(row[0]!, { oid: columns[0]!, modifier: -1 });
  return formatRow(new SqlRow(row), (value, index) =>
    codecOf(columns[index]!).format(value, { oid: columns[index]!, modifier: -1 }, context),
  );
}

function aggregate(name: string, values: string): string {
  const at = values.indexOf('=');
  const type = parseTypeName(`${values.slice(0, at)}[]`)!;
  const array = codecOf(type.oid).parse(values.slice(at + 1), type, context) as SqlArray;
  const element = elementType(type.oid);
  const found = choose(
    functionsByName(name).filter((candidate) => candidate.arguments.length === 1),
    [element],
  );
  if (found.kind !== 'aggregate') throw new Error(`${name} is no aggregate`);
  let state = found.initial(context);
  for (const item of array.items) if (item !== null || !found.skipsNulls) state = found.step(state, item);
  return show(found.final(state), { oid: resultType(found.result, [element]), modifier: -1 });
}

function answer(question: string): string {
  const [, kind, rest = ''] = /^(\w+) (.*)$/s.exec(question)!;
  const parts = rest.split(' | ');
  switch (kind) {
    case 'io': {
      const { type, datum } = readValue(rest);
      return show(datum, type);
    }
    case 'send': {
      const { type, datum } = readValue(rest);
      const bytes = codecOf(type.oid).encode(datum, type);
      expect(show(codecOf(type.oid).decode(bytes, type), type)).to.equal(show(datum, type));
      return toHex(bytes);
    }
    case 'cast': {
      const { type, datum } = readValue(parts[0]!);
      const target = parseTypeName(parts[1]!)!;
      return show(
        applyModifier(findCast(type.oid, target.oid)!.evaluate(context, datum), target, true),
        target,
      );
    }
    case 'op': {
      const [, symbol, list] = /^(\S+) \| (.*)$/s.exec(rest)!;
      const values = list!.startsWith('| ') ? [readValue(list!.slice(2))] : list!.split(' | ').map(readValue);
      const forms = operatorsByName(symbol!).filter((form) => (form.left === null) === (values.length === 1));
      return call(
        forms.map((form) => form.function),
        values,
      );
    }
    case 'fn':
    case 'rows':
      return call(functionsByName(parts[0]!), parts.slice(1).map(readValue));
    case 'agg':
      return aggregate(parts[0]!, parts[1]!);
    default:
      throw new Error(`unknown kind of case: ${kind}`);
  }
}

function answerOrError(question: string): string {
  try {
    return answer(question);
  } catch (error) {
    if (!(error instanceof AlopexError)) throw error;
    return `! ${error.code} ${error.message}${error.detail === undefined ? '' : ` (${error.detail})`}`;
  }
}

describe('query/types, against PostgreSQL 15', () => {
  for (const line of cases) {
    const [question = '', expected = ''] = line.split(' => ');
    it(question, () => {
      expect(answerOrError(question)).to.equal(plainText(expected));
    });
  }
});
