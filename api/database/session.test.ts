import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import type { AlopexError } from '../../base/errors.ts';
import { loadParser, parse } from '../../query/sql/parse.ts';
import type { RowsPortal } from './contract.ts';
import { openEngine } from './engine.fixture.ts';
import type { EngineSession } from './session.ts';

before(loadParser);

/** Runs `work` over a session of a new database in memory. */
async function withSession(work: (session: EngineSession) => Promise<void>): Promise<void> {
  await new Simulation(1).machine('a').run(async (env) => {
    const engine = await openEngine(env);
    await work(engine.connect({ user: 'alopex', database: 'alopex', settings: {}, clientAddress: null }));
    await engine.close();
  });
}

/** The statements one by one, each by itself; the last one's error code, or null. */
async function run(session: EngineSession, ...statements: readonly string[]): Promise<string | null> {
  let code: string | null = null;
  for (const text of statements) {
    try {
      const portal = await session.bind(await session.prepare(parse(text)[0]!, []), []);
      if (portal.kind === 'rows') portal.close();
      await session.sync();
      code = null;
    } catch (error) {
      code = (error as { readonly code: string }).code;
    }
  }
  return code;
}

async function rowsOf(session: EngineSession, text: string): Promise<unknown> {
  const portal = await session.bind(await session.prepare(parse(text)[0]!, []), []);
  const { rows } = await (portal as RowsPortal).fetch(0);
  await session.sync();
  return rows;
}

describe('EngineSession', () => {
  it('leaves others a turn while a long statement is prepared, and none while a short one is', () =>
    withSession(async (session) => {
      const turnsWhilePrepared = async (text: string): Promise<boolean> => {
        let turned = false;
        session.engine.env.clock.setTimer(0, () => {
          turned = true;
        });
        await session.prepare(parse(text)[0]!, []);
        return turned;
      };
      expect(await turnsWhilePrepared('SELECT 1')).to.equal(false);
      expect(await turnsWhilePrepared(`SELECT '${'x'.repeat(100_000)}'`)).to.equal(true);
    }));

  it('undoes SET with the savepoint, with the block, and SET LOCAL with the commit', () =>
    withSession(async (session) => {
      await run(session, 'BEGIN', "SET application_name = 'a'", 'SAVEPOINT s', "SET application_name = 'b'");
      await run(session, 'ROLLBACK TO s');
      expect(session.getSetting('application_name')).to.equal('a');
      await run(session, "SET LOCAL application_name = 'c'");
      expect(session.getSetting('application_name')).to.equal('c');
      await run(session, 'COMMIT');
      expect(session.getSetting('application_name')).to.equal('a');
      await run(session, "SET application_name = 'd'", 'BEGIN', "SET application_name = 'e'", 'ROLLBACK');
      expect(session.getSetting('application_name')).to.equal('d');
    }));

  it('refuses a prepared statement whose columns a change of the table changed', () =>
    withSession(async (session) => {
      await run(session, 'CREATE TABLE t (a int)', 'PREPARE p AS SELECT * FROM t', 'ALTER TABLE t ADD b int');
      expect(await run(session, 'EXECUTE p')).to.equal('0A000');
    }));

  it('takes only a timestamp or an offset for alopex.as_of', () =>
    withSession(async (session) => {
      expect(await run(session, "SET alopex.as_of = 'yesterday-ish'")).to.equal('22007');
      expect(await run(session, 'SET alopex.as_of = 1', 'SELECT 1')).to.equal(null);
      expect(await run(session, 'CREATE TABLE u (a int)', 'INSERT INTO u VALUES (1)')).to.equal('25006');
      expect(await run(session, 'RESET alopex.as_of', 'SELECT 1')).to.equal(null);
    }));

  it('ignores all but the end in a failed block, and goes back to a savepoint', () =>
    withSession(async (session) => {
      await run(
        session,
        'CREATE TABLE t (a int PRIMARY KEY)',
        'BEGIN',
        'INSERT INTO t VALUES (1)',
        'SAVEPOINT s',
      );
      expect(await run(session, 'INSERT INTO t VALUES (1)')).to.equal('23505');
      expect(await run(session, 'SELECT 1')).to.equal('25P02');
      expect(session.status).to.equal('failed');
      expect(await run(session, 'ROLLBACK TO s', 'INSERT INTO t VALUES (2)', 'COMMIT')).to.equal(null);
      expect(session.status).to.equal('idle');
    }));

  it('wakes a sleeper that is cancelled, and one whose time is over', () =>
    withSession(async (session) => {
      const sleep = async (sql: string): Promise<unknown> => {
        try {
          return await rowsOf(session, sql);
        } catch (error) {
          return (error as { readonly code: string }).code;
        }
      };
      expect(await sleep('SELECT pg_sleep(3600)')).to.deep.equal([['']]);
      await run(session, "SET statement_timeout = '1s'");
      expect(await sleep('SELECT pg_sleep(3600)')).to.equal('57014');
      expect(await sleep('SELECT pg_sleep(0.5), pg_sleep(0.4)')).to.deep.equal([['', '']]);
      expect(await sleep('SELECT pg_sleep(0.5), pg_sleep(0.6)')).to.equal('57014');
      await run(session, 'RESET statement_timeout');
      const slept = sleep('SELECT pg_sleep(3600) FROM generate_series(1, 1000)');
      while (!session.isRunning) await Promise.resolve();
      session.cancel();
      expect(await slept).to.equal('57014');
    }));

  it('answers nothing that is only a part, or nothing at all, where it is closed while it reads', async () => {
    await new Simulation(1).machine('a').run(async (env) => {
      const path = '/db';
      const first = await openEngine(env, { path });
      const options = { user: 'alopex', database: 'alopex', settings: {}, clientAddress: null };
      await run(
        first.connect(options),
        'CREATE TABLE t (id int)',
        'INSERT INTO t SELECT generate_series(1, 5000)',
      );
      await first.checkpoint();
      await first.close();
      const engine = await openEngine(env, { path });
      const answers = new Set<string>();
      for (let count = 0; count < 40; count++) {
        const session = engine.connect(options);
        const read = rowsOf(session, 'SELECT count(*) FROM t').catch((error: AlopexError) => error.code);
        // Its pages are in a file, whose disk takes its time.
        await new Promise<void>((resolve) => void env.clock.setTimer(count * 0.02, resolve));
        await session.close();
        answers.add(JSON.stringify(await read));
      }
      expect([...answers].sort()).to.deep.equal(['"57P01"', '[[5000]]']);
      await engine.close();
    });
  });

  it('begins nothing once it is closed: what waited meanwhile would never be ended (simulation seed 1020800)', () =>
    withSession(async (session) => {
      const { transactions } = session.engine;
      await session.close();
      expect(() => session.beginRun(parse('SELECT 1')[0]!)).to.throw('the session is closed');
      expect(() => session.beginBlock()).to.throw('the session is closed');
      expect([...transactions.active]).to.deep.equal([]);
    }));

  it('reads literals of times by the settings and the clock of now', () =>
    withSession(async (session) => {
      const text = "SELECT '2020-01-01 00:00'::timestamptz::text, 'now'::timestamptz = now()";
      expect(await rowsOf(session, text)).to.deep.equal([['2020-01-01 00:00:00+00', true]]);
      await run(session, "SET timezone = '+5'", 'SELECT pg_sleep(1)');
      expect(await rowsOf(session, text)).to.deep.equal([['2020-01-01 00:00:00+05', true]]);
    }));
});
