import { AlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { SqlArray } from '../../../base/values/datum.ts';
import { codecOf } from '../codec/codec.ts';
import type { ArgumentType, FunctionContext } from '../function.ts';
import { quoteIdentifier, quoteLiteral, splitQualifiedName } from '../identifier.ts';
import { invalidParameter } from '../problems.ts';
import { typeInfo } from '../registry.ts';
import { oids } from '../type.ts';
import type { ArgumentTypes, Evaluate, Implementations } from './define.ts';
import { pure, typedContextual } from './define.ts';
import { characterCount } from './text.ts';

/** The text form of values of a type; null has none. */
type ToText = (context: FunctionContext, value: Datum) => string | null;

function toTextOf(type: ArgumentType): ToText {
  const oid = typeInfo(type.oid).category === 'P' && type.oid !== oids.record ? oids.text : type.oid;
  const codec = codecOf(oid);
  if (oid === oids.bool) return (_, value) => (value === null ? null : value === true ? 't' : 'f');
  return (context, value) =>
    value === null ? null : codec.format(value, { oid, modifier: type.modifier }, context);
}

function textsOf(
  types: ArgumentTypes,
): (context: FunctionContext, values: readonly Datum[]) => (string | null)[] {
  const toTexts = types.map(toTextOf);
  return (context, values) =>
    values.map((value, index) => toTexts[Math.min(index, toTexts.length - 1)]!(context, value));
}

function concat(types: ArgumentTypes): Evaluate {
  const texts = textsOf(types);
  return (context: FunctionContext, ...values: Datum[]) => texts(context, values).join('');
}

function concatWithSeparator(types: ArgumentTypes): Evaluate {
  const texts = textsOf(types.slice(1));
  return (context: FunctionContext, separator: string | null, ...values: Datum[]) =>
    separator === null
      ? null
      : texts(context, values)
          .filter((text) => text !== null)
          .join(separator);
}

/** `||` casts to text, where a boolean is a word. */
function joinAsText(types: ArgumentTypes): Evaluate {
  const toTexts = types.map((type) => (type.oid === oids.bool ? booleanWord : toTextOf(type)));
  return (context: FunctionContext, ...values: Datum[]) =>
    values.map((value, index) => toTexts[index]!(context, value)).join('');
}

const booleanWord: ToText = (_, value) => String(value);

const placeholder = /%(?:(%)|(?:(\d+)\$)?(-)?(?:(\d+)|(\*)(?:(\d+)\$)?)?(.)?)/gsu;

/** format(): `%s`, `%I`, `%L`, `%n$s`, widths. */
function format(types: ArgumentTypes): Evaluate {
  const texts = textsOf(types.slice(1));
  return (context: FunctionContext, pattern: string | null, ...values: Datum[]) => {
    if (pattern === null) return null;
    const all = texts(context, values);
    let next = 0;
    const take = (position: string | undefined): string | null => {
      if (position === '0')
        throw invalidParameter('format specifies argument 0, but arguments are numbered from 1');
      const index = position === undefined ? next : Number(position) - 1;
      if (index >= all.length) throw invalidParameter('too few arguments for format()');
      next = index + 1;
      return all[index]!;
    };
    return pattern.replace(placeholder, (_, percent, position, minus, width, star, starPosition, letter) => {
      if (percent !== undefined) return '%';
      if (letter === undefined) {
        throw new AlopexError('invalid_parameter_value', 'unterminated format() type specifier', {
          hint: 'For a single "%" use "%%".',
        });
      }
      const asked = star === undefined ? Number(width ?? 0) : Number(take(starPosition) ?? 0);
      return pad(convert(letter as string, take(position)), asked, minus !== undefined);
    });
  };
}

function convert(letter: string, text: string | null): string {
  switch (letter) {
    case 's':
      return text ?? '';
    case 'I':
      if (text === null)
        throw new AlopexError(
          'null_value_not_allowed',
          'null values cannot be formatted as an SQL identifier',
        );
      return quoteIdentifier(text);
    case 'L':
      return text === null ? 'NULL' : quoteLiteral(text);
    default:
      throw new AlopexError('invalid_parameter_value', `unrecognized format() type specifier "${letter}"`, {
        hint: 'For a single "%" use "%%".',
      });
  }
}

/** Characters of a padded text. */
const widthMax = 1 << 28;
const integerMax = 2 ** 31 - 1;

function pad(text: string, width: number, isLeft: boolean): string {
  if (Math.abs(width) > integerMax) {
    throw new AlopexError('numeric_value_out_of_range', 'number is out of range');
  }
  if (Math.abs(width) > widthMax) {
    throw new AlopexError('program_limit_exceeded', 'requested length too large');
  }
  const blanks = ' '.repeat(Math.max(0, Math.abs(width) - characterCount(text)));
  return isLeft || width < 0 ? text + blanks : blanks + text;
}

export const textFormatFunctions: Implementations = {
  ...pure({
    quote_ident: quoteIdentifier,
    'quote_literal(text)': quoteLiteral,
    'quote_nullable(text)': (text: string | null) => (text === null ? 'NULL' : quoteLiteral(text)),
    text_format_nv: (pattern: string) => format([])({}, pattern),
    'parse_ident(text,bool)': (text: string) => SqlArray.of(splitQualifiedName(text)),
    pg_num_nulls: (...values: Datum[]) => values.filter((value) => value === null).length,
    pg_num_nonnulls: (...values: Datum[]) => values.filter((value) => value !== null).length,
  }),
  ...typedContextual({
    text_concat: concat,
    text_concat_ws: concatWithSeparator,
    text_format: format,
    'quote_literal(anyelement)': ([type]) => {
      const toText = toTextOf(type!);
      return (context: FunctionContext, value: Datum) => quoteLiteral(toText(context, value)!);
    },
    'quote_nullable(anyelement)': ([type]) => {
      const toText = toTextOf(type!);
      return (context: FunctionContext, value: Datum) => {
        const text = toText(context, value);
        return text === null ? 'NULL' : quoteLiteral(text);
      };
    },
    'textanycat(text,anynonarray)': joinAsText,
    'anytextcat(anynonarray,text)': joinAsText,
  }),
};
