import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { EmbeddedDatabase } from './embedded.ts';
import { openEngine } from './engine.fixture.ts';

before(loadParser);

describe('sizes', () => {
  it('are those of rows, of indexes and of the whole, in memory and in files', async () => {
    const told: Record<string, number>[] = [];
    await new Simulation(1).machine('a').run(async (env) => {
      const engine = await openEngine(env);
      const database = new EmbeddedDatabase(engine);
      const tell = async (): Promise<void> => {
        const { rows } = await database.query<Record<string, number>>(
          `SELECT pg_relation_size('t') AS rows, pg_table_size('t') AS table_size, pg_relation_size('t', 'fsm') AS map,
             pg_relation_size('t_b') AS index, pg_relation_size('t_pkey') AS key, pg_indexes_size('t') AS indexes,
             pg_total_relation_size('t') AS total, pg_database_size('alopex') AS database`,
        );
        told.push(rows[0]!);
      };
      await database.execute('CREATE TABLE t (a int PRIMARY KEY, b text)');
      await database.execute('CREATE INDEX t_b ON t (b)');
      await tell();
      await database.execute("INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 2000) n");
      await tell();
      await engine.checkpoint();
      await tell();
      const { rows } = await database.query('SELECT pg_relation_size(999999), pg_database_size(1::oid)');
      expect(rows).to.deep.equal([{ pg_relation_size: null, pg_database_size: null }]);
      await engine.close();
    });
    const [empty, inMemory, inFiles] = told;
    const none = { rows: 0, table_size: 0, map: 0, index: 0, key: 0, indexes: 0, total: 0 };
    expect(empty).to.include(none);
    for (const { rows, table_size, index, indexes, total, database, ...nothing } of [inMemory!, inFiles!]) {
      expect(nothing).to.deep.equal({ map: 0, key: 0 });
      expect(rows).to.be.above(1000).and.equal(table_size);
      expect(index).to.be.above(1000).and.equal(indexes);
      expect(total).to.equal(rows! + index!);
      expect(database).to.be.above(rows!).and.above(empty!.database!);
    }
  });
});
