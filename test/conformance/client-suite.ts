import { expect } from 'chai';
import { AlopexError, type Database, type Queryable, type Value } from '../../api/index.ts';
import { parameters, values } from './client-values.ts';

/** What `Database` promises, wherever the database is. `open` gives an empty one. */
export function databaseSuite(name: string, open: () => Promise<Database>): void {
  describe(`Database, ${name}`, () => {
    let db: Database;
    before(async () => {
      db = await open();
      await db.execute('CREATE TABLE account (id int PRIMARY KEY, owner text NOT NULL, balance int8)');
    });
    beforeEach(() => db.execute('TRUNCATE account'));
    after(() => db.close());

    describe('query and execute', () => {
      it('give rows as objects, fields, the command and its count', async () => {
        expect(await db.query("INSERT INTO account VALUES (1, 'ann', 10), (2, 'bob', NULL)")).to.deep.equal({
          command: 'INSERT',
          rowCount: 2,
          rows: [],
          fields: [],
        });
        expect(await db.query('SELECT id, owner, balance FROM account ORDER BY id')).to.deep.equal({
          command: 'SELECT',
          rowCount: 2,
          rows: [
            { id: 1, owner: 'ann', balance: 10 },
            { id: 2, owner: 'bob', balance: null },
          ],
          fields: [
            { name: 'id', type: 23, modifier: -1 },
            { name: 'owner', type: 25, modifier: -1 },
            { name: 'balance', type: 20, modifier: -1 },
          ],
        });
        expect(await db.execute('UPDATE account SET balance = 0')).to.equal(2);
        expect(await db.execute('CREATE TABLE nothing_counted (a int)')).to.equal(0);
        expect(await db.query('DELETE FROM account WHERE id = 1 RETURNING owner')).to.deep.include({
          command: 'DELETE',
          rowCount: 1,
          rows: [{ owner: 'ann' }],
        });
      });

      it('take $n and ? parameters', async () => {
        expect((await db.query('SELECT $2::int AS b, $1::text AS a', ['x', 2])).rows).to.deep.equal([
          { b: 2, a: 'x' },
        ]);
        expect((await db.query("SELECT ?::int AS b, '?' AS c, ?::text AS a", [2, 'x'])).rows).to.deep.equal([
          { b: 2, c: '?', a: 'x' },
        ]);
        const has = await db.query(`SELECT '{"k": 1}'::jsonb ?? ? AS has`, ['k']);
        expect(has.rows).to.deep.equal([{ has: true }]);
      });

      it('answer an empty text with nothing', async () => {
        const nothing = { command: '', rowCount: 0, rows: [], fields: [] };
        expect(await db.query('')).to.deep.equal(nothing);
        expect(await db.query(' ; -- nothing')).to.deep.equal(nothing);
      });

      it('run once what has an id, and give its count again', async () => {
        const sql = 'INSERT INTO account VALUES ($1, $2, $3)';
        const once = async (owner: string) => db.once('order-1', sql, [1, owner, 5]);
        expect(await once('ann')).to.include({ command: 'INSERT', rowCount: 1 });
        expect(await once('ann')).to.include({ command: 'INSERT', rowCount: 1 });
        await rejects(once('bob'), '22023');
        expect((await db.query('SELECT owner FROM account')).rows).to.deep.equal([{ owner: 'ann' }]);
        await db.execute(sql, [2, 'cid', 5]);
        await rejects(db.once('order-2', 'SELECT 1; SELECT 2'), '42601');
      });

      it('run scripts without parameters as one: the last result, all or nothing', async () => {
        const script = "INSERT INTO account VALUES (1, 'a;b', 1); SELECT owner FROM account; -- end";
        expect((await db.query(script)).rows).to.deep.equal([{ owner: 'a;b' }]);
        await rejects(db.query("INSERT INTO account VALUES (2, 'c', 1); SELECT 1/0"), '22012');
        expect((await db.query('SELECT id FROM account')).rows).to.deep.equal([{ id: 1 }]);
        await rejects(db.query('SELECT $1; SELECT 2', [1]), '42601');
      });

      it('see a table as it is after it was altered', async () => {
        await db.execute('CREATE TABLE altered (a int)');
        await db.execute('INSERT INTO altered VALUES (?)', [1]);
        const select = 'SELECT * FROM altered WHERE a = $1';
        expect((await db.query(select, [1])).rows).to.deep.equal([{ a: 1 }]);
        await db.execute("ALTER TABLE altered ADD COLUMN b text DEFAULT 'new'");
        expect((await db.query('SELECT * FROM altered')).rows).to.deep.equal([{ a: 1, b: 'new' }]);
      });

      it('run in any number at once', async () => {
        const answers = await Promise.all(
          Array.from({ length: 50 }, (_, index) => db.query<{ n: number }>('SELECT $1::int AS n', [index])),
        );
        expect(answers.map(({ rows }) => rows[0]!.n)).to.deep.equal(Array.from({ length: 50 }, (_, n) => n));
      });
    });

    describe('values', () => {
      for (const [expression, value] of values) {
        it(`reads ${expression}`, async () => {
          expect((await db.query(`SELECT ${expression} AS v`)).rows).to.deep.equal([{ v: value }]);
        });
      }
      for (const [type, given, back] of parameters) {
        it(`passes ${type} ${JSON.stringify(given, (_, part) => (typeof part === 'bigint' ? String(part) : part))}`, async () => {
          const { rows } = await db.query(`SELECT $1::${type} AS v`, [given as never]);
          expect(rows).to.deep.equal([{ v: back }]);
        });
      }
      it('lets a later column of the same name win', async () => {
        expect((await db.query('SELECT 1 AS a, 2 AS a')).rows).to.deep.equal([{ a: 2 }]);
      });
    });

    describe('errors', () => {
      it('have code, position, constraint, table and detail', async () => {
        await db.execute("INSERT INTO account VALUES (1, 'ann', 10)");
        const duplicate = await rejects(db.execute("INSERT INTO account VALUES (1, 'x', 0)"), '23505');
        expect(duplicate.fields).to.deep.include({ table: 'account', constraint: 'account_pkey' });
        expect(duplicate.detail).to.equal('Key (id)=(1) already exists.');
        const missing = await rejects(db.execute('INSERT INTO account VALUES (2, NULL, 0)'), '23502');
        expect(missing.fields).to.deep.include({ table: 'account', column: 'owner' });
        expect((await rejects(db.query('SELECT 1 +'), '42601')).position).to.equal(11);
      });

      it('place a position in the text that was written', async () => {
        const error = await rejects(db.query("SELECT ?::int, '🦊', nothing FROM account", [1]), '42703');
        expect(error.position).to.equal("SELECT ?::int, '🦊', nothing".indexOf('nothing'));
      });

      it('of parameters', async () => {
        await rejects(db.query('SELECT $1::int', ['x']), '22P02');
        await rejects(db.query('SELECT $1::int', []), '08P01');
        await rejects(db.query('SELECT 1', [1]), '08P01');
        await rejects(db.query('SELECT ? + $1', [1, 2]), '42601');
        await rejects(db.query("SELECT 'a\0b'"), '22021');
        await rejects(db.query('SELECT $1::text', ['a\0b']), '22021');
        await rejects(db.query('SELECT $1::timestamptz', [new Date(Number.NaN)]), '22007');
      });

      it('of what is not there over this interface', async () => {
        await rejects(db.query('COPY account FROM STDIN'), '0A000');
        await rejects(db.query('COPY account TO STDOUT'), '0A000');
        expect((await db.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
      });
    });

    describe('prepare', () => {
      it('tells the types of parameters, and runs with any', async () => {
        await using insert = await db.prepare('INSERT INTO account VALUES (?, ?, ?)');
        expect(insert.parameterTypes).to.deep.equal([23, 25, 20]);
        for (let id = 0; id < 20; id++) expect(await insert.execute([id, `owner ${id}`, id])).to.equal(1);
        const find = await db.prepare<{ owner: string }>('SELECT owner FROM account WHERE id = $1');
        expect((await find.query([7])).rows).to.deep.equal([{ owner: 'owner 7' }]);
        const found = await Promise.all([3, 99, 4].map((id) => find.query([id])));
        expect(found.map(({ rows }) => rows[0]?.owner)).to.deep.equal(['owner 3', undefined, 'owner 4']);
        await find.close();
        await rejects(async () => find.query([7]), '26000');
      });

      it('keeps the types of its parameters when a column gets another one', async () => {
        await db.execute('CREATE TABLE changing (id int PRIMARY KEY, value text)');
        await using insert = await db.prepare('INSERT INTO changing VALUES (?, ?)');
        await using update = await db.prepare('UPDATE changing SET value = $2 WHERE id = $1');
        expect(await insert.execute([1, 'one'])).to.equal(1);
        await db.execute('ALTER TABLE changing DROP COLUMN value');
        await db.execute('ALTER TABLE changing ADD COLUMN value jsonb');
        await rejects(insert.execute([2, 'two']), '42804');
        await rejects(insert.executeMany([[2, 'two']]), '42804');
        await rejects(update.execute([1, 'two']), '42804');
        expect((await db.query('SELECT * FROM changing')).rows).to.deep.equal([{ id: 1, value: null }]);
        await db.execute('DROP TABLE changing');
      });

      it('refuses what is no statement, and more than one', async () => {
        await rejects(db.prepare('SELEKT 1'), '42601');
        await rejects(db.prepare('SELECT 1; SELECT 2'), '42601');
        await rejects(db.prepare(' -- nothing'), '42601');
        await rejects(db.prepare('SELECT * FROM not_there'), '42P01');
      });
    });

    describe('executeMany', () => {
      const count = async (queryable: Queryable = db): Promise<unknown> =>
        (await queryable.query<{ n: number }>('SELECT count(*) AS n FROM account')).rows[0]!.n;
      const rows = function* (rowCount: number): Generator<Value[]> {
        for (let id = 0; id < rowCount; id++) yield [id, `owner ${id} ${'é'.repeat(50)}`, id * 10];
      };

      it('inserts each of the rows, as many as there are', async () => {
        await using insert = await db.prepare('INSERT INTO account VALUES (?, ?, ?)');
        expect(await insert.executeMany([])).to.equal(0);
        expect(await insert.executeMany(rows(3_000))).to.equal(3_000);
        expect(await count()).to.equal(3_000);
        const { rows: found } = await db.query('SELECT owner, balance FROM account WHERE id = 2999');
        expect(found).to.deep.equal([{ owner: `owner 2999 ${'é'.repeat(50)}`, balance: 29_990 }]);
      });

      it('runs any statement, and counts the rows in all', async () => {
        await db.execute("INSERT INTO account SELECT i, 'x', 0 FROM generate_series(1, 10) AS i");
        await using update = await db.prepare('UPDATE account SET balance = $2 WHERE id <= $1');
        expect(
          await update.executeMany([
            [4, 1],
            [2, 2],
            [0, 3],
          ]),
        ).to.equal(6);
        await using upsert = await db.prepare(
          'INSERT INTO account VALUES (?, ?, 0) ON CONFLICT (id) DO NOTHING RETURNING id',
        );
        expect(
          await upsert.executeMany([
            [1, 'a'],
            [99, 'b'],
          ]),
        ).to.equal(1);
        await rejects((await db.prepare('COPY account TO STDOUT')).executeMany([[]]), '0A000');
        expect(await count()).to.equal(11);
      });

      it('keeps nothing where one row fails', async () => {
        await using insert = await db.prepare('INSERT INTO account VALUES (?, ?, ?)');
        await rejects(insert.executeMany([...rows(2_000), [7, 'again', 0]]), '23505');
        await rejects(
          insert.executeMany([
            [1, 'a', 0],
            [2, 'b'],
          ]),
          '08P01',
        );
        await rejects(
          insert.executeMany([
            [1, 'a', 0],
            ['x', 'b', 0],
          ]),
          '22P02',
        );
        const reason = new Error('no more');
        const broken = function* (): Generator<Value[]> {
          yield* rows(2_000);
          throw reason;
        };
        const error = await insert.executeMany(broken()).catch((thrown: unknown) => thrown);
        expect(error).to.equal(reason);
        expect(await count()).to.equal(0);
        expect(await insert.executeMany(rows(1))).to.equal(1);
      });

      it('is of the transaction that it stands in', async () => {
        const work = db.transaction(async (transaction) => {
          const insert = await transaction.prepare('INSERT INTO account VALUES (?, ?, ?)');
          expect(await insert.executeMany(rows(5))).to.equal(5);
          expect(await count(transaction)).to.equal(5);
          expect(await count()).to.equal(0);
          await rejects(insert.executeMany(rows(5)), '23505');
          await rejects(insert.executeMany(rows(5)), '25P02');
        });
        await rejects(work, '25P02');
        expect(await count()).to.equal(0);
      });

      it('takes the bytes as they are when it is called', async () => {
        await db.execute('CREATE TABLE IF NOT EXISTS blob (id int PRIMARY KEY, data bytea, place vector(2))');
        const data = new Uint8Array([1, 2]);
        const insert = await db.prepare('INSERT INTO blob VALUES (?, ?, ?)');
        await insert.executeMany([[1, data, [1, 2]]]);
        data[0] = 9;
        const read = async (): Promise<unknown> => (await db.query('SELECT data, place FROM blob')).rows[0];
        const first = (await read()) as { data: Uint8Array; place: Float32Array };
        expect(first.data).to.deep.equal(new Uint8Array([1, 2]));
        first.data[1] = 9;
        first.place[1] = 9;
        expect(await read()).to.deep.equal({ data: new Uint8Array([1, 2]), place: new Float32Array([1, 2]) });
        await db.execute('DROP TABLE blob');
      });
    });

    describe('transaction', () => {
      const balances = async (): Promise<unknown> =>
        (await db.query('SELECT id FROM account ORDER BY id')).rows;

      it('commits what it did, and gives what it returns', async () => {
        const result = await db.transaction(async (transaction) => {
          const insert = await transaction.prepare('INSERT INTO account VALUES ($1, $2, 0)');
          await insert.execute([1, 'ann']);
          await insert.execute([2, 'bob']);
          expect(await balances()).to.deep.equal([]);
          return (await transaction.query<{ n: number }>('SELECT count(*) AS n FROM account')).rows[0]!.n;
        });
        expect(result).to.equal(2);
        expect(await balances()).to.deep.equal([{ id: 1 }, { id: 2 }]);
      });

      it('rolls back when it throws, and throws that', async () => {
        const reason = new Error('changed its mind');
        const work = db.transaction(async (transaction) => {
          await transaction.execute("INSERT INTO account VALUES (1, 'ann', 0)");
          throw reason;
        });
        expect(await work.catch((error: unknown) => error)).to.equal(reason);
        expect(await balances()).to.deep.equal([]);
      });

      it('does not commit over a failed statement', async () => {
        const work = db.transaction(async (transaction) => {
          await transaction.execute("INSERT INTO account VALUES (1, 'ann', 0)");
          await transaction.query('SELECT 1/0').catch(() => {});
          await rejects(transaction.query('SELECT 1'), '25P02');
        });
        await rejects(work, '25P02');
        expect(await balances()).to.deep.equal([]);
      });

      it('has the isolation and the access that it asks for', async () => {
        const shown = await db
          .transaction(
            async (transaction) => {
              await rejects(transaction.execute("INSERT INTO account VALUES (1, 'ann', 0)"), '25006');
              return (await db.query('SELECT 1 AS other')).rows;
            },
            { isolation: 'repeatable read', readOnly: true },
          )
          .catch((error: AlopexError) => error.code);
        expect(shown).to.equal('25P02');
        const isolation = await db.transaction(
          async (transaction) => (await transaction.query('SHOW transaction_isolation')).rows,
          { isolation: 'serializable' },
        );
        expect(isolation).to.deep.equal([{ transaction_isolation: 'serializable' }]);
        await db.execute("INSERT INTO account VALUES (1, 'ann', 0)");
        const conflict = db.transaction(
          async (transaction) => {
            await transaction.query('SELECT * FROM account');
            await db.execute('UPDATE account SET balance = 1');
            await transaction.execute('UPDATE account SET balance = 2');
          },
          { isolation: 'repeatable read' },
        );
        await rejects(conflict, '40001');
      });

      it('is of no use after its end', async () => {
        const scope = await db.transaction(async (transaction) => transaction);
        await rejects(scope.query('SELECT 1'), '25000');
      });

      it('goes on after a savepoint', async () => {
        await db.transaction(async (transaction) => {
          await transaction.execute("INSERT INTO account VALUES (1, 'ann', 0)");
          await transaction.execute('SAVEPOINT before_it');
          await rejects(transaction.execute("INSERT INTO account VALUES (1, 'bob', 0)"), '23505');
          await transaction.execute('ROLLBACK TO before_it');
          await transaction.execute("INSERT INTO account VALUES (2, 'bob', 0)");
        });
        expect(await balances()).to.deep.equal([{ id: 1 }, { id: 2 }]);
      });
    });

    describe('stream', () => {
      const count = 5_000;
      const numbers = `SELECT n, 'row ' || n AS name FROM generate_series(1, ${count}) AS n`;

      it('gives all rows in order', async () => {
        let sum = 0;
        for await (const row of db.stream<{ n: number; name: string }>(`${numbers} WHERE n > ?`, [10])) {
          expect(row.name).to.equal(`row ${row.n}`);
          sum += row.n;
        }
        expect(sum).to.equal((count * (count + 1)) / 2 - 55);
      });

      it('may end early, any number of times', async () => {
        for (let turn = 0; turn < 20; turn++) {
          for await (const { n } of db.stream<{ n: number }>(numbers)) if (n === 3) break;
        }
        expect((await db.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
      });

      it('throws where the rows end in an error', async () => {
        const seen: number[] = [];
        const failing = async (): Promise<void> => {
          const rows = db.stream<{ n: number }>(
            `SELECT 10 / (3000 - n) AS n FROM generate_series(1, 3001) AS n`,
          );
          for await (const { n } of rows) seen.push(n);
        };
        await rejects(failing, '22012');
        expect((await db.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
      });

      it('runs within a transaction, with other statements beside it', async () => {
        await db.transaction(async (transaction) => {
          await transaction.execute(
            "INSERT INTO account SELECT n, 'x', n FROM generate_series(1, 3000) AS n",
          );
          let seen = 0;
          for await (const { id } of transaction.stream<{ id: number }>(
            'SELECT id FROM account ORDER BY id',
          )) {
            seen++;
            if (id % 1000 === 0) await transaction.execute('SELECT $1::int', [id]);
          }
          expect(seen).to.equal(3000);
        });
      });
    });

    it('is closed once', async () => {
      const other = await open();
      await other.close();
      await rejects(other.query('SELECT 1'), '08003');
      await rejects(other.prepare('SELECT 1'), '08003');
      await rejects(async () => other.transaction(async () => {}), '08003');
      await other.close();
    });
  });
}

/** The AlopexError with that code, which the work must end in. */
export async function rejects(
  work: Promise<unknown> | (() => Promise<unknown>),
  code: string,
): Promise<AlopexError> {
  try {
    await (typeof work === 'function' ? work() : work);
  } catch (error) {
    expect(error, String(error)).to.be.instanceOf(AlopexError);
    expect((error as AlopexError).code, String(error)).to.equal(code);
    return error as AlopexError;
  }
  throw new Error(`no error where ${code} was expected`);
}
