import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { Kysely, PostgresDialect } from 'kysely';
import Cursor from 'pg-cursor';
import QueryStream from 'pg-query-stream';
import { Database } from '../open.ts';
import type { PoolClient } from './client.ts';
import { Pool } from './pool.ts';

describe('queries that submit themselves', () => {
  let directory: string;
  let database: Database;
  let pool: Pool;
  let client: PoolClient;
  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-submitted-'));
    database = await Database.open({ path: directory });
    pool = new Pool({ database });
    await database.query(
      'CREATE TABLE t (id int PRIMARY KEY, big bigint); INSERT INTO t SELECT i, i FROM generate_series(1, 2500) AS i',
    );
  });
  after(async () => {
    await pool.end();
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });
  beforeEach(async () => {
    client = await pool.connect();
  });
  afterEach(() => client.release());

  const codeOf = (work: Promise<unknown>) =>
    work.then(
      () => 'done',
      (error: { readonly code: string }) => error.code,
    );

  describe("pg-cursor's", () => {
    it('read as many rows as they are asked for, to the end', async () => {
      const cursor = client.query(new Cursor('SELECT id, big FROM t WHERE id > $1 ORDER BY id', [2495]));
      expect(await cursor.read(2)).to.deep.equal([
        { id: 2496, big: '2496' },
        { id: 2497, big: '2497' },
      ]);
      expect(await cursor.read(100)).to.have.length(3);
      expect(await cursor.read(100)).to.deep.equal([]);
      expect((await client.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
    });

    it('closed early, let the client go on', async () => {
      const cursor = client.query(new Cursor('SELECT id FROM t'));
      expect(await cursor.read(1)).to.have.length(1);
      await cursor.close();
      expect((await client.query('SELECT count(*)::int AS n FROM t')).rows).to.deep.equal([{ n: 2500 }]);
    });

    it('tell errors, of the statement and of its rows', async () => {
      for (const [sql, values, code] of [
        ['SELECT * FROM nope', [], '42P01'],
        ['SELECT $1::int', ['x'], '22P02'],
        ['SELECT $1::int', [], '08P01'],
        ['SELECT 1 / (id - 3) FROM t ORDER BY id', [], '22012'],
        ['SELECT 1; SELECT 2', [], '42601'],
      ] as const) {
        const cursor = client.query(new Cursor(sql, [...values]));
        expect(await codeOf(cursor.read(10)), sql).to.equal(code);
      }
      expect((await client.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
    });

    it('run in their turn, and within transactions', async () => {
      await client.query('BEGIN');
      const deleted = client.query('DELETE FROM t WHERE id = 1');
      const cursor = client.query(new Cursor('SELECT id FROM t ORDER BY id'));
      expect(await cursor.read(1)).to.deep.equal([{ id: 2 }]);
      expect((await deleted).rowCount).to.equal(1);
      await cursor.close();
      await client.query('ROLLBACK');
      const empty = client.query(new Cursor('UPDATE t SET big = big WHERE id = 1'));
      expect(await empty.read(1)).to.deep.equal([]);
    });
  });

  it("pg-query-stream's give every row, and stop when they are left", async () => {
    const ids: number[] = [];
    for await (const { id } of client.query(
      new QueryStream('SELECT id FROM t ORDER BY id', [], { batchSize: 100 }),
    ))
      ids.push(id);
    expect(ids).to.deep.equal(Array.from({ length: 2500 }, (_, index) => index + 1));
    for await (const { id } of client.query(new QueryStream('SELECT id FROM t ORDER BY id'))) {
      expect(id).to.equal(1);
      break;
    }
    expect((await client.query('SELECT 1 AS a')).rows).to.deep.equal([{ a: 1 }]);
  });

  it("Kysely's stream", async () => {
    const db = new Kysely<{ t: { id: number; big: string } }>({
      dialect: new PostgresDialect({ pool: new Pool({ database }), cursor: Cursor }),
    });
    let sum = 0;
    for await (const { id } of db.selectFrom('t').select('id').stream(100)) sum += id;
    expect(sum).to.equal((2500 * 2501) / 2);
    await db.destroy();
  });
});
