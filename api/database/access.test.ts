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
  it('hide what others ask', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp);
      expect(await ask('bob', "SELECT query FROM pg_stat_activity WHERE usename = 'alopex'")).to.equal(
        '<insufficient privilege>',
      );
    }));

  const who = 'SELECT current_user, session_user';

  it('are those of the role that is set', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'GRANT readers TO carol', 'GRANT SELECT ON t TO readers');
      const sum = 'SELECT sum(n) FROM t';
      expect(await ask('carol', 'SET ROLE readers', who)).to.equal('readers|carol');
      expect(await ask('carol', sum)).to.equal('30');
      expect(await ask('carol', 'SHOW role')).to.equal('readers');
      expect(await ask('carol', 'SHOW is_superuser')).to.equal('off');
      expect(await ask('alopex', 'SHOW is_superuser')).to.equal('on');
      expect(await ask('carol', 'SET ROLE bob')).to.equal('permission denied to set role "bob"');
      expect(await ask('carol', 'SET ROLE nobody')).to.equal('role "nobody" does not exist');
      expect(await ask('carol', 'SET ROLE carol', who)).to.equal('carol|carol');
      expect(await ask('carol', 'SET ROLE NONE', who)).to.equal('carol|carol');
      expect(await ask('carol', "SELECT set_config('role', 'alopex', false)")).to.equal(
        'permission denied to set role "alopex"',
      );
      expect(await ask('alopex', 'SET ROLE bob', sum)).to.equal('permission denied for table t');
      expect(await ask('alopex', 'CREATE TABLE b (x int)')).to.equal('permission denied for schema public');
      expect(await ask('alopex', 'RESET ROLE', sum)).to.equal('30');
      expect(await ask('alopex', 'BEGIN', 'SET LOCAL ROLE bob', who)).to.equal('bob|alopex');
      expect(await ask('alopex', 'COMMIT', who)).to.equal('alopex|alopex');
      expect(await ask('alopex', 'BEGIN', 'SET ROLE bob', 'ROLLBACK', who)).to.equal('alopex|alopex');
    }));

  it('are those of the user that the session is given', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp);
      expect(await ask('bob', 'SET SESSION AUTHORIZATION alopex')).to.equal(
        'permission denied to set session authorization "alopex"',
      );
      expect(await ask('bob', "SELECT set_config('session_authorization', 'alopex', false)")).to.equal(
        'permission denied to set session authorization "alopex"',
      );
      expect(await ask('alopex', 'SET SESSION AUTHORIZATION bob', who)).to.equal('bob|bob');
      expect(await ask('alopex', 'SELECT sum(n) FROM t')).to.equal('permission denied for table t');
      expect(await ask('alopex', 'SET ROLE alopex')).to.equal('permission denied to set role "alopex"');
      expect(await ask('alopex', 'RESET SESSION AUTHORIZATION', who)).to.equal('alopex|alopex');
      await ask('alopex', 'SET SESSION AUTHORIZATION bob', 'SET ROLE bob', 'DISCARD ALL');
      expect(await ask('alopex', who)).to.equal('alopex|alopex');
      expect(await ask('bob', 'SET SESSION AUTHORIZATION DEFAULT', who)).to.equal('bob|bob');
    }));

  it('are asked of a statement that another role prepared in the session', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'GRANT readers TO carol', 'GRANT SELECT ON t TO readers');
      await ask('alopex', 'PREPARE p AS SELECT n FROM t WHERE id = 1', 'SET ROLE bob');
      expect(await ask('alopex', 'EXECUTE p')).to.equal('permission denied for table t');
      expect(await ask('alopex', 'SET ROLE carol', 'EXECUTE p')).to.equal('10');
    }));

  it("are nobody's once the role is dropped", () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp);
      await ask('bob', 'SELECT 1');
      await ask('alopex', 'DROP ROLE bob');
      expect(await ask('bob', 'SELECT sum(n) FROM t')).to.equal('role "bob" does not exist');
      expect(await ask('guest', 'SELECT sum(n) FROM t')).to.equal('30');
    }));

  it('do not mix the tables of users whose schemas the search path names by them', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, 'GRANT SELECT ON t TO bob', 'CREATE SCHEMA AUTHORIZATION bob');
      await ask('bob', 'CREATE TABLE bob.t (n int)');
      expect(await ask('alopex', 'SELECT sum(n) FROM t')).to.equal('30');
      expect(await ask('bob', 'SELECT sum(n) FROM t')).to.equal('');
      expect(await ask('alopex', 'SET ROLE bob', 'SELECT sum(n) FROM t')).to.equal('');
    }));

  it("keep the whole server's work to superusers", () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp);
      expect(await ask('bob', 'CHECKPOINT')).to.equal('permission denied to execute CHECKPOINT command');
      expect(await ask('bob', 'VACUUM FULL t')).to.equal('');
      expect(await ask('alopex', 'CHECKPOINT', 'VACUUM FULL t')).to.equal('');
    }));

  it('keep verifiers of passwords to superusers', () =>
    withUsers(async (ask) => {
      await ask('alopex', ...setUp, "ALTER ROLE carol PASSWORD 'secret'");
      const passwords = "SELECT passwd FROM pg_shadow WHERE usename = 'carol'";
      expect(await ask('bob', passwords)).to.equal('permission denied for view pg_shadow');
      expect(await ask('bob', 'SELECT count(*) FROM pg_authid')).to.equal(
        'permission denied for table pg_authid',
      );
      expect(await ask('bob', "SELECT rolpassword FROM pg_roles WHERE rolname = 'carol'")).to.equal(
        '********',
      );
      expect(await ask('bob', "SELECT passwd FROM pg_user WHERE usename = 'carol'")).to.equal('********');
      expect(await ask('bob', "SELECT has_table_privilege('pg_authid', 'select')")).to.equal('false');
      expect(await ask('alopex', passwords)).to.contain('SCRAM-SHA-256$');
      expect(await ask('alopex', "SELECT rolpassword FROM pg_authid WHERE rolname = 'carol'")).to.contain(
        'SCRAM',
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
      await ask('alopex', 'REVOKE SELECT ON t FROM bob', 'GRANT UPDATE ON t TO bob');
      const insert = 'INSERT INTO t VALUES (1, 1) ON CONFLICT';
      for (const rest of ['(id) DO NOTHING', 'ON CONSTRAINT t_pkey DO NOTHING', '(id) DO UPDATE SET n = 5']) {
        expect(await ask('bob', `${insert} ${rest}`), rest).to.equal(denied);
      }
      expect(await ask('bob', `${insert} DO NOTHING`)).to.equal('');
      await ask('alopex', 'REVOKE UPDATE ON t FROM bob', 'GRANT SELECT ON t TO bob');
      expect(await ask('bob', `${insert} (id) DO NOTHING`)).to.equal('');
      expect(await ask('bob', `${insert} (id) DO UPDATE SET n = 5`)).to.equal(denied);
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
