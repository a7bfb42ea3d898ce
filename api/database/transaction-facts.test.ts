import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { type Epoch, nodeId } from '../../base/ids.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { Outcomes } from '../../query/txn/outcomes.ts';
import { openEngine } from './engine.fixture.ts';
import type { Engine } from './engine.ts';
import { codeOf, run, withCluster } from './routing/cluster.fixture.ts';
import type { EngineSession } from './session.ts';

before(loadParser);

function sessionOf(engine: Engine): EngineSession {
  return engine.connect({ user: 'alopex', database: 'alopex', settings: {}, clientAddress: null });
}

function withEngine(work: (engine: Engine, env: Env) => Promise<void>): Promise<void> {
  return new Simulation(1).machine('a').run(async (env) => work(await openEngine(env), env));
}

async function answerOf(session: EngineSession, text: string): Promise<unknown> {
  return ((await run(session, text)) as readonly (readonly unknown[])[])[0]![0];
}

describe('txid_status', () => {
  it('tells what became of a transaction, also after a restart', () =>
    withEngine(async (engine, env) => {
      const [session, other] = [sessionOf(engine), sessionOf(engine)];
      await run(session, 'CREATE TABLE t (a int)');
      const idOf = async (end: string): Promise<unknown> => {
        await run(session, 'BEGIN');
        await run(session, 'INSERT INTO t VALUES (1)');
        const id = await answerOf(session, 'SELECT txid_current()');
        expect(await answerOf(session, 'SELECT pg_current_xact_id_if_assigned()')).to.equal(id);
        expect(await answerOf(other, `SELECT txid_status(${id})`)).to.equal('in progress');
        await run(session, end);
        return id;
      };
      const [committed, aborted] = [await idOf('COMMIT'), await idOf('ROLLBACK')];
      const asked = async (asker: EngineSession) => [
        await answerOf(asker, `SELECT txid_status(${committed})`),
        await answerOf(asker, `SELECT pg_xact_status('${aborted}')`),
      ];
      expect(await asked(other)).to.deep.equal(['committed', 'aborted']);
      expect(await answerOf(session, 'SELECT txid_current_if_assigned()')).to.equal(null);
      await engine.close();
      const again = await openEngine(env);
      expect(await asked(sessionOf(again))).to.deep.equal(['committed', 'aborted']);
      await again.close();
    }));

  it('says of a replica that what it has not may come, until a later epoch is committed there', () =>
    withCluster(async (cluster) => {
      const { engine } = cluster.node(2);
      const session = cluster.node(2).session({ 'alopex.forward_writes': 'off' });
      const other = engine.transactions.begin('read committed', false);
      const number = (BigInt(engine.log.epoch) << 53n) | BigInt(other.id);
      const ask = () => answerOf(session, `SELECT txid_status(${number})`);
      cluster.primary = nodeId(2);
      expect(await codeOf(session, `SELECT txid_status(${number + 2n ** 40n})`)).to.equal('22023');
      engine.transactions.rollback(other);
      expect(await ask()).to.equal('aborted');
      cluster.primary = nodeId(1);
      expect(await ask()).to.equal('in progress');
      cluster.primary = nodeId(2);
      engine.log.startEpoch((engine.log.epoch + 1) as Epoch);
      await run(session, 'INSERT INTO t VALUES (9, 9)');
      cluster.primary = nodeId(1);
      expect(await ask()).to.equal('aborted');
    }));

  it('says null for what is older than it looks, by count and by bytes', () =>
    withEngine(async (engine, env) => {
      await engine.close();
      const small = await openEngine(env, { limits: { log: { segmentBytesMax: 4096 } } });
      const session = sessionOf(small);
      await run(session, 'CREATE TABLE t (a text)');
      const ids: number[] = [];
      for (let count = 0; count < 20; count++) {
        await run(session, 'BEGIN');
        await run(session, `INSERT INTO t VALUES ('${'x'.repeat(1000)}')`);
        ids.push(session.transaction!.id);
        await run(session, 'COMMIT');
      }
      const { epoch } = small.log;
      const known = async (outcomes: Outcomes) =>
        Promise.all([ids[0]!, ids.at(-1)!, ids.at(-1)! + 1].map((id) => outcomes.isCommitted(epoch, id)));
      const all = { bytesMax: 2 ** 30, outcomesMax: 1000 };
      expect(await known(new Outcomes(small.log, all))).to.deep.equal([true, true, false]);
      for (const less of [{ outcomesMax: 3 }, { bytesMax: 5000 }]) {
        const outcomes = new Outcomes(small.log, { ...all, ...less });
        expect(await known(outcomes), JSON.stringify(less)).to.deep.equal([null, true, false]);
      }
      await small.close();
    }));

  it('knows large transactions, and refuses ids to come', () =>
    withEngine(async (engine, env) => {
      await engine.close();
      const small = await openEngine(env, { limits: { commit: { largeCommitBytes: 1000 } } });
      const session = sessionOf(small);
      await run(session, 'CREATE TABLE t (a text)');
      await run(session, 'BEGIN');
      const id = await answerOf(session, 'SELECT txid_current()');
      await run(session, "INSERT INTO t SELECT repeat('x', 100) FROM generate_series(1, 100)");
      await run(session, 'COMMIT');
      expect(await answerOf(session, `SELECT txid_status(${id})`)).to.equal('committed');
      expect(await codeOf(session, 'SELECT txid_status(9223372036854775807)')).to.equal('22023');
      await small.close();
    }));
});
