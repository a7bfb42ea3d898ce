import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser, parse } from '../../query/sql/parse.ts';
import { openEngine } from './engine.fixture.ts';
import type { EngineSession } from './session.ts';

before(loadParser);

type Ask = (user: string, ...statements: readonly string[]) => Promise<string>;

/** Statements of several users; of the last one, what it was refused with, or its rows. */
async function withUsers(work: (ask: Ask) => Promise<void>): Promise<void> {
  await new Simulation(1).machine('a').run(async (env) => {
    const engine = await openEngine(env);
    const sessions = new Map<string, EngineSession>();
    const sessionOf = (user: string): EngineSession => {
      const options = { user, database: 'alopex', settings: {}, clientAddress: null };
      const session = sessions.get(user) ?? engine.connect(options);
      sessions.set(user, session);
      return session;
    };
    await work(async (user, ...statements) => {
      let last = '';
      for (const text of statements) last = await answer(sessionOf(user), text);
      return last;
    });
    await engine.close();
  });
}

async function answer(session: EngineSession, text: string): Promise<string> {
  try {
    const portal = await session.bind(await session.prepare(parse(text)[0]!, []), []);
    const rows = portal.kind === 'rows' ? (await portal.fetch(0)).rows : [];
    await session.sync();
    return rows.map((row) => row.join('|')).join(' ');
  } catch (error) {
    return (error as Error).message;
  }
}

const setUp = [
  'CREATE ROLE bob LOGIN',
  'CREATE ROLE carol LOGIN',
  'CREATE ROLE readers',
  'CREATE TABLE t (id serial PRIMARY KEY, n int)',
  'CREATE TABLE other (id int GENERATED ALWAYS AS IDENTITY, n int)',
  'INSERT INTO t (n) VALUES (10), (20)',
];

describe('privileges', () => {
  it('are those of the session for good, and hide what others ask', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp);
      expect(await ask('alopex', 'SET SESSION AUTHORIZATION bob')).to.equal(
        'SET SESSION AUTHORIZATION is not supported yet',
      );
      expect(await ask('bob', 'SET ROLE alopex')).to.equal('SET ROLE is not supported yet');
      expect(await ask('bob', "SELECT set_config('session_authorization', 'alopex', false)")).to.equal(
        'parameter "session_authorization" cannot be changed',
      );
      expect(await ask('bob', 'SET SESSION AUTHORIZATION DEFAULT', 'SELECT current_user')).to.equal('bob');
      expect(await ask('bob', "SELECT query FROM pg_stat_activity WHERE usename = 'alopex'")).to.equal(
        '<insufficient privilege>',
      );
    }));

  it('are asked for by who follows the changes of tables', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp);
      const changes = 'COPY t TO STDOUT (FORMAT changes)';
      expect(await ask('bob', changes)).to.equal('permission denied for table t');
      expect(await ask('bob', 'COPY alopex.log TO STDOUT (FORMAT changes)')).to.equal(
        'permission denied for the changes of all tables',
      );
      await ask('alopex', 'GRANT SELECT ON t TO carol');
      expect(await ask('carol', changes)).to.equal('');
      expect(await ask('alopex', 'COPY alopex.log TO STDOUT (FORMAT changes)')).to.equal('');
    }));

  it('are asked for by what a statement does', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp);
      const denied = 'permission denied for table t';
      for (const text of [
        'SELECT * FROM t',
        'SELECT count(*) FROM t',
        'DELETE FROM t',
        'UPDATE t SET n = 1',
      ]) {
        expect(await ask('bob', text), text).to.equal(denied);
      }
      for (const text of ['TRUNCATE t', 'COPY t TO STDOUT', 'COPY t FROM STDIN', 'EXPLAIN SELECT * FROM t']) {
        expect(await ask('bob', text), text).to.equal(denied);
      }
      expect(await ask('bob', 'SELECT (SELECT max(n) FROM t)')).to.equal(denied);
      expect(await ask('bob', 'WITH q AS (SELECT * FROM t) SELECT 1 FROM q')).to.equal(denied);
      expect(await ask('bob', 'DROP TABLE t')).to.equal('must be owner of table t');
      expect(await ask('bob', 'CREATE TABLE b (x int)')).to.equal('permission denied for schema public');
      expect(await ask('bob', 'SELECT count(*) FROM alopex.objects')).to.equal(
        'permission denied for table objects',
      );
      await ask('alopex', 'GRANT SELECT ON t TO bob');
      expect(await ask('bob', 'SELECT sum(n) FROM t')).to.equal('30');
      expect(await ask('bob', 'SELECT * FROM t FOR UPDATE')).to.equal(denied);
      await ask('alopex', 'GRANT INSERT ON t TO bob');
      expect(await ask('bob', 'INSERT INTO t (n) VALUES (30)')).to.equal(
        'permission denied for sequence t_id_seq',
      );
      await ask('alopex', 'GRANT USAGE ON SEQUENCE t_id_seq TO bob', 'GRANT INSERT ON other TO bob');
      expect(await ask('bob', 'INSERT INTO t (n) VALUES (30) RETURNING n')).to.equal('30');
      expect(await ask('bob', 'INSERT INTO other (n) VALUES (30)')).to.equal('');
      expect(await ask('bob', 'INSERT INTO other (n) VALUES (30) RETURNING n')).to.equal(
        'permission denied for table other',
      );
      expect(await ask('bob', 'INSERT INTO t VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = 5')).to.equal(
        denied,
      );
    }));

  it('are inherited from roles, and gone with the membership', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'GRANT SELECT ON t TO readers', 'GRANT readers TO carol');
      expect(await ask('carol', 'SELECT sum(n) FROM t')).to.equal('30');
      expect(await ask('bob', 'SELECT sum(n) FROM t')).to.equal('permission denied for table t');
      await ask('alopex', 'REVOKE readers FROM carol');
      expect(await ask('carol', 'SELECT sum(n) FROM t')).to.equal('permission denied for table t');
      await ask('alopex', 'GRANT SELECT ON t TO PUBLIC');
      expect(await ask('carol', 'SELECT sum(n) FROM t')).to.equal('30');
    }));

  it('hold for a plan that another user had made, and for a statement that was prepared before', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'SELECT sum(n) FROM t', 'GRANT SELECT ON t TO carol');
      expect(await ask('bob', 'SELECT sum(n) FROM t')).to.equal('permission denied for table t');
      expect(await ask('carol', 'PREPARE p AS SELECT sum(n) FROM t', 'EXECUTE p')).to.equal('30');
      await ask('alopex', 'REVOKE SELECT ON t FROM carol');
      expect(await ask('carol', 'EXECUTE p')).to.equal('permission denied for table t');
    }));

  it('of now hold for the past', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'GRANT SELECT ON t TO bob');
      const at = await ask('alopex', 'SELECT clock_timestamp()');
      await ask(
        'alopex',
        'SELECT pg_sleep(1)',
        'REVOKE SELECT ON t FROM bob',
        'GRANT SELECT ON other TO bob',
      );
      const micros = `to_timestamp(${at}::numeric / 1000000)`;
      expect(await ask('bob', `SELECT sum(n) FROM t FOR SYSTEM_TIME AS OF ${micros}`)).to.equal(
        'permission denied for table t',
      );
      expect(await ask('bob', `SELECT count(*) FROM other FOR SYSTEM_TIME AS OF ${micros}`)).to.equal('0');
    }));

  it('are granted on by those who may, and revoked with what depends on them', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'GRANT SELECT ON t TO bob WITH GRANT OPTION');
      expect(await ask('bob', 'GRANT SELECT ON t TO carol')).to.equal('');
      expect(await ask('carol', 'SELECT sum(n) FROM t')).to.equal('30');
      expect(await ask('alopex', 'REVOKE SELECT ON t FROM bob')).to.equal('dependent privileges exist');
      expect(
        await ask('alopex', "SELECT array_to_string(relacl, ' ') FROM pg_class WHERE relname = 't'"),
      ).to.equal('alopex=arwdDxt/alopex bob=r*/alopex carol=r/bob');
      await ask('alopex', 'REVOKE SELECT ON t FROM bob CASCADE');
      expect(await ask('carol', 'SELECT sum(n) FROM t')).to.equal('permission denied for table t');
      expect(await ask('alopex', 'GRANT USAGE ON t TO bob')).to.equal(
        'invalid privilege type USAGE for table',
      );
    }));

  it('go with the owner, and keep a role from being dropped', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'GRANT SELECT ON t TO carol', 'ALTER TABLE t OWNER TO bob');
      expect(await ask('bob', 'DELETE FROM t', 'SELECT count(*) FROM t')).to.equal('0');
      expect(await ask('alopex', 'DROP ROLE carol')).to.equal(
        'role "carol" cannot be dropped because some objects depend on it',
      );
      await ask('alopex', 'REVOKE ALL ON t FROM carol');
      expect(await ask('alopex', 'DROP ROLE carol')).to.equal('');
      const held = "SELECT has_table_privilege('bob', 't', 'delete'), has_table_privilege('other', 'select')";
      expect(await ask('bob', held)).to.equal('true|false');
    }));
});
