import { expect } from 'chai';
import { AlopexError } from '../../../base/errors.ts';
import { nodeId } from '../../../base/ids.ts';
import { loadParser, parse } from '../../../query/sql/parse.ts';
import { codeOf, run, withCluster } from './cluster.fixture.ts';

before(loadParser);

const whoAnswers = 'SELECT node FROM t WHERE id = 1';

describe('Routing: failover', () => {
  it('takes a statement to the new primary that has not begun on the old one', () =>
    withCluster(async (cluster, env) => {
      const session = cluster.node(2).session();
      await run(session, 'INSERT INTO t VALUES (2, 0)');
      cluster.node(1).isUp = false;
      env.clock.setTimer(200, () => {
        cluster.primary = nodeId(3);
      });
      expect(await run(session, 'INSERT INTO t VALUES (20, 0)')).to.equal('INSERT 0 1');
      expect(await run(cluster.node(3).session(), 'SELECT count(*) FROM t')).to.deep.equal([[2]]);
    }));

  it('goes on with no block on the new primary that has done something on the old one', () =>
    withCluster(async (cluster) => {
      const { engine } = cluster.node(1);
      for (const [first, then] of [
        ['INSERT INTO t VALUES (70)', 'INSERT INTO t VALUES (71)'],
        ['SELECT * FROM t FOR UPDATE', 'UPDATE t SET node = 72'],
      ] as const) {
        cluster.primary = nodeId(1);
        engine.transactions.lead(engine.transactions.catalog);
        const session = cluster.node(1).session();
        await run(session, 'BEGIN');
        await run(session, first);
        cluster.primary = nodeId(2);
        engine.transactions.stopLeading();
        expect(await codeOf(session, then)).to.equal('40001');
        expect(await codeOf(session, 'SELECT 1')).to.equal('25P02');
      }
    }));

  it('goes on in a block that has begun while the lead is handed over, and begins no other', () =>
    withCluster(async (cluster) => {
      const old = cluster.node(1);
      const [begun, fresh, single] = [old.session(), old.session(), old.session()];
      await run(begun, 'BEGIN');
      await run(begun, 'INSERT INTO t VALUES (40, 0)');
      old.gate.shut();
      await run(fresh, 'BEGIN');
      const elsewhere = cluster.node(3).session();
      const held = [
        run(fresh, 'SELECT 1'),
        run(single, 'INSERT INTO t VALUES (41, 0)'),
        run(elsewhere, 'INSERT INTO t VALUES (44, 0)'),
      ];
      expect(await run(begun, 'INSERT INTO t VALUES (42, 0)')).to.equal('INSERT 0 1');
      expect(await run(begun, 'COMMIT')).to.equal('COMMIT');
      cluster.primary = nodeId(2);
      old.engine.transactions.stopLeading();
      old.gate.open();
      expect(await Promise.all(held)).to.deep.equal([[[1]], 'INSERT 0 1', 'INSERT 0 1']);
      await run(fresh, 'INSERT INTO t VALUES (43, 0)');
      await run(fresh, 'COMMIT');
      const ids = async (node: number): Promise<unknown> =>
        run(cluster.node(node).session(), 'SELECT id FROM t WHERE id > 1 ORDER BY id');
      expect([await ids(1), await ids(2)]).to.deep.equal([
        [[40], [42]],
        [[41], [43], [44]],
      ]);
    }));

  it('a read for the primary is not answered by a node that is it no more', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session({ 'alopex.read_from': 'primary' });
      for (const lead of ['before it is asked', 'while it makes sure']) {
        cluster.primary = nodeId(1);
        const old = cluster.node(1);
        const goOver = (): void => {
          cluster.primary = nodeId(3);
        };
        old.onRequest = lead === 'before it is asked' ? goOver : () => {};
        old.isSure = lead === 'before it is asked';
        old.onReadable = async () => goOver();
        expect(await run(session, 'SELECT node FROM t'), lead).to.deep.equal([[3]]);
        cluster.primary = nodeId(1);
        expect(await run(session, 'BEGIN'), lead).to.equal('BEGIN');
        expect(await run(session, 'SELECT node FROM t'), lead).to.deep.equal([[3]]);
        await run(session, 'COMMIT');
        Object.assign(old, { isSure: true, onRequest: () => {} });
      }
    }));

  it('a read that waits to be sure of the lead is answered by the next primary where this node loses it', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(1);
      const lost = new AlopexError('serialization_failure', 'this node is not the primary any more');
      for (const [readFrom, answeredNext] of [
        ['nearest', 1],
        ['primary', 2],
      ] as const) {
        cluster.primary = nodeId(1);
        const session = node.session({ 'alopex.read_from': readFrom });
        let asked = 0;
        node.isSure = false;
        node.onReadable = () => {
          if (asked++ > 1) return null;
          cluster.primary = nodeId(2);
          return Promise.reject(lost);
        };
        expect(await run(session, 'SELECT node FROM t'), readFrom).to.deep.equal([[2]]);
        // By now its client is told.
        expect(await run(session, 'SELECT node FROM t'), readFrom).to.deep.equal([[answeredNext]]);
        node.onReadable = () => Promise.reject(lost);
        expect(await codeOf(session, 'SELECT * FROM t WHERE id > 0'), readFrom).to.equal('40001');
        node.isSure = true;
      }
    }));

  it('runs it here where this node is the new one', () =>
    withCluster(async (cluster, env) => {
      const session = cluster.node(2).session();
      const reported: string[] = [];
      session.onSettingReported = (name, value) => reported.push(`${name}=${value}`);
      cluster.primary = null;
      env.clock.setTimer(100, () => {
        cluster.primary = nodeId(2);
      });
      expect(await run(session, 'INSERT INTO t VALUES (20, 0)')).to.equal('INSERT 0 1');
      await run(session, whoAnswers);
      expect(reported).to.deep.equal(['in_hot_standby=off']);
    }));

  it('ends a block whose node is gone with 40001, and a commit without answer with 40003', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      await run(session, 'BEGIN');
      await run(session, 'INSERT INTO t VALUES (2, 0)');
      cluster.node(1).isUp = false;
      expect(await codeOf(session, 'INSERT INTO t VALUES (3, 0)')).to.equal('40001');
      await run(session, 'ROLLBACK');
      cluster.node(1).isUp = true;
      await run(session, 'BEGIN');
      await run(session, 'INSERT INTO t VALUES (2, 0)');
      cluster.node(1).isUp = false;
      expect(await codeOf(session, 'COMMIT')).to.equal('40003');
      expect(session.status).to.equal('idle');
    }));

  it('ends with 40001 what is fetched, or copied, when its node is gone', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session({ 'alopex.read_from': 'primary' });
      const text = `SELECT repeat('x', 1000) FROM t, generate_series(1, 2000)`;
      const portal = await session.bind(await session.prepare(parse(text)[0]!, []), []);
      if (portal.kind !== 'rows') throw new TypeError('rows are expected');
      expect((await portal.fetch(10)).rows.length).to.equal(10);
      const copy = cluster.node(3).session();
      const copying = await copy.bind(await copy.prepare(parse('COPY t FROM stdin')[0]!, []), []);
      if (copying.kind !== 'copy-in') throw new TypeError('COPY is expected');
      cluster.node(1).isUp = false;
      const ends = [
        async () => {
          while (!(await portal.fetch(100)).isDone);
        },
        () => copying.write(new TextEncoder().encode('5\t5\t5\n')),
      ];
      for (const end of ends) {
        const error = await end().catch((thrown: unknown) => thrown);
        expect(error).to.have.property('code', '40001');
      }
      cluster.primary = nodeId(2);
      await session.sync();
      expect(await run(session, whoAnswers)).to.deep.equal([[2]]);
    }));

  it('prepares on the next primary what the old one alone, and not this node, knew', () =>
    withCluster(async (cluster, env) => {
      for (const id of [3, 1]) {
        cluster.primary = nodeId(id);
        await run(cluster.node(id).session(), 'CREATE TABLE newer (id int8)');
      }
      const session = cluster.node(2).session();
      cluster.node(1).isUp = false;
      env.clock.setTimer(200, () => {
        cluster.primary = nodeId(3);
      });
      expect(await run(session, 'INSERT INTO newer VALUES (1)')).to.equal('INSERT 0 1');
      cluster.node(1).isUp = true;
      cluster.node(1).onRequest = () => {
        cluster.primary = nodeId(3);
      };
      cluster.primary = nodeId(1);
      expect(await run(session, 'INSERT INTO newer VALUES (2)')).to.equal('INSERT 0 1');
      const rows = await run(cluster.node(3).session(), 'SELECT id FROM newer ORDER BY id');
      expect(rows).to.deep.equal([[1], [2]]);
    }));

  it('rolls back what a node had open whose link is gone', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      await run(session, 'BEGIN');
      await run(session, 'UPDATE t SET node = 9');
      await cluster.node(1).sessions.forget(nodeId(2));
      expect(await run(cluster.node(1).session(), 'UPDATE t SET node = 8')).to.equal('UPDATE 1');
      expect(await codeOf(session, 'UPDATE t SET node = 7')).to.equal('40001');
    }));

  it('ends what it left on a node whose link broke, by itself, also where it is used or ends meanwhile', () =>
    withCluster(async (cluster, env) => {
      const [first, second] = [cluster.node(2).session(), cluster.node(3).session()];
      const [node, other] = [cluster.node(1), cluster.node(1).session({ lock_timeout: '50ms' })];
      for (const [session, end] of [
        [first, () => run(first, 'DELETE FROM t WHERE id = 99')],
        [second, async () => {}],
        [second, () => second.close()],
      ] as const) {
        await run(session, 'BEGIN');
        await run(session, 'UPDATE t SET node = 9');
        node.isUp = false;
        expect(await codeOf(session, 'SELECT 1 FROM t')).to.equal('40001');
        await run(session, 'ROLLBACK');
        node.isUp = true;
        expect(await codeOf(other, 'UPDATE t SET node = 8')).to.equal('55P03');
        await end();
        await new Promise((resolve) => env.clock.setTimer(300, () => resolve(null)));
        expect(await run(other, 'UPDATE t SET node = 8')).to.equal('UPDATE 1');
      }
    }));

  it('tells a node of the end of a session until it hears it', () =>
    withCluster(async (cluster, env) => {
      const session = cluster.node(2).session();
      await run(session, 'BEGIN');
      await run(session, 'UPDATE t SET node = 9');
      cluster.node(1).isUp = false;
      await session.close();
      cluster.node(1).isUp = true;
      const other = cluster.node(1).session({ lock_timeout: '50ms' });
      expect(await codeOf(other, 'UPDATE t SET node = 8')).to.equal('55P03');
      await new Promise((resolve) => env.clock.setTimer(300, () => resolve(null)));
      expect(await run(other, 'UPDATE t SET node = 8')).to.equal('UPDATE 1');
    }));

  it('gives up once no primary is found, and when it is cancelled', () =>
    withCluster(async (cluster, env) => {
      const session = cluster.node(2).session();
      cluster.primary = null;
      expect(await codeOf(session, 'INSERT INTO t VALUES (2, 0)')).to.equal('57P03');
      env.clock.setTimer(50, () => session.cancel());
      expect(await codeOf(session, 'INSERT INTO t VALUES (2, 0)')).to.equal('57014');
    }));

  it('cancels there what is cancelled here', () =>
    withCluster(async (cluster, env) => {
      const blocker = cluster.node(1).session();
      await run(blocker, 'BEGIN');
      await run(blocker, 'UPDATE t SET node = 9');
      const session = cluster.node(2).session({ statement_timeout: '100ms' });
      expect(await codeOf(session, 'UPDATE t SET node = 8')).to.equal('57014');
      await run(blocker, 'ROLLBACK');
      await new Promise<void>((resolve) => void env.clock.setTimer(10, resolve));
      expect(await run(session, 'UPDATE t SET node = 8')).to.equal('UPDATE 1');
    }));

  describe('what waits before a statement runs', () => {
    const seconds = 1_000;

    it('is ended by statement_timeout', () =>
      withCluster(async (cluster, env) => {
        const primary = cluster.node(1);
        const [ofPrimary, ofReplica] = [primary.session(), cluster.node(2).session()];
        for (const session of [ofPrimary, ofReplica]) await run(session, "SET statement_timeout = '2s'");
        primary.isSure = false;
        primary.onReadable = () => new Promise(() => {});
        const codes: (string | null)[] = [];
        const startedMs = env.clock.monotonicMs();
        codes.push(await codeOf(ofPrimary, 'SELECT node FROM t'));
        codes.push(await codeOf(ofPrimary, 'INSERT INTO t VALUES (80)'));
        cluster.primary = null;
        // What is not known here is asked of the primary.
        codes.push(await codeOf(ofReplica, 'INSERT INTO later VALUES (81)'));
        codes.push(await codeOf(ofReplica, 'INSERT INTO t VALUES (82)'));
        expect(codes).to.deep.equal(['57014', '57014', '57014', '57014']);
        expect(env.clock.monotonicMs() - startedMs).to.be.within(8 * seconds, 9 * seconds);
      }));

    it('is ended by a cancellation', () =>
      withCluster(async (cluster, env) => {
        const primary = cluster.node(1);
        const [ofPrimary, ofReplica] = [primary.session(), cluster.node(2).session()];
        primary.gate.shut();
        for (const [session, text] of [
          [ofPrimary, 'INSERT INTO t VALUES (83)'],
          [ofReplica, 'INSERT INTO later VALUES (84)'],
        ] as const) {
          if (session === ofReplica) cluster.primary = null;
          env.clock.setTimer(seconds, () => session.cancel());
          expect(await codeOf(session, text), text).to.equal('57014');
        }
        primary.gate.open();
        cluster.primary = nodeId(1);
        expect(await run(ofPrimary, 'INSERT INTO t VALUES (85)')).to.equal('INSERT 0 1');
      }));
  });
});
