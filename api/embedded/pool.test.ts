import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { expect } from 'chai';
import type { Database } from '../database/database.ts';
import { Database as Databases } from '../open.ts';
import { Pool } from './pool.ts';
import type { ClientResult } from './result.ts';

describe('Pool', () => {
  let directory: string;
  let database: Database;
  let pool: Pool;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-pool-'));
    database = await Databases.open({ path: directory });
    await database.execute('CREATE TABLE t (id int PRIMARY KEY, name text)');
  });
  beforeEach(async () => {
    await database.execute('TRUNCATE t');
    pool = new Pool({ database, max: 2 });
  });
  after(async () => {
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });
  const codeOf = (work: Promise<unknown>): Promise<string> =>
    work.then(
      () => 'none',
      (error: { code: string }) => error.code,
    );

  it("gives node-postgres's values", async () => {
    const { rows } = await pool.query(
      `SELECT 1::int8 AS big, 1.50 AS exact, '2024-05-06'::date AS day, '2024-05-06 07:08:09'::timestamp AS local,
       '\\x00ff'::bytea AS bytes, ARRAY[1,2]::int8[] AS bigs, '{"a":1}'::json AS json, true AS yes, NULL AS nothing`,
    );
    expect(rows).to.deep.equal([
      {
        big: '1',
        exact: '1.50',
        day: new Date(2024, 4, 6),
        local: new Date(2024, 4, 6, 7, 8, 9),
        bytes: Buffer.from([0, 255]),
        bigs: ['1', '2'],
        json: { a: 1 },
        yes: true,
        nothing: null,
      },
    ]);
  });

  it('sends parameters as node-postgres does', async () => {
    const date = new Date(2024, 4, 6, 7, 8, 9, 123);
    const values = [date, date, Buffer.from([0, 1]), { a: [1] }, ['x"', null, '\\'], 12n, [1, 2], undefined];
    const { rows } = await pool.query({
      text: 'SELECT $1::timestamp, $2::timestamptz, $3::bytea, $4::jsonb, $5::text[], $6::int8, $7::vector, $8::int',
      values,
      rowMode: 'array',
    });
    expect(rows).to.deep.equal([
      [date, date, Buffer.from([0, 1]), { a: [1] }, ['x"', null, '\\'], '12', '[1,2]', null],
    ]);
  });

  it('takes the parsers that it is given', async () => {
    const types = { getTypeParser: (oid: number) => (text: string) => `${oid}:${text}` };
    expect((await pool.query({ text: 'SELECT 1 AS a', types })).rows).to.deep.equal([{ a: '23:1' }]);
  });

  it('tells command, count and fields, and a result a statement of a script', async () => {
    const insert = await pool.query("INSERT INTO t VALUES (1, 'a'), (2, 'b')");
    expect(insert).to.deep.include({ command: 'INSERT', rowCount: 2, oid: 0 });
    const select = await pool.query('SELECT id FROM t');
    expect(select).to.deep.include({ command: 'SELECT', rowCount: 2, oid: null });
    expect(select.fields[0]).to.deep.include({ name: 'id', dataTypeID: 23, dataTypeSize: 4, format: 'text' });
    expect(await pool.query('BEGIN')).to.deep.include({ command: 'BEGIN', rowCount: null });
    const results = (await pool.query('SELECT 1 AS a; SELECT 2 AS a')) as unknown as ClientResult[];
    expect(results.map(({ rows }) => rows)).to.deep.equal([[{ a: 1 }], [{ a: 2 }]]);
  });

  it('answers callbacks', async () => {
    const answer = await new Promise((resolve) =>
      pool.query('SELECT $1::int AS a', [1], (error, result) => resolve([error, result?.rows])),
    );
    expect(answer).to.deep.equal([null, [{ a: 1 }]]);
    const code = await new Promise((resolve) =>
      pool.query('SELECT 1/0', (error) => resolve((error as unknown as { code: string }).code)),
    );
    expect(code).to.equal('22012');
    await new Promise<void>((resolve) =>
      pool.connect((error, client, release) => {
        expect(error).to.equal(undefined);
        expect(client?.processID).to.be.a('number');
        release();
        resolve();
      }),
    );
    expect(pool.idleCount).to.equal(pool.totalCount);
  });

  it('runs the statements of a client in their order', async () => {
    const client = await pool.connect();
    const results = await Promise.all([
      client.query('BEGIN'),
      client.query('INSERT INTO t VALUES ($1, $2)', [1, 'a']),
      client.query('SELECT name FROM t'),
      client.query('COMMIT'),
    ]);
    client.release();
    expect(results[2]!.rows).to.deep.equal([{ name: 'a' }]);
  });

  it('keeps a named statement for its text', async () => {
    const client = await pool.connect();
    for (const id of [1, 2])
      expect(
        (await client.query({ name: 'n', text: 'SELECT $1::int AS id', values: [id] })).rows,
      ).to.deep.equal([{ id }]);
    expect(await codeOf(client.query({ name: 'n', text: 'SELECT 2' }))).to.equal('42P05');
    client.release();
  });

  it('hands out at most `max` clients, the next to who waited longest', async () => {
    const [first, second] = [await pool.connect(), await pool.connect()];
    const order: number[] = [];
    const third = pool.connect().then((client) => {
      order.push(3);
      return client;
    });
    const fourth = pool.connect().then((client) => {
      order.push(4);
      return client;
    });
    expect([pool.totalCount, pool.waitingCount]).to.deep.equal([2, 2]);
    first.release();
    expect(await third).to.equal(first);
    second.release(true);
    expect(await fourth).not.to.equal(second);
    expect(order).to.deep.equal([3, 4]);
    await setImmediate();
    expect(() => second.release()).to.throw('already been released');
    (await third).release();
    (await fourth).release();
  });

  it('takes a client back once a turn, and hands it to nobody else in it', async () => {
    const [first, second] = [await pool.connect(), await pool.connect()];
    const third = pool.connect();
    first.release();
    first.release();
    expect(pool.waitingCount).to.equal(0);
    expect(await third).to.equal(first);
    // The one that has it now was not released.
    await third.then((client) => client.query('SELECT 1'));
    expect(pool.idleCount).to.equal(0);
    first.release();
    second.release();
  });

  it('rolls back and drops a client that comes back in a transaction', async () => {
    const client = await pool.connect();
    await client.query("BEGIN; INSERT INTO t VALUES (1, 'a')");
    client.release();
    expect(pool.totalCount).to.equal(0);
    expect((await pool.query('SELECT * FROM t')).rows).to.deep.equal([]);
  });

  it('tells errors with their fields, and goes on', async () => {
    await pool.query("INSERT INTO t VALUES (1, 'a')");
    expect(await codeOf(pool.query("INSERT INTO t VALUES (1, 'a')"))).to.equal('23505');
    expect(await codeOf(pool.query('SELECT $1::int', []))).to.equal('42P02');
    expect(await codeOf(pool.query('SELECT $1::int', [1, 2]))).to.equal('08P01');
    expect(await codeOf(pool.query('SELECT $1::int', ['x']))).to.equal('22P02');
    expect(await codeOf(pool.query('SELECT 1; SELECT $1::int', [1]))).to.equal('42601');
    expect(await codeOf(pool.query('COPY t FROM STDIN'))).to.equal('0A000');
    expect(() => pool.query({ submit: () => {} }))
      .to.throw()
      .with.property('code', '0A000');
    expect((await pool.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
  });

  it('ends when all clients are back; the database stays', async () => {
    const client = await pool.connect();
    const ended = pool.end();
    expect(await codeOf(pool.connect())).to.equal('08003');
    expect(pool.ended).to.equal(false);
    client.release();
    await ended;
    expect(pool.ended).to.equal(true);
    expect((await database.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
  });

  it('takes no database on a server', () => {
    expect(() => new Pool({ database: {} as Database }))
      .to.throw()
      .with.property('code', '22023');
  });
});
