import { expect } from 'chai';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import { nodeId } from '../../base/ids.ts';
import { defaultRaftLimits } from '../../log/raft/contract.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { sqlRequest } from '../database/replication.ts';
import { codeOf, run } from '../database/routing/cluster.fixture.ts';
import { TestCluster, type TestNode } from './cluster.fixture.ts';
import { DatabaseNode } from './node.ts';
import { commit, connect, count, insert, lostOn, refusal, script } from './statements.fixture.ts';

/** The SQLSTATE of a read that waits for a commit. */
function awaiting(cluster: TestCluster, number: number, token: string): Promise<string | null> {
  return cluster.on(number, async (node) => {
    const session = connect(node);
    await run(session, `SET alopex.await_token = '${token}'`);
    const code = await codeOf(session, 'SELECT count(*) FROM t');
    await session.close();
    return code;
  });
}

/** As a session does whose statements go to another node. */
function ask(cluster: TestCluster, from: number, to: number): Promise<unknown> {
  const asked = ({ node }: TestNode) => node.mesh!.request(nodeId(to), sqlRequest, new Uint8Array(1));
  return cluster.on(from, asked).catch((thrown: unknown) => {
    throw asAlopexError(thrown);
  });
}

describe('nodes of a cluster', () => {
  before(() => loadParser());

  it('a replica that joins has the rows, becomes a voter, and leads when it is asked to', async () => {
    const cluster = new TestCluster(7);
    await cluster.startAll(3, script);
    await insert(cluster, 1, 2000);
    await cluster.sleep(300);
    expect(await count(cluster, 2)).to.equal(1001);
    expect(await count(cluster, 3)).to.equal(1001);
    await insert(cluster, 2, 2001);
    await cluster.sleep(300);
    expect(await count(cluster, 2)).to.equal(1002);
    await cluster.on(2, ({ admin }) => admin.promote(false, 5000));
    expect(await cluster.primary()).to.equal(2);
    await insert(cluster, 2, 3000);
    const verified = await cluster.on(2, ({ admin }) => admin.verify());
    expect(verified.filter(({ isEqual }) => !isEqual)).to.deep.equal([]);
    expect(new Set(verified.map(({ node }) => node)).size).to.equal(3);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('a primary that is lost is replaced, and follows when it comes back', async () => {
    const cluster = new TestCluster(8);
    await cluster.startAll(3, script);
    cluster.crash(1);
    const primary = await cluster.primary();
    await insert(cluster, primary, 2000);
    await cluster.start(1);
    await cluster.sleep(3000);
    expect(await cluster.primary()).to.equal(primary);
    expect(await count(cluster, 1)).to.equal(1001);
    await insert(cluster, 1, 2001);
    expect(await count(cluster, primary)).to.equal(1002);
  });

  it('a primary that falls silent in a cluster that is quiet is replaced as soon as in one that is not', async () => {
    const cluster = new TestCluster(15);
    await cluster.startAll(3, script);
    await cluster.sleep(10_000);
    const quiet = [...cluster.nodes.values()].map(({ node }) => node.status?.leader);
    expect(quiet).to.deep.equal([1, 1, 1]);
    for (const { node } of cluster.nodes.values())
      expect(node.engine.replica?.range.status.isQuiet).to.equal(true);
    cluster.hub.cutOff.add(nodeId(1));
    // A silence, an election timeout more where votes are split once, and what an election itself takes.
    await cluster.sleep(2 * (2 * defaultRaftLimits.electionMs));
    expect(await cluster.on(2, async ({ node }) => node.status?.leader)).to.be.oneOf([2, 3]);
    const primary = await cluster.primary();
    await cluster.sleep(5000);
    const [other] = [2, 3].filter((number) => number !== primary);
    const nodes = await cluster.on(other!, ({ admin }) => admin.nodes());
    expect(nodes.map(({ id, role }) => [id, role])).to.deep.include([primary, 'primary']);
    expect(nodes.find(({ id }) => id === primary)?.match, 'as the primary says').to.be.a('number');
    expect(nodes.find(({ isSelf }) => isSelf)?.id).to.equal(other);
    const failover = await cluster.on(primary, async ({ node }) => node.engine.replication?.status.failover);
    expect(failover).to.match(/^not now: node 1 cannot be reached/);
    const seen = `SELECT array_agg(state ORDER BY node) AS states FROM alopex.replication`;
    for (const number of [2, 3]) {
      const { rows } = await cluster.on(number, ({ database }) => database.query(seen));
      expect(rows, `node ${number}`).to.deep.equal([{ states: ['dead', 'alive', 'alive'] }]);
    }
    await insert(cluster, primary, 2000);
    cluster.hub.cutOff.clear();
    await cluster.sleep(10_000);
    expect(await cluster.primary()).to.equal(primary);
    for (const { node } of cluster.nodes.values())
      expect(node.engine.replica?.range.status.isQuiet).to.equal(true);
  });

  it('a replica that is further behind than the log reaches gets a snapshot', async () => {
    const cluster = new TestCluster(9, {
      limits: { memtableBytesMax: 20_000, log: { segmentBytesMax: 8192 } },
      retention: { retentionMs: 0, retentionBytes: 0 },
    });
    await cluster.startAll(3, script);
    cluster.crash(3);
    const primary = await cluster.primary();
    for (let batch = 0; batch < 8; batch++) {
      await cluster.on(primary, ({ database }) =>
        database.query(
          `INSERT INTO t SELECT n, 'more' FROM generate_series(${2000 + batch * 100}, ${2099 + batch * 100}) n`,
        ),
      );
      await cluster.on(primary, ({ node }) => node.engine.checkpoint());
    }
    const before = cluster.nodes.get(primary)!.node.engine.log.startOffset;
    expect(before).to.be.greaterThan(0);
    await cluster.start(3);
    await cluster.sleep(5000);
    expect(await count(cluster, 3)).to.equal(1800);
    await insert(cluster, primary, 5000);
    await cluster.sleep(500);
    expect(await count(cluster, 3)).to.equal(1801);
    expect(await cluster.on(3, ({ node }) => Promise.resolve(node.engine.log.startOffset))).to.be.greaterThan(
      0,
    );
    cluster.crash(3);
    await cluster.start(3);
    await cluster.sleep(1000);
    expect(await count(cluster, 3)).to.equal(1801);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('a replica joins a database whose log had been trimmed before it was replicated', async () => {
    const cluster = new TestCluster(15, {
      limits: { log: { segmentBytesMax: 8192 } },
      retention: { retentionMs: 0, retentionBytes: 0 },
    });
    await cluster.start(1);
    await cluster.on(1, async ({ database, node }) => {
      const long = `repeat('long ', 4000)`;
      await database.query(`${script}; INSERT INTO t VALUES (2000, ${long})`);
      await node.engine.checkpoint();
      await database.query(`INSERT INTO t VALUES (2001, ${long})`);
      await node.engine.retention.settled();
      const held = node.engine.rows.holdSnapshot();
      held.release();
      expect(node.engine.log.startOffset).to.equal(held.manifest.replayFrom).and.be.greaterThan(0);
    });
    await cluster.on(1, () => cluster.join(2));
    await cluster.start(2);
    await cluster.sleep(2000);
    expect(await count(cluster, 2)).to.equal(1002);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('a replica that has nothing gets files where the log is long, and goes on with the log while it is written', async () => {
    const cluster = new TestCluster(14, { raft: { snapshotRecordsMin: 500 } });
    await cluster.startAll(2, script);
    await cluster.on(1, () => cluster.join(3));
    await cluster.start(3);
    for (let id = 2000; id < 2040; id++) {
      await insert(cluster, 1, id);
      await cluster.sleep(20);
    }
    await cluster.sleep(3000);
    expect(await count(cluster, 3)).to.equal(1040);
    const { startOffset } = cluster.nodes.get(3)!.node.engine.log;
    expect(startOffset).to.be.greaterThan(500);
    const verified = await cluster.on(1, ({ admin }) => admin.verify());
    expect(verified.filter(({ isEqual }) => !isEqual)).to.deep.equal([]);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('what was answered by an old primary alone is kept in a file when it rejoins', async () => {
    const cluster = new TestCluster(10);
    await cluster.startAll(3, script);
    cluster.hub.cutOff.add(nodeId(1));
    const lostToken = await commit(cluster, 1, `INSERT INTO t VALUES (2000, 'lost')`, 'async');
    const primary = await cluster.primary();
    const token = await commit(cluster, primary, `INSERT INTO t VALUES (3000, 'new')`);
    cluster.hub.cutOff.clear();
    await cluster.sleep(3000);
    expect(await count(cluster, 1, 'id IN (2000, 3000)')).to.equal(1);
    expect(await count(cluster, 1, 'id = 3000')).to.equal(1);
    const lost = await lostOn(cluster, 1);
    expect(lost).to.contain('lost');
    expect(lost).not.to.contain('row 1');
    for (const number of [1, 2, 3]) {
      expect(await awaiting(cluster, number, lostToken), `node ${number}`).to.equal('40000');
      expect(await awaiting(cluster, number, token), `node ${number}`).to.equal(null);
    }
  });

  it('is kept, too, where the log of the others no longer reaches back to it', async () => {
    const cluster = new TestCluster(17, {
      limits: { memtableBytesMax: 20_000, log: { segmentBytesMax: 8192 } },
      retention: { retentionMs: 0, retentionBytes: 0 },
    });
    await cluster.startAll(3, script);
    cluster.hub.cutOff.add(nodeId(1));
    await commit(cluster, 1, `INSERT INTO t VALUES (2000, 'lost')`, 'async');
    const end = cluster.nodes.get(1)!.node.engine.log.flushedOffset;
    const primary = await cluster.primary();
    for (let batch = 0; batch < 8; batch++) {
      const rows = `SELECT n, 'more' FROM generate_series(${3000 + batch * 100}, ${3099 + batch * 100}) n`;
      await cluster.on(primary, ({ database }) => database.query(`INSERT INTO t ${rows}`));
      await cluster.on(primary, ({ node }) => node.engine.checkpoint());
    }
    expect(cluster.nodes.get(primary)!.node.engine.log.startOffset).to.be.greaterThan(end);
    cluster.hub.cutOff.clear();
    await cluster.sleep(5000);
    expect(await count(cluster, 1)).to.equal(1800);
    expect(await lostOn(cluster, 1)).to.contain('lost');
    expect(cluster.problems).to.deep.equal([]);
  });

  it('commits of a primary that cannot reach anybody end as unknown, and its reads are refused', async () => {
    const cluster = new TestCluster(11);
    await cluster.startAll(3, script);
    cluster.hub.cutOff.add(nodeId(1));
    expect(await refusal(insert(cluster, 1, 2000))).to.equal('40003');
    const primary = await cluster.primary();
    expect(await count(cluster, primary, 'id = 2000')).to.equal(0);
  });

  it('what failed while a cluster was founded may be done again, also after a restart', async () => {
    const cluster = new TestCluster(16);
    const self = nodeId(1);
    const addresses = { mesh: 'n1:1', client: 'n1:5432' };
    const first = { members: [{ id: self, role: 'voter', ...addresses }], outgoing: [], forced: [] } as const;
    const openMesh = () => Promise.reject(new AlopexError('io_error', 'the port is taken'));
    await cluster.start(1);
    const founded = cluster.on(1, ({ node }) =>
      node.found({ self, name: 'test', addresses, openMesh }, first),
    );
    expect(await refusal(founded)).to.equal('58030');
    await cluster.on(1, ({ node }) => node.close());
    await cluster.machine(1).run(async (env) => {
      const node = await DatabaseNode.open({
        env,
        path: '/db',
        cacheBytes: 256 * 1024,
        connectionsMax: 100,
        settings: {},
        onProblem: ({ message }) => cluster.problems.push(message),
        cluster: {
          self,
          name: 'test',
          addresses,
          isFirst: true,
          openMesh: async (handlers) => cluster.hub.open(self, handlers),
        },
      });
      expect([node.self, node.isPrimary]).to.deep.equal([null, true]);
      await node.close();
    });
    await cluster.machine(1).run((env) => env.disk.remove('/db/cluster'));
    await cluster.startAll(2, script);
    expect(await count(cluster, 1)).to.equal(1000);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('a node that is found elsewhere after a restart is known there, also the one that leads', async () => {
    const cluster = new TestCluster(15);
    await cluster.startAll(3, script);
    const clients = (number: number): Promise<unknown> =>
      cluster.on(number, async ({ node }) => node.status?.membership.members.map(({ client }) => client));
    cluster.crash(3);
    cluster.clientPorts.set(3, 6000);
    await cluster.start(3);
    await cluster.sleep(5000);
    for (const number of [1, 2, 3])
      expect(await clients(number)).to.deep.equal(['n1:5432', 'n2:5432', 'n3:6000']);
    cluster.crash(1);
    cluster.clientPorts.set(1, 6001);
    await cluster.start(1);
    await cluster.on(await cluster.primary(), async () => {});
    await cluster.sleep(5000);
    await cluster.on(1, ({ admin }) => admin.promote(false, 5000));
    for (const number of [1, 2, 3])
      expect(await clients(number)).to.deep.equal(['n1:6001', 'n2:5432', 'n3:6000']);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('a witness has no rows, and lets the one replica that is left lead', async () => {
    const cluster = new TestCluster(12, {
      limits: { memtableBytesMax: 20_000, log: { segmentBytesMax: 8192 } },
      retention: { retentionMs: 0, retentionBytes: 0 },
    });
    await cluster.startAll(2, script);
    await cluster.on(1, ({ node }) => node.engine.checkpoint());
    await cluster.on(1, () => cluster.join(3, 'witness'));
    await cluster.startWitness(3);
    await cluster.sleep(3000);
    expect(cluster.witnesses.get(3)!.status?.membership.members.map(({ role }) => role)).to.deep.equal([
      'voter',
      'voter',
      'witness',
    ]);
    expect(cluster.witnesses.get(3)!.log!.startOffset).to.be.greaterThan(0);
    expect(await refusal(ask(cluster, 1, 3))).to.equal('57P03');
    cluster.crash(1);
    expect(await cluster.primary()).to.equal(2);
    await insert(cluster, 2, 2000);
    expect(await count(cluster, 2)).to.equal(1001);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('a node that starts has sessions of others ask again', async () => {
    const cluster = new TestCluster(16);
    await cluster.startAll(3, script);
    cluster.crash(2);
    const started = cluster.start(2);
    const refusals = new Set<string>();
    for (let asked = 0; asked < 50; asked++) {
      refusals.add(await refusal(ask(cluster, 1, 2)));
      await cluster.sleep(1);
    }
    await started;
    // First it is not reached, and then it answers, if only that this is no call of a session's.
    expect([...refusals].slice(0, 2)).to.deep.equal(['08006', '57P03']);
  });

  it('a witness that alone has the newest commits hands them over, and the lead with them', async () => {
    const cluster = new TestCluster(13);
    await cluster.startAll(2, script);
    await cluster.on(1, () => cluster.join(3, 'witness'));
    await cluster.startWitness(3);
    await cluster.sleep(3000);
    cluster.hub.cutOff.add(nodeId(2));
    await insert(cluster, 1, 2000);
    cluster.crash(1);
    cluster.hub.cutOff.clear();
    expect(await cluster.primary()).to.equal(2);
    expect(await count(cluster, 2, 'id = 2000')).to.equal(1);
  });
});
