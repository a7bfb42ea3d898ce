import { expect } from 'chai';
import { epoch, nodeId } from '../../base/ids.ts';
import type { Member, MemberRole, RaftStatus } from '../../log/raft/contract.ts';
import { ClusterNews } from './cluster-news.ts';

function member(id: number, role: MemberRole, mesh = `n${id}:1`): Member {
  return { id: nodeId(id), role, mesh, client: `n${id}:5432` };
}

describe('ClusterNews', () => {
  it('tells each change once', () => {
    const told: string[] = [];
    const news = new ClusterNews({ info: (_: unknown, text?: unknown) => told.push(String(text)) });
    const self = nodeId(1);
    const members = [member(1, 'voter')];
    const tell = (now: readonly Member[], leader: number | null, isPrimary: boolean): readonly string[] => {
      told.length = 0;
      const membership = { members: now, outgoing: [], forced: [] };
      const status = { leader: leader === null ? null : nodeId(leader), epoch: epoch(3), membership };
      for (const _ of ['once', 'again']) news.onStatus(status as unknown as RaftStatus, self, isPrimary);
      return [...told];
    };
    expect(tell(members, null, false)).to.deep.equal([]);
    expect(tell(members, 1, true)).to.deep.equal(['this node is the primary']);
    expect(tell([...members, member(2, 'learner')], 1, true)).to.deep.equal(['node 2 has joined']);
    expect(tell([...members, member(2, 'voter')], 1, true)).to.deep.equal(['node 2 is a voter now']);
    expect(tell([...members, member(2, 'voter', 'x:1')], 2, false)).to.deep.equal([
      'node 2 has moved',
      'this node is not the primary any more',
      'node 2 leads',
    ]);
    expect(tell([...members, member(2, 'voter', 'x:1')], null, false)).to.deep.equal([
      'no node is known to lead',
    ]);
    expect(tell(members, 1, true)).to.deep.equal(['node 2 was removed', 'this node is the primary']);
  });
});
