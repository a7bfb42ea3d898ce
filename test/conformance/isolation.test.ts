import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { Database, Pool, type PoolClient } from '../../api/index.ts';

/** Sessions beside each other: what waits, what adds up, what is refused, and with which SQLSTATE. */
describe('isolation', () => {
  let directory: string;
  let database: Database;
  let pool: Pool;
  let a: PoolClient;
  let b: PoolClient;
  let c: PoolClient;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-isolation-'));
    database = await Database.open({ path: directory });
    pool = new Pool({ database });
    [a, b, c] = await Promise.all([pool.connect(), pool.connect(), pool.connect()]);
    await database.query(
      "CREATE TABLE t (id int PRIMARY KEY, n int, tag text UNIQUE); INSERT INTO t VALUES (1, 10, 'a'), (2, 20, 'b')",
    );
  });

  afterEach(async () => {
    for (const client of [a, b, c]) client.release(true);
    await pool.end();
    await database.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** 'done', 'waiting', or the SQLSTATE, after whatever could go on has gone on. */
  function watch(work: Promise<unknown>): { readonly outcome: Promise<string>; isWaiting: boolean } {
    const watched = { isWaiting: true, outcome: Promise.resolve('') };
    watched.outcome = work.then(
      () => 'done',
      (error: { readonly code: string }) => error.code,
    );
    void watched.outcome.then(() => {
      watched.isWaiting = false;
    });
    return watched;
  }

  async function waits(work: Promise<unknown>): Promise<{ readonly outcome: Promise<string> }> {
    const watched = watch(work);
    for (let turns = 0; turns < 50; turns++) await turn();
    expect(watched.isWaiting, 'it waits').to.equal(true);
    return watched;
  }

  async function codeOf(work: Promise<unknown>): Promise<string> {
    return watch(work).outcome;
  }

  async function run(client: PoolClient, ...statements: readonly string[]): Promise<void> {
    for (const statement of statements) await client.query(statement);
  }

  async function values(client: PoolClient, sql: string): Promise<readonly unknown[]> {
    return (await client.query({ text: sql, rowMode: 'array' })).rows.map((row: unknown[]) => row[0]);
  }

  describe('read committed', () => {
    it('n = n + 1 from many sessions adds up', async () => {
      const clients = [a, b, c];
      await Promise.all(
        Array.from({ length: 90 }, (_, index) =>
          clients[index % 3]!.query('UPDATE t SET n = n + 1 WHERE id = 1'),
        ),
      );
      expect(await values(a, 'SELECT n FROM t WHERE id = 1')).to.deep.equal([100]);
    });

    it('a waiting UPDATE looks at its condition again', async () => {
      await run(a, 'BEGIN', 'UPDATE t SET n = 99 WHERE id = 1');
      const update = await waits(b.query('UPDATE t SET n = n + 1 WHERE n = 10'));
      await run(a, 'COMMIT');
      expect(await update.outcome).to.equal('done');
      expect(await values(b, 'SELECT n FROM t ORDER BY id')).to.deep.equal([99, 20]);
    });

    it('a waiting UPDATE goes on when the other rolls back', async () => {
      await run(a, 'BEGIN', 'UPDATE t SET n = 99 WHERE id = 1');
      const update = await waits(b.query('UPDATE t SET n = n + 1 WHERE n = 10'));
      await run(a, 'ROLLBACK');
      await update.outcome;
      expect(await values(b, 'SELECT n FROM t WHERE id = 1')).to.deep.equal([11]);
    });

    it('a waiting DELETE passes over a row that is gone', async () => {
      await run(a, 'BEGIN', 'DELETE FROM t WHERE id = 1');
      const removal = waits(b.query('DELETE FROM t WHERE id = 1 RETURNING id'));
      const watched = await removal;
      await run(a, 'COMMIT');
      expect(await watched.outcome).to.equal('done');
      expect(await values(b, 'SELECT id FROM t')).to.deep.equal([2]);
    });

    it('sees what others commit, and never what they have not', async () => {
      await run(a, 'BEGIN');
      await run(b, 'BEGIN', 'UPDATE t SET n = 11 WHERE id = 1');
      expect(await values(a, 'SELECT n FROM t WHERE id = 1')).to.deep.equal([10]);
      await run(b, 'COMMIT');
      expect(await values(a, 'SELECT n FROM t WHERE id = 1')).to.deep.equal([11]);
    });
  });

  describe('stronger levels', () => {
    it('repeatable read keeps its snapshot and refuses a lost update', async () => {
      await run(a, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
      expect(await values(a, 'SELECT n FROM t WHERE id = 1')).to.deep.equal([10]);
      await run(b, 'UPDATE t SET n = 11 WHERE id = 1', "INSERT INTO t VALUES (3, 30, 'c')");
      expect(await values(a, 'SELECT n FROM t ORDER BY id')).to.deep.equal([10, 20]);
      expect(await codeOf(a.query('UPDATE t SET n = n + 1 WHERE id = 1'))).to.equal('40001');
    });

    it('repeatable read does not pass over a conflict that its snapshot does not show', async () => {
      for (const [id, conflict] of [
        [3, '(3, 0, NULL)'],
        [4, "(5, 0, 'new 4')"],
      ] as const) {
        const insert = `INSERT INTO t VALUES ${conflict} ON CONFLICT DO NOTHING`;
        await run(a, 'BEGIN ISOLATION LEVEL REPEATABLE READ', 'SELECT 1 FROM t');
        await run(b, `INSERT INTO t VALUES (${id}, 0, 'new ${id}')`);
        expect(await codeOf(a.query(insert)), conflict).to.equal('40001');
        await run(a, 'ROLLBACK', 'BEGIN ISOLATION LEVEL REPEATABLE READ');
        expect(await codeOf(a.query(insert)), conflict).to.equal('done');
        await run(a, 'COMMIT');
      }
      await run(a, 'BEGIN ISOLATION LEVEL REPEATABLE READ', "INSERT INTO t VALUES (9, 0, 'own')");
      expect(await codeOf(a.query("INSERT INTO t VALUES (9, 1, 'own') ON CONFLICT DO NOTHING"))).to.equal(
        'done',
      );
      await run(a, 'COMMIT');
    });

    it('does not read the past through an index that was made later', async () => {
      await run(a, 'INSERT INTO t SELECT i, i % 100, NULL FROM generate_series(3, 5000) AS i');
      const question = 'SELECT count(*)::int FROM t WHERE n = 42';
      const [{ now: before }] = (await a.query('SELECT now()::text AS now')).rows as [{ now: string }];
      await run(b, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
      const present = await values(b, question);
      await new Promise((resolve) => setTimeout(resolve, 5));
      await run(a, 'CREATE INDEX ON t (n)');
      expect(await values(b, question)).to.deep.equal(present);
      await run(b, 'COMMIT');
      const past = question.replace('FROM t', `FROM t FOR SYSTEM_TIME AS OF '${before}'`);
      expect(await values(a, past)).to.deep.equal(present);
      await run(a, `SET alopex.as_of = '${before}'`);
      expect(await values(a, question)).to.deep.equal(present);
      await run(a, 'RESET alopex.as_of');
      expect((await a.query(`EXPLAIN ${question}`)).rows.map((row) => row['QUERY PLAN']).join()).to.match(
        /t_n_idx/,
      );
    });

    it('repeatable read lets write skew through, serializable refuses it', async () => {
      for (const [level, codes] of [
        ['REPEATABLE READ', ['done', 'done']],
        ['SERIALIZABLE', ['done', '40001']],
      ] as const) {
        await run(a, `BEGIN ISOLATION LEVEL ${level}`, 'SELECT sum(n) FROM t');
        await run(b, `BEGIN ISOLATION LEVEL ${level}`, 'SELECT sum(n) FROM t');
        await run(a, 'UPDATE t SET n = n - 1 WHERE id = 1');
        const second = watch(b.query('UPDATE t SET n = n - 1 WHERE id = 2'));
        const first = await codeOf(a.query('COMMIT'));
        const updated = await second.outcome;
        const last = updated === 'done' ? await codeOf(b.query('COMMIT')) : updated;
        expect([first, last], level).to.deep.equal(codes);
        await b.query('ROLLBACK');
      }
    });

    it('serializable refuses a phantom', async () => {
      for (const [client, id] of [
        [a, 3],
        [b, 4],
      ] as const) {
        await run(client, 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'SELECT count(*) FROM t WHERE n > 100');
        await run(client, `INSERT INTO t VALUES (${id}, 200)`);
      }
      expect(await codeOf(a.query('COMMIT'))).to.equal('done');
      expect(await codeOf(b.query('COMMIT'))).to.equal('40001');
    });
  });

  describe('locks', () => {
    it('a deadlock ends exactly one of the two', async () => {
      await run(a, 'BEGIN', 'UPDATE t SET n = 1 WHERE id = 1');
      await run(b, 'BEGIN', 'UPDATE t SET n = 2 WHERE id = 2');
      const first = watch(a.query('UPDATE t SET n = 1 WHERE id = 2'));
      const second = watch(b.query('UPDATE t SET n = 2 WHERE id = 1'));
      const ended = await Promise.race([
        first.outcome.then((code) => ({ code, client: a })),
        second.outcome.then((code) => ({ code, client: b })),
      ]);
      expect(ended.code).to.equal('40P01');
      await ended.client.query('ROLLBACK');
      expect([await first.outcome, await second.outcome].sort()).to.deep.equal(['40P01', 'done']);
    });

    it('FOR UPDATE waits; NOWAIT is refused; SKIP LOCKED passes over', async () => {
      await run(a, 'BEGIN', 'SELECT * FROM t WHERE id = 1 FOR UPDATE');
      expect(await codeOf(b.query('SELECT * FROM t WHERE id = 1 FOR UPDATE NOWAIT'))).to.equal('55P03');
      expect(await values(b, 'SELECT id FROM t ORDER BY id FOR UPDATE SKIP LOCKED')).to.deep.equal([2]);
      const locking = await waits(b.query('SELECT * FROM t WHERE id = 1 FOR UPDATE'));
      await run(a, 'COMMIT');
      expect(await locking.outcome).to.equal('done');
    });

    it('going back to a savepoint frees what was locked after it', async () => {
      await run(a, 'BEGIN', 'SAVEPOINT s', 'UPDATE t SET n = 0 WHERE id = 1');
      const update = await waits(b.query('UPDATE t SET n = n + 1 WHERE id = 1'));
      await run(a, 'ROLLBACK TO s');
      expect(await update.outcome).to.equal('done');
      await run(a, 'COMMIT');
      expect(await values(a, 'SELECT n FROM t WHERE id = 1')).to.deep.equal([11]);
    });

    it('an INSERT of a key waits for who has it', async () => {
      for (const [end, outcome] of [
        ['COMMIT', '23505'],
        ['ROLLBACK', 'done'],
      ] as const) {
        await run(a, 'BEGIN', `INSERT INTO t VALUES (7, 0, 'new ${end}')`);
        const sameKey = await waits(b.query(`INSERT INTO t VALUES (7, 1, 'other ${end}')`));
        const sameTag = await waits(c.query(`INSERT INTO t VALUES (8, 1, 'new ${end}')`));
        await run(a, end);
        expect([await sameKey.outcome, await sameTag.outcome], end).to.deep.equal([outcome, outcome]);
        await run(a, 'DELETE FROM t WHERE id IN (7, 8)');
      }
    });

    it('lock_timeout and statement_timeout end a wait, and the timeout a running statement', async () => {
      await run(a, 'BEGIN', 'UPDATE t SET n = 0 WHERE id = 1');
      await run(b, "SET lock_timeout = '30ms'");
      expect(await codeOf(b.query('UPDATE t SET n = 1 WHERE id = 1'))).to.equal('55P03');
      await run(b, 'SET lock_timeout = 0', "SET statement_timeout = '30ms'");
      expect(await codeOf(b.query('UPDATE t SET n = 1 WHERE id = 1'))).to.equal('57014');
      expect(
        await codeOf(
          b.query('SELECT count(*) FROM generate_series(1, 100000) x, generate_series(1, 100000) y'),
        ),
      ).to.equal('57014');
    });
  });

  describe('definitions', () => {
    it('are seen by others when they are committed, and never when rolled back', async () => {
      await run(a, 'BEGIN', 'CREATE TABLE made (x int)', 'INSERT INTO made VALUES (1)');
      expect(await codeOf(b.query('SELECT * FROM made'))).to.equal('42P01');
      await run(a, 'ROLLBACK');
      expect(await codeOf(a.query('SELECT * FROM made'))).to.equal('42P01');
      await run(a, 'BEGIN', 'CREATE TABLE made (x int)', 'COMMIT');
      expect(await values(b, 'SELECT * FROM made')).to.deep.equal([]);
    });

    for (const definition of [
      'ALTER TABLE t ADD COLUMN extra int DEFAULT 1',
      'ALTER TABLE t DROP COLUMN n',
      'ALTER TABLE t RENAME COLUMN n TO m',
      'TRUNCATE t',
      'DROP TABLE t',
      'CREATE UNIQUE INDEX t_n ON t (n)',
    ]) {
      it(`${definition}, rolled back, leaves all as it was`, async () => {
        await run(a, 'BEGIN', definition, 'ROLLBACK');
        expect((await b.query('SELECT * FROM t ORDER BY id')).rows).to.deep.equal([
          { id: 1, n: 10, tag: 'a' },
          { id: 2, n: 20, tag: 'b' },
        ]);
        expect(await codeOf(b.query("INSERT INTO t VALUES (3, 10, 'c')"))).to.equal('done');
      });
    }
  });

  describe('the past', () => {
    for (const change of ['UPDATE t SET n = 0', 'DELETE FROM t']) {
      it(`is read as it was before ${change}`, async () => {
        const [at] = await values(a, 'SELECT clock_timestamp()::text');
        await new Promise((resolve) => setTimeout(resolve, 3));
        await run(a, change);
        expect(
          await values(a, `SELECT n FROM t FOR SYSTEM_TIME AS OF '${String(at)}' ORDER BY id`),
        ).to.deep.equal([10, 20]);
        await run(a, `SET alopex.as_of = '${String(at)}'`);
        expect(await values(a, 'SELECT n FROM t ORDER BY id')).to.deep.equal([10, 20]);
        expect(await codeOf(a.query('DELETE FROM t'))).to.equal('25006');
        await run(a, 'RESET alopex.as_of');
      });
    }
  });
});
