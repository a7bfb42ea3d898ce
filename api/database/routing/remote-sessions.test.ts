import { expect } from 'chai';
import type { AlopexError } from '../../../base/errors.ts';
import { nodeId } from '../../../base/ids.ts';
import { loadParser } from '../../../query/sql/parse.ts';
import { type FakeNode, run, withCluster } from './cluster.fixture.ts';
import { encodeMessage, type RemoteCall } from './messages.ts';

before(loadParser);

const opens = { user: 'alopex', database: 'alopex', clientAddress: null };
const other = nodeId(2);

/** The SQLSTATE, or none. */
async function answer({ sessions }: FakeNode, session: string, call: RemoteCall): Promise<string | null> {
  try {
    await sessions.answer(other, encodeMessage({ session, ...call, opens }));
    return null;
  } catch (error) {
    return (error as AlopexError).code;
  }
}

const insert: RemoteCall = {
  kind: 'run',
  text: 'INSERT INTO t VALUES (2, 0)',
  hasQuestionMarks: false,
  parameterTypes: [],
  isWrite: true,
  isPrimarys: true,
  ends: false,
  begins: null,
};

describe('sessions that stand for those of other nodes', () => {
  it('do not begin after they have ended, in whichever order they are asked', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(1);
      expect(await answer(node, 'a.1.1', { kind: 'end' })).to.equal(null);
      expect(await answer(node, 'a.1.1', insert)).to.equal('08003');
      expect(await answer(node, 'a.1.2', insert)).to.equal(null);
    }));

  it('commit what was written in them, and say so of nothing else', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(1);
      expect(await answer(node, 'a.1.1', insert)).to.equal(null);
      await node.sessions.forget(other);
      expect(await answer(node, 'a.1.1', { kind: 'commit' })).to.equal('40001');
      expect(await run(node.session(), 'SELECT count(*) FROM t')).to.deep.equal([[1]]);
    }));

  it('are those of one engine: another one of the same node has none of its transactions', () =>
    withCluster(async (cluster) => {
      const [one, another] = [cluster.node(1).engine, cluster.node(2).engine];
      expect(one.nextRemoteId(1)).to.not.equal(another.nextRemoteId(1));
    }));

  it('do not begin after a later one of the same session', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(1);
      expect(await answer(node, 'a.1.10', insert)).to.equal(null);
      expect(await answer(node, 'a.1.9', insert)).to.equal('08003');
      expect(await answer(node, 'a.1.10', { kind: 'commit' })).to.equal(null);
    }));

  it('say nothing of what they did when they are ended meanwhile', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(1);
      await run(node.session(), 'INSERT INTO t SELECT n, 0 FROM generate_series(2, 50000) n');
      const select: RemoteCall = {
        ...insert,
        text: 'SELECT a.id, b.id FROM t a JOIN t b USING (node)',
        isWrite: false,
      };
      const answered = answer(node, 'a.1.1', select);
      await answer(node, 'a.1.2', { kind: 'end' });
      await node.sessions.forget(other);
      expect(await answered).to.equal('08003');
    }));

  it('end what a session had open before, when it begins anew', () =>
    withCluster(async (cluster) => {
      const node = cluster.node(1);
      expect(await answer(node, 'a.1.1', insert)).to.equal(null);
      expect(await answer(node, 'a.1.2', insert)).to.equal(null);
      expect(await answer(node, 'a.1.2', { kind: 'commit' })).to.equal(null);
      expect(await run(node.session(), 'SELECT count(*) FROM t')).to.deep.equal([[2]]);
    }));
});
