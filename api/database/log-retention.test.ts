import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { EmbeddedDatabase } from './embedded.ts';
import { openEngine } from './engine.fixture.ts';
import { defaultRetention, type RetentionLimits } from './log-retention.ts';

const segmentBytesMax = 4096;
const minuteMs = 60_000;

async function open(env: Env, retention: RetentionLimits): Promise<EmbeddedDatabase> {
  const engine = await openEngine(env, { retention, limits: { log: { segmentBytesMax } } });
  const database = new EmbeddedDatabase(engine);
  await database.query('CREATE TABLE IF NOT EXISTS t (id int8 PRIMARY KEY, name text)');
  return database;
}

/** Some ten segments. */
async function fill(database: EmbeddedDatabase): Promise<void> {
  await using insert = await database.prepare('INSERT INTO t VALUES (?, ?) ON CONFLICT (id) DO NOTHING');
  for (let id = 0; id < 300; id++) await insert.execute([id, `row ${id}`]);
}

async function commitOnce(database: EmbeddedDatabase): Promise<void> {
  await database.query("INSERT INTO t VALUES (-1, 'x') ON CONFLICT (id) DO UPDATE SET name = t.name || 'x'");
  await database.engine.retention.settled();
}

function inSimulation(work: (env: Env) => Promise<void>): Promise<void> {
  return new Simulation(1).machine('a').run(work);
}

function kept({ engine: { log } }: EmbeddedDatabase): number {
  return log.bytesAfter(log.startOffset);
}

const pause = ({ clock }: Env, ms: number): Promise<void> =>
  new Promise((resolve) => {
    clock.setTimer(ms, resolve);
  });

describe('retention of the log', () => {
  before(loadParser);

  it('keeps what is not in snapshots, whatever the limits', () =>
    inSimulation(async (env) => {
      const database = await open(env, { retentionMs: 0, retentionBytes: 0 });
      await fill(database);
      await database.engine.retention.settled();
      expect(database.engine.log.startOffset).to.equal(0);
      await database.engine.checkpoint();
      await commitOnce(database);
      expect(kept(database)).to.be.at.most(2 * segmentBytesMax);
      await database.close();
      const again = await open(env, { retentionMs: 0, retentionBytes: 0 });
      expect((await again.query('SELECT count(*)::int4 AS n FROM t')).rows).to.deep.equal([{ n: 301 }]);
      await again.close();
    }));

  it('keeps so many bytes, in whole segments', () =>
    inSimulation(async (env) => {
      const retentionBytes = 5 * segmentBytesMax;
      const database = await open(env, { ...defaultRetention, retentionBytes });
      await fill(database);
      await database.engine.checkpoint();
      await commitOnce(database);
      expect(kept(database)).to.be.within(retentionBytes - 2 * segmentBytesMax, retentionBytes);
      await database.close();
    }));

  it('drops what has grown old since the last snapshot', () =>
    inSimulation(async (env) => {
      const database = await open(env, { retentionMs: 10 * minuteMs, retentionBytes: null });
      await fill(database);
      await database.engine.checkpoint();
      await commitOnce(database);
      expect(database.engine.log.startOffset).to.equal(0);
      await pause(env, 11 * minuteMs);
      await commitOnce(database);
      expect(kept(database)).to.be.at.most(2 * segmentBytesMax);
      await database.close();
    }));

  it('tells a tail that asks for what is gone', () =>
    inSimulation(async (env) => {
      const database = await open(env, { retentionMs: 0, retentionBytes: null });
      await fill(database);
      await database.engine.checkpoint();
      await commitOnce(database);
      const changes = database.tail({ from: 0 })[Symbol.asyncIterator]();
      const error = await changes.next().catch((thrown: unknown) => thrown);
      expect(error).to.have.property('condition', 'snapshot_too_old');
      await database.close();
    }));
});
