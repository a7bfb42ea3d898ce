import { expect } from 'chai';
import pg from 'pg';
import type { Database } from '../../api/index.ts';
import { Database as DatabaseOpener } from '../../api/open.ts';
import { portalsMax, preparedStatementsMax } from '../../api/pgwire/limits.ts';
import { bind, parse, query, sync } from '../../api/pgwire/test-kit/messages.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';
import { rowBytesMax } from '../../log/events/row-event.ts';
import { tableColumnsMax } from '../../query/catalog/ddl/create-table.ts';
import {
  maxNameBytes,
  maxNesting,
  maxParameters,
  maxStatementLength,
  maxTargets,
} from '../../query/sql/limits.ts';

/** How much of one thing a statement, a row or a table may have: the most works, one more is refused by name. */
describe('limits', () => {
  let served: ServedDatabase;
  let database: Database;

  before(async () => {
    served = await ServedDatabase.open();
    database = await DatabaseOpener.open({
      url: `postgresql://127.0.0.1:${served.port}/alopex?sslmode=disable`,
    });
    await database.execute('CREATE TABLE t (id int PRIMARY KEY, name text)');
    await database.execute("INSERT INTO t SELECT i, 'n' || i FROM generate_series(0, 999) AS i");
  });

  after(async () => {
    await database.close();
    await served.close();
  });

  const list = (count: number, item: (index: number) => string, separator = ', ') =>
    Array.from({ length: count }, (_, index) => item(index)).join(separator);
  const numberOf = async (sql: string, parameters: readonly number[] = []) => {
    const { rows } = await database.query(sql, [...parameters]);
    return Object.values(rows[0] ?? {})[0];
  };
  const connected = async () => {
    const client = new pg.Client({
      host: '127.0.0.1',
      port: served.port,
      user: 'alopex',
      database: 'alopex',
    });
    await client.connect();
    return client;
  };
  const refusal = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: { code: string; message: string }) => `${error.code} ${error.message}`,
    );

  describe('of a statement', () => {
    const count = 100_000;

    it('lists of 100,000 values', async () => {
      expect(
        await numberOf(`SELECT count(*) FROM t WHERE id IN (${list(count, (index) => `${index * 3}`)})`),
      ).to.equal(334);
      expect(
        await numberOf(
          `SELECT count(*) FROM t WHERE name NOT IN (${list(count, (index) => `'n${index * 3}'`)})`,
        ),
      ).to.equal(666);
    });

    it('VALUES of 100,000 rows', async () => {
      const values = list(count, (index) => `(${index}, 'row ${index}')`);
      expect(await numberOf(`SELECT sum(column1) FROM (VALUES ${values}) AS v`)).to.equal(4_999_950_000);
    });

    it('conditions of 10,000 parts, in the time of one pass', async () => {
      const parts = (operator: string) => list(10_000, (index) => `id ${operator} ${index * 2}`, '%');
      const and = parts('<>').replaceAll('%', ' AND ');
      const or = parts('=').replaceAll('%', ' OR ');
      expect(await numberOf(`SELECT count(*) FROM t WHERE ${and}`)).to.equal(500);
      expect(await numberOf(`SELECT count(*) FROM t WHERE ${or}`)).to.equal(500);
    });

    it('65,535 parameters, and half as many by url', async () => {
      const client = await connected();
      const statement = (given: number) =>
        `SELECT count(*) FROM t WHERE id IN (${list(given, (index) => `$${index + 1}`)})`;
      const values = (given: number) => Array.from({ length: given }, (_, index) => index);
      const { rows } = await client.query(statement(maxParameters), values(maxParameters));
      expect(rows).to.deep.equal([{ count: '1000' }]);
      await client.end();
      expect(await refusal(numberOf(statement(maxParameters + 1)))).to.equal(
        '42P02 there is no parameter $65536',
      );
      expect(await numberOf(statement(32_767), values(32_767))).to.equal(1000);
      expect(await refusal(numberOf(statement(32_768), values(32_768)))).to.equal(
        '54000 more than 32767 parameters, by url',
      );
    });

    it('a text of 16 Mi characters', async () => {
      const spaces = ' '.repeat(maxStatementLength - 'SELECT 1'.length);
      expect(await numberOf(`SELECT${spaces} 1`)).to.equal(1);
      expect(await refusal(numberOf(`SELECT ${spaces} 1`))).to.equal(
        `54000 statement text exceeds the maximum of ${maxStatementLength} characters`,
      );
    });

    it('1,664 results', async () => {
      const wide = (columns: number) => database.query(`SELECT ${list(columns, String)}`);
      expect((await wide(maxTargets)).fields).to.have.length(maxTargets);
      expect(await refusal(wide(maxTargets + 1))).to.equal(
        '54011 target lists can have at most 1664 entries',
      );
    });

    it('nesting, of whatever it is', async () => {
      const deep = maxNesting * 2;
      const statements = [
        `SELECT ${'('.repeat(deep)}1${')'.repeat(deep)}`,
        `SELECT ${'NOT '.repeat(deep)}true`,
        `SELECT ${list(deep, () => '1', ' + ')}`,
        `SELECT ${'abs('.repeat(deep)}1${')'.repeat(deep)}`,
        `SELECT ${'CASE WHEN true THEN '.repeat(deep)}1${' END'.repeat(deep)}`,
        `${'SELECT * FROM ('.repeat(deep)}SELECT 1 AS x${') AS q'.repeat(deep)}`,
        list(deep, (index) => `SELECT ${index}`, ' UNION ALL '),
      ];
      for (const statement of statements) {
        expect(await refusal(database.query(statement)), statement.slice(0, 30)).to.equal(
          '54001 stack depth limit exceeded',
        );
      }
    });
  });

  describe('of a table', () => {
    it('1,600 columns, with a primary key and without', async () => {
      const columns = (count: number) => list(count, (index) => `c${index} int`);
      for (const key of ['', ', PRIMARY KEY (c0)']) {
        await database.execute(`CREATE TABLE wide (${columns(tableColumnsMax)}${key})`);
        await database.execute(`INSERT INTO wide VALUES (${list(tableColumnsMax, String)})`);
        const { rows } = await database.query<Record<string, number>>('SELECT * FROM wide');
        expect(rows[0]).to.have.property('c1599', 1599);
        expect(await refusal(database.execute('ALTER TABLE wide ADD COLUMN more int'))).to.equal(
          '54011 tables can have at most 1600 columns',
        );
        await database.execute('DROP TABLE wide');
      }
      expect(await refusal(database.execute(`CREATE TABLE wide (${columns(tableColumnsMax + 1)})`))).to.equal(
        '54011 tables can have at most 1600 columns',
      );
    });

    it('vectors of 16,000 dimensions', async () => {
      await database.execute('CREATE TABLE vectors (id int PRIMARY KEY, at vector(16000))');
      await database.execute('INSERT INTO vectors VALUES (1, $1)', [new Float32Array(16_000).fill(0.5)]);
      expect(await numberOf('SELECT vector_dims(at) FROM vectors')).to.equal(16_000);
      expect(await refusal(database.execute('CREATE TABLE more (at vector(16001))'))).to.equal(
        '22023 dimensions for type vector cannot exceed 16000',
      );
      expect(await refusal(database.query('SELECT $1::vector', [new Float32Array(16_001)]))).to.equal(
        '54000 vector cannot have more than 16000 dimensions',
      );
    });
  });

  describe('of a row', () => {
    before(() => database.execute('CREATE TABLE large (id int PRIMARY KEY, a text, b text)'));
    const text = (mebibytes: number, letter = 'x') => letter.repeat(mebibytes * 1024 * 1024);
    const stored = () =>
      database
        .query('SELECT id, length(a) AS a, length(b) AS b FROM large ORDER BY id')
        .then(({ rows }) => rows);

    it('texts of 8 MiB, written, changed and read', async () => {
      await database.execute('INSERT INTO large VALUES (1, $1, $2)', [text(8), text(8)]);
      await database.execute('UPDATE large SET a = $1 WHERE id = 1', [text(4, 'é')]);
      expect(await stored()).to.deep.equal([{ id: 1, a: 4 * 1024 * 1024, b: 8 * 1024 * 1024 }]);
      await database.execute('DELETE FROM large');
    });

    it('20 MiB in all; of a transaction that has more in one row, nothing stays', async () => {
      const half = rowBytesMax / 2;
      const tooBig = database.transaction(async (transaction) => {
        await transaction.execute("INSERT INTO large VALUES (1, 'small', '')");
        await transaction.execute("INSERT INTO large VALUES (2, repeat('a', $1), repeat('b', $1))", [half]);
      });
      expect(await refusal(tooBig)).to.match(/^54000 row is too big: size \d+, maximum size 20971520$/);
      await database.execute("INSERT INTO large VALUES (3, repeat('a', $1), '')", [rowBytesMax - 100]);
      await database.execute("UPDATE large SET b = 'changed'");
      expect(await stored()).to.deep.equal([{ id: 3, a: rowBytesMax - 100, b: 7 }]);
    });
  });

  describe('of a connection', () => {
    it('prepared statements and portals', async () => {
      const client = await served.client();
      const many = (count: number, item: (index: number) => Uint8Array) =>
        Array.from({ length: count }, (_, index) => item(index));
      const errors = (answers: readonly string[]) => answers.filter((answer) => answer.startsWith('Error'));
      const statements = many(preparedStatementsMax, (index) => parse('SELECT 1', `s${index}`));
      expect(errors(await client.ask(...statements, sync))).to.deep.equal([]);
      expect(errors(await client.ask(parse('SELECT 1', 'more'), sync))[0]).to.equal(
        'ErrorResponse ERROR 53400 a connection cannot prepare more than 10000 statements',
      );
      const portals = many(portalsMax, (index) => bind([], { statement: 's0', portal: `p${index}` }));
      await client.ask(query('BEGIN'));
      expect(errors(await client.ask(...portals, sync))).to.deep.equal([]);
      expect(errors(await client.ask(bind([], { statement: 's0', portal: 'more' }), sync))[0]).to.equal(
        'ErrorResponse ERROR 53400 a connection cannot open more than 1000 portals',
      );
      client.close();
    });
  });

  describe('of a name', () => {
    it('63 bytes: longer ones are cut, and a notice says so', async () => {
      const client = await connected();
      const notices: string[] = [];
      client.on('notice', ({ severity, code, message }) => notices.push(`${severity} ${code} ${message}`));
      const long = 'n'.repeat(maxNameBytes + 7);
      const cut = 'n'.repeat(maxNameBytes);
      await client.query(`CREATE TABLE ${long.toUpperCase()} ("${'é'.repeat(40)}" int)`);
      const { fields } = await client.query(`SELECT * FROM ${cut}`);
      await client.end();
      expect(fields.map(({ name }) => name)).to.deep.equal(['é'.repeat(31)]);
      expect(notices).to.deep.equal([
        `NOTICE 42622 identifier "${long}" will be truncated to "${cut}"`,
        `NOTICE 42622 identifier "${'é'.repeat(40)}" will be truncated to "${'é'.repeat(31)}"`,
      ]);
    });
  });
});
