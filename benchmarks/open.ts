import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EmbeddedDatabase } from '../api/database/embedded.ts';
import { Database } from '../api/open.ts';
import { inDirectory, median } from './measure.ts';
import type { Row } from './row.ts';
import { hasPostgres, type RunningServer, runPsql, startAlopex } from './servers.ts';

const rowCount = Number(process.env.ALOPEX_BENCH_ROWS ?? 1_000_000);
const opens = 5;
const writeMs = 3000;
const idleMs = 2000;

/** How long a database of a million rows takes to open, its first lookup included, and what an idle server holds. */
export async function run(): Promise<Row[]> {
  return inDirectory('open', async (directory) => {
    const path = join(directory, 'data');
    await createTable(path, rowCount);
    const clean = await medianOpenMs(path, async () => {});
    const megabytes = hasPostgres() ? await idleMegabytes(await startAlopex(path)) : null;
    const killed = await medianOpenMs(path, () => writeUntilKilled(path));
    const rows: Row[] = [
      { kind: 'limit', workload: 'open after a clean stop', unit: 's', ours: clean / 1000, max: 0.3 },
      { kind: 'limit', workload: 'open after kill -9 under load', unit: 's', ours: killed / 1000, max: 1 },
    ];
    if (megabytes !== null) {
      const workload = 'memory of an idle server, from a clone';
      rows.push({ kind: 'limit', workload, unit: 'MB', ours: megabytes, max: 200 });
    }
    return rows;
  });
}

export async function createTable(path: string, rows: number): Promise<void> {
  const database = (await Database.open({ path })) as EmbeddedDatabase;
  await database.execute(
    'CREATE TABLE t (id int PRIMARY KEY, name text, kind int, price float8, at timestamp)',
  );
  await database.execute(
    `INSERT INTO t SELECT i, 'name-' || lpad(i::text, 15, '0'), i % 100, i * 0.25,
       timestamp '2024-01-01' + i * interval '1 second' FROM generate_series(0, $1::int - 1) AS i`,
    [rows],
  );
  await database.close();
}

async function medianOpenMs(path: string, before: () => Promise<void>): Promise<number> {
  const times: number[] = [];
  for (let count = 0; count < opens; count++) {
    await before();
    const start = performance.now();
    const database = await Database.open({ path });
    await database.query('SELECT name FROM t WHERE id = ?', [Math.floor(Math.random() * rowCount)]);
    times.push(performance.now() - start);
    await database.close();
  }
  return median(times);
}

/** A process of its own inserts rows, 64 at a time, until it is killed. */
async function writeUntilKilled(path: string): Promise<void> {
  const child = spawn(process.execPath, [import.meta.filename, path], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const exited = new Promise((resolve) => child.once('exit', resolve));
  await new Promise((resolve) => setTimeout(resolve, writeMs));
  child.kill('SIGKILL');
  await exited;
}

async function write(path: string): Promise<never> {
  const database = await Database.open({ path });
  const found = await database.query<{ last: number }>('SELECT max(id) AS last FROM t');
  let next = (found.rows[0]?.last ?? 0) + 1;
  const row = await database.prepare("INSERT INTO t VALUES ($1, 'written', 1, 0.5, '2024-01-01')");
  const produce = async (): Promise<never> => {
    for (;;) await row.execute([next++]);
  };
  return Promise.race(Array.from({ length: 64 }, produce));
}

/** Resident; null where the system does not say. */
export async function idleMegabytes(server: RunningServer): Promise<number | null> {
  try {
    runPsql(server, 'SELECT name FROM t WHERE id = 1');
    await new Promise((resolve) => setTimeout(resolve, idleMs));
    const resident = /^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${server.pid}/status`, 'utf8'))?.[1];
    return resident === undefined ? null : Number(resident) / 1024;
  } finally {
    await server.stop();
  }
}

const [, , written] = process.argv;
if (import.meta.main && written !== undefined) await write(written);
