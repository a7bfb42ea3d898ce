import { expect } from 'chai';
import { nodeId } from '../../base/ids.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { codeOf, run } from '../database/routing/cluster.fixture.ts';
import { TestCluster } from './cluster.fixture.ts';
import { connect, count, insert, refusal, script } from './statements.fixture.ts';

describe('a node that has started again', () => {
  before(() => loadParser());

  it('answers no read before it shows what it showed, whoever asks it', async () => {
    const cluster = new TestCluster(501);
    await cluster.startAll(3, script);
    for (let id = 2000; id < 2010; id++) await insert(cluster, 1, id);
    await cluster.sleep(500);
    expect(await count(cluster, 2)).to.equal(1010);
    cluster.crash(2);
    await cluster.start(2);
    const fromReplica = (): Promise<unknown> =>
      cluster.on(1, async (node) => {
        const session = connect(node);
        await run(session, "SET alopex.read_from = 'replica'");
        return String(await run(session, `SELECT count(*)::int FROM t WHERE v > 'a'`));
      });
    const asked = [count(cluster, 2), fromReplica(), fromReplica(), fromReplica(), fromReplica()];
    expect(await Promise.all(asked)).to.deep.equal([1010, '1010', '1010', '1010', '1010']);
  });

  it('answers from what it knows where nobody leads', async () => {
    const cluster = new TestCluster(502);
    await cluster.startAll(3, script);
    await cluster.sleep(3000);
    for (const number of [1, 2, 3]) cluster.crash(number);
    await cluster.start(3);
    expect(await count(cluster, 3)).to.equal(1000);
    const staleness = await cluster.on(3, async ({ node }) => node.replication!.stalenessMs);
    expect(staleness).to.equal(null);
  });
});

describe('a node that cannot catch up after its start', () => {
  before(() => loadParser());

  it('refuses reads that have waited for half a minute, until it has room again', async () => {
    const cluster = new TestCluster(505);
    await cluster.startAll(3, script);
    await cluster.sleep(3000);
    cluster.crash(2);
    for (let id = 2000; id < 2010; id++) await insert(cluster, 1, id);
    const { disk } = cluster.machine(2);
    let isFull = true;
    const capacity = (): number => (isFull ? disk.usedBytes : Number.MAX_SAFE_INTEGER);
    Object.defineProperty(disk, 'capacityBytes', { get: capacity });
    await cluster.start(2);
    expect(await refusal(count(cluster, 2))).to.equal('57P03');
    expect(cluster.problems.filter((each) => each.startsWith('2: disk_full'))).to.have.lengthOf(1);
    isFull = false;
    expect(await count(cluster, 2)).to.equal(1010);
  });
});

describe('statements that wait for a lock', () => {
  before(() => loadParser());

  it('end, or go to the next primary, when the lead is lost', async () => {
    const cluster = new TestCluster(503);
    await cluster.startAll(3, script);
    const [old, next, other] = [1, 2, 3];
    const holder = await cluster.on(old, async (node) => connect(node));
    await cluster.on(old, () => run(holder, 'BEGIN'));
    await cluster.on(old, () => run(holder, "UPDATE t SET v = 'held' WHERE id = 1"));
    const update = "UPDATE t SET v = 'free' WHERE id = 1";
    const waiting = [old, other].map((number) =>
      cluster.on(number, async (node) => codeOf(connect(node), update)),
    );
    await cluster.sleep(500);
    await cluster.on(next, ({ admin }) => admin.promote(false, 30_000));
    // The holder of the lock says nothing.
    expect(await Promise.all(waiting)).to.deep.equal(['40001', null]);
    expect(await count(cluster, next, "v = 'free'")).to.equal(1);
  });

  it('the lead goes to a replica once it has caught up', async () => {
    const cluster = new TestCluster(504);
    await cluster.startAll(3, script);
    cluster.hub.cutOff.add(nodeId(3));
    await cluster.sleep(15_000);
    for (let id = 3000; id < 3010; id++) await insert(cluster, 1, id);
    cluster.hub.cutOff.delete(nodeId(3));
    await cluster.on(3, ({ admin }) => admin.promote(false, 60_000));
    expect(await cluster.primary()).to.equal(3);
    expect(await count(cluster, 3)).to.equal(1010);
  });
});
