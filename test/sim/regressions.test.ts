import { expect } from 'chai';
import { EmbeddedDatabase } from '../../api/database/embedded.ts';
import { openEngine } from '../../api/database/engine.fixture.ts';
import type { Env } from '../../base/env/env.ts';
import { type SimulatedMachine, Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { checkIndexes } from './check.ts';

/** What seeds found once, each by itself. */
async function open(env: Env): Promise<EmbeddedDatabase> {
  return new EmbeddedDatabase(await openEngine(env));
}

/** Runs a script, and then queries before and after a crash. */
async function rowsOf(script: string, query: string): Promise<readonly (readonly unknown[])[]> {
  const machine = new Simulation(1).machine('a');
  const answers: unknown[][] = [];
  const ask = async (database: EmbeddedDatabase) => {
    answers.push((await database.query(query)).rows.map((row) => Object.values(row).join(' ')));
    await checkIndexes(database.engine);
  };
  await machine.run(async (env) => {
    const database = await open(env);
    await database.query(script);
    await ask(database);
  });
  machine.restart();
  await machine.run(async (env) => void (await ask(await open(env))));
  return answers;
}

describe('what the simulator found', () => {
  before(() => loadParser());

  const table =
    'CREATE TABLE t (id int PRIMARY KEY, a int, b int); INSERT INTO t VALUES (1, 10, 0), (2, 20, 0);';

  it('a row deleted in the transaction that made an index stays deleted', async () => {
    const rows = await rowsOf(
      `${table} BEGIN; CREATE INDEX ON t (a); DELETE FROM t WHERE id = 1; COMMIT`,
      'SELECT id FROM t',
    );
    expect(rows).to.deep.equal([['2'], ['2']]);
  });

  it('a row changed in the transaction that made an index has its entries, and no others', async () => {
    const rows = await rowsOf(
      `${table} CREATE INDEX ON t (a);
       BEGIN; UPDATE t SET a = 11 WHERE id = 1; CREATE INDEX ON t (b); UPDATE t SET a = 12 WHERE id = 1; COMMIT`,
      'SELECT a FROM t ORDER BY id',
    );
    expect(rows).to.deep.equal([
      ['12', '20'],
      ['12', '20'],
    ]);
  });

  it('a table that is made, filled and dropped in one transaction leaves nothing behind', async () => {
    const rows = await rowsOf(
      `${table} BEGIN; CREATE TABLE u (id int PRIMARY KEY); INSERT INTO u VALUES (1); DROP TABLE u; COMMIT`,
      'SELECT id FROM t',
    );
    expect(rows).to.deep.equal([
      ['1', '2'],
      ['1', '2'],
    ]);
  });

  it('a number of a sequence that was answered is not given again', async () => {
    const machine: SimulatedMachine = new Simulation(1).machine('a');
    machine.disk.loss = 'nothing';
    const numbers: unknown[] = [];
    const draw = async (database: EmbeddedDatabase) =>
      numbers.push((await database.query(`SELECT nextval('s')::int AS n`)).rows[0]?.n);
    await machine.run(async (env) => {
      const database = await open(env);
      await database.query('CREATE SEQUENCE s');
      await draw(database);
    });
    machine.restart();
    await machine.run(async (env) => void (await draw(await open(env))));
    expect(numbers).to.deep.equal([1, 33]);
  });

  it('a serializable transaction that begins while another one is flushed does not pass it by', async () => {
    const machine = new Simulation(1).machine('a');
    await machine.run(async (env) => {
      const database = await open(env);
      await database.query(`${table} INSERT INTO t VALUES (3, 0, 0)`);
      // Each reads what the other writes.
      const skew = (read: number, write: number) =>
        database.transaction(
          async (queries) => {
            await queries.query('SELECT a FROM t WHERE id = $1', [read]);
            await queries.query('UPDATE t SET b = 1 WHERE id = $1', [write]);
          },
          { isolation: 'serializable' },
        );
      machine.disk.latencyMs = { min: 10, max: 10 };
      const first = skew(1, 2);
      await new Promise<void>((resolve) => void env.clock.setTimer(5, resolve));
      const results = await Promise.allSettled([first, skew(2, 1)]);
      expect(results.map(({ status }) => status)).to.deep.equal(['fulfilled', 'rejected']);
    });
  });

  for (const [name, script] of [
    ['made, filled and dropped', 'CREATE TABLE u (x int); INSERT INTO u VALUES (1); DROP TABLE u;'],
    ['made, filled and truncated', 'CREATE TABLE u (x int); INSERT INTO u VALUES (1); TRUNCATE u;'],
    [
      'truncated twice',
      'TRUNCATE t; INSERT INTO t VALUES (7, 7, 7); TRUNCATE t; INSERT INTO t VALUES (1, 1, 1);',
    ],
  ] as const) {
    it(`a table ${name} in one transaction leaves no rows of a storage that the log never had`, async () => {
      const rows = await rowsOf(
        `${table} BEGIN; ${script} COMMIT; INSERT INTO t VALUES (3, 3, 3)`,
        'SELECT count(*) FROM t',
      );
      expect(rows).to.deep.equal(name === 'truncated twice' ? [['2'], ['2']] : [['3'], ['3']]);
    });
  }
});
