import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser, parse } from '../../query/sql/parse.ts';
import type { RowsPortal } from './contract.ts';
import { openEngine } from './engine.fixture.ts';
import type { Engine } from './engine.ts';
import { requestKeptMs } from './requests.ts';
import { codeOf, run, withCluster } from './routing/cluster.fixture.ts';
import type { EngineSession } from './session.ts';

before(loadParser);

function sessionOf(engine: Engine): EngineSession {
  return engine.connect({ user: 'alopex', database: 'alopex', settings: {}, clientAddress: null });
}

function withEngine(work: (engine: Engine, env: Env) => Promise<void>): Promise<void> {
  return new Simulation(1).machine('a').run(async (env) => {
    const engine = await openEngine(env);
    await run(sessionOf(engine), 'CREATE TABLE t (id int PRIMARY KEY, n int)');
    await work(engine, env);
  });
}

const count = 'SELECT count(*) FROM t';

describe('alopex.request_id', () => {
  it('has a statement executed once, whoever asks again, also after a restart', () =>
    withEngine(async (engine, env) => {
      const first = sessionOf(engine);
      await run(first, "SET alopex.request_id = 'r1'");
      expect(await run(first, 'INSERT INTO t VALUES (1, 1), (2, 2)')).to.equal('INSERT 0 2');
      expect(await run(first, 'INSERT INTO t VALUES (1, 1), (2, 2)')).to.equal('INSERT 0 2');
      const second = sessionOf(engine);
      await run(second, "SET alopex.request_id = 'r1'");
      expect(await run(second, 'INSERT INTO t VALUES (1, 1), (2, 2)')).to.equal('INSERT 0 2');
      expect(await codeOf(second, 'INSERT INTO t VALUES (3, 3)')).to.equal('22023');
      expect(await run(second, count)).to.deep.equal([[2]]);
      await engine.close();
      const again = await openEngine(env);
      const third = sessionOf(again);
      await run(third, "SET alopex.request_id = 'r1'");
      expect(await run(third, 'INSERT INTO t VALUES (1, 1), (2, 2)')).to.equal('INSERT 0 2');
      await run(third, "SET alopex.request_id = 'r2'");
      expect(await run(third, 'DELETE FROM t')).to.equal('DELETE 2');
      await again.close();
    }));

  it('tells parameters apart, and gives no rows of RETURNING again', () =>
    withEngine(async (engine) => {
      const session = sessionOf(engine);
      await run(session, "SET alopex.request_id = 'r'");
      const insert = await session.prepare(parse('INSERT INTO t VALUES ($1, 0) RETURNING id')[0]!, []);
      const inserted = async (id: number) => {
        const portal = (await session.bind(insert, [id])) as RowsPortal;
        const { rows } = await portal.fetch(0);
        await session.sync();
        return [rows, portal.tag(rows.length)];
      };
      expect(await inserted(7)).to.deep.equal([[[7]], 'INSERT 0 1']);
      expect(await inserted(7)).to.deep.equal([[], 'INSERT 0 1']);
      const other = await inserted(8).catch((error: unknown) => error);
      expect(other).to.have.property('code', '22023');
      await engine.close();
    }));

  it('goes with its transaction: what is rolled back may be done again', () =>
    withEngine(async (engine) => {
      const session = sessionOf(engine);
      const block = async (end: string): Promise<unknown[]> => {
        await run(session, 'BEGIN');
        await run(session, "SET LOCAL alopex.request_id = 'b'");
        const tags = [
          await run(session, 'INSERT INTO t VALUES (1, 1)'),
          await run(session, 'UPDATE t SET n = n + 1'),
          await run(session, end),
        ];
        return tags;
      };
      await block('ROLLBACK');
      expect(await run(session, count)).to.deep.equal([[0]]);
      expect(await block('COMMIT')).to.deep.equal(['INSERT 0 1', 'UPDATE 1', 'COMMIT']);
      expect(await block('COMMIT')).to.deep.equal(['INSERT 0 1', 'UPDATE 1', 'COMMIT']);
      expect(await run(session, 'SELECT n FROM t')).to.deep.equal([[2]]);
      expect(session.getSetting('alopex.request_id')).to.equal('');
      await engine.close();
    }));

  it('makes the second of two at once wait for the first', () =>
    withEngine(async (engine) => {
      const [first, second] = [sessionOf(engine), sessionOf(engine)];
      for (const session of [first, second]) await run(session, "SET alopex.request_id = 'same'");
      await run(first, 'BEGIN');
      await run(first, 'INSERT INTO t VALUES (1, 1)');
      const waiting = run(second, 'INSERT INTO t VALUES (1, 1)');
      await run(first, 'COMMIT');
      expect(await waiting).to.equal('INSERT 0 1');
      expect(await run(second, count)).to.deep.equal([[1]]);
      await run(first, 'BEGIN');
      await run(first, "SET LOCAL alopex.request_id = 'held'");
      await run(first, 'DELETE FROM t');
      await run(second, "SET alopex.request_id = 'held'");
      await run(second, "SET statement_timeout = '50ms'");
      expect(await codeOf(second, 'DELETE FROM t')).to.equal('57014');
      await run(first, 'ROLLBACK');
      await engine.close();
    }));

  it('is forgotten after a day', () =>
    withEngine(async (engine, env) => {
      const session = sessionOf(engine);
      const request = async (id: string) => {
        await run(session, `SET alopex.request_id = '${id}'`);
        await run(session, 'DELETE FROM t');
      };
      await request('early');
      await new Promise<void>((resolve) => void env.clock.setTimer(requestKeptMs + 1000, resolve));
      await request('late');
      await engine.requests.settled();
      expect(await run(session, 'SELECT id FROM alopex.requests')).to.deep.equal([['late']]);
      await engine.close();
    }));

  it('goes along to the primary', () =>
    withCluster(async (cluster) => {
      for (const node of [2, 3]) {
        const session = cluster.node(node).session({ 'alopex.request_id': 'far' });
        expect(await run(session, 'INSERT INTO t VALUES (2, 0)')).to.equal('INSERT 0 1');
      }
      expect(await run(cluster.node(1).session(), count)).to.deep.equal([[2]]);
    }));

  it('repeats a block with what a savepoint took back in it', () =>
    withEngine(async (engine) => {
      const session = sessionOf(engine);
      const block = async (): Promise<unknown[]> => {
        const tags: unknown[] = [];
        await run(session, 'BEGIN');
        await run(session, "SET LOCAL alopex.request_id = 's'");
        tags.push(await run(session, 'INSERT INTO t VALUES (1, 1)'));
        await run(session, 'SAVEPOINT s');
        tags.push(await run(session, 'INSERT INTO t VALUES (2, 2), (3, 3)'));
        await run(session, 'ROLLBACK TO s');
        // What fails, and is taken back with the savepoint, is no part of it.
        tags.push(await codeOf(session, 'INSERT INTO t VALUES (1, 1)'));
        await run(session, 'ROLLBACK TO s');
        tags.push(await run(session, 'UPDATE t SET n = n + 1'));
        tags.push(await run(session, 'COMMIT'));
        return tags;
      };
      const first = await block();
      expect(first).to.deep.equal(['INSERT 0 1', 'INSERT 0 2', '23505', 'UPDATE 1', 'COMMIT']);
      const again = await block();
      expect(again).to.deep.equal(['INSERT 0 1', 'INSERT 0 2', '22023', 'UPDATE 1', 'COMMIT']);
      expect(await run(session, 'SELECT id, n FROM t')).to.deep.equal([[1, 2]]);
      await engine.close();
    }));

  it('repeats a block that ends with what a savepoint took back', () =>
    withEngine(async (engine) => {
      const session = sessionOf(engine);
      for (const time of ['first', 'again']) {
        await run(session, 'BEGIN');
        await run(session, "SET LOCAL alopex.request_id = 'e'");
        await run(session, 'SAVEPOINT s');
        expect(await run(session, 'INSERT INTO t VALUES (2, 2), (3, 3)'), time).to.equal('INSERT 0 2');
        await run(session, 'ROLLBACK TO s');
        expect(await run(session, 'COMMIT'), time).to.equal('COMMIT');
      }
      expect(await run(session, count)).to.deep.equal([[0]]);
      await engine.close();
    }));
});
