import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Change, Database } from '../../api/index.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';

type Opened = { readonly db: Database; readonly close: () => Promise<void> };

async function byPath(): Promise<Opened> {
  const directory = await mkdtemp(join(tmpdir(), 'alopex-tail-'));
  const db = await Database.open({ path: directory });
  const close = async () => {
    await db.close();
    await rm(directory, { recursive: true, force: true });
  };
  return { db, close };
}

async function byUrl(): Promise<Opened> {
  const served = await ServedDatabase.open();
  const db = await Database.open({ url: `postgresql://127.0.0.1:${served.port}/alopex?sslmode=disable` });
  const close = async () => {
    await db.close();
    await served.close();
  };
  return { db, close };
}

for (const [how, open] of Object.entries({ 'by path': byPath, 'by url': byUrl })) tailSuite(how, open);

function tailSuite(how: string, open: () => Promise<Opened>): void {
  describe(`Database.tail, ${how}`, () => {
    let db: Database;
    let close: () => Promise<void>;
    beforeEach(async () => {
      ({ db, close } = await open());
      await db.execute('CREATE TABLE doc (id int PRIMARY KEY, body text)');
      await db.execute('CREATE TABLE other (id int PRIMARY KEY)');
    });
    afterEach(() => close());

    /** The next changes of a tail, which then ends. */
    async function take(changes: AsyncIterable<Change>, count: number): Promise<readonly Change[]> {
      const taken: Change[] = [];
      for await (const change of changes) if (taken.push(change) === count) break;
      return taken;
    }

    it('waits for the end of a large transaction, and lets it come to one', async () => {
      const rowCount = 60_000;
      const tail = take(db.tail({ table: 'doc' }), rowCount);
      await db.execute(
        `INSERT INTO doc SELECT i, repeat(md5(i::text), 6) FROM generate_series(1, ${rowCount}) AS i`,
      );
      const ids = (await tail).map(({ after }) => after?.id);
      expect(ids[0]).to.equal(1);
      expect(new Set(ids).size).to.equal(rowCount);
    });

    it('gives rows before and after, in the order of commits, and of keys within one', async () => {
      const tail = take(db.tail({ table: 'doc', from: 0 }), 4);
      await db.execute("INSERT INTO doc VALUES (1, 'a')");
      await db.execute('INSERT INTO other VALUES (1)');
      await db
        .transaction(async (transaction) => {
          await transaction.execute("INSERT INTO doc VALUES (9, 'undone')");
          throw new Error('no');
        })
        .catch(() => {});
      await db.transaction(async (transaction) => {
        await transaction.execute("INSERT INTO doc VALUES (2, 'b')");
        await transaction.execute("UPDATE doc SET body = 'c' WHERE id = 1");
      });
      await db.execute('DELETE FROM doc WHERE id = 1');
      const changes = await tail;
      expect(changes.map(({ operation, before, after }) => ({ operation, before, after }))).to.deep.equal([
        { operation: 'c', before: null, after: { id: 1, body: 'a' } },
        { operation: 'u', before: { id: 1, body: 'a' }, after: { id: 1, body: 'c' } },
        { operation: 'c', before: null, after: { id: 2, body: 'b' } },
        { operation: 'd', before: { id: 1, body: 'c' }, after: null },
      ]);
      const [first, second, third] = changes;
      expect(second!.transaction).to.equal(third!.transaction).and.not.equal(first!.transaction);
      const rest = await take(db.tail({ table: 'public.doc', from: second!.offset + 1 }), 2);
      expect(rest).to.deep.equal(changes.slice(2));
    });

    it('begins with what is committed from now on, and ends by a signal', async () => {
      await db.execute("INSERT INTO doc VALUES (1, 'old')");
      const stop = new AbortController();
      const seen: unknown[] = [];
      const tail = (async () => {
        for await (const { after } of db.tail({ signal: stop.signal })) {
          seen.push(after);
          if (seen.length === 2) stop.abort();
        }
      })();
      // Rows go on coming until the tail, which begins when it is first asked for a change, has seen two.
      for (let id = 2; seen.length < 2; id++) await db.execute("INSERT INTO doc VALUES ($1, 'new')", [id]);
      await tail;
      expect(seen).to.have.length(2);
      expect(seen).not.to.deep.include({ id: 1, body: 'old' });
    });

    it('gives values as queries do, of every type', async () => {
      await db.execute(
        `CREATE TABLE kinds (id bigint PRIMARY KEY, n numeric, f float8, at timestamptz, day date, data bytea,
         tags text[], doc jsonb, vec vector(2), gone text)`,
      );
      await db.execute(
        `INSERT INTO kinds VALUES (9007199254740993, 1.50, 0.1, '2026-01-02 03:04:05.678+00', '2026-01-02', '\\x00ff',
         '{"a","b c"}', '{"k": [1, null]}', '[1,2]', NULL)`,
      );
      const { rows } = await db.query('SELECT * FROM kinds');
      const [change] = await take(db.tail({ table: 'kinds', from: 0 }), 1);
      expect(change!.after).to.deep.equal(rows[0]);
    });

    it('holds back what is not taken yet, and gives all of it', async () => {
      const count = 5000;
      await db.execute('INSERT INTO other SELECT i FROM generate_series(1, $1::int) AS i', [count]);
      let seen = 0;
      for await (const { after } of db.tail({ table: 'other', from: 0 })) {
        seen++;
        expect(after).to.deep.equal({ id: seen });
        if (seen === count) break;
      }
      // The connection that it had is another's now.
      expect((await db.query('SELECT count(*) FROM other')).rows).to.deep.equal([{ count }]);
    });

    it('refuses a table that is not there', async () => {
      const error = await take(db.tail({ table: 'nope', from: 0 }), 1).catch((thrown: unknown) => thrown);
      expect(error).to.include({ code: '42P01', message: 'relation "nope" does not exist' });
    });
  });
}
