import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { SimulatedCrash } from '../../base/env/simulated/incarnation.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { timestamp } from '../../base/ids.ts';
import { EventWriter } from '../../log/events/row-event.ts';
import { objectsSchema } from '../../log/events/system.ts';
import { BatchBuilder } from '../../log/record/batch-builder.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { defaultCommitLimits, Spill } from '../../query/txn/spill.ts';
import { EmbeddedDatabase } from './embedded.ts';
import { openEngine } from './engine.fixture.ts';
import type { EngineLimits } from './engine.ts';

const table = 'CREATE TABLE t (id int8 PRIMARY KEY, name text UNIQUE, n int4)';

async function open(
  env: Env,
  log: EngineLimits['log'] = {},
  runBytesMax = 16 * 1024,
): Promise<EmbeddedDatabase> {
  const engine = await openEngine(env, {
    onProblem: () => {},
    limits: { log, commit: { largeCommitBytes: 1024, batchBytesMax: 1024, spillBytes: 2048 }, runBytesMax },
  });
  return new EmbeddedDatabase(engine);
}

async function withDatabase(work: (database: EmbeddedDatabase) => Promise<void>): Promise<void> {
  await new Simulation(1).machine('a').run(async (env) => {
    const database = await open(env);
    await database.query(table);
    await work(database);
    await database.close();
  });
}

const fill = (from: number, to: number): string =>
  `INSERT INTO t SELECT i, 'name ' || i, 0 FROM generate_series(${from}, ${to}) AS i`;

async function failure(work: Promise<unknown>): Promise<unknown> {
  try {
    await work;
  } catch (error) {
    return (error as { code?: unknown }).code;
  }
  return null;
}

async function totals(database: Pick<EmbeddedDatabase, 'query'>): Promise<unknown> {
  const { rows } = await database.query('SELECT count(*)::int4 AS rows, sum(n)::int4 AS sum FROM t');
  return rows[0];
}

describe('a transaction larger than memory may be', () => {
  before(() => loadParser());

  it('reads and changes what it spilled, and others see it at the commit alone', () =>
    withDatabase(async (database) => {
      await database.transaction(async (transaction) => {
        await transaction.query(fill(1, 3000));
        await transaction.query('UPDATE t SET n = n + 1');
        await transaction.query('UPDATE t SET n = n + 1 WHERE id <= 1000');
        await transaction.query('DELETE FROM t WHERE id > 2000');
        expect(await totals(transaction)).to.deep.equal({ rows: 2000, sum: 3000 });
        expect(await totals(database)).to.deep.equal({ rows: 0, sum: null });
      });
      expect(await totals(database)).to.deep.equal({ rows: 2000, sum: 3000 });
      const { rows } = await database.query(`SELECT id::int4 FROM t WHERE name = 'name 2000'`);
      expect(rows).to.deep.equal([{ id: 2000 }]);
    }));

  it('lets a statement not see what it spills itself', () =>
    withDatabase(async (database) => {
      await database.transaction(async (transaction) => {
        await transaction.query(fill(1, 2000));
        await transaction.query(`INSERT INTO t SELECT id + 2000, 'other ' || id, 1 FROM t`);
        expect(await totals(transaction)).to.deep.equal({ rows: 4000, sum: 2000 });
      });
    }));

  it('finds spilled rows with its constraints', () =>
    withDatabase(async (database) => {
      for (const insert of [`(1, 'new', 0)`, `(5000, 'name 1', 0)`]) {
        const transaction = database.transaction(async (queries) => {
          await queries.query(fill(1, 1000));
          await queries.query(`INSERT INTO t VALUES ${insert}`);
        });
        expect(await failure(transaction)).to.equal('23505');
      }
      const repeated = database.query(
        'INSERT INTO t SELECT i % 1999, NULL, 0 FROM generate_series(1, 2000) AS i',
      );
      expect(await failure(repeated)).to.equal('23505');
      expect(await totals(database)).to.deep.equal({ rows: 0, sum: null });
      await database.query(fill(1, 1000));
      expect(await totals(database)).to.deep.equal({ rows: 1000, sum: 0 });
    }));

  it('goes back to a savepoint, over what was spilled before and after it', () =>
    withDatabase(async (database) => {
      await database.transaction(async (transaction) => {
        await transaction.query(fill(1, 1000));
        await transaction.query('SAVEPOINT a');
        await transaction.query('UPDATE t SET n = 7 WHERE id = 1');
        await transaction.query('ROLLBACK TO a');
      });
      expect(await totals(database)).to.deep.equal({ rows: 1000, sum: 0 });
      await database.transaction(async (transaction) => {
        await transaction.query('UPDATE t SET n = 1 WHERE id <= 10');
        await transaction.query('SAVEPOINT a');
        await transaction.query('INSERT INTO t VALUES (5000, NULL, 5)');
        await transaction.query('SAVEPOINT b');
        await transaction.query(fill(2000, 3000));
        await transaction.query('DELETE FROM t WHERE id <= 500');
        await transaction.query('CREATE TABLE u AS SELECT id FROM t');
        await transaction.query('ROLLBACK TO b');
        expect(await totals(transaction)).to.deep.equal({ rows: 1001, sum: 15 });
        await transaction.query(fill(2000, 2499));
        expect(await totals(transaction)).to.deep.equal({ rows: 1501, sum: 15 });
        await transaction.query('ROLLBACK TO a');
        expect(await totals(transaction)).to.deep.equal({ rows: 1000, sum: 10 });
        await transaction.query('UPDATE t SET n = 2 WHERE id = 11');
      });
      expect(await totals(database)).to.deep.equal({ rows: 1000, sum: 12 });
      expect(await failure(database.query('SELECT FROM u'))).to.equal('42P01');
      await database.engine.compact();
      expect(await totals(database)).to.deep.equal({ rows: 1000, sum: 12 });
    }));

  it('has some dozens of files at most while it runs, and none when it has ended', () =>
    withDatabase(async (database) => {
      const { rows } = database.engine;
      const sums = async (queries: Pick<EmbeddedDatabase, 'query'>) =>
        (await queries.query('SELECT count(*)::int4 AS n, sum(id)::int4 AS ids FROM t')).rows[0];
      for (const isKept of [false, true]) {
        const ended = database.transaction(async (transaction) => {
          await transaction.query(fill(1, 6000));
          expect(rows.unnamedFiles.undecided).to.be.within(2, 40);
          await transaction.query('UPDATE t SET n = 1 WHERE id % 2 = 0');
          expect(await sums(transaction)).to.deep.equal({ n: 6000, ids: 18_003_000 });
          if (!isKept) throw new Error('changed its mind');
        });
        if (isKept) await ended;
        else expect(await failure(ended)).to.equal(undefined);
        await database.engine.checkpoint();
        expect(rows.unnamedFiles).to.deep.equal({ isWriting: false, undecided: 0, committed: 0 });
      }
      expect(await sums(database)).to.deep.equal({ n: 6000, ids: 18_003_000 });
      await database.engine.compact();
      expect(await totals(database)).to.deep.equal({ rows: 6000, sum: 3000 });
    })).timeout(20_000);

  it('is seen by serializable transactions that read where its files have keys', () =>
    withDatabase(async (database) => {
      const outcomes: unknown[] = [];
      for (const read of ['id = 500', 'id = 5000']) {
        const reading = database.transaction(
          async (transaction) => {
            await transaction.query(`SELECT n FROM t WHERE ${read}`);
            await database.query(fill(1, 1000));
            await transaction.query(`INSERT INTO t VALUES (-1, NULL, 0)`);
          },
          { isolation: 'serializable' },
        );
        outcomes.push(await failure(reading));
        await database.query('DELETE FROM t');
      }
      expect(outcomes).to.deep.equal(['40001', null]);
    }));

  it('writes to a table that another transaction made after it had spilled', () =>
    withDatabase(async (database) => {
      await database.transaction(async (transaction) => {
        await transaction.query(fill(1, 1000));
        await database.query('CREATE TABLE later (id int4 PRIMARY KEY)');
        await transaction.query('INSERT INTO later SELECT generate_series(1, 1000)');
      });
      const { rows } = await database.query('SELECT count(*)::int4 AS rows FROM later');
      expect(rows).to.deep.equal([{ rows: 1000 }]);
    }));

  it('whose end the disk had no room for is ended when there is room', async () => {
    const machine = new Simulation(5).machine('a');
    const { disk } = machine;
    let fullFrom = Number.POSITIVE_INFINITY;
    const capacity = (): number => (disk.boundaries < fullFrom ? Number.MAX_SAFE_INTEGER : disk.usedBytes);
    Object.defineProperty(disk, 'capacityBytes', { get: capacity });
    await machine.run(async (env) => {
      const database = await open(env, { segmentBytesMax: 4096 });
      const { rows, log } = database.engine;
      await database.query(table);
      let undecided = 0;
      for (let wait = 0; wait < 40; wait++) {
        fullFrom = disk.boundaries + wait;
        const refused = await failure(database.query(fill(1, 60)));
        if (refused !== null) expect(refused).to.equal('53100');
        await failure(log.committed(log.endOffset));
        if (log.lastStableOffset < log.highWatermark) undecided++;
        fullFrom = Number.POSITIVE_INFINITY;
        await database.query('INSERT INTO t VALUES (0, NULL, 0)');
        await database.query('DELETE FROM t');
        await new Promise<void>((resolve) => env.clock.setTimer(100, resolve));
        expect(rows.undecidedProducers, `full after ${wait}`).to.deep.equal([]);
        expect(log.lastStableOffset).to.equal(log.highWatermark);
      }
      expect(undecided).to.be.greaterThan(0);
      await database.close();
    });
  }).timeout(30_000);

  it('leaves nothing undecided of a transaction that began before this node led', () =>
    withDatabase(async (database) => {
      const { transactions, rows, log } = database.engine;
      for (const count of [200, 20]) {
        const lost = database.transaction(async (transaction) => {
          await transaction.query('SELECT count(*) FROM t');
          transactions.stopLeading();
          transactions.lead(transactions.catalog);
          await transaction.query(fill(1, count));
        });
        expect(await failure(lost)).to.equal('40001');
        expect(rows.undecidedProducers).to.deep.equal([]);
        expect(log.lastStableOffset).to.equal(log.endOffset);
      }
      expect(await totals(database)).to.deep.equal({ rows: 0, sum: null });
    }));

  it('is not read without what it spilled, where that went with the lead (simulation seed 1020371)', () =>
    withDatabase(async (database) => {
      const { transactions } = database.engine;
      const seen: number[] = [];
      const lost = database.transaction(async (transaction) => {
        await transaction.query(fill(1, 200));
        const count = async (): Promise<number> => {
          const { rows } = await transaction.query<{ n: number }>('SELECT count(*)::int AS n FROM t');
          return rows[0]!.n;
        };
        seen.push(await count());
        transactions.stopLeading();
        transactions.lead(transactions.catalog);
        seen.push(await count());
      });
      expect(await failure(lost)).to.equal('40001');
      expect(seen).to.deep.equal([200]);
    }));

  it('appends nothing that a later opening could not fold', async () => {
    const machine = new Simulation(1).machine('a');
    await machine.run(async (env) => {
      const database = await open(env);
      await database.query(table);
      const { log, rows } = database.engine;
      const builder = new BatchBuilder();
      const strange = { ...objectsSchema, id: 4711 as typeof objectsSchema.id };
      new EventWriter(builder, timestamp(1), 1).add('c', strange, [9, 'table', null, '{}'], null);
      const { endOffset, epoch } = log;
      const batch = builder.finish({ baseOffset: endOffset, epoch, timestampMs: 0 });
      const spill = new Spill(log, rows, env.clock, defaultCommitLimits);
      expect(() => spill.place(batch)).to.throw('schema 4711');
      expect(log.endOffset).to.equal(endOffset);
      await database.query(fill(1, 10));
      await database.close();
      const again = await open(env);
      expect(await totals(again)).to.deep.equal({ rows: 10, sum: 0 });
      await again.close();
    });
  });

  it('costs a start nothing once it is aborted, and a long log is flushed after the start', async () => {
    const machine = new Simulation(1).machine('a');
    const crashed = await machine
      .run(async (env) => {
        const database = await open(env);
        await database.query(table);
        await database.query("INSERT INTO t VALUES (0, 'kept', 7)");
        await database.transaction(async (transaction) => {
          await transaction.query(fill(1, 2000));
          machine.crash();
          await new Promise(() => {});
        });
      })
      .catch((error: unknown) => error);
    expect(crashed).to.be.instanceOf(SimulatedCrash);
    const env = machine.restart();
    await machine.run(async () => {
      const engine = await openEngine(env, { limits: { replayBytesMax: 1024 } });
      expect(engine.rows.unnamedFiles).to.deep.equal({ isWriting: false, undecided: 0, committed: 0 });
      const { endOffset } = engine.log;
      while (engine.rows.replayFrom < endOffset)
        await new Promise((resolve) => env.clock.setTimer(1, () => resolve(null)));
      expect(await totals(new EmbeddedDatabase(engine))).to.deep.equal({ rows: 1, sum: 7 });
      await engine.close();
    });
  });

  it('is never there by half after a crash, and leaves nothing undecided', async () => {
    const boundaries = await crashAt(null);
    expect(boundaries).to.be.greaterThan(20);
    for (let boundary = 0; boundary < boundaries; boundary += 3) await crashAt(boundary);
  }).timeout(30_000);
});

/** Fills a table in one transaction, crashes at an I/O boundary, and looks. The boundaries there were. */
async function crashAt(boundary: number | null): Promise<number> {
  const machine = new Simulation(3).machine('a');
  const moments = ['before', 'during', 'after'] as const;
  if (boundary !== null) machine.disk.faults.at(boundary, { kind: 'crash', moment: moments[boundary % 3]! });
  let isAcknowledged = false;
  try {
    await machine.run(async (env) => {
      const database = await open(env);
      await database.query(table);
      await database.transaction(async (transaction) => {
        await transaction.query(fill(1, 200));
        await transaction.query('UPDATE t SET n = 1');
      });
      isAcknowledged = true;
      await database.close();
    });
  } catch (error) {
    if (!(error instanceof SimulatedCrash)) throw error;
  }
  const { boundaries } = machine.disk;
  const env = machine.restart();
  await machine.run(async () => {
    const database = await open(env);
    await database.query(table.replace('TABLE', 'TABLE IF NOT EXISTS'));
    const found = await totals(database);
    const expected = [{ rows: 200, sum: 200 }, ...(isAcknowledged ? [] : [{ rows: 0, sum: null }])];
    expect(expected).to.deep.include(found);
    const { engine } = database;
    expect(engine.rows.undecidedProducers).to.deep.equal([]);
    await database.close();
  });
  return boundaries;
}
