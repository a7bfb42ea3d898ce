import { expect } from 'chai';
import { AlopexError } from '../../../base/errors.ts';
import { oids } from '../../../query/types/type.ts';
import { patternCondition } from './catalog-queries.ts';
import { catalogNames, completions } from './completion.ts';
import { parseCopy } from './copy-command.ts';
import { errorText } from './error-text.ts';
import { StatementBuffer } from './statement-buffer.ts';
import { type TableFormat, tableWriter } from './table-text.ts';

const columns = [
  { name: 'id', type: oids.int4 },
  { name: 'name', type: oids.text },
  { name: 'ok', type: oids.bool },
];
const rows = [
  ['1', 'a "quoted", word', 't'],
  ['20', '日本', null],
  ['3', 'two\nlines', 'f'],
];

function printed(format: TableFormat, isBare = false): string {
  const table = tableWriter(columns, { format, isBare });
  return table.rows(rows.slice(0, 1)) + table.rows(rows.slice(1)) + table.end();
}

describe('alopex-cli results', () => {
  it('aligned_pads_by_width_and_marks_lines_that_go_on', () => {
    expect(printed('aligned')).to.equal(
      [
        ' id |       name       | ok ',
        '----+------------------+----',
        '  1 | a "quoted", word | t',
        ' 20 | 日本             |',
        '  3 | two             +| f',
        '    | lines            |',
        '(3 rows)\n\n',
      ].join('\n'),
    );
  });

  it('csv_quotes_what_needs_it', () => {
    expect(printed('csv')).to.equal('id,name,ok\n1,"a ""quoted"", word",t\n20,日本,\n3,"two\nlines",f\n');
    expect(printed('csv', true)).to.match(/^1,/);
  });

  it('json_is_json', () => {
    expect(JSON.parse(printed('json'))).to.deep.equal([
      { id: 1, name: 'a "quoted", word', ok: true },
      { id: 20, name: '日本', ok: null },
      { id: 3, name: 'two\nlines', ok: false },
    ]);
    expect(JSON.parse(tableWriter(columns, { format: 'json', isBare: false }).end())).to.deep.equal([]);
  });

  it('unaligned_bare_is_values_alone', () => {
    expect(printed('unaligned', true)).to.equal('1|a "quoted", word|t\n20|日本|\n3|two\nlines|f\n');
  });

  it('expanded_is_one_line_a_value', () => {
    expect(printed('expanded')).to.contain('-[ RECORD 2 ]----\nid   | 20\nname | 日本\nok   |\n');
  });
});

describe('alopex-cli statements', () => {
  it('semicolons_in_strings_comments_and_parentheses_end_nothing', () => {
    const buffer = new StatementBuffer();
    expect(buffer.add("SELECT ';', $a$;$a$ -- ;")).to.deep.equal([]);
    expect(buffer.add('/* ; */ , (1;2)')).to.deep.equal([]);
    expect(buffer.isEmpty).to.equal(false);
    expect(buffer.add('; SELECT 2; SELECT')).to.have.length(2);
    expect(buffer.take().trim()).to.equal('SELECT');
    expect(buffer.add(';;  ')).to.deep.equal([]);
    expect(buffer.isEmpty).to.equal(true);
  });

  it('error_points_at_its_place_in_its_line', () => {
    const error = new AlopexError('undefined_column', 'column "nope" does not exist', {
      position: 12,
      hint: 'Perhaps "note".',
    });
    expect(errorText(error, 'SELECT é,\n nope\nFROM t')).to.equal(
      'ERROR:  42703: column "nope" does not exist\nLINE 2:  nope\n         ^\nHINT:  Perhaps "note".\n',
    );
  });

  it('copy_takes_quoted_and_bare_paths', () => {
    expect(parseCopy("t (a, b) from 'it''s.csv' with (format csv)")).to.deep.equal({
      sql: 'COPY t (a, b) FROM STDIN with (format csv)',
      path: "it's.csv",
      direction: 'from',
    });
    expect(parseCopy('(select 1) to out.txt').sql).to.equal('COPY (select 1) TO STDOUT');
    expect(() => parseCopy('t')).to.throw('expected table');
  });

  it('patterns_are_anchored_and_cannot_leave_their_quotes', () => {
    expect(patternCondition('Pub.d*_?')).to.equal("c.relname ~ '^(d.*_.)$' AND n.nspname ~ '^(pub)$'");
    expect(patternCondition('"A"\'x')).to.contain("'^(A''x)$'");
  });
});

describe('alopex-cli completion', () => {
  const names = catalogNames([
    ['public', 'orders', 'r', 'id', 't'],
    ['public', 'orders', 'r', 'amount', 't'],
    ['pg_catalog', 'pg_class', 'r', 'relname', 'f'],
  ]);
  const candidates = (text: string) => completions(text, names, ['d', 'dt', 'q']).candidates;

  it('relations_follow_from', () => {
    expect(candidates('SELECT * FROM o')).to.deep.equal(['orders']);
    expect(candidates('SELECT * FROM pg_catalog.')).to.deep.equal(['pg_catalog.pg_class']);
  });
  it('columns_are_those_of_the_statement', () => {
    expect(candidates('SELECT * FROM orders WHERE am')).to.deep.equal(['amount']);
    expect(candidates('SELECT * FROM orders AS o WHERE o.')).to.deep.equal(['o.amount', 'o.id']);
    expect(candidates('SELECT am')).to.deep.equal([]);
  });
  it('keywords_keep_their_case', () => {
    expect(candidates('SEL')).to.deep.equal(['SELECT']);
    expect(candidates('sel')).to.deep.equal(['select']);
  });
  it('commands_follow_a_backslash', () => {
    expect(candidates('\\d')).to.deep.equal(['\\d', '\\dt']);
    expect(candidates('\\d o')).to.deep.equal(['orders']);
  });
});
