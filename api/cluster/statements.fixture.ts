import { expect } from 'chai';
import { bytesToLatin1 } from '../../base/bytes/utf8.ts';
import { AlopexError } from '../../base/errors.ts';
import { run } from '../database/routing/cluster.fixture.ts';
import type { EngineSession } from '../database/session.ts';
import type { TestCluster, TestNode } from './cluster.fixture.ts';

/** 1000 rows. */
export const script = `CREATE TABLE t (id int PRIMARY KEY, v text);
  INSERT INTO t SELECT n, 'row ' || n FROM generate_series(1, 1000) AS n;
  CREATE INDEX ON t (v)`;

export async function count(cluster: TestCluster, number: number, where = `v > 'a'`): Promise<unknown> {
  const sql = `SELECT count(*)::int AS n FROM t WHERE ${where}`;
  const { rows } = await cluster.on(number, ({ database }) => database.query<{ n: number }>(sql));
  return rows[0]?.n;
}

export function insert(cluster: TestCluster, number: number, id: number): Promise<unknown> {
  return cluster.on(number, ({ database }) => database.query(`INSERT INTO t VALUES (${id}, 'new')`));
}

/** The SQLSTATE of what is refused. */
export async function refusal(work: Promise<unknown>): Promise<string> {
  try {
    await work;
  } catch (error) {
    if (error instanceof AlopexError) return error.code;
    throw error;
  }
  return 'none';
}

/** Its one file of what it lost. */
export function lostOn(cluster: TestCluster, number: number): Promise<string> {
  return cluster.on(number, async (_, env) => {
    const [entry, ...others] = await env.disk.list('/db/lost');
    expect(others).to.deep.equal([]);
    const file = await env.disk.open(`/db/lost/${entry!.name}`, 'read');
    return bytesToLatin1(await file.read(0, 100_000));
  });
}

export function connect({ node }: TestNode): EngineSession {
  return node.engine.connect({ user: 'alopex', database: 'alopex', settings: {}, clientAddress: null });
}

/** The token of what it commits. */
export function commit(
  cluster: TestCluster,
  number: number,
  sql: string,
  mode = 'semi-sync',
): Promise<string> {
  return cluster.on(number, async (node) => {
    const session = connect(node);
    await run(session, `SET alopex.replication_mode = '${mode}'`);
    await run(session, sql);
    const [[token]] = (await run(session, 'SHOW alopex.last_commit')) as [[string]];
    await session.close();
    return token;
  });
}
