import { expect } from 'chai';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { loadParser } from '../../query/sql/parse.ts';
import type { Change } from './database.ts';
import { EmbeddedDatabase } from './embedded.ts';
import { openEngine } from './engine.fixture.ts';
import { run } from './routing/cluster.fixture.ts';

before(loadParser);

async function take(changes: AsyncIterable<Change>, count: number): Promise<readonly Change[]> {
  const taken: Change[] = [];
  if (count === 0) return taken;
  for await (const change of changes) if (taken.push(change) === count) break;
  return taken;
}

describe('tail', () => {
  it('goes on after any change without a gap or a repeat, where large transactions are between others', () =>
    new Simulation(1).machine('a').run(async (env) => {
      const limits = { commit: { largeCommitBytes: 100, spillBytes: 100 } };
      const engine = await openEngine(env, { limits });
      const database = new EmbeddedDatabase(engine);
      await database.query('CREATE TABLE t (id text)');
      const sessions = ['a', 'b'].map((name) => ({ name, session: database.borrow() }));
      for (const { session } of sessions) await run(session, 'BEGIN');
      for (let count = 0; count < 3; count++) {
        for (const { name, session } of sessions)
          await run(session, `INSERT INTO t SELECT '${name}${count}' || n FROM generate_series(1, 4) AS n`);
        await database.query(`INSERT INTO t VALUES ('alone${count}')`);
      }
      await run(sessions[1]!.session, 'COMMIT');
      await run(sessions[0]!.session, 'ROLLBACK');
      const all = await take(database.tail({ from: 0 }), 15);
      const offsets = all.map(({ offset }) => offset);
      expect(offsets).to.deep.equal(offsets.toSorted((one, other) => one - other));
      expect(all.map(({ after }) => String(after?.id)).filter((id) => id.startsWith('alone'))).to.deep.equal([
        'alone0',
        'alone1',
        'alone2',
      ]);
      for (const [index, { offset }] of all.entries()) {
        const rest = await take(database.tail({ from: offset + 1 }), all.length - index - 1);
        expect(rest).to.deep.equal(all.slice(index + 1));
      }
      await engine.close();
    }));
});
