import { expect } from 'chai';
import { parseExpression } from './bind/default.ts';
import { deparseExpression } from './deparse.ts';
import { loadParser } from './parse.ts';
import { typeNameOf } from './type-name.ts';

/** Default, the column's type, and what PostgreSQL 15's pg_get_expr prints for it. */
const printed: readonly (readonly [expression: string, type: string, text: string])[] = [
  ["'abc'", 'text', "'abc'::text"],
  ["'x'", 'varchar(10)', "'x'::character varying"],
  ["'x'::varchar(3)", 'varchar', "'x'::character varying(3)"],
  ["'a'", 'char(3)', "'a'::bpchar"],
  ["'a''b\\c'", 'text', "'a''b\\c'::text"],
  ['5', 'bigint', '5'],
  ['-5', 'int', "'-5'::integer"],
  ['99999999999', 'bigint', "'99999999999'::bigint"],
  ['1.5', 'real', '1.5'],
  ['-1.5', 'numeric', "'-1.5'::numeric"],
  ["'5'", 'int', '5'],
  ["'t'", 'bool', 'true'],
  ["'{}'", 'jsonb', "'{}'::jsonb"],
  ['now()', 'timestamptz', 'now()'],
  ['current_timestamp', 'timestamptz', 'CURRENT_TIMESTAMP'],
  ["(now() at time zone 'utc')", 'timestamp', "(now() AT TIME ZONE 'utc'::text)"],
  ['extract(year from now())', 'numeric', 'EXTRACT(year FROM now())'],
  ["nextval('sq')", 'int', "nextval('sq'::regclass)"],
  ["array['a','b']", 'text[]', "ARRAY['a'::text, 'b'::text]"],
  ['array[]::int[]', 'int[]', 'ARRAY[]::integer[]'],
  ['1+2*3', 'int', '(1 + (2 * 3))'],
  ["lower('X')||'y'", 'text', "(lower('X'::text) || 'y'::text)"],
  ["now() + interval '1 day'", 'timestamptz', "(now() + '1 day'::interval)"],
  ['(true and not false)', 'bool', '(true AND (NOT false))'],
  ['(1)::text', 'text', '(1)::text'],
  ['1::bigint', 'bigint', '(1)::bigint'],
];

describe('deparseExpression', () => {
  before(loadParser);

  it('prints a stored default as pg_get_expr does', () => {
    const actual = printed.map(([expression, type]) => {
      const cast = parseExpression(`null::${type}`);
      const target = 'TypeCast' in cast ? typeNameOf(cast.TypeCast.typeName) : null;
      return [expression, type, deparseExpression(parseExpression(expression), target)];
    });
    expect(actual).to.deep.equal(printed);
  });

  it('prints what reads back as the same text', () => {
    for (const [, , text] of printed) {
      expect(deparseExpression(parseExpression(text)), text).to.equal(text);
    }
  });
});
