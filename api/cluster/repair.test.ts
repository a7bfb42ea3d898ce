import { expect } from 'chai';
import { nodeId, type Offset, offset } from '../../base/ids.ts';
import { decodeHeader } from '../../log/record/header.ts';
import type { SegmentedLog } from '../../log/segment/log.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { TestCluster } from './cluster.fixture.ts';
import { commit, count, insert, lostOn, refusal, script } from './statements.fixture.ts';

/** 400 rows, and nothing of them is left in the log. */
async function insertAndTrim(cluster: TestCluster, primary: number): Promise<void> {
  for (let from = 2000; from < 2400; from += 100) {
    await cluster.on(primary, ({ database }) =>
      database.query(`INSERT INTO t SELECT n, 'more' FROM generate_series(${from}, ${from + 99}) n`),
    );
    await cluster.on(primary, ({ node }) => node.engine.checkpoint());
  }
}

/** Of its files of rows, from a place on. */
function damage(cluster: TestCluster, number: number, from: (size: number) => number): void {
  for (const { path, node } of cluster.machine(number).disk.tree.files())
    if (path.endsWith('.sst') && node.size > 2000)
      node.damage(from(node.size), new Uint8Array(16).fill(0xa5));
}

/** Of the batches from a place on, where the log has them. */
async function epochsFrom(log: SegmentedLog, place: Offset): Promise<readonly number[]> {
  const batches = await log.readFlushed(offset(Math.max(place, log.startOffset)), 1_000_000);
  return batches.map((batch) => decodeHeader(batch).epoch);
}

describe('repair of damaged rows', () => {
  before(() => loadParser());

  it('damaged rows are fetched from another node, at the start and when a read finds them', async () => {
    const cluster = new TestCluster(14, { limits: { memtableBytesMax: 20_000 } });
    await cluster.startAll(3, script);
    await cluster.on(2, ({ node }) => node.engine.checkpoint());
    cluster.crash(2);
    damage(cluster, 2, (size) => size - 16);
    await cluster.start(2);
    await cluster.sleep(1000);
    expect(await count(cluster, 2)).to.equal(1000);
    expect(cluster.problems.join()).to.match(/data_corrupted: .*sst is corrupt/);
    cluster.crash(2);
    damage(cluster, 2, (size) => Math.floor(size * 0.3));
    await cluster.start(2);
    expect(await refusal(count(cluster, 2, `v || '' > 'a'`))).to.equal('XX001');
    await cluster.sleep(3000);
    expect(await count(cluster, 2)).to.equal(1000);
    await insert(cluster, 1, 2000);
    await cluster.sleep(500);
    expect(await count(cluster, 2)).to.equal(1001);
  });

  it('a damaged file does not go from node to node: the primary lets another one lead, and is repaired', async () => {
    const cluster = new TestCluster(16, {
      limits: { memtableBytesMax: 20_000, log: { segmentBytesMax: 8192 } },
      retention: { retentionMs: 0, retentionBytes: 0 },
    });
    await cluster.startAll(3, script);
    cluster.crash(3);
    const primary = await cluster.primary();
    await insertAndTrim(cluster, primary);
    const [oldest] = [...cluster.machine(primary).disk.tree.files()].filter(({ path }) =>
      path.endsWith('.sst'),
    );
    oldest!.node.damage(Math.floor(oldest!.node.size * 0.3), new Uint8Array(16).fill(0xa5));
    await cluster.start(3);
    await cluster.sleep(10_000);
    expect(await cluster.primary()).not.to.equal(primary);
    expect(cluster.problems.join()).to.match(/data_corrupted: .*sst is corrupt/);
    for (const number of [1, 2, 3]) expect(await count(cluster, number), `node ${number}`).to.equal(1400);
  });

  it('damaged rows of a node that the log has left behind come with a snapshot (simulation seed 1020544)', async () => {
    const cluster = new TestCluster(17, {
      limits: { memtableBytesMax: 20_000, log: { segmentBytesMax: 8192 } },
      retention: { retentionMs: 0, retentionBytes: 0 },
    });
    await cluster.startAll(3, script);
    await cluster.on(3, ({ node }) => node.engine.checkpoint());
    cluster.crash(3);
    damage(cluster, 3, (size) => Math.floor(size * 0.3));
    await cluster.start(3);
    cluster.hub.cutOff.add(nodeId(3));
    expect(await refusal(count(cluster, 3, `v || '' > 'a'`))).to.equal('XX001');
    await insertAndTrim(cluster, await cluster.primary());
    cluster.hub.cutOff.delete(nodeId(3));
    await cluster.sleep(10_000);
    expect(await count(cluster, 3)).to.equal(1400);
  });

  it('what was never committed does not become so by rows that are ahead of it (simulation seed 1021020)', async () => {
    const cluster = new TestCluster(18, { limits: { memtableBytesMax: 20_000 } });
    await cluster.startAll(3, script);
    await cluster.on(1, ({ node }) => node.engine.checkpoint());
    const place = cluster.nodes.get(1)!.node.engine.log.endOffset;
    cluster.hub.cutOff.add(nodeId(1));
    await commit(cluster, 1, `INSERT INTO t VALUES (2000, 'lost')`, 'async');
    const primary = await cluster.primary();
    for (let id = 3000; id < 3010; id++) await insert(cluster, primary, id);
    cluster.crash(1);
    damage(cluster, 1, (size) => size - 16);
    cluster.hub.cutOff.clear();
    await cluster.start(1);
    await cluster.sleep(3000);
    expect(cluster.problems.join()).to.match(/data_corrupted: .*sst is corrupt/);
    expect(await count(cluster, 1, 'id >= 2000')).to.equal(10);
    expect(await lostOn(cluster, 1)).to.contain('lost');
    const [here, there] = await Promise.all(
      [1, primary].map((number) => cluster.on(number, ({ node }) => epochsFrom(node.engine.log, place))),
    );
    expect(here!.filter((epoch) => !there!.includes(epoch))).to.deep.equal([]);
  });
});
