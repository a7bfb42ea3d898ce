import { expect } from 'chai';
import fc from 'fast-check';
import { AlopexError } from '../../base/errors.ts';
import { tokenize } from './lexer.ts';
import { maxNesting, maxStatementLength } from './limits.ts';
import { loadParser, parse } from './parse.ts';

function errorOf(run: () => unknown): AlopexError {
  try {
    run();
  } catch (error) {
    if (error instanceof AlopexError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

/** Locations of all column references, in the order of the tree. */
function columnPlaces(tree: unknown, found: number[] = []): number[] {
  if (typeof tree !== 'object' || tree === null) return found;
  if ('ColumnRef' in tree) found.push((tree.ColumnRef as { location?: number }).location ?? 0);
  for (const value of Object.values(tree) as unknown[]) columnPlaces(value, found);
  return found;
}

describe('parse', () => {
  before(loadParser);

  it('splits a text into statements with their kind and source', () => {
    const statements = parse("select 'é;' ;\n-- nothing;\n insert into t values (1);;create table x (a int)");
    expect(statements.map(({ kind, source }) => [kind, source])).to.deep.equal([
      ['SelectStmt', "select 'é;'"],
      ['InsertStmt', 'insert into t values (1)'],
      ['CreateStmt', 'create table x (a int)'],
    ]);
    expect(parse(' -- only a comment')).to.deep.equal([]);
  });

  it('gives PostgreSQL’s message and the position in characters', () => {
    const error = errorOf(() => parse("select '日本😀' frm t where"));
    expect([error.code, error.message, error.position]).to.deep.equal([
      '42601',
      'syntax error at or near "t"',
      18,
    ]);
  });

  it('counts locations in characters of the whole text', () => {
    const text = "select 1; select '日本😀', abc from t";
    const place = [...text].indexOf('a', 20);
    expect(columnPlaces(parse(text)[1]!.node)).to.deep.equal([place]);
  });

  it('numbers question marks, and keeps positions', () => {
    const text = "select a, '?', \"?\", $$?$$ /* ? */ from t where b = ? and j ?? 'k' and c=?--?";
    const [statement] = parse(text, { questionMarks: true });
    expect(columnPlaces(statement!.node)).to.deep.equal([
      7,
      text.indexOf('"?"'),
      text.indexOf('b ='),
      text.indexOf('j ??'),
      text.indexOf('c=?'),
    ]);
    expect(JSON.stringify(statement!.node)).to.contain('"number":2').and.contain('"sval":"?"');
    const error = errorOf(() => parse('select ? ?', { questionMarks: true }));
    expect([error.message, error.position]).to.deep.equal(['syntax error at or near "?"', 10]);
  });

  it('refuses question marks beside numbered parameters', () => {
    expect(errorOf(() => parse('select ?, $1', { questionMarks: true })).code).to.equal('42601');
  });

  it('takes FOR SYSTEM_TIME out, for each table', () => {
    const text =
      "select x.é from a.b for system_time as of timestamp '2026-01-01' - interval '1' hour x" +
      ' join c for system_time as of offset (1 + 2) on true where x.d = 1';
    const [statement] = parse(text);
    const times = [...statement!.systemTimes].map(([place, { kind }]) => [
      text.slice(place, place + 3),
      kind,
    ]);
    expect(times).to.deep.equal([
      ['a.b', 'timestamp'],
      ['c f', 'offset'],
    ]);
    expect(columnPlaces(statement!.node)).to.deep.equal([7, text.indexOf('x.d')]);
    expect(statement!.source).to.equal(text);
  });

  it('understands where a clause of system time ends', () => {
    for (const rest of ['', ' where true', ' alias', ' as alias', ', u', ' order by 1', ' for update']) {
      const [statement] = parse(`select 1 from t for system_time as of now() at time zone 'utc'${rest}`);
      expect([...statement!.systemTimes.keys()], rest).to.deep.equal([14]);
    }
  });

  it('names what is wrong with a clause of system time', () => {
    const places = [
      ['select * from t x for system_time as of now()', '42601', 19],
      ['select * from t for system_time between 1 and 2', '0A000', 17],
      ["select 'é' from t for system_time as of where", '42601', 41],
      ['select * from t for system_time as of 1 +', '42601', 42],
    ] as const;
    for (const [text, code, position] of places) {
      const error = errorOf(() => parse(text));
      expect([error.code, error.position], text).to.deep.equal([code, position]);
    }
  });

  it('leaves FOR SYSTEM_TIME within strings and comments alone', () => {
    const [statement] = parse("select 'a for system_time as of b' /* t for system_time as of c */ from t");
    expect(statement!.systemTimes.size).to.equal(0);
  });

  it('refuses what nests too deeply, and goes on parsing', () => {
    const deep = maxNesting + 100;
    const texts = [
      `select ${'('.repeat(deep)}1${')'.repeat(deep)}`,
      `select ${'f('.repeat(deep)}1${')'.repeat(deep)}`,
      `select ${'- '.repeat(deep)}x`,
      `select 1${' + 1'.repeat(deep)}`,
      `select 1${'::int'.repeat(deep)}`,
      `select 1${' union all select 1'.repeat(deep)}`,
      `select 1 from t${' cross join t'.repeat(deep)}`,
      `select ${'case when true then '.repeat(deep)}1${' end'.repeat(deep)}`,
      `select x${' is null between true and true'.repeat(deep)}`,
      `select ${'not '.repeat(deep)}true`,
    ];
    for (const text of texts) expect(errorOf(() => parse(text)).code, text.slice(0, 40)).to.equal('54001');
    expect(parse('select 1')).to.have.length(1);
  });

  it('parses what is long but flat', () => {
    const many = 5000;
    const texts = [
      `select 1${', 1 + 1'.repeat(many)}`,
      `select x = 1${' or x = 1 + 1'.repeat(many)}`,
      `select x between 1 and 2${' and x between 1 and 2'.repeat(many)}`,
      `values (1)${', (- (1))'.repeat(many)}`,
      `select case${' when x = 1 then 2'.repeat(many)} end`,
      `select 1 where x in (1${', 1'.repeat(many)})`,
    ];
    for (const text of texts) expect(parse(text), text.slice(0, 40)).to.have.length(1);
  });

  it('refuses texts that are too long, and NUL', () => {
    expect(errorOf(() => parse(' '.repeat(maxStatementLength + 1))).code).to.equal('54000');
    expect(errorOf(() => parse("select '\0'")).code).to.equal('22021');
  });
});

describe('lexer', () => {
  it('covers a text without overlap, and never throws', () => {
    const piece = fc.constantFrom(
      "'",
      '"',
      '$',
      '$a$',
      '--',
      '/*',
      '*/',
      '\n',
      'e',
      "E'",
      '\\',
      '?',
      '::',
      '1.5',
      'x',
      ' ',
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        const text = pieces.join('');
        let end = 0;
        for (const token of tokenize(text)) {
          expect(token.start).to.be.at.least(end);
          expect(token.end).to.be.greaterThan(token.start).and.at.most(text.length);
          end = token.end;
        }
      }),
    );
  });

  it('knows strings, names, comments and operators apart', () => {
    const text = `a."b""c" 'it''s' E'\\'' $q$ '$q$ /* /* */ */ u&'x' b'01' 1e5 .5 <=>-- rest\n$1 x::y a<-b`;
    const tokens = tokenize(text).map(({ kind, start, end }) => `${kind} ${text.slice(start, end)}`);
    expect(tokens).to.deep.equal([
      ...[
        'word a',
        'punctuation .',
        'quoted-name "b""c"',
        "string 'it''s'",
        "string E'\\''",
        "string $q$ '$q$",
      ],
      ...[
        "string u&'x'",
        "string b'01'",
        'number 1e5',
        'number .5',
        'operator <=>',
        'parameter $1',
        'word x',
      ],
      ...['punctuation ::', 'word y', 'word a', 'operator <-', 'word b'],
    ]);
  });
});
