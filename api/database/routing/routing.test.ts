import { expect } from 'chai';
import type { AlopexError } from '../../../base/errors.ts';
import { nodeId } from '../../../base/ids.ts';
import { loadParser, parse } from '../../../query/sql/parse.ts';
import type { CopyInPortal, RowsPortal } from '../contract.ts';
import type { EngineSession } from '../session.ts';
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

  it('reads a cursor where a SELECT in its place would be answered', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session({ 'alopex.read_from': 'replica' });
      const declared = async (begin: string): Promise<unknown> => {
        await run(session, begin);
        await run(session, `DECLARE c CURSOR FOR ${whoAnswers}`);
        const rows = await run(session, 'FETCH c');
        await run(session, 'CLOSE c');
        await run(session, 'COMMIT');
        return rows;
      };
      expect(await declared('BEGIN READ ONLY')).to.deep.equal([[2]]);
      expect(await declared('BEGIN')).to.deep.equal([[1]]);
      const onReplica = cluster.node(2).session();
      await run(onReplica, 'BEGIN ISOLATION LEVEL REPEATABLE READ');
      await run(onReplica, `DECLARE c CURSOR FOR ${whoAnswers}`);
      expect(await run(onReplica, 'FETCH c')).to.deep.equal([[1]]);
      await run(onReplica, 'ROLLBACK');
      await run(onReplica, 'BEGIN');
      await run(onReplica, `DECLARE c CURSOR FOR ${whoAnswers} FOR UPDATE`);
      expect(await run(onReplica, 'FETCH c')).to.deep.equal([[1]]);
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

  it('of a read-only transaction are refused on any node, numbers and locks among them', () =>
    withCluster(async (cluster) => {
      await run(cluster.node(1).session(), 'CREATE SEQUENCE s');
      cluster.primary = nodeId(2);
      await run(cluster.node(2).session(), 'CREATE SEQUENCE s');
      cluster.primary = nodeId(1);
      const refused = async (session: EngineSession, begin: string, statements: readonly string[]) => {
        for (const statement of statements) {
          if (begin !== '') await run(session, begin);
          expect(await codeOf(session, statement), statement).to.equal('25006');
          if (begin !== '') await run(session, 'ROLLBACK');
        }
      };
      const statements = ["SELECT nextval('s')", "SELECT setval('s', 9)", 'SELECT * FROM t FOR UPDATE'];
      await refused(cluster.node(1).session(), 'BEGIN READ ONLY', statements);
      const onReplica = [...statements, 'SELECT * FROM t FOR KEY SHARE', 'SELECT txid_current()'];
      await refused(cluster.node(2).session(), 'BEGIN READ ONLY', onReplica);
      await refused(cluster.node(2).session({ 'alopex.forward_writes': 'off' }), '', onReplica);
      expect(await run(cluster.node(2).session(), "SELECT nextval('s')")).to.deep.equal([[1]]);
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

  it('refuses what a hot standby does, by the names that PostgreSQL has for it', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session({ 'alopex.forward_writes': 'off' });
      const refused: string[] = [];
      for (const sql of [
        'TRUNCATE t',
        'CREATE INDEX ON t (node)',
        'ALTER TABLE t RENAME note TO text',
        'DROP TABLE t',
        'COPY t FROM STDIN',
        'LOCK TABLE t IN SHARE MODE',
      ]) {
        await run(session, 'BEGIN');
        const error = await run(session, sql).catch((thrown: unknown) => thrown);
        expect(error, sql).to.have.property('code', '25006');
        refused.push((error as Error).message.replace('cannot execute ', ''));
        await run(session, 'ROLLBACK');
      }
      const where = 'in a read-only transaction';
      expect(refused).to.deep.equal([
        `TRUNCATE TABLE ${where}`,
        `CREATE INDEX ${where}`,
        `ALTER TABLE ${where}`,
        `DROP TABLE ${where}`,
        `COPY FROM ${where}`,
        'LOCK TABLE during recovery',
      ]);
      await run(session, 'BEGIN');
      expect(await run(session, 'LOCK TABLE t IN ROW EXCLUSIVE MODE')).to.equal('LOCK TABLE');
    }));
});
