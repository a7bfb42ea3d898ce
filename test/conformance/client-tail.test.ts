import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type Change, Database } from '../../api/index.ts';

describe('Database.tail, embedded', () => {
  let directory: string;
  let db: Database;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'alopex-tail-'));
    db = await Database.open({ path: directory });
    await db.execute('CREATE TABLE doc (id int PRIMARY KEY, body text)');
    await db.execute('CREATE TABLE other (id int PRIMARY KEY)');
  });
  afterEach(async () => {
    await db.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** The next changes of a tail, which then ends. */
  async function take(changes: AsyncIterable<Change>, count: number): Promise<readonly Change[]> {
    const taken: Change[] = [];
    for await (const change of changes) if (taken.push(change) === count) break;
    return taken;
  }

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
    // The tail begins when it is first asked for a change, which it was just now.
    await db.execute("INSERT INTO doc VALUES (2, 'new')");
    await db.execute('INSERT INTO other VALUES (3)');
    await tail;
    expect(seen).to.deep.equal([{ id: 2, body: 'new' }, { id: 3 }]);
  });
});
