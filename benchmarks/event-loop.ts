import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import type { EmbeddedDatabase } from '../api/database/embedded.ts';
import { Database } from '../api/open.ts';
import { inDirectory } from './measure.ts';
import type { Row } from './row.ts';

const rowCount = Number(process.env.ALOPEX_BENCH_ROWS ?? 1_000_000);
/** Above an idle thread's delay in the same seconds. */
const delayMsMax = 50;
const workMs = 3000;

/** How long the event loop is held while the database works, beside a thread that does nothing: 99.9th percentiles. */
export async function run(): Promise<Row[]> {
  return inDirectory('event-loop', async (directory) => {
    const database = (await Database.open({ path: join(directory, 'data') })) as EmbeddedDatabase;
    const rows: Row[] = [];
    const measure = async (workload: string, work: () => Promise<unknown>, leastMs = workMs) =>
      rows.push(await delayDuring(`event loop during ${workload}`, work, leastMs));
    try {
      await database.execute(
        'CREATE TABLE t (id int PRIMARY KEY, name text, kind int, price float8, at timestamp)',
      );
      await measure(
        `INSERT … SELECT of ${rowCount.toLocaleString('en-US')} rows`,
        () =>
          database.execute(
            `INSERT INTO t SELECT i, 'name-' || lpad(i::text, 15, '0'), i % 100, i * 0.25,
               timestamp '2024-01-01' + i * interval '1 second' FROM generate_series(0, $1::int - 1) AS i`,
            [rowCount],
          ),
        0,
      );
      await measure('a flush and a compaction', () => database.engine.compact(), 0);
      await measure('a scan with an expression', () =>
        database.query("SELECT count(*) FROM t WHERE lower(name) LIKE '%77%'"),
      );
      await measure('GROUP BY name', () =>
        database.query('SELECT count(*) FROM (SELECT name FROM t GROUP BY name) AS names'),
      );
      await measure('a sort of all rows', () =>
        database.query('SELECT id FROM t ORDER BY name DESC OFFSET $1', [rowCount - 10]),
      );
      await measure('transactions of 1,000 inserted rows', () => insertThousand(database));
      return rows;
    } finally {
      await database.close();
    }
  });
}

let next = rowCount;

function insertThousand(database: EmbeddedDatabase): Promise<void> {
  return database.transaction(async (transaction) => {
    const insert = await transaction.prepare("INSERT INTO t VALUES ($1, 'written', 1, 0.5, '2024-01-01')");
    for (let count = 0; count < 1000; count++) await insert.execute([next++]);
  });
}

/** Repeats the work for a while; the difference to an idle thread of the same process at the same time. */
async function delayDuring(workload: string, work: () => Promise<unknown>, leastMs: number): Promise<Row> {
  const idle = new Worker(idleThread, { eval: true });
  await new Promise((resolve) => idle.once('message', resolve));
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  const start = performance.now();
  do await work();
  while (performance.now() - start < leastMs);
  histogram.disable();
  const idleMs = await new Promise<number>((resolve) => {
    idle.once('message', resolve);
    idle.postMessage('stop');
  });
  const heldMs = histogram.percentile(99.9) / 1e6 - idleMs;
  return { kind: 'limit', workload, unit: 'ms', ours: Math.max(0, heldMs), max: delayMsMax };
}

const idleThread = `
  const { parentPort } = require('node:worker_threads');
  const { monitorEventLoopDelay } = require('node:perf_hooks');
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  parentPort.once('message', () => {
    histogram.disable();
    parentPort.postMessage(histogram.percentile(99.9) / 1e6);
  });
  parentPort.postMessage('ready');
`;
