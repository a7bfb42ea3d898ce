import { expect } from 'chai';
import type { Env } from '../../../base/env/env.ts';
import { Simulation } from '../../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../../base/errors.ts';
import { unfinishedIndexes } from '../../../query/catalog/index-state.ts';
import type { Database, Queryable } from '../database.ts';
import { EmbeddedDatabase } from '../embedded.ts';
import { Engine, type EngineLimits } from '../engine.ts';

export const small: EngineLimits = {
  smallTableRows: 0,
  memtableBytesMax: 64 * 1024,
  indexSortBytesMax: 4096,
};

export const tableScript = `
  CREATE TABLE t (id int PRIMARY KEY, n int, body text);
  INSERT INTO t SELECT i, i % 100, 'body ' || i FROM generate_series(1, 500) AS i;
`;

export type Scene = {
  readonly database: EmbeddedDatabase;
  /** An open transaction that has run these statements; the answer ends it. */
  readonly begun: (...statements: readonly string[]) => Promise<() => Promise<void>>;
  readonly pause: (delayMs: number) => Promise<void>;
};

/** A table of 500 rows in a new database, in which every index is built online. */
export function withScene(
  work: (scene: Scene) => Promise<void>,
  limits: EngineLimits = small,
): Promise<void> {
  return new Simulation(1).machine('a').run(async (env) => {
    const engine = await open(env, limits);
    const database = new EmbeddedDatabase(engine);
    await database.query(tableScript);
    await work(sceneOf(env, database));
    await database.close();
  });
}

export function open(env: Env, limits: EngineLimits): Promise<Engine> {
  return Engine.open({
    env,
    path: '/db',
    cacheBytes: 1 << 20,
    connectionsMax: 20,
    settings: {},
    limits,
    onProblem: (problem) => {
      throw problem;
    },
  });
}

export function sceneOf(env: Env, database: EmbeddedDatabase): Scene {
  return {
    database,
    begun: (...statements) => begun(database, statements),
    pause: (delayMs) => new Promise<void>((resolve) => void env.clock.setTimer(delayMs, resolve)),
  };
}

export async function begun(database: Database, statements: readonly string[]): Promise<() => Promise<void>> {
  let end: () => void = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  let transaction: Promise<void> = Promise.resolve();
  await new Promise<void>((resolve, reject) => {
    transaction = database.transaction(async (queries: Queryable) => {
      for (const statement of statements) await queries.query(statement);
      resolve();
      await ended;
    });
    transaction.catch(reject);
  });
  return () => {
    end();
    return transaction;
  };
}

export async function errorOf(work: Promise<unknown>): Promise<AlopexError | null> {
  try {
    await work;
    return null;
  } catch (error) {
    if (error instanceof AlopexError) return error;
    throw error;
  }
}

export async function stateOf({ database }: Scene, name: string): Promise<string> {
  const { rows } = await database.query<{ ready: boolean; valid: boolean }>(
    `SELECT indisready AS ready, indisvalid AS valid FROM pg_index WHERE indexrelid = (SELECT oid FROM pg_class WHERE relname = '${name}')`,
  );
  const [row] = rows;
  if (row === undefined) return 'none';
  return row.valid ? 'valid' : row.ready ? 'ready' : 'not ready';
}

export async function planOf({ database }: Scene, sql: string): Promise<string> {
  const { rows } = await database.query<{ 'QUERY PLAN': string }>(`EXPLAIN ${sql}`);
  return rows.map((row) => row['QUERY PLAN']).join('\n');
}

export const rowsOf = async ({ database }: Scene, sql: string) => (await database.query(sql)).rows;

export function stateInLayout({ transactions }: Engine): string | undefined {
  return [...unfinishedIndexes(transactions.catalog)][0]?.layout.state;
}

/** Of a build that did not end well there is no object, no file, and the next one may have its name. */
export async function expectNothingLeft(scene: Scene, name: string): Promise<void> {
  const { engine } = scene.database;
  expect(await stateOf(scene, name)).to.equal('none');
  expect([...unfinishedIndexes(engine.transactions.catalog)]).to.deep.equal([]);
}
