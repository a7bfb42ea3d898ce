import { expect } from 'chai';
import { nodeId } from '../../base/ids.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { TestCluster } from './cluster.fixture.ts';

const script = 'CREATE TABLE t (id int PRIMARY KEY); INSERT INTO t VALUES (1)';
const read = 'SELECT id FROM t';
const noticedMs = 10_000;

describe('Removal', () => {
  before(() => loadParser());

  it('a node that was removed says so, instead of answering from what it had', async () => {
    const cluster = new TestCluster(411);
    await cluster.startAll(3, script);
    await cluster.on(1, ({ admin }) => admin.remove(nodeId(3)));
    await cluster.sleep(noticedMs);
    for (const sql of [read, 'INSERT INTO t VALUES (2)', 'SELECT * FROM alopex.cluster']) {
      const refused = await cluster.on(3, ({ database }) => database.query(sql).catch((error) => error));
      expect(refused, sql).to.have.property('code', '55000');
      expect(refused, sql).to.have.property('message', 'this node was removed from the cluster');
    }
    expect(cluster.problems).to.deep.equal([
      '3: object_not_in_prerequisite_state: this node was removed from the cluster',
    ]);
    expect((await cluster.on(2, ({ database }) => database.query(read))).rowCount).to.equal(1);
  });

  it('one that is cut off, or that nobody leads, goes on answering', async () => {
    const cluster = new TestCluster(412);
    await cluster.startAll(3, script);
    cluster.hub.cutOff.add(nodeId(3));
    await cluster.sleep(noticedMs);
    expect((await cluster.on(3, ({ database }) => database.query(read))).rowCount).to.equal(1);
    cluster.hub.cutOff.delete(nodeId(3));
    for (const number of [1, 2]) cluster.crash(number);
    await cluster.sleep(noticedMs);
    expect((await cluster.on(3, ({ database }) => database.query(read))).rowCount).to.equal(1);
    expect(cluster.nodes.get(3)!.node.isRemoved).to.equal(false);
  });
});
