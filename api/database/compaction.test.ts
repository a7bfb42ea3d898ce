import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser } from '../../query/sql/parse.ts';
import { EmbeddedDatabase } from './embedded.ts';
import { openEngine } from './engine.fixture.ts';

describe('compaction', () => {
  before(loadParser);

  it('takes along what lies between the keys that it merges', () =>
    new Simulation(1).machine('a').run(async (env) => {
      // Each commit is flushed by itself, and every fourth file of level 0 begins a compaction.
      const engine = await openEngine(env, { limits: { memtableBytesMax: 1 } });
      const database = new EmbeddedDatabase(engine);
      await database.query(
        'CREATE TABLE t (id int PRIMARY KEY, name text); CREATE INDEX t_name ON t (name DESC)',
      );
      const insert = async (id: number): Promise<void> => {
        await database.query('INSERT INTO t VALUES ($1, $2)', [id, `name ${id + 1000}`]);
        await engine.checkpoint();
      };
      await insert(50);
      await engine.compact();
      // None of these files overlaps the one with key 50; what they are merged into does.
      const ids = [1, 99, 2, 98, 3, 97, 4, 96, 5, 95, 6, 94];
      for (const id of ids) await insert(id);
      const files = (await env.disk.list('/db/rows')).filter(({ name }) => name.endsWith('.sst'));
      expect(files.length).to.be.lessThan(ids.length);
      for (const id of [50, ...ids]) {
        const { rows } = await database.query('SELECT name FROM t WHERE id = $1', [id]);
        expect(rows, `id ${id}`).to.deep.equal([{ name: `name ${id + 1000}` }]);
      }
      const { rows } = await database.query<{ id: number }>('SELECT id FROM t ORDER BY name DESC');
      expect(rows.map(({ id }) => id)).to.deep.equal([50, ...ids].sort((left, right) => right - left));
      await database.close();
    }));
});
