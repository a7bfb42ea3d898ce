import { expect } from 'chai';
import { AlopexError } from '../../../base/errors.ts';
import { nodeId } from '../../../base/ids.ts';
import { loadParser, parse } from '../../../query/sql/parse.ts';
import type { CopyInPortal, RowsPortal } from '../contract.ts';
import { codeOf, run, withCluster } from './cluster.fixture.ts';

before(loadParser);

const whoAnswers = 'SELECT node FROM t WHERE id = 1';

describe('Routing: reads', () => {
  it('keeps reads on the node that is connected to, unless another is asked for', () =>
    withCluster(async (cluster) => {
      expect(await run(cluster.node(1).session(), whoAnswers)).to.deep.equal([[1]]);
      expect(await run(cluster.node(2).session(), whoAnswers)).to.deep.equal([[2]]);
      const primary = cluster.node(2).session({ 'alopex.read_from': 'primary' });
      expect(await run(primary, whoAnswers)).to.deep.equal([[1]]);
    }));

  it('executes none of many reads on the primary where replicas are asked for, and takes them in turn', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session();
      const { executed } = cluster.node(1).engine;
      const before = executed.reads;
      await run(session, "SET alopex.read_from = 'replica'");
      const answers = new Map<unknown, number>();
      for (let count = 0; count < 100; count++) {
        const node = ((await run(session, whoAnswers)) as readonly (readonly unknown[])[])[0]![0];
        answers.set(node, (answers.get(node) ?? 0) + 1);
      }
      expect([...answers].toSorted()).to.deep.equal([
        [2, 50],
        [3, 50],
      ]);
      expect(executed.reads - before).to.equal(0);
      expect(executed.forwardedReads).to.equal(100);
      expect(await run(session, 'INSERT INTO t VALUES (2, 0)')).to.equal('INSERT 0 1');
      expect(await run(cluster.node(1).session(), 'SELECT count(*) FROM t')).to.deep.equal([[2]]);
    }));

  it('answers on the primary what no replica can, and passes over one that is down', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session({ 'alopex.read_from': 'replica' });
      cluster.node(2).isUp = false;
      for (let count = 0; count < 3; count++) expect(await run(session, whoAnswers)).to.deep.equal([[3]]);
      cluster.node(3).isUp = false;
      expect(await run(session, whoAnswers)).to.deep.equal([[1]]);
    }));

  it('keeps on the primary what writes, locks, or asks about the session', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session({ 'alopex.read_from': 'replica' });
      await run(session, 'CREATE SEQUENCE s');
      expect(await run(session, "SELECT nextval('s'), node FROM t")).to.deep.equal([[1, 1]]);
      expect(await run(session, 'SELECT node FROM t FOR UPDATE')).to.deep.equal([[1]]);
      expect(await run(session, "SELECT set_config('application_name', 'x', false)")).to.deep.equal([['x']]);
      expect(session.getSetting('application_name')).to.equal('x');
    }));

  it('holds a read-only block to one replica, and a block that may write to the primary', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session({ 'alopex.read_from': 'replica' });
      await run(session, 'BEGIN READ ONLY');
      const first = await run(session, whoAnswers);
      expect(await run(session, whoAnswers)).to.deep.equal(first);
      expect(first).to.not.deep.equal([[1]]);
      expect(await codeOf(session, 'DELETE FROM t')).to.equal('25006');
      await run(session, 'ROLLBACK');
      await run(session, 'BEGIN');
      expect(await run(session, whoAnswers)).to.deep.equal([[1]]);
      await run(session, 'COMMIT');
    }));

  it('reads of a block with one snapshot are on the primary, where its writes will be', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      await run(session, 'BEGIN ISOLATION LEVEL SERIALIZABLE');
      for (let count = 0; count < 3; count++) expect(await run(session, whoAnswers)).to.deep.equal([[1]]);
      expect(await run(session, 'INSERT INTO t VALUES (2, 0)')).to.equal('INSERT 0 1');
      await run(session, 'ROLLBACK');
      await run(session, 'BEGIN ISOLATION LEVEL SERIALIZABLE READ ONLY');
      expect(await run(session, whoAnswers)).to.deep.equal([[2]]);
    }));

  it('asks the primary for the number of a transaction, which is there', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      await run(session, 'BEGIN');
      const [[number]] = (await run(session, 'SELECT txid_current()')) as [[unknown]];
      expect(await run(session, 'INSERT INTO t VALUES (2, 0)')).to.equal('INSERT 0 1');
      const asked = cluster.node(1).session();
      expect(await run(asked, `SELECT txid_status(${number})`)).to.deep.equal([['in progress']]);
      await run(session, 'COMMIT');
      expect(await run(asked, `SELECT txid_status(${number})`)).to.deep.equal([['committed']]);
    }));

  it('gives an answer that is too old to the primary', () =>
    withCluster(async (cluster) => {
      cluster.node(2).stalenessMs = 900;
      const session = cluster.node(2).session({ 'alopex.max_staleness': '500ms' });
      expect(await run(session, whoAnswers)).to.deep.equal([[1]]);
      cluster.node(2).stalenessMs = 400;
      expect(await run(session, whoAnswers)).to.deep.equal([[2]]);
      const onPrimary = cluster.node(1).session({
        'alopex.read_from': 'replica',
        'alopex.max_staleness': '100ms',
      });
      for (let count = 0; count < 3; count++) expect(await run(onPrimary, whoAnswers)).to.deep.equal([[3]]);
    }));

  it('names the node in EXPLAIN', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session();
      const lines = async () =>
        ((await run(session, 'EXPLAIN SELECT * FROM t')) as readonly (readonly unknown[])[]).at(-1);
      expect(await lines()).to.deep.equal(['Node: 1, primary, node1:5432']);
      await run(session, "SET alopex.read_from = 'replica'");
      expect(await lines()).to.deep.equal(['Node: 2, replica, node2:5432']);
    }));
});

describe('Routing: writes on a replica', () => {
  it('go to the primary, and the session sees what it wrote', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      expect(await run(session, 'INSERT INTO t VALUES (2, 7)')).to.equal('INSERT 0 1');
      expect(await run(cluster.node(1).session(), 'SELECT node FROM t WHERE id = 2')).to.deep.equal([[7]]);
      const { waitedFor } = cluster.node(2);
      expect(waitedFor).to.deep.equal([]);
      await run(session, whoAnswers);
      expect(session.getSetting('alopex.last_commit').split('/')[1]).to.equal(String(waitedFor[0]));
      expect(session.getSetting('alopex.last_commit')).to.match(/^\d+\/\d+$/);
      await run(session, whoAnswers);
      expect(waitedFor).to.have.length(1);
    }));

  it('are refused as by a hot standby where they are not forwarded', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session({ 'alopex.forward_writes': 'off' });
      const error = await run(session, 'INSERT INTO t VALUES (2, 7)').catch((thrown: unknown) => thrown);
      expect(error).to.include({ code: '25006' });
      expect((error as AlopexError).message).to.equal('cannot execute INSERT in a read-only transaction');
      expect(await codeOf(session, 'CREATE TABLE u (a int)')).to.equal('25006');
      expect(await codeOf(session, 'BEGIN READ WRITE')).to.equal('0A000');
      await run(session, 'ROLLBACK');
      expect(await run(session, 'SHOW transaction_read_only')).to.deep.equal([['on']]);
      expect(await run(session, 'SHOW in_hot_standby')).to.deep.equal([['on']]);
      expect(await run(session, whoAnswers)).to.deep.equal([[2]]);
    }));

  it('bring rows, tags and errors as they are', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      expect(await run(session, "INSERT INTO t VALUES (5, 1, 'ä') RETURNING *")).to.deep.equal([[5, 1, 'ä']]);
      expect(await run(session, 'DELETE FROM t WHERE id = 4')).to.equal('DELETE 0');
      const error = (await run(session, 'INSERT INTO t VALUES (5, 1)').catch(
        (thrown: unknown) => thrown,
      )) as AlopexError;
      expect(error.code).to.equal('23505');
      expect(error.detail).to.equal('Key (id)=(5) already exists.');
      expect(error.fields.constraint).to.equal('t_pkey');
      const misplaced = await run(session, '  UPDATE t SET nod = 1').catch((thrown: unknown) => thrown);
      expect(misplaced).to.include({ code: '42703', position: 16 });
    }));

  it('pass parameters and many rows', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      const insert = await session.prepare(
        parse('INSERT INTO t SELECT g, $1, repeat($2, 50) FROM generate_series(10, 20009) g RETURNING *')[0]!,
        [],
      );
      const portal = (await session.bind(insert, [3, 'x'])) as RowsPortal;
      let count = 0;
      for (let isDone = false; !isDone; ) {
        const fetched = await portal.fetch(700);
        expect(fetched.rows.length).to.be.at.most(700);
        for (const [id] of fetched.rows) expect(id).to.equal(10 + count++);
        isDone = fetched.isDone;
      }
      await session.sync();
      expect(count).to.equal(20_000);
      expect(portal.tag(count)).to.equal('INSERT 0 20000');
      const counted = await run(cluster.node(1).session(), 'SELECT count(*) FROM t WHERE node = 3');
      expect(counted).to.deep.equal([[20_000]]);
    }));

  it('run in blocks with savepoints, of which nothing is seen before the commit', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      const count = async () => run(cluster.node(1).session(), 'SELECT count(*) FROM t');
      await run(session, 'BEGIN');
      expect(await run(session, whoAnswers)).to.deep.equal([[2]]);
      await run(session, 'SAVEPOINT before');
      await run(session, 'INSERT INTO t VALUES (2, 0)');
      expect(await run(session, 'SELECT node FROM t ORDER BY id')).to.deep.equal([[1], [0]]);
      await run(session, 'SAVEPOINT deeper');
      await run(session, 'INSERT INTO t VALUES (3, 0)');
      expect(await codeOf(session, 'INSERT INTO t VALUES (3, 0)')).to.equal('23505');
      expect(await codeOf(session, whoAnswers)).to.equal('25P02');
      await run(session, 'ROLLBACK TO deeper');
      await run(session, 'INSERT INTO t VALUES (4, 0)');
      expect(await count()).to.deep.equal([[1]]);
      expect(await run(session, 'COMMIT')).to.equal('COMMIT');
      expect(await count()).to.deep.equal([[3]]);
      await run(session, 'BEGIN');
      await run(session, 'SAVEPOINT s');
      await run(session, 'DELETE FROM t');
      await run(session, 'ROLLBACK TO s');
      expect(await run(session, 'SELECT count(*) FROM t')).to.deep.equal([[3]]);
      await run(session, 'DELETE FROM t');
      await run(session, 'ROLLBACK');
      expect(await count()).to.deep.equal([[3]]);
    }));

  it('take DDL, what it made in the same block, cursors and settings along', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      await run(session, 'BEGIN');
      await run(session, 'CREATE TABLE made (a int)');
      await run(session, "SET LOCAL application_name = 'far'");
      await run(session, 'INSERT INTO made SELECT g FROM generate_series(1, 5) g');
      expect(
        await run(session, "SELECT current_setting('application_name'), sum(a) FROM made"),
      ).to.deep.equal([['far', 15]]);
      await run(session, 'DECLARE c CURSOR FOR SELECT a FROM made ORDER BY a');
      expect(await run(session, 'FETCH 2 FROM c')).to.deep.equal([[1], [2]]);
      expect(await run(session, 'FETCH 2 FROM c')).to.deep.equal([[3], [4]]);
      await run(session, 'COMMIT');
      expect(await run(cluster.node(1).session(), 'SELECT count(*) FROM made')).to.deep.equal([[5]]);
    }));

  it('take COPY FROM', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      const prepared = await session.prepare(parse('COPY t (id, node) FROM STDIN')[0]!, []);
      const copy = (await session.bind(prepared, [])) as CopyInPortal;
      await copy.write(new TextEncoder().encode('7\t70\n8'));
      await copy.write(new TextEncoder().encode('\t80\n'));
      expect(await copy.finish()).to.equal('COPY 2');
      await session.sync();
      const rows = await run(cluster.node(1).session(), 'SELECT id, node FROM t WHERE id > 1 ORDER BY id');
      expect(rows).to.deep.equal([
        [7, 70],
        [8, 80],
      ]);
    }));

  it('run a prepared statement of EXECUTE', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      await run(session, 'PREPARE p (int) AS INSERT INTO t VALUES ($1, 5)');
      expect(await run(session, 'EXECUTE p (9)')).to.equal('INSERT 0 1');
      expect(await run(cluster.node(1).session(), 'SELECT node FROM t WHERE id = 9')).to.deep.equal([[5]]);
    }));

  it('know what the primary knows already', () =>
    withCluster(async (cluster) => {
      await run(cluster.node(1).session(), 'CREATE TABLE later (a int)');
      const session = cluster.node(2).session();
      expect(await run(session, 'INSERT INTO later VALUES (1)')).to.equal('INSERT 0 1');
      expect(await codeOf(session, 'INSERT INTO never VALUES (1)')).to.equal('42P01');
    }));
});

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

  it('a read that waits to be sure of the lead goes on where this node loses it', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(1);
      const lost = new AlopexError('serialization_failure', 'this node is not the primary any more');
      for (const [readFrom, answered] of [
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
        expect(await run(session, 'SELECT node FROM t'), readFrom).to.deep.equal([[answered]]);
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

  it('rolls back what a node had open whose link is gone', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      await run(session, 'BEGIN');
      await run(session, 'UPDATE t SET node = 9');
      await cluster.node(1).sessions.forget(nodeId(2));
      expect(await run(cluster.node(1).session(), 'UPDATE t SET node = 8')).to.equal('UPDATE 1');
      expect(await codeOf(session, 'UPDATE t SET node = 7')).to.equal('40001');
    }));

  it('ends what it left on a node whose link broke, with its next statement or its own end', () =>
    withCluster(async (cluster) => {
      const [first, second] = [cluster.node(2).session(), cluster.node(3).session()];
      const [node, other] = [cluster.node(1), cluster.node(1).session({ lock_timeout: '50ms' })];
      for (const [session, end] of [
        [first, () => run(first, 'DELETE FROM t WHERE id = 99')],
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
});

describe('Routing: commits', () => {
  it('are acknowledged by the mode that the transaction asks for', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session();
      await run(session, 'INSERT INTO t VALUES (2, 0)');
      await run(session, 'BEGIN');
      await run(session, "SET LOCAL alopex.replication_mode = 'sync'");
      await run(session, 'INSERT INTO t VALUES (3, 0)');
      await run(session, 'COMMIT');
      await run(session, "SET alopex.replication_mode = 'async'");
      await run(session, 'INSERT INTO t VALUES (4, 0)');
      await run(session, whoAnswers);
      expect(cluster.node(1).committedAs).to.deep.equal(['semi-sync', 'sync', 'async']);
      await run(
        cluster.node(2).session({ 'alopex.replication_mode': 'async' }),
        'DELETE FROM t WHERE id = 4',
      );
      expect(cluster.node(1).committedAs.at(-1)).to.equal('async');
    }));

  it('are waited for anywhere by their token', () =>
    withCluster(async (cluster) => {
      const writer = cluster.node(1).session();
      await run(writer, 'INSERT INTO t VALUES (2, 0)');
      const [[token]] = (await run(writer, 'SHOW alopex.last_commit')) as [[string]];
      const reader = cluster.node(3).session();
      await run(reader, `SET alopex.await_token = '${token}'`);
      await run(reader, whoAnswers);
      expect(cluster.node(3).waitedFor).to.deep.equal([Number(token.split('/')[1])]);
      expect(await codeOf(reader, "SET alopex.await_token = 'x'")).to.equal('22023');
    }));

  it('are refused where the log has lost what they name', () =>
    withCluster(async (cluster) => {
      const reader = cluster.node(3).session();
      await run(reader, "SET alopex.await_token = '4/7'");
      cluster.node(3).lostEpochs.add(4);
      expect(await codeOf(reader, whoAnswers)).to.equal('40000');
      expect(cluster.node(3).waitedFor).to.deep.equal([]);
      await run(reader, "SET alopex.await_token = ''");
      await run(reader, whoAnswers);
    }));

  it('a session is told of what it has committed itself, and was lost', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      const told: string[] = [];
      session.onNotice = ({ error }) => void told.push(error.code);
      await run(session, 'INSERT INTO t VALUES (2, 0)');
      for (const node of cluster.nodes) node.lostEpochs.add(session.lastCommit!.epoch);
      await run(session, whoAnswers);
      await run(session, whoAnswers);
      expect([told, session.lastCommit]).to.deep.equal([['40000'], null]);
    }));
});
