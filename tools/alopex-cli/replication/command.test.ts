import { expect } from 'chai';
import type { ClusterAdmin } from '../../../api/database/replication.ts';
import { ServedDatabase } from '../../../api/pgwire/test-kit/served-database.ts';
import { nodeId, offset } from '../../../base/ids.ts';
import {
  demote,
  enable,
  promote,
  remove,
  runReplication,
  setMode,
  status,
  token,
  verify,
} from './command.ts';

describe('alopex-cli replication', () => {
  let served: ServedDatabase;
  const calls: unknown[] = [];
  before(async () => {
    served = await ServedDatabase.open();
  });
  after(() => served.close());

  async function printed(command: Parameters<typeof runReplication>[1]): Promise<readonly [number, string]> {
    let text = '';
    const write = async (part: string | Uint8Array): Promise<void> => {
      text += String(part);
    };
    const code = await runReplication(`postgresql://127.0.0.1:${served.port}`, command, 'any', { write });
    return [code, text];
  }

  it('says that a server has no replicas', async () => {
    expect(await printed(status)).to.deep.equal([
      1,
      'The database is not replicated: no node has joined it.\n',
    ]);
    const refused = await printed(demote('1s')).catch((error: unknown) => error);
    expect(refused).to.have.property('code', '55000');
  });

  it('shows the cluster', async () => {
    const node = { mesh: 'h:7432', client: 'h:5432', isInSync: true, state: 'alive' } as const;
    served.engine.replication = {
      self: nodeId(1),
      isPrimary: true,
      primary: nodeId(1),
      primaryClient: 'h:5432',
      mode: 'sync',
      stalenessMs: 0,
      isSettled: true,
      isReadable: true,
      holds: () => true,
      handingOver: null,
      readable: () => null,
      appliedPast: async () => {},
      request: async () => new Uint8Array(0),
      status: {
        cluster: 'blue',
        mode: 'sync',
        epoch: 4,
        highWatermark: offset(1200),
        applied: offset(1200),
        failover: 'automatic',
        nodes: [
          { ...node, id: nodeId(1), role: 'primary', isSelf: true, match: offset(1200), silentMs: null },
          { ...node, id: nodeId(2), role: 'replica', isSelf: false, match: offset(1190), silentMs: 12.4 },
        ],
      },
    };
    const { nodes } = served.engine.replication.status;
    served.engine.clusterAdmin = { nodes: async () => nodes } as ClusterAdmin;
    const [code, text] = await printed(status);
    expect(code).to.equal(0);
    expect(text).to.equal(
      [
        'cluster blue, mode sync, epoch 4, committed up to offset 1200',
        'failover: automatic',
        '',
        ' node |  role   | client |  mesh  | position | lag | in sync | heard of  | state ',
        '------+---------+--------+--------+----------+-----+---------+-----------+-------',
        '    1 | primary | h:5432 | h:7432 |     1200 |   0 | yes     | this node | alive',
        '    2 | replica | h:5432 | h:7432 |     1190 |  10 | yes     | 12 ms ago | alive',
        '(2 rows)',
        '',
        '',
      ].join('\n'),
    );
    served.engine.replication = null;
  });

  it('calls what operators ask for', async () => {
    let isEqual = true;
    served.engine.clusterAdmin = {
      join: async () => {
        throw new TypeError('nobody joins');
      },
      createJoinToken: async (lifetimeMs) => `token-${lifetimeMs}`,
      enable: async (...given) => void calls.push(given),
      promote: async (...given) => void calls.push(given),
      demote: async (...given) => void calls.push(given),
      setMode: async (...given) => void calls.push(given),
      remove: async (...given) => void calls.push(given),
      nodes: async () => [],
      verify: async () => [
        { table: 'public.t', node: nodeId(2), position: offset(7), rows: 1, checksum: 'ab', isEqual },
      ],
    };
    expect(await printed(enable('2', '5s'))).to.deep.equal([0, '2 replicas vote now.\n']);
    expect(await printed(promote(true, '60s'))).to.deep.equal([0, 'This node is the primary now.\n']);
    expect(await printed(demote('60s'))).to.deep.equal([0, 'Another node is the primary now.\n']);
    expect(await printed(setMode('async'))).to.deep.equal([0, 'The mode is async now.\n']);
    expect(await printed(remove('3'))).to.deep.equal([0, 'Node 3 is no member any more.\n']);
    expect(await printed(token('1min'))).to.deep.equal([0, 'token-60000\n']);
    expect(calls).to.deep.equal([[2, 5000], [true, 60_000], [60_000], ['async'], [3]]);
    expect((await printed(verify))[0]).to.equal(0);
    isEqual = false;
    const [code, text] = await printed(verify);
    expect(code).to.equal(1);
    expect(text).to.contain('public.t').and.to.contain('1 differ.');
    expect(() => enable('two', '1s')).to.throw('--replicas is "two", and must be a whole number above zero');
  });
});
