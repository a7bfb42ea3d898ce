import { expect } from 'chai';
import { nodeId, offset } from '../../base/ids.ts';
import { loadParser } from '../../query/sql/parse.ts';
import type { ClusterAdmin } from './replication.ts';
import { codeOf, type FakeNode, run, withCluster } from './routing/cluster.fixture.ts';

before(loadParser);

/** Writes down what it is asked for. */
function recordingAdmin(calls: unknown[]): ClusterAdmin {
  const note = async (...call: readonly unknown[]): Promise<void> => void calls.push(call);
  return {
    join: async (request) => {
      calls.push(['join', request]);
      return {
        node: nodeId(4),
        cluster: 'c',
        certificate: 'C',
        authority: 'A',
        transport: 'tls',
        members: [],
      };
    },
    createJoinToken: async (lifetimeMs) => `token for ${lifetimeMs}`,
    enable: (...given) => note('enable', ...given),
    promote: (...given) => note('promote', ...given),
    demote: (...given) => note('demote', ...given),
    setMode: (...given) => note('mode', ...given),
    remove: (...given) => note('remove', ...given),
    nodes: async () => [],
    verify: async () => [
      { table: 'public.t', node: nodeId(1), position: offset(7), rows: 3, checksum: 'abc', isEqual: true },
    ],
  };
}

function administered({ engine }: FakeNode): unknown[] {
  const calls: unknown[] = [];
  engine.clusterAdmin = recordingAdmin(calls);
  return calls;
}

describe('a replicated database, as SQL shows it', () => {
  it('has its nodes in alopex.replication and alopex.cluster', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(2).session();
      cluster.node(3).isUp = false;
      const nodes = await run(
        session,
        'SELECT node, role, is_self, position, lag, is_in_sync FROM alopex.replication',
      );
      expect(nodes).to.deep.equal([
        [1, 'primary', false, 81, 19, true],
        [2, 'replica', true, 82, 18, true],
        [3, 'replica', false, 83, 17, false],
      ]);
      expect(await run(session, 'SELECT mode, epoch, failover FROM alopex.cluster')).to.deep.equal([
        ['semi-sync', 1, 'automatic'],
      ]);
      expect(await run(session, 'SELECT node FROM alopex.statements')).to.deep.equal([[2]]);
    }));

  it('tells tools of PostgreSQL what a primary and its standbys tell', () =>
    withCluster(async (cluster) => {
      const [primary, standby] = [cluster.node(1).session(), cluster.node(2).session()];
      const recovery = 'SELECT pg_is_in_recovery(), pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()';
      expect(await run(primary, recovery)).to.deep.equal([[false, null, null]]);
      expect(await run(standby, recovery)).to.deep.equal([[true, '0/64', '0/5A']]);
      expect(await run(primary, "SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/60')::text")).to.deep.equal([
        ['4'],
      ]);
      expect(await codeOf(standby, 'SELECT pg_current_wal_lsn()')).to.equal('55000');
      expect(
        await run(primary, 'SELECT application_name, flush_lsn, sync_state FROM pg_stat_replication'),
      ).to.deep.equal([
        ['node2', '0/52', 'quorum'],
        ['node3', '0/53', 'quorum'],
      ]);
      expect(await run(standby, 'SELECT * FROM pg_stat_replication')).to.deep.equal([]);
    }));

  it('refuses nobody before it has heard who may log in', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(2);
      node.stalenessMs = null;
      expect(() => node.engine.passwordVerifier('ann')).to.throw('the database is starting up');
      node.stalenessMs = 0;
      expect(node.engine.passwordVerifier('ann')).to.equal(null);
    }));

  it('promotes by pg_promote', () =>
    withCluster(async (cluster) => {
      const calls = administered(cluster.node(2));
      expect(await run(cluster.node(2).session(), 'SELECT pg_promote(true, 5)')).to.deep.equal([[true]]);
      expect(calls).to.deep.equal([['promote', false, 5000]]);
      expect(await codeOf(cluster.node(1).session(), 'SELECT pg_promote()')).to.equal('55000');
    }));
});

describe('CALL alopex.…', () => {
  it('asks the node, or where it is the primary to say, the primary', () =>
    withCluster(async (cluster) => {
      const [primary, replica] = [administered(cluster.node(1)), administered(cluster.node(2))];
      const session = cluster.node(2).session();
      expect(await run(session, 'CALL alopex.promote(force => true)')).to.equal('CALL');
      expect(await run(session, "CALL alopex.demote('5s')")).to.equal('CALL');
      await run(session, 'CALL alopex.enable(2)');
      await run(session, "CALL alopex.set_mode('sync')");
      await run(session, 'CALL alopex.remove(3)');
      expect(replica).to.deep.equal([
        ['promote', true, 60_000],
        ['demote', 5000],
      ]);
      expect(primary).to.deep.equal([
        ['enable', 2, 60_000],
        ['mode', 'sync'],
        ['remove', 3],
      ]);
      expect(await run(session, "CALL alopex.create_join_token(lifetime => '10min')")).to.deep.equal([
        ['token for 600000'],
      ]);
      expect(await run(session, 'CALL alopex.verify()')).to.deep.equal([['public.t', 1, 7, 3, 'abc', true]]);
    }));

  it('takes a node in that asks over loopback', () =>
    withCluster(async (cluster) => {
      const calls = administered(cluster.node(1));
      const joined = await run(
        cluster.node(1).session(),
        "CALL alopex.join('replica', 'CSR', 'h:7432', 'h:5433')",
      );
      expect(JSON.parse((joined as [[string]])[0][0])).to.include({ node: 4, authority: 'A' });
      expect(calls).to.deep.equal([
        [
          'join',
          {
            role: 'replica',
            certificateRequest: 'CSR',
            transports: ['tls'],
            mesh: 'h:7432',
            client: 'h:5433',
            token: null,
            isLoopback: true,
          },
        ],
      ]);
    }));

  it('refuses what it does not know, who may not, and where there is no cluster', () =>
    withCluster(async (cluster) => {
      const session = cluster.node(1).session();
      expect(await codeOf(session, 'CALL alopex.demote()')).to.equal('55000');
      administered(cluster.node(1));
      for (const [code, text] of [
        ['42883', 'CALL alopex.nothing()'],
        ['42883', 'CALL demote()'],
        ['42883', 'CALL alopex.demote(1, 2)'],
        ['42883', 'CALL alopex.demote(force => true)'],
        ['42883', 'CALL alopex.enable()'],
        ['22023', 'CALL alopex.enable(0)'],
        ['22023', "CALL alopex.set_mode('fast')"],
        ['22023', "CALL alopex.demote('soon')"],
      ] as const) {
        expect(await codeOf(session, text), text).to.equal(code);
      }
      await run(session, 'CREATE ROLE bob LOGIN');
      await run(session, 'SET SESSION AUTHORIZATION bob');
      expect(await codeOf(session, 'CALL alopex.demote()')).to.equal('42501');
    }));
});
