import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { epoch, nodeId, offset, rangeId } from '../../base/ids.ts';
import { firstHardState, type Member } from '../raft/contract.ts';
import { type GroupState, GroupStates } from './states.ts';

function voter(id: number): Member {
  return { id: nodeId(id), role: 'voter', mesh: `db${id}:7432`, client: `db${id}:5432` };
}

const state: GroupState = {
  hardState: { ...firstHardState, epoch: epoch(3), votedFor: nodeId(2) },
  memberships: [
    { endOffset: offset(0), epoch: epoch(1), membership: { members: [voter(1)], outgoing: [], forced: [] } },
    {
      endOffset: offset(40),
      epoch: epoch(2),
      membership: {
        members: [voter(1), voter(2)],
        outgoing: [voter(1)],
        forced: [{ generation: 1, node: nodeId(1), offset: offset(20) }],
      },
    },
  ],
  starts: [{ offset: offset(0), epoch: epoch(0) }],
  committed: { endOffset: offset(44), epoch: epoch(2) },
};

describe('the file of votes', () => {
  it('has the bytes of docs/formats/cluster.md', async () => {
    const document = readFileSync(new URL('../../docs/formats/cluster.md', import.meta.url), 'utf8');
    const hex = /```hex\n([\s\S]*?)```/.exec(document)![1]!.replace(/\s/g, '');
    await new Simulation(1).machine('a').run(async ({ disk }) => {
      const states = await GroupStates.open(disk, '/cluster');
      await states.save(rangeId(1), state);
      const file = await disk.open('/cluster/votes', 'read');
      const bytes = await file.read(0, await file.size());
      await file.close();
      expect(Buffer.from(bytes).toString('hex')).to.equal(hex);
      expect((await GroupStates.open(disk, '/cluster')).get(rangeId(1))).to.deep.equal(state);
    });
  });
});
