import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import type { Member, MemberRole } from '../../log/raft/contract.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { EmbeddedDatabase } from '../database/embedded.ts';
import { NodeAdmin } from './admin.ts';
import { Hub } from './hub.fixture.ts';
import { DatabaseNode } from './node.ts';
import { NodeReplication } from './node-replication.ts';

type TestNode = {
  readonly node: DatabaseNode;
  readonly admin: NodeAdmin;
  readonly database: EmbeddedDatabase;
};

function member(id: NodeId, role: MemberRole): Member {
  return { id, role, mesh: `n${id}:1`, client: `n${id}:5432` };
}

class TestCluster {
  readonly simulation = new Simulation(7);
  readonly hub = new Hub(this.simulation.scheduler);
  readonly nodes = new Map<number, TestNode>();
  readonly problems: string[] = [];

  async open(env: Env, number: number, limits = {}): Promise<TestNode> {
    const self = nodeId(number);
    const isFirst = number === 1 && !(await env.disk.exists('/db/cluster'));
    const cluster = {
      self,
      name: 'test',
      openMesh: async (handlers: Parameters<Hub['open']>[1]) => this.hub.open(self, handlers),
    };
    const node = await DatabaseNode.open({
      env,
      path: '/db',
      cacheBytes: 256 * 1024,
      connectionsMax: 100,
      settings: {},
      limits,
      onProblem: (problem) => this.problems.push(`${number}: ${problem.condition}: ${problem.message}`),
      cluster: isFirst ? null : cluster,
    });
    const signer = {
      found: async () => {
        if (node.self === null) await node.found(cluster, { members: [member(self, 'voter')], outgoing: [] });
      },
      sign: async () => ({ certificate: '', authority: '' }),
    };
    const admin = new NodeAdmin(node, signer, true, (problem) => this.problems.push(problem.message));
    const opened = {
      node,
      admin,
      get database() {
        return new EmbeddedDatabase(node.engine);
      },
    };
    this.nodes.set(number, opened);
    return opened;
  }

  join(number: number): Promise<unknown> {
    return this.nodes.get(1)!.admin.join({
      role: 'replica',
      certificateRequest: '',
      mesh: `n${number}:1`,
      client: `n${number}:5432`,
      token: null,
      isLoopback: true,
    });
  }
}

describe('nodes of a cluster', () => {
  before(() => loadParser());

  it('a replica that joins has the rows, becomes a voter, and leads when it is asked to', async () => {
    const cluster = new TestCluster();
    const [a, b, c] = ['n1', 'n2', 'n3'].map((name) => cluster.simulation.machine(name));
    await a!.run(async (env) => {
      const { database } = await cluster.open(env, 1);
      await database.query('CREATE TABLE t (id int PRIMARY KEY, v text)');
      await database.query(`INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 1000) AS n`);
      await database.query('CREATE INDEX ON t (v)');
      await cluster.join(2);
    });
    await b!.run((env) => cluster.open(env, 2));
    await a!.run(() => cluster.join(3));
    await c!.run((env) => cluster.open(env, 3));
    await a!.run(async (env) => {
      await cluster.nodes.get(1)!.admin.enable(2, 10_000);
      await cluster.nodes.get(1)!.database.query(`INSERT INTO t VALUES (2000, 'late')`);
      await new Promise<void>((resolve) => void env.clock.setTimer(500, resolve));
    });
    for (const number of [2, 3]) {
      const { rows } = await (number === 2 ? b! : c!).run(() =>
        cluster.nodes.get(number)!.database.query(`SELECT count(*)::int AS n FROM t WHERE v > 'a'`),
      );
      expect(rows).to.deep.equal([{ n: 1001 }]);
    }
    await b!.run(() => cluster.nodes.get(2)!.admin.promote(false, 5000));
    expect(cluster.nodes.get(2)!.node.isPrimary).to.equal(true);
    await b!.run(() => cluster.nodes.get(2)!.database.query(`INSERT INTO t VALUES (3000, 'later')`));
    const verified = await b!.run(() => cluster.nodes.get(2)!.admin.verify());
    expect(verified.filter(({ isEqual }) => !isEqual)).to.deep.equal([]);
    expect(verified.length).to.be.greaterThan(3);
    expect(cluster.problems).to.deep.equal([]);
    expect(
      new NodeReplication(
        cluster.nodes.get(2)!.node,
        cluster.nodes.get(2)!.node.engine,
        cluster.nodes.get(2)!.node.engine.replica!,
        nodeId(2),
      ).status.failover,
    ).to.equal('automatic');
  });
});
