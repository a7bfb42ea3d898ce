import { expect } from 'chai';
import { nodeId } from '../../base/ids.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { TestCluster } from './cluster.fixture.ts';

const script = `CREATE TABLE t (id int PRIMARY KEY);
  INSERT INTO t SELECT n FROM generate_series(1, 100) AS n`;
const patienceMs = 20_000;
const lookMs = 100;

function query(cluster: TestCluster, number: number, sql: string): Promise<readonly unknown[]> {
  return cluster.on(number, async ({ database }) => {
    const { rows } = await database.query<Record<string, unknown>>(sql);
    return rows.map((row) => Object.values(row)[0]);
  });
}

function insert(cluster: TestCluster, number: number, id: number): Promise<readonly unknown[]> {
  return query(cluster, number, `INSERT INTO t VALUES (${id})`);
}

/** Above those of the script. */
function inserted(cluster: TestCluster, number: number): Promise<readonly unknown[]> {
  return query(cluster, number, 'SELECT id FROM t WHERE id > 100 ORDER BY id');
}

function rolesSeen(cluster: TestCluster, number: number): readonly string[] {
  return cluster.nodes.get(number)!.node.replication?.status.nodes.map(({ role }) => role) ?? [];
}

async function until(cluster: TestCluster, isSo: () => boolean): Promise<void> {
  for (let waitedMs = 0; !isSo() && waitedMs < patienceMs; waitedMs += lookMs) await cluster.sleep(lookMs);
}

function force(cluster: TestCluster, number: number): Promise<void> {
  return cluster.on(number, ({ admin }) => admin.promote(true, patienceMs));
}

function cut(cluster: TestCluster, ...numbers: readonly number[]): void {
  for (const number of numbers) cluster.hub.cutOff.add(nodeId(number));
}

function lostFiles(cluster: TestCluster, number: number): Promise<number> {
  return cluster.on(number, async (_, { disk }) =>
    (await disk.exists('/db/lost')) ? (await disk.list('/db/lost')).length : 0,
  );
}

async function areEqual(cluster: TestCluster, number: number): Promise<boolean> {
  const verified = await cluster.on(number, ({ admin }) => admin.verify());
  return verified.length > 0 && verified.every(({ isEqual }) => isEqual);
}

describe('a promotion by force', () => {
  before(() => loadParser());

  it('the primary that comes back keeps what it lost, and follows as a voter', async () => {
    const cluster = new TestCluster(301);
    await cluster.startAll(2, script);
    cut(cluster, 2);
    await query(cluster, 1, "SET alopex.replication_mode = 'async'; INSERT INTO t VALUES (101)");
    await cluster.sleep(3000);
    await force(cluster, 2);
    await insert(cluster, 2, 102);
    expect(rolesSeen(cluster, 2)).to.deep.equal(['learner', 'primary']);
    cluster.hub.cutOff.clear();
    await until(cluster, () => rolesSeen(cluster, 2).join() === 'replica,primary');
    expect(rolesSeen(cluster, 2)).to.deep.equal(['replica', 'primary']);
    await cluster.sleep(500);
    expect(await inserted(cluster, 1)).to.deep.equal([102]);
    expect(await lostFiles(cluster, 1)).to.equal(1);
    expect(await areEqual(cluster, 2)).to.equal(true);
    // It has a vote, and takes over as any other.
    await cluster.on(1, ({ admin }) => admin.promote(false, patienceMs));
    await insert(cluster, 1, 103);
    await cluster.sleep(500);
    expect(await inserted(cluster, 2)).to.deep.equal([102, 103]);
    expect(cluster.problems).to.deep.equal([]);
  });

  it('a majority that went on without the one that was promoted gives up what it committed, and follows', async () => {
    const cluster = new TestCluster(302);
    await cluster.startAll(3, script);
    cut(cluster, 3);
    for (let id = 101; id < 120; id++) await insert(cluster, 1, id);
    await query(cluster, 1, 'CHECKPOINT');
    cluster.hub.cutOff.clear();
    cut(cluster, 1, 2);
    await force(cluster, 3);
    await insert(cluster, 3, 200);
    cluster.hub.cutOff.clear();
    await until(cluster, () => rolesSeen(cluster, 3).join() === 'replica,replica,primary');
    expect(rolesSeen(cluster, 3)).to.deep.equal(['replica', 'replica', 'primary']);
    await cluster.sleep(500);
    for (const number of [1, 2, 3]) expect(await inserted(cluster, number)).to.deep.equal([200]);
    for (const number of [1, 2]) expect(await lostFiles(cluster, number)).to.equal(1);
    expect(await areEqual(cluster, 3)).to.equal(true);
    cluster.crash(3);
    const primary = await cluster.primary();
    await insert(cluster, primary, 201);
    await cluster.start(3);
    await cluster.sleep(3000);
    expect(await inserted(cluster, 3)).to.deep.equal([200, 201]);
  });

  it('of two that were promoted, the one that is promoted once more is followed', async () => {
    const cluster = new TestCluster(303);
    await cluster.startAll(2, script);
    cut(cluster, 1, 2);
    await cluster.sleep(3000);
    await force(cluster, 1);
    await force(cluster, 2);
    await insert(cluster, 1, 101);
    await insert(cluster, 2, 102);
    cluster.hub.cutOff.clear();
    await cluster.sleep(2000);
    expect(await inserted(cluster, 1)).to.deep.equal([101]);
    expect(await inserted(cluster, 2)).to.deep.equal([102]);
    expect(cluster.problems.filter((problem) => /promoted by force too/.test(problem))).to.have.lengthOf(2);
    await force(cluster, 1);
    await until(cluster, () => rolesSeen(cluster, 1).join() === 'primary,replica');
    await cluster.sleep(500);
    expect(await inserted(cluster, 2)).to.deep.equal([101]);
    expect(await lostFiles(cluster, 2)).to.equal(1);
  });

  it('is not what it takes where the primary answers: it hands over', async () => {
    const cluster = new TestCluster(304);
    await cluster.startAll(3, script);
    await force(cluster, 3);
    expect(await cluster.primary()).to.equal(3);
    expect(rolesSeen(cluster, 3)).to.deep.equal(['replica', 'replica', 'primary']);
  });
});
