import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import { nodeId } from '../../base/ids.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { TestCluster, type TestNode } from './cluster.fixture.ts';
import { clusterSettings } from './cluster-settings.ts';

const script = 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)';

function settingsOf({ node }: TestNode): ReturnType<typeof clusterSettings> {
  return clusterSettings(node.engine.transactions.catalog);
}

/** The SQLSTATE and the message of what is refused. */
async function refusal(work: Promise<unknown>): Promise<readonly [string, string]> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AlopexError) return [error.code, error.message];
    throw error;
  }
  throw new TypeError('it was not refused');
}

describe('NodeAdmin: what it refuses leaves nothing', () => {
  before(() => loadParser());

  it('a database without a cluster has no mode, and no primary', async () => {
    const cluster = new TestCluster(401);
    await cluster.start(1);
    await cluster.on(1, async ({ admin }) => {
      const none = ['55000', 'this database has no replicas'] as const;
      expect(await refusal(admin.setMode('sync'))).to.deep.equal(none);
      expect(await refusal(admin.promote(false, 1000))).to.deep.equal(none);
      expect(await refusal(admin.demote(1000))).to.deep.equal(none);
      expect(await refusal(admin.remove(nodeId(2)))).to.deep.equal(none);
      expect(await refusal(admin.verify())).to.deep.equal(none);
    });
    expect(await cluster.on(1, async (node) => settingsOf(node))).to.equal(null);
    await cluster.on(1, () => cluster.join(2));
    expect((await cluster.on(1, async (node) => settingsOf(node)))?.cluster).to.equal('test');
  });

  it('who may not join founds nothing, and gets no number', async () => {
    const cluster = new TestCluster(402);
    await cluster.start(1);
    const request = {
      role: 'replica',
      certificateRequest: '',
      transports: ['tls'],
      mesh: 'n2:1',
      client: 'n2:5432',
      token: 'guessed',
      isLoopback: false,
    } as const;
    await cluster.on(1, async ({ admin, node }) => {
      expect((await refusal(admin.join(request)))[0]).to.equal('28000');
      expect((await refusal(admin.join({ ...request, isLoopback: true, mesh: 'n2' })))[0]).to.equal('22023');
      expect((await refusal(admin.join({ ...request, isLoopback: true, client: '' })))[0]).to.equal('22023');
      expect(node.self).to.equal(null);
      const token = await admin.createJoinToken(60_000);
      expect((await refusal(admin.join({ ...request, token, mesh: '' })))[0]).to.equal('22023');
      expect((await admin.join({ ...request, token })).node).to.equal(2);
      expect((await refusal(admin.join({ ...request, token })))[0]).to.equal('28000');
    });
  });

  it('enable counts replicas, of which a witness is none, and promotes none where too few come', async () => {
    const cluster = new TestCluster(403);
    await cluster.start(1);
    await cluster.on(1, ({ database }) => database.query(script));
    await cluster.on(1, () => cluster.join(2, 'witness'));
    await cluster.startWitness(2);
    await cluster.sleep(3000);
    const before = await cluster.on(1, async (node) => settingsOf(node));
    const seen = cluster.nodes.get(1)!.node.engine.replication!.status.nodes;
    expect(seen.map(({ role, isInSync }) => [role, isInSync])).to.deep.equal([
      ['primary', true],
      ['witness', true],
    ]);
    const [code, message] = await refusal(cluster.on(1, ({ admin }) => admin.enable(1, 2000)));
    expect(code).to.equal('55000');
    expect(message).to.equal('one replica was asked for, and 0 have joined and caught up');
    expect(await cluster.on(1, async (node) => settingsOf(node))).to.deep.equal(before);
  });

  it('the lead goes to voters that have caught up, one after the other', async () => {
    const cluster = new TestCluster(404, { promotes: false });
    await cluster.start(1);
    await cluster.on(1, () => cluster.join(2));
    await cluster.start(2);
    await cluster.sleep(2000);
    expect(await refusal(cluster.on(2, ({ admin }) => admin.promote(false, 60_000)))).to.deep.equal([
      '55000',
      'node 2 has no vote',
    ]);
    await cluster.on(1, ({ admin }) => admin.enable(1, 5000));
    const twice = await cluster.on(1, ({ admin }) =>
      Promise.allSettled([admin.demote(5000), admin.demote(5000)]),
    );
    expect(twice.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected']);
    expect(twice[1]).to.have.nested.property('reason.code', '55006');
    expect(await cluster.primary()).to.equal(2);
    expect((await refusal(cluster.on(2, ({ admin }) => admin.remove(nodeId(9)))))[0]).to.equal('42704');
    expect((await refusal(cluster.on(1, ({ admin }) => admin.setMode('sync'))))[0]).to.equal('57P03');
  });

  it('gives votes to as many replicas as were asked for, and to who comes in the place of one of them', async () => {
    const cluster = new TestCluster(406, { promotes: false });
    await cluster.start(1);
    const roles = (): readonly string[] =>
      cluster.nodes.get(1)!.node.status!.membership.members.map(({ id, role }) => `${id} ${role}`);
    for (const number of [2, 3]) {
      await cluster.on(1, () => cluster.join(number));
      await cluster.start(number);
    }
    await cluster.on(1, ({ admin }) => admin.enable(1, 5000));
    await cluster.sleep(3000);
    expect(roles().filter((each) => each.endsWith('voter'))).to.have.length(2);
    await cluster.on(1, ({ admin }) => admin.enable(2, 5000));
    expect(roles()).to.deep.equal(['1 voter', '2 voter', '3 voter']);
    await cluster.on(1, () => cluster.join(4));
    await cluster.start(4);
    await cluster.sleep(3000);
    expect(roles()[3]).to.equal('4 learner');
  });

  it('a primary that is to be removed lets another one lead before', async () => {
    const cluster = new TestCluster(407);
    await cluster.startAll(3, script);
    const first = await cluster.primary();
    await cluster.on(first, ({ admin }) => admin.remove(nodeId(first)));
    const next = await cluster.primary();
    expect(next).not.to.equal(first);
    const members = cluster.nodes.get(next)!.node.status!.membership.members.map(({ id }) => id);
    expect(members).to.deep.equal([1, 2, 3].filter((id) => id !== first));
    expect(cluster.problems).to.deep.equal([]);
  });

  it('promote waits for the end of an election, and says so where there is none', async () => {
    const cluster = new TestCluster(405);
    await cluster.startAll(3, script);
    const first = await cluster.primary();
    const [next, last] = [1, 2, 3].filter((number) => number !== first);
    cluster.crash(first);
    while (cluster.nodes.get(next!)!.node.status?.leader !== null) await cluster.sleep(20);
    await cluster.on(next!, ({ admin }) => admin.promote(false, 20_000));
    expect(await cluster.primary()).to.equal(next);
    cluster.crash(next!);
    while (cluster.nodes.get(last!)!.node.status?.leader !== null) await cluster.sleep(20);
    expect(await refusal(cluster.on(last!, ({ admin }) => admin.promote(false, 20_000)))).to.deep.equal([
      '55000',
      'the cluster has no primary that could hand over',
    ]);
  });
});
