import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { EmbeddedDatabase } from './embedded.ts';
import { openEngine } from './engine.fixture.ts';

async function open(env: Env): Promise<EmbeddedDatabase> {
  const engine = await openEngine(env, { settings: { work_mem: '64kB' } });
  return new EmbeddedDatabase(engine);
}

const rows = `(SELECT i, 'a text of row ' || i AS t FROM generate_series(1, 9000) AS i) x`;
const spilling = [
  `SELECT i FROM ${rows} ORDER BY t`,
  `SELECT count(*) FROM ${rows} JOIN (SELECT 'a text of row ' || i AS t FROM generate_series(1, 9000) AS i) y USING (t)`,
  `SELECT t, count(*) FROM ${rows} GROUP BY t`,
];

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return null;
}

async function temporaryFiles(env: Env): Promise<readonly string[]> {
  if (!(await env.disk.exists('/db/temporary'))) return [];
  return (await env.disk.list('/db/temporary')).map((entry) => entry.name);
}

describe('temporary files', () => {
  before(() => loadParser());

  it('are gone when their statement ends, however it ends', async () => {
    await new Simulation(1).machine('a').run(async (env) => {
      const database = await open(env);
      for (const sql of spilling) await database.query(sql);
      expect(await env.disk.exists('/db/temporary')).to.equal(true);
      await failure(database.query(`SELECT 1 / (i - 3000) FROM (SELECT i FROM ${rows} ORDER BY t) y`));
      for await (const _row of database.stream(spilling[0]!)) break;
      await database.engine.temporaryFiles.close();
      expect(await temporaryFiles(env)).to.deep.equal([]);
      await database.close();
    });
  });

  it('are limited by temp_file_limit', async () => {
    await new Simulation(1).machine('a').run(async (env) => {
      const database = await open(env);
      await database.transaction(async (session) => {
        await session.query(`SET LOCAL temp_file_limit = '4MB'`);
        for (const sql of spilling) await session.query(sql);
      });
      for (const sql of spilling) {
        const limited = database.transaction(async (session) => {
          await session.query(`SET LOCAL temp_file_limit = '50kB'`);
          await session.query(sql);
        });
        expect(await failure(limited), sql).to.equal('53400');
      }
      await database.close();
    });
  });

  it('a full disk fails the statement alone', async () => {
    const machine = new Simulation(1).machine('a');
    await machine.run(async (env) => {
      const database = await open(env);
      await database.query('CREATE TABLE t (id int4 PRIMARY KEY)');
      const used = machine.disk.usedBytes;
      for (const sql of spilling) {
        machine.disk.capacityBytes = used + 100_000;
        expect(await failure(database.query(sql)), sql).to.equal('53100');
        await database.engine.temporaryFiles.close();
        await database.query('SELECT * FROM t');
      }
      machine.disk.capacityBytes = Number.MAX_SAFE_INTEGER;
      await database.query('INSERT INTO t VALUES (1)');
      for (const sql of spilling) await database.query(sql);
      await database.close();
    });
  });

  it('that a crash left are removed by the next opening', async () => {
    const machine = new Simulation(1).machine('a');
    await machine.run(async (env) => {
      await (await open(env)).close();
      await env.disk.makeDirectory('/db/temporary');
      const file = await env.disk.open('/db/temporary/7.tmp', 'create');
      await file.writeDurably(0, [new Uint8Array(10)]);
      await file.close();
      const database = await open(env);
      expect(await temporaryFiles(env)).to.deep.equal([]);
      for (const sql of spilling) await database.query(sql);
      await database.close();
    });
  });
});
