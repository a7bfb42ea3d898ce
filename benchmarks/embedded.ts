import { join } from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import type { EmbeddedDatabase } from '../api/database/embedded.ts';
import { Database } from '../api/open.ts';
import { compare, inDirectory, type Work } from './measure.ts';
import type { Row } from './row.ts';

/** Rows of the tables that are read. */
const rowCount = Number(process.env.ALOPEX_BENCH_ROWS ?? 1_000_000);
const columns = 'id, name, kind, price, at';
const start = Date.UTC(2024, 0, 1);

/** The library beside SQLite in the same process, on the same tables, its data in SSTables. */
export async function run(): Promise<Row[]> {
  return inDirectory('embedded', async (directory) => {
    const ours = (await Database.open({ path: join(directory, 'alopex') })) as EmbeddedDatabase;
    const peer = new DatabaseSync(join(directory, 'sqlite.db'));
    peer.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    try {
      await createTables(ours, peer);
      return [...(await reads(ours, peer)), ...(await writes(ours, peer))];
    } finally {
      peer.close();
      await ours.close();
    }
  });
}

async function createTables(ours: EmbeddedDatabase, peer: DatabaseSync): Promise<void> {
  for (const table of ['t', 'written']) {
    await ours.execute(
      `CREATE TABLE ${table} (id int PRIMARY KEY, name text, kind int, price float8, at timestamp)`,
    );
    // SQLite has no timestamps: microseconds, as ours stores them.
    peer.exec(`CREATE TABLE ${table} (id INTEGER PRIMARY KEY, name TEXT, kind INT, price REAL, at INT)`);
  }
  await ours.execute(
    `INSERT INTO t SELECT i, 'name-' || lpad(i::text, 15, '0'), i % 100, i * 0.25,
       timestamp '2024-01-01' + i * interval '1 second' FROM generate_series(0, $1::int - 1) AS i`,
    [rowCount],
  );
  await ours.engine.compact();
  const insert = peer.prepare('INSERT INTO t VALUES (?, ?, ?, ?, ?)');
  peer.exec('BEGIN');
  for (let id = 0; id < rowCount; id++) insert.run(id, nameOf(id), id % 100, id * 0.25, microsOf(id));
  peer.exec('COMMIT; PRAGMA wal_checkpoint(TRUNCATE); ANALYZE');
}

function nameOf(id: number): string {
  return `name-${String(id).padStart(15, '0')}`;
}

function microsOf(id: number): number {
  return (start + id * 1000) * 1000;
}

async function reads(ours: EmbeddedDatabase, peer: DatabaseSync): Promise<Row[]> {
  const queries: [workload: string, bar: number, sql: string, parameters: () => number[]][] = [
    ['point SELECT by key', 1.5, `SELECT ${columns} FROM t WHERE id = ?`, () => [randomId()]],
    [
      'range scan of 100 rows',
      1.5,
      `SELECT ${columns} FROM t WHERE id >= ? AND id < ?`,
      () => {
        const first = Math.floor(Math.random() * (rowCount - 100));
        return [first, first + 100];
      },
    ],
    ['count(*), avg, max over all rows', 10, 'SELECT count(*), avg(price), max(price) FROM t', () => []],
    ['GROUP BY the 100-value column', 10, 'SELECT kind, count(*), sum(price) FROM t GROUP BY kind', () => []],
    ['a filter that keeps 1 %', 10, 'SELECT id, name FROM t WHERE kind = 7', () => []],
  ];
  const rows: Row[] = [];
  for (const [workload, bar, sql, parameters] of queries) {
    const [mine, its] = [await ours.prepare(sql), peer.prepare(sql)];
    rows.push(
      await compare({
        workload: `embedded: ${workload}`,
        unit: '1/s',
        bar,
        ours: async (deadline) => {
          let done = 0;
          for (; done === 0 || performance.now() < deadline; done++) await mine.query(parameters());
          return done;
        },
        peer: (deadline) => {
          let done = 0;
          for (; done === 0 || performance.now() < deadline; done++) its.all(...parameters());
          return done;
        },
      }),
    );
  }
  return rows;
}

function randomId(): number {
  return Math.floor(Math.random() * rowCount);
}

async function writes(ours: EmbeddedDatabase, peer: DatabaseSync): Promise<Row[]> {
  const insert = `INSERT INTO written (${columns}) VALUES (?, ?, ?, ?, ?)`;
  const [mine, its] = [await ours.prepare(insert), peer.prepare(insert)];
  let next = 0;
  const ourRow = () => {
    const id = next++;
    return [id, nameOf(id), id % 100, id * 0.25, new Date(start + id * 1000)];
  };
  let peersNext = 0;
  const peersRow = () => {
    const id = peersNext++;
    return its.run(id, nameOf(id), id % 100, id * 0.25, microsOf(id));
  };
  const oneAtATime: Work = (deadline) => {
    let done = 0;
    for (; performance.now() < deadline; done++) peersRow();
    return done;
  };
  const inFlight =
    (producers: number): Work =>
    async (deadline) => {
      let done = 0;
      const produce = async () => {
        for (; performance.now() < deadline; done++) await mine.execute(ourRow());
      };
      await Promise.all(Array.from({ length: producers }, produce));
      return done;
    };
  return [
    await compare({
      workload: 'embedded: transactions of 1,000 inserted rows',
      unit: 'rows/s',
      bar: 1,
      ours: async (deadline) => {
        let done = 0;
        for (; performance.now() < deadline; done += 1000) {
          await mine.executeMany(Array.from({ length: 1000 }, ourRow));
        }
        return done;
      },
      peer: peersTransactions(peer, peersRow),
    }),
    await compare({
      workload: 'embedded: the same, one call for each row',
      unit: 'rows/s',
      bar: null,
      ours: transactionsOf1000(ours, insert, ourRow),
      peer: peersTransactions(peer, peersRow),
    }),
    await compare({
      workload: 'embedded: durable single-row INSERT, one at a time',
      unit: 'rows/s',
      bar: 1,
      ours: inFlight(1),
      peer: oneAtATime,
    }),
    await compare({
      workload: 'embedded: durable single-row INSERT, 64 in flight',
      unit: 'rows/s',
      bar: 15,
      ours: inFlight(64),
      peer: oneAtATime,
    }),
  ];
}

function transactionsOf1000(
  ours: EmbeddedDatabase,
  insert: string,
  row: () => (number | string | Date)[],
): Work {
  return async (deadline) => {
    let done = 0;
    for (; performance.now() < deadline; done += 1000) {
      await ours.transaction(async (transaction) => {
        const statement = await transaction.prepare(insert);
        for (let count = 0; count < 1000; count++) await statement.execute(row());
      });
    }
    return done;
  };
}

function peersTransactions(peer: DatabaseSync, row: () => ReturnType<StatementSync['run']>): Work {
  return (deadline) => {
    let done = 0;
    for (; performance.now() < deadline; done += 1000) {
      peer.exec('BEGIN');
      for (let count = 0; count < 1000; count++) row();
      peer.exec('COMMIT');
    }
    return done;
  };
}
