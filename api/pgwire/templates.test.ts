import { expect } from 'chai';
import fc from 'fast-check';
import { literalsOf } from '../../query/sql/literals.ts';
import { loadParser } from '../../query/sql/parse.ts';
import type { MemoryClient } from './test-kit/memory-client.ts';
import { query } from './test-kit/messages.ts';
import { ServedDatabase } from './test-kit/served-database.ts';

before(loadParser);

const table = `CREATE TABLE t (id int PRIMARY KEY, small int2, big int8, exact numeric(6,2), real float8,
  label text UNIQUE, code varchar(3), mark char(4), day date, at timestamptz(0), is_on bool, amount int NOT NULL DEFAULT 5)`;

const literal = fc.oneof(
  fc.constantFrom(
    '0',
    '1',
    '2',
    '3',
    '-1',
    '- 2',
    '007',
    '32768',
    '-32768',
    '2147483647',
    '2147483648',
    '-2147483648',
  ),
  fc.constantFrom(
    '99999999999',
    '9223372036854775807',
    '9223372036854775808',
    '1.5',
    '-2.25',
    '100000.005',
    '1.',
    '.5',
    '1e3',
  ),
  fc.constantFrom(
    "'1'",
    "'a'",
    "'abcd'",
    "'it''s'",
    "''",
    "' 2 '",
    "'2026-11-22'",
    "'2026-11-22 10:00+01'",
    "'t'",
    "'x'",
  ),
  fc.constantFrom(
    "E'\\\\n'",
    "'a' 'b'",
    "'infinity'",
    "'é'",
    'NULL',
    'true',
    '$1',
    "date '2020-02-02'",
    "'1'::int",
    '-32768::int2',
  ),
);
const columns = [
  'id',
  'small',
  'big',
  'exact',
  'real',
  'label',
  'code',
  'mark',
  'day',
  'at',
  'is_on',
  'amount',
];
const column = fc.constantFrom(...columns);
const operator = fc.constantFrom('+', '-', '*', '/', '||', '^', '%');

/** Usual statements with literals of all kinds, also such as do not fit. */
const statement = fc.oneof(
  fc.tuple(column, literal).map(([name, id]) => `SELECT ${name}, id FROM t WHERE id = ${id}`),
  fc.tuple(column, literal, literal).map(([name, a, id]) => `UPDATE t SET ${name} = ${a} WHERE id = ${id};`),
  fc
    .tuple(column, operator, literal, literal)
    .map(
      ([name, sign, a, id]) => `UPDATE t SET ${name} = ${name} ${sign} ${a} WHERE id = ${id} AND amount > -5`,
    ),
  fc
    .tuple(column, literal, literal)
    .map(([name, a, id]) => `INSERT INTO t (id, ${name}) VALUES (${id}, ${a});`),
  fc
    .tuple(literal, literal)
    .map(([a, id]) => `INSERT INTO t VALUES (${id}, 1, -2, ${a}, 0.5, 'l${id.length}', ${a})`),
  literal.map((id) => `DELETE FROM t WHERE id=${id} `),
  literal.map((a) => `SELECT ${a}`),
  fc.tuple(literal, column).map(([a, name]) => `SELECT id FROM t WHERE ${name} > ${a} ORDER BY 1 LIMIT 2`),
  fc.constantFrom('BEGIN', 'COMMIT', 'ROLLBACK', 'SELECT 1/0', "SET search_path = public, 'x'"),
);

/** Served databases whose texts go by templates, and by the parser: a comment at the end is not for the scan. */
async function withBoth(
  work: (ask: (text: string) => Promise<[readonly string[], readonly string[]]>) => Promise<void>,
) {
  const served = [await ServedDatabase.open(), await ServedDatabase.open()] as const;
  try {
    const clients = [await served[0].client(), await served[1].client()] as const;
    const asked = (client: MemoryClient, text: string) => client.ask(query(text));
    await work(async (text) => [
      await asked(clients[0], text),
      await asked(clients[1], `${text} -- by the parser`),
    ]);
  } finally {
    for (const each of served) await each.close();
  }
}

describe('texts that differ in their literals', () => {
  it('are answered as the parser would have them, errors and their places too', async () => {
    await withBoth(async (ask) => {
      await fc.assert(
        fc.asyncProperty(fc.array(statement, { minLength: 5, maxLength: 20 }), async (texts) => {
          await ask('ROLLBACK');
          await ask('DROP TABLE IF EXISTS t');
          await ask(table);
          // The first has the text seen, the second makes a template of it, the third goes by that.
          for (const text of texts.flatMap((each) => [each, each, each])) {
            const [filled, parsed] = await ask(text);
            expect(filled, text).to.deep.equal(parsed);
          }
          const [filled, parsed] = await ask('TABLE t ORDER BY id');
          expect(filled).to.deep.equal(parsed);
        }),
        { numRuns: 40 },
      );
    });
  });

  it('have a template from the second on, in a new catalog anew', async () => {
    const served = await ServedDatabase.open();
    try {
      const session = served.engine.connect({
        user: 'alopex',
        database: 'alopex',
        settings: {},
        clientAddress: null,
      });
      const client = await served.client();
      await client.ask(
        query(
          'CREATE TABLE a (aid int PRIMARY KEY, abalance int, note char(84)); INSERT INTO a VALUES (1, 0)',
        ),
      );
      const texts = [
        (n: number) => `SELECT abalance FROM a WHERE aid = ${n};`,
        (n: number) => `UPDATE a SET abalance = abalance + ${-n} WHERE aid = 1;`,
        (n: number) => `INSERT INTO a (aid, abalance, note) VALUES (${n + 10}, ${-n}, 'n''${n}')`,
        (n: number) => `DELETE FROM a WHERE aid = ${n}`,
      ];
      const isFilled = (): boolean[] => texts.map((text, at) => session.fillTemplate(text(at + 2)) !== null);
      expect(isFilled()).to.deep.equal([false, false, false, false]);
      expect(isFilled()).to.deep.equal([true, true, true, true]);
      await client.ask(query('ALTER TABLE a ADD more int'));
      expect(isFilled()).to.deep.equal([true, true, true, true]);
      await client.ask(
        query('DROP TABLE a; CREATE TABLE a (aid text PRIMARY KEY, abalance int, note char(84))'),
      );
      expect(isFilled()).to.deep.equal([false, false, true, false]);
      await session.close();
    } finally {
      await served.close();
    }
  });

  it('are checked for privileges each time', async () => {
    const served = await ServedDatabase.open();
    try {
      const owner = await served.client();
      await owner.ask(
        query('CREATE ROLE guest LOGIN; CREATE TABLE a (id int PRIMARY KEY); GRANT SELECT ON a TO guest'),
      );
      const session = served.engine.connect({
        user: 'guest',
        database: 'alopex',
        settings: {},
        clientAddress: null,
      });
      const fill = () => session.fillTemplate('SELECT id FROM a WHERE id = 1');
      fill();
      expect(fill()).to.not.equal(null);
      await owner.ask(query('REVOKE SELECT ON a FROM guest'));
      expect(fill()).to.equal(null);
      await session.close();
    } finally {
      await served.close();
    }
  });
});

describe('the scan for literals', () => {
  it('takes literals out, with their signs, and nothing else', () => {
    const found = literalsOf("UPDATE t SET a1 = a1 - -5, b='it''s' WHERE \n c > (- 1) AND d<-2.50 ; ");
    expect(found).to.deep.equal({
      template: 'UPDATE t SET a1 = a1 - $1, b=$2 WHERE \n c > (- $3) AND d<$4 ',
      literals: [
        { kind: 'int4', text: '-5' },
        { kind: 'string', text: "it's" },
        { kind: 'int4', text: '1' },
        { kind: 'numeric', text: '-2.50' },
      ],
    });
  });

  it('leaves what it does not know to the parser', () => {
    const others = [
      'SELECT a',
      'SELECT 1; SELECT 2',
      "SELECT E'a'",
      'SELECT 1 -- a',
      'SELECT /* a */ 1',
      'SELECT $1, 2',
    ];
    others.push(
      "SELECT 'a'\n'b'",
      'SELECT 1e5',
      'SELECT .5',
      'SELECT "a" + 1',
      "SELECT 'a",
      "SELECT '\\', 1",
      'SELECT 1_000',
    );
    others.push(
      'SELECT $a$1$a$',
      'SELECT 0x1F',
      `SELECT ${'1'.repeat(19)}`,
      `SELECT ${'1,'.repeat(101)}1`,
      'SELECT é + 1',
      'SELECT a = -1::text',
      'SELECT a = -1 [2]',
    );
    for (const text of others) expect(literalsOf(text), text).to.equal(null);
  });
});
