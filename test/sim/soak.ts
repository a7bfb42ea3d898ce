import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Database } from '../../api/open.ts';
import { Violation } from './check.ts';

export const accountCount = 20;
export const sessionCount = 16;
const bulkRows = 6000;
const child = fileURLToPath(new URL('./soak-child.ts', import.meta.url));

/** What was acknowledged, over all rounds so far. */
export type SoakState = { readonly acknowledged: Set<number>; next: number };

export async function prepareSoak(path: string): Promise<SoakState> {
  const database = await Database.open({ path });
  await database.query(`
    CREATE TABLE accounts (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE moves (id bigserial PRIMARY KEY, txn int NOT NULL, account int NOT NULL, amount bigint NOT NULL);
    CREATE INDEX moves_txn ON moves (txn);
    CREATE TABLE bulk (txn int, n int, body text, PRIMARY KEY (txn, n));
    INSERT INTO accounts SELECT n, 0 FROM generate_series(0, ${accountCount - 1}) AS n;
  `);
  await database.close();
  return { acknowledged: new Set(), next: 1 };
}

/** One round: a process under load is killed after so many transactions, and what it left is compared with what it said. */
export async function killRound(path: string, state: SoakState, transactions: number): Promise<void> {
  const process = spawn(globalThis.process.execPath, [child, path, `${state.next}`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const exited = once(process, 'exit');
  const lines = createInterface({ input: process.stdout });
  const said: string[] = [];
  await new Promise<void>((resolve, reject) => {
    lines.on('line', (line) => {
      said.push(line);
      if (said.length === transactions) resolve();
    });
    process.on('exit', () => reject(new Error('the process ended before it was killed')));
  });
  process.kill('SIGKILL');
  const [, signal] = await exited;
  if (signal !== 'SIGKILL') throw new Error('the process ended before it was killed');
  lines.close();
  for (const line of said) state.acknowledged.add(Number(line));
  await verify(path, state);
}

async function verify(path: string, state: SoakState): Promise<void> {
  const database = await Database.open({ path });
  try {
    const moves = await database.query<{ txn: number; n: number; total: number }>(
      'SELECT txn, count(*)::int AS n, sum(amount)::int AS total FROM moves GROUP BY txn',
    );
    const present = new Map(moves.rows.map(({ txn, n, total }) => [txn, { n, total }]));
    for (const id of state.acknowledged)
      if (!present.has(id)) throw new Violation(`transaction ${id} was acknowledged and is lost`);
    for (const [id, { n, total }] of present)
      if (n !== 2 || total !== 0) throw new Violation(`transaction ${id} is there by half: ${n} rows`);
    const bulk = await database.query<{ txn: number; n: number }>(
      'SELECT txn, count(*)::int AS n FROM bulk GROUP BY txn',
    );
    const large = new Map(bulk.rows.map(({ txn, n }) => [txn, n]));
    for (const id of present.keys())
      if (id % 50 === 0 && large.get(id) !== bulkRows)
        throw new Violation(`transaction ${id} has ${large.get(id) ?? 0} of ${bulkRows} rows`);
    for (const id of large.keys())
      if (!present.has(id)) throw new Violation(`transaction ${id} is there by half: its large part`);
    const wrong = await database.query(
      `SELECT id FROM accounts AS a WHERE balance <> (SELECT coalesce(sum(amount), 0) FROM moves WHERE account = a.id)`,
    );
    if (wrong.rowCount > 0)
      throw new Violation(`accounts disagree with their moves: ${JSON.stringify(wrong.rows)}`);
    state.next = Math.max(state.next, ...present.keys(), ...state.acknowledged) + 1;
  } finally {
    await database.close();
  }
}
