import { expect } from 'chai';
import { SimulatedCrash } from '../../../base/env/simulated/incarnation.ts';
import { Simulation } from '../../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../../base/errors.ts';
import { indexId } from '../../../base/ids.ts';
import type { RelationDefinition } from '../../../query/catalog/definition.ts';
import { loadParser } from '../../../query/sql/parse.ts';
import { checkIndexes } from '../../../test/sim/check.ts';
import { EmbeddedDatabase } from '../embedded.ts';
import type { Engine, EngineLimits } from '../engine.ts';
import {
  begun,
  errorOf,
  expectNothingLeft,
  open,
  planOf,
  rowsOf,
  type Scene,
  sceneOf,
  small,
  stateInLayout,
  stateOf,
  tableScript,
  withScene,
} from './online-index.fixture.ts';

before(loadParser);

function tableAndIndex({ transactions: { catalog } }: Engine): readonly [RelationDefinition, number] {
  const index = [...catalog.all()].find((each) => each.kind === 'index')!;
  return [catalog.byId(index.table) as RelationDefinition, index.id];
}

/** At the end each index and its table agree. */
function withTable(work: (scene: Scene) => Promise<void>, limits?: EngineLimits): Promise<void> {
  return withScene(async (scene) => {
    await work(scene);
    await checkIndexes(scene.database.engine);
  }, limits);
}

describe('an index of a table with rows', () => {
  it('has the rows that are there, and nothing of them goes into the log', () =>
    withTable(async (scene) => {
      const { database } = scene;
      const { log } = database.engine;
      const before = log.endOffset;
      await database.query('CREATE INDEX t_n ON t (n)');
      expect(log.endOffset - before).to.be.below(30);
      expect(await stateOf(scene, 't_n')).to.equal('valid');
      expect(await planOf(scene, 'SELECT * FROM t WHERE n = 7')).to.contain('t_n');
      expect(await rowsOf(scene, 'SELECT id FROM t WHERE n = 7 ORDER BY id')).to.deep.equal([
        { id: 7 },
        { id: 107 },
        { id: 207 },
        { id: 307 },
        { id: 407 },
      ]);
    }));

  it('waits for who writes under the definition before, and stands in nobody’s way', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const end = await scene.begun('UPDATE t SET n = 1000 WHERE id = 1');
      const building = database.query('CREATE INDEX t_n ON t (n)');
      await pause(50);
      expect(await stateOf(scene, 't_n')).to.equal('not ready');
      await database.query('UPDATE t SET n = 1001 WHERE id = 2');
      await database.query('DELETE FROM t WHERE id = 3');
      await database.query(`INSERT INTO t VALUES (501, 1002, 'new')`);
      expect(await planOf(scene, 'SELECT * FROM t WHERE n = 7')).not.to.contain('t_n');
      await end();
      await building;
      expect(await rowsOf(scene, 'SELECT id FROM t WHERE n >= 1000 ORDER BY n')).to.deep.equal([
        { id: 1 },
        { id: 2 },
        { id: 501 },
      ]);
      expect(await rowsOf(scene, 'SELECT id FROM t WHERE n = 3 AND id < 100')).to.deep.equal([]);
    }));

  it('is right about rows that others change while it is built, across flushes and compactions', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      let isBuilt = false;
      const write = async (seed: number): Promise<void> => {
        for (let turn = seed; !isBuilt; turn += 7) {
          const id = (turn % 500) + 1;
          await database.query(`UPDATE t SET n = n + 1 WHERE id = ${id}`);
          await database.query(`DELETE FROM t WHERE id = ${id % 250}`);
          await database.query(`INSERT INTO t VALUES (${id % 250}, ${turn}, 'again') ON CONFLICT DO NOTHING`);
          await database.query(`UPDATE t SET body = body || '.' WHERE id = ${id}`);
        }
      };
      const maintain = async (): Promise<void> => {
        while (!isBuilt) {
          await database.engine.compact();
          await pause(3);
        }
      };
      const others = [write(1), write(2), write(3), maintain()];
      await database.query('CREATE INDEX t_n ON t (n DESC, body)');
      await database.query('ALTER TABLE t ADD CONSTRAINT t_both UNIQUE (body, id)');
      isBuilt = true;
      await Promise.all(others);
      await checkIndexes(database.engine);
      await database.engine.compact();
      expect([await stateOf(scene, 't_n'), await stateOf(scene, 't_both')]).to.deep.equal(['valid', 'valid']);
    }));

  it('has rows whose key went and came back in its first state', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const end = await scene.begun('UPDATE t SET n = 1 WHERE id = 1');
      const building = database.query('CREATE INDEX t_n ON t (n)');
      await pause(20);
      expect(await stateOf(scene, 't_n')).to.equal('not ready');
      await database.query('UPDATE t SET n = 5000 WHERE id = 2');
      await database.query('UPDATE t SET n = 2 WHERE id = 2');
      await end();
      await building;
      expect(await rowsOf(scene, 'SELECT id FROM t WHERE n = 2 AND id < 100')).to.deep.equal([{ id: 2 }]);
    }));

  it('keeps deletions that are newer than its snapshot until it is whole', () =>
    withTable(
      async (scene) => {
        const { database, pause } = scene;
        const { engine } = database;
        await database.query(`ALTER TABLE t SET (alopex.history = '1ms')`);
        const building = database.query('CREATE INDEX t_n ON t (n)');
        while (stateInLayout(engine) !== 'backfill') await pause(0.1);
        await engine.checkpoint();
        await database.query('DELETE FROM t WHERE id <= 200');
        await pause(5);
        await database.query('DELETE FROM t WHERE id = 201');
        await engine.compact();
        expect(stateInLayout(engine), 'the build takes longer').to.equal('backfill');
        await building;
        await checkIndexes(engine);
      },
      { ...small, indexSortBytesMax: 256 },
    ));

  it('waits for who looked for duplicates before the entries of older rows were there', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const { indexFiles } = database.engine.rows;
      const build = indexFiles.build.bind(indexFiles);
      let end: () => Promise<void> = () => Promise.resolve();
      indexFiles.build = async (...options) => {
        end = await scene.begun(`INSERT INTO t VALUES (600, 1, 'body 7')`);
        await build(...options);
      };
      const building = errorOf(database.query('CREATE UNIQUE INDEX t_body ON t (body)'));
      await pause(500);
      expect(await stateOf(scene, 't_body')).to.equal('ready');
      await end();
      expect((await building)?.detail).to.equal('Key (body)=(body 7) is duplicated.');
      await expectNothingLeft(scene, 't_body');
    }));

  it('holds those to its keys who write later', () =>
    withTable(async (scene) => {
      const { database } = scene;
      await database.query('CREATE UNIQUE INDEX t_body ON t (body)');
      await database.query('DELETE FROM t WHERE id = 9');
      await database.query(`UPDATE t SET body = 'body 9' WHERE id = 8`);
      const refused = await errorOf(database.query(`INSERT INTO t VALUES (1000, 1, 'body 10')`));
      expect(refused?.message).to.equal('duplicate key value violates unique constraint "t_body"');
    }));

  it('is not there where two rows have its key', () =>
    withTable(async (scene) => {
      const error = await errorOf(scene.database.query('CREATE UNIQUE INDEX t_n ON t (n)'));
      expect([error?.code, error?.message, error?.detail]).to.deep.equal([
        '23505',
        'could not create unique index "t_n"',
        'Key (n)=(0) is duplicated.',
      ]);
      await expectNothingLeft(scene, 't_n');
    }));

  it('takes nulls as different, or as the same where it is told so', () =>
    withTable(async (scene) => {
      await scene.database.query('UPDATE t SET body = NULL WHERE id < 3');
      const same = 'CREATE UNIQUE INDEX t_same ON t (body) NULLS NOT DISTINCT';
      expect((await errorOf(scene.database.query(same)))?.detail).to.equal(
        'Key (body)=(null) is duplicated.',
      );
      await scene.database.query('CREATE UNIQUE INDEX t_body ON t (body)');
      expect(await stateOf(scene, 't_body')).to.equal('valid');
    }));

  it('finds a duplicate that was written while it was built', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const end = await scene.begun(`INSERT INTO t VALUES (600, 1, 'body 7')`);
      const building = errorOf(database.query('CREATE UNIQUE INDEX t_body ON t (body)'));
      await pause(20);
      await end();
      expect((await building)?.detail).to.equal('Key (body)=(body 7) is duplicated.');
      await expectNothingLeft(scene, 't_body');
    }));

  it('is not used by ON CONFLICT before it is whole', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const end = await scene.begun('UPDATE t SET n = 1 WHERE id = 1');
      const building = database.query('CREATE UNIQUE INDEX t_body ON t (body)');
      await pause(20);
      const sql = `INSERT INTO t VALUES (1, 1, 'body 2') ON CONFLICT (body) DO NOTHING`;
      expect((await errorOf(database.query(sql)))?.code).to.equal('42P10');
      await end();
      await building;
      expect((await database.query(sql)).rowCount).to.equal(0);
    }));

  it('goes with the wait that is cancelled, or has lasted too long', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const { engine } = database;
      const end = await scene.begun('UPDATE t SET n = 1 WHERE id = 1');
      const session = database.borrow();
      const create = async (...settings: readonly string[]): Promise<string | undefined> => {
        for (const text of [...settings, 'CREATE INDEX t_n ON t (n)', 'RESET ALL']) {
          const [statement] = session.parse(text);
          const error = await errorOf(
            (async () => {
              await session.bind(await session.prepare(statement!, []), []);
              await session.sync();
            })(),
          );
          if (error !== null) return error.message;
        }
        return undefined;
      };
      const cancelled = create();
      await pause(20);
      session.cancel();
      expect(await cancelled).to.equal('canceling statement due to user request');
      expect(await create(`SET statement_timeout = '30ms'`)).to.equal(
        'canceling statement due to statement timeout',
      );
      expect(await create('SET statement_timeout = 0', `SET lock_timeout = '30ms'`)).to.equal(
        'canceling statement due to lock timeout',
      );
      await expectNothingLeft(scene, 't_n');
      await end();
      expect(await create()).to.equal(undefined);
      database.giveBack(session);
      expect(engine.transactions.active.size).to.equal(0);
    }));

  it('stays where the cancel comes when it is public', () =>
    withTable(async ({ database, pause }) => {
      const session = database.borrow();
      const goOn = session.continueInNext.bind(session);
      let commits = 0;
      session.continueInNext = async (run) => {
        await goOn(run);
        if (++commits === 4) session.cancel();
      };
      const [statement] = session.parse('CREATE INDEX t_n ON t (n)');
      await errorOf(session.bind(await session.prepare(statement!, []), []));
      await session.sync();
      expect(commits).to.equal(4);
      const [table, index] = tableAndIndex(database.engine);
      await database.engine.indexBuilds.drop(table.layout.storage, index);
      expect(table.layout.indexes.map(({ state }) => state)).to.deep.equal(['public']);
      await pause(20);
      database.giveBack(session);
    }));

  it('ends with the table, and with its own DROP', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const end = await scene.begun('UPDATE t SET n = 1 WHERE id = 1');
      const first = errorOf(database.query('CREATE INDEX t_n ON t (n)'));
      await pause(20);
      await end();
      const again = await scene.begun('UPDATE t SET n = 1 WHERE id = 1');
      const dropping = scene.database.query('DROP INDEX t_n');
      await again();
      await dropping;
      expect((await first)?.message).to.equal('index "t_n" was dropped while it was being built');
      await expectNothingLeft(scene, 't_n');

      const last = await scene.begun('INSERT INTO t VALUES (700)');
      const second = errorOf(database.query('CREATE INDEX t_n ON t (n)'));
      await pause(20);
      const gone = database.query('DROP TABLE t');
      await last();
      await gone;
      expect((await second)?.message).to.equal('index "t_n" was dropped while it was being built');
      await expectNothingLeft(scene, 't_n');
    }));

  for (const [change, count] of [
    ['TRUNCATE t', 0],
    ['ALTER TABLE t DROP CONSTRAINT t_pkey', 500],
  ] as const) {
    it(`is complete after ${change}, which gives the rows a new place`, () =>
      withTable(async (scene) => {
        const { database, pause } = scene;
        const end = await scene.begun('UPDATE t SET n = 1 WHERE id = 1');
        const building = database.query('CREATE INDEX t_body ON t (body)');
        await pause(20);
        const changing = database.query(change);
        await end();
        await Promise.all([changing, building]);
        expect(await stateOf(scene, 't_body')).to.equal('valid');
        expect(await rowsOf(scene, 'SELECT count(*)::int AS n FROM t')).to.deep.equal([{ n: count }]);
      }));
  }

  it('ends with the table while its files are written', () =>
    withTable(async (scene) => {
      const { database } = scene;
      const { indexFiles } = database.engine.rows;
      const build = indexFiles.build.bind(indexFiles);
      indexFiles.build = async (...options) => {
        await database.query('DROP TABLE t');
        await build(...options);
      };
      const error = await errorOf(database.query('CREATE INDEX t_n ON t (n)'));
      expect([error?.code, error?.message]).to.deep.equal([
        '42704',
        'index "t_n" was dropped while it was being built',
      ]);
      await expectNothingLeft(scene, 't_n');
    }));

  it('is gone after a crash while it was built, and can be made again', async () => {
    const machine = new Simulation(1).machine('a');
    await machine
      .run(async (env) => {
        const database = new EmbeddedDatabase(await open(env, small));
        await database.query(tableScript);
        const { indexFiles } = database.engine.rows;
        const build = indexFiles.build.bind(indexFiles);
        indexFiles.build = async (...options) => {
          await build(...options);
          machine.crash();
        };
        await database.query('CREATE INDEX t_n ON t (n)');
      })
      .catch((error: unknown) => expect(error).to.be.instanceOf(SimulatedCrash));
    machine.restart();
    await machine.run(async (env) => {
      const database = new EmbeddedDatabase(await open(env, small));
      const scene = sceneOf(env, database);
      await expectNothingLeft(scene, 't_n');
      await database.query('CREATE INDEX t_n ON t (n)');
      await checkIndexes(database.engine);
      expect(await stateOf(scene, 't_n')).to.equal('valid');
      await database.close();
    });
  });

  it('ends when the database is closed, and is not there when it is opened again', () =>
    new Simulation(1).machine('a').run(async (env) => {
      const database = new EmbeddedDatabase(await open(env, small));
      await database.query(tableScript);
      const end = await begun(database, ['UPDATE t SET n = 1 WHERE id = 1']);
      const building = errorOf(database.query('CREATE INDEX t_n ON t (n)'));
      await sceneOf(env, database).pause(20);
      await database.close();
      expect((await building)?.code).to.equal('57P01');
      await errorOf(end());
      const again = new EmbeddedDatabase(await open(env, small));
      await expectNothingLeft(sceneOf(env, again), 't_n');
      await again.close();
    }));

  it('goes on while the table gets a column and another name', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const end = await scene.begun('UPDATE t SET n = 1 WHERE id = 1');
      const building = database.query('CREATE INDEX t_n ON t (n)');
      await pause(20);
      const changing = database.query('ALTER TABLE t ADD COLUMN more int DEFAULT 4');
      await end();
      await changing;
      await database.query('ALTER TABLE t RENAME TO u');
      await building;
      expect(await planOf(scene, 'SELECT more FROM u WHERE n = 7')).to.contain('t_n');
    }));

  it('is part of the transaction in a block, and cannot be CONCURRENTLY there', () =>
    withTable(async (scene) => {
      const { database } = scene;
      await errorOf(
        database.transaction(async (queries) => {
          await queries.query('CREATE INDEX t_n ON t (n)');
          throw new AlopexError('query_canceled', 'changed my mind');
        }),
      );
      await expectNothingLeft(scene, 't_n');
      const refused = await errorOf(
        database.transaction((queries) => queries.query('CREATE INDEX CONCURRENTLY t_n ON t (n)')),
      );
      expect([refused?.code, refused?.message]).to.deep.equal([
        '25001',
        'CREATE INDEX CONCURRENTLY cannot run inside a transaction block',
      ]);
      await database.query('CREATE INDEX CONCURRENTLY IF NOT EXISTS t_n ON t (n)');
      await database.query('CREATE INDEX CONCURRENTLY IF NOT EXISTS t_n ON t (n)');
      expect(await stateOf(scene, 't_n')).to.equal('valid');
    }));

  it('is built in files in a block too, where others wait to write', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const { log } = database.engine;
      const before = log.endOffset;
      let isWritten = false;
      let writing: Promise<unknown> = Promise.resolve();
      await database.transaction(async (queries) => {
        await queries.query('CREATE INDEX t_n ON t (n)');
        expect(log.endOffset - before).to.be.below(5);
        await queries.query('UPDATE t SET n = 1000 WHERE n = 8');
        const { rows } = await queries.query('SELECT count(*)::int AS n FROM t WHERE n IN (7, 8, 1000)');
        expect(rows).to.deep.equal([{ n: 10 }]);
        writing = database.query('UPDATE t SET n = 7 WHERE n = 1000').then(() => {
          isWritten = true;
        });
        await pause(20);
        expect(isWritten).to.equal(false);
      });
      await writing;
      expect(await rowsOf(scene, 'SELECT count(*)::int AS n FROM t WHERE n = 7')).to.deep.equal([{ n: 10 }]);
    }));

  it('has what its transaction wrote before it, and goes back to a savepoint', () =>
    withTable(async (scene) => {
      const { database } = scene;
      await database.transaction(async (queries) => {
        await queries.query('SAVEPOINT s');
        await queries.query('CREATE INDEX t_n ON t (n)');
        await queries.query('ROLLBACK TO s');
        await queries.query('UPDATE t SET n = 2000 WHERE id <= 3');
        await queries.query('CREATE INDEX t_n ON t (n)');
        const { rows } = await queries.query('SELECT id FROM t WHERE n = 2000 ORDER BY id');
        expect(rows).to.deep.equal([{ id: 1 }, { id: 2 }, { id: 3 }]);
      });
      expect(await planOf(scene, 'SELECT * FROM t WHERE n = 7')).to.contain('t_n');
    }));

  it('fails in a block as outside', () =>
    withTable(async (scene) => {
      const { database } = scene;
      const error = await errorOf(
        database.transaction((queries) => queries.query('ALTER TABLE t ADD CONSTRAINT t_n UNIQUE (n)')),
      );
      expect([error?.code, error?.detail]).to.deep.equal(['23505', 'Key (n)=(0) is duplicated.']);
      await expectNothingLeft(scene, 't_n');
    }));

  it('leaves the files once nobody can ask for it any more', () =>
    withTable(async (scene) => {
      const { database, pause } = scene;
      const { engine } = database;
      await database.query(`ALTER TABLE t SET (alopex.history = '1ms')`);
      await database.query('CREATE INDEX t_n ON t (n)');
      await database.query('UPDATE t SET n = n + 1');
      const [{ layout }, index] = tableAndIndex(engine);
      const entries = async (): Promise<number> => {
        const scan = engine.rows.indexEntries(layout, indexId(index), engine.transactions.visible);
        for (let count = 0; ; ) {
          const batch = scan.next();
          if (batch === null) return count;
          if (batch instanceof Promise) await batch;
          else count += batch.selection?.length ?? batch.rowCount;
        }
      };
      await engine.checkpoint();
      expect(await entries()).to.equal(500);
      await database.query('DROP INDEX t_n');
      await database.query('DELETE FROM t WHERE id = 1');
      await engine.compact();
      await pause(100);
      await database.query('DELETE FROM t WHERE id = 2');
      await engine.compact();
      expect(await entries()).to.equal(0);
    }));
});
