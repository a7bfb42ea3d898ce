import { expect } from 'chai';
import fc from 'fast-check';
import { Simulation } from '../../../base/env/simulated/simulation.ts';
import { asAlopexError } from '../../../base/errors.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { loadParser, parse } from '../../../query/sql/parse.ts';
import { openEngine } from '../engine.fixture.ts';
import type { EngineSession } from '../session.ts';

before(loadParser);

type Way = 'short' | 'long';

/** Runs `work` over a new database in memory, which holds one table. */
async function withTable(work: (connect: () => EngineSession) => Promise<void>): Promise<void> {
  await new Simulation(1).machine('a').run(async (env) => {
    const engine = await openEngine(env);
    const connect = () =>
      engine.connect({ user: 'alopex', database: 'alopex', settings: {}, clientAddress: null });
    const session = connect();
    await ask(
      session,
      'long',
      `CREATE TABLE t (id int, part text, name text UNIQUE, amount int NOT NULL, PRIMARY KEY (id, part))`,
    );
    await work(connect);
    await engine.close();
  });
}

/** The tag, or the error's code and message. A statement by its short way must have one. */
async function ask(
  session: EngineSession,
  way: Way,
  text: string,
  parameters: readonly Datum[] = [],
): Promise<string> {
  try {
    const prepared = await session.prepare(parse(text)[0]!, []);
    if (way === 'short') {
      const tag = session.command(prepared, parameters);
      expect(tag, text).to.not.equal(null);
      const done = await tag!;
      await session.sync();
      return done;
    }
    const portal = await session.bind(prepared, parameters);
    await session.sync();
    return portal.kind === 'command' ? portal.tag : portal.kind;
  } catch (thrown) {
    const { code, message, fields } = asAlopexError(thrown);
    return `${code} ${message} ${fields.detail ?? ''}`;
  }
}

async function contents(session: EngineSession): Promise<unknown> {
  const portal = await session.bind(await session.prepare(parse('TABLE t ORDER BY id, part')[0]!, []), []);
  if (portal.kind !== 'rows') return portal.kind;
  const { rows } = await portal.fetch(0);
  await session.sync();
  return rows;
}

const writes: readonly (readonly [text: string, parameters: number])[] = [
  ['INSERT INTO t VALUES ($1, $2, $3, $4)', 4],
  ['UPDATE t SET amount = amount + $4 WHERE id = $1 AND part = $2 AND $3::text IS NOT NULL', 4],
  ['UPDATE t SET amount = $4, name = $3 WHERE id = $1 AND part = $2', 4],
  ['UPDATE t SET name = $3, amount = 100 / amount WHERE part = $2 AND id = $1', 3],
  ['UPDATE t SET id = id + 1, name = $3 WHERE id = $1 AND part = $2', 3],
  ['UPDATE t SET amount = NULL WHERE id = $1 AND part = $2', 2],
  ['DELETE FROM t WHERE id = $1 AND part = $2', 2],
];
const controls = [
  'BEGIN',
  'COMMIT',
  'ROLLBACK',
  'SAVEPOINT s',
  'ROLLBACK TO s',
  'RELEASE s',
  'END AND CHAIN',
];

const step = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      write: fc.constantFrom(...writes),
      values: fc.tuple(
        fc.constantFrom(1, 2, 3, null),
        fc.constantFrom('a', 'b'),
        fc.constantFrom('x', 'y', 'z', null),
        fc.constantFrom(0, 5, null, 2_147_483_647),
      ),
    }),
  },
  {
    weight: 2,
    arbitrary: fc
      .constantFrom(...controls)
      .map((text) => ({ write: [text, 0] as const, values: [] as Datum[] })),
  },
);

describe('the short ways of commands', () => {
  it('answer, and leave behind, what the long ones do', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 30 }), async (steps) => {
        const outcomes: unknown[] = [];
        for (const way of ['short', 'long'] as const) {
          await withTable(async (connect) => {
            const session = connect();
            const answers: unknown[] = [];
            for (const { write, values } of steps) {
              const [text, count] = write;
              // Only what has no subquery and names the whole key is a lookup: the second write is not.
              const isLong = text.includes('::text') || way === 'long';
              answers.push(await ask(session, isLong ? 'long' : 'short', text, values.slice(0, count)));
              answers.push(session.status);
            }
            await ask(session, 'long', 'COMMIT');
            answers.push(await contents(session));
            outcomes.push(answers);
          });
        }
        expect(outcomes[0]).to.deep.equal(outcomes[1]);
      }),
      { numRuns: 60 },
    );
  });

  for (const way of ['short', 'long'] as const) {
    const add = 'UPDATE t SET amount = amount + 1 WHERE id = 1 AND part = $1';

    it(`a row that another transaction changes meanwhile is read again (${way})`, () =>
      withTable(async (connect) => {
        const [first, second] = [connect(), connect()];
        await ask(first, way, "INSERT INTO t VALUES (1, 'a', 'x', 1)");
        await ask(first, way, 'BEGIN');
        await ask(first, way, add, ['a']);
        const waiting = ask(second, way, add, ['a']);
        await ask(first, way, 'COMMIT');
        expect(await waiting).to.equal('UPDATE 1');
        expect(await contents(second)).to.deep.equal([[1, 'a', 'x', 3]]);
      }));

    it(`a row that is gone by then, or has another key, is not changed (${way})`, () =>
      withTable(async (connect) => {
        const [first, second] = [connect(), connect()];
        for (const change of ["UPDATE t SET part = 'b' WHERE id = 1", 'DELETE FROM t WHERE id = 1']) {
          await ask(first, 'long', 'DELETE FROM t');
          await ask(first, way, "INSERT INTO t VALUES (1, 'a', 'x', 1)");
          await ask(first, way, 'BEGIN');
          await ask(first, 'long', change);
          const waiting = ask(second, way, add, ['a']);
          await ask(first, way, 'COMMIT');
          expect(await waiting, change).to.equal('UPDATE 0');
        }
      }));

    it(`the stronger levels refuse a row that changed since their snapshot (${way})`, () =>
      withTable(async (connect) => {
        const [first, second] = [connect(), connect()];
        await ask(first, way, "INSERT INTO t VALUES (1, 'a', 'x', 1)");
        for (const level of ['REPEATABLE READ', 'SERIALIZABLE']) {
          await ask(second, way, `BEGIN ISOLATION LEVEL ${level}`);
          await contents(second);
          await ask(first, way, add, ['a']);
          expect(await ask(second, way, add, ['a'])).to.match(/^40001/);
          await ask(second, way, 'ROLLBACK');
        }
      }));

    it(`serializable remembers the key that it looked for (${way})`, () =>
      withTable(async (connect) => {
        const [first, second] = [connect(), connect()];
        const level = 'BEGIN ISOLATION LEVEL SERIALIZABLE';
        await ask(first, way, level);
        await ask(second, way, level);
        expect(await ask(first, way, add, ['a'])).to.equal('UPDATE 0');
        expect(await ask(second, way, add, ['b'])).to.equal('UPDATE 0');
        await ask(first, way, "INSERT INTO t VALUES (1, 'b', 'x', 1)");
        await ask(second, way, "INSERT INTO t VALUES (1, 'a', 'y', 1)");
        expect(await ask(first, way, 'COMMIT')).to.equal('COMMIT');
        expect(await ask(second, way, 'COMMIT')).to.match(/^40001/);
      }));

    it(`a read-only transaction, and one that failed, change nothing (${way})`, () =>
      withTable(async (connect) => {
        const session = connect();
        await ask(session, way, 'BEGIN READ ONLY');
        expect(await ask(session, way, add, ['a'])).to.match(/^25006 cannot execute UPDATE/);
        expect(await ask(session, 'long', add, ['a'])).to.match(/^25P02/);
        expect(await ask(session, way, 'COMMIT')).to.equal('ROLLBACK');
      }));
  }
});
