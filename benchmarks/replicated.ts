import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { Database } from '../api/open.ts';
import { type EtcdCluster, type EtcdLoad, hasEtcd, startEtcd } from './etcd.ts';
import { inDirectory, median } from './measure.ts';
import { createTable } from './open.ts';
import { p99AtRate, pgbench, tpsOf } from './pgbench.ts';
import type { Row } from './row.ts';
import { askPsql, hasPostgres, postgresBin, type RunningServer, runPsql, startAlopex } from './servers.ts';

const seconds = Number(process.env.ALOPEX_BENCH_SECONDS ?? 4);
const rowCount = Number(process.env.ALOPEX_BENCH_ROWS ?? 1_000_000);
const rounds = 3;
const replicas = 2;
const settledMsMax = 60_000;
const lookMs = 5;
const connections = 64;
/** 20 characters, as in the other benchmarks of writes. */
const value = 'twenty characters in';
const insert = `\\set id random(1, 9000000000000000)\nINSERT INTO written VALUES (:id, '${value}');\n`;
/** As many puts are under way as here; etcd is driven in each of these ways, and the fastest is compared with. */
const etcdLoads: readonly EtcdLoad[] = [
  { connections, streams: 1, seconds },
  { connections: 16, streams: 4, seconds },
  { connections: 8, streams: 8, seconds },
  { connections: 1, streams: connections, seconds },
];

/** Three nodes on this machine, durable, beside three nodes of etcd; all of them and the clients share the machine. */
export async function run(): Promise<Row[]> {
  if (!hasPostgres()) {
    console.error(`pgbench is not in ${postgresBin} (ALOPEX_POSTGRES_BIN): writes are not measured.`);
  }
  return [...(hasPostgres() ? await writes() : []), ...(hasPostgres() ? [await catchUp()] : [])];
}

async function writes(): Promise<Row[]> {
  return inDirectory('replicated', async (directory) => {
    const script = join(directory, 'insert.sql');
    writeFileSync(script, insert);
    const single = await startAlopex(join(directory, 'single'));
    const nodes = await startCluster(directory);
    const etcd = await startPeer(directory);
    try {
      for (const server of [single, nodes[0]!])
        runPsql(server, 'CREATE TABLE written (id bigint PRIMARY KEY, name text)');
      return measureWrites({ replicated: nodes[0]!, single, etcd, script, directory });
    } finally {
      await stopAll([...nodes, single]);
      await etcd?.stop();
    }
  });
}

/** What is in their directories is of no use any more. */
async function stopAll(servers: readonly RunningServer[]): Promise<void> {
  await Promise.all(servers.map((server) => server.stop('SIGKILL')));
}

type Writes = {
  readonly replicated: RunningServer;
  readonly single: RunningServer;
  readonly etcd: EtcdCluster | null;
  readonly script: string;
  readonly directory: string;
};

function measureWrites({ replicated, single, etcd, script, directory }: Writes): Row[] {
  const load = (time: number) => [
    ...['-n', '-M', 'prepared', '-f', script, '-c', String(connections), '-T', String(time)],
  ];
  const rateOf = (server: RunningServer, time = seconds) => tpsOf(pgbench(server, load(time)));
  for (const server of [replicated, single]) rateOf(server, 1);
  const fastest = etcd === null ? null : fastestLoad(etcd);
  const rates = Array.from({ length: rounds }, () => ({
    replicated: rateOf(replicated),
    single: rateOf(single),
    etcd: etcd === null ? 0 : etcd.rate(fastest!),
  }));
  const [ours, alone] = [
    median(rates.map((rate) => rate.replicated)),
    median(rates.map((rate) => rate.single)),
  ];
  const rows: Row[] = [
    {
      kind: 'comparison',
      workload: `replicated: single-row INSERT, ${connections} clients, 3 nodes to a single one`,
      unit: 'tps',
      ours,
      peer: alone,
      bar: 0.4,
    },
  ];
  if (etcd === null)
    return [{ kind: 'figure', workload: 'replicated: without its peer', unit: 'tps', ours }, ...rows];
  const peer = median(rates.map((rate) => rate.etcd));
  const rate = Math.round(peer / 2);
  const paced = Array.from({ length: rounds }, () => ({
    ours: p99AtRate(replicated, { rate, directory }, load(seconds)),
    peer: etcd.p99AtRate({ connections, streams: 1, seconds }, rate),
  }));
  return [
    {
      kind: 'comparison',
      workload: `replicated: single-row INSERT, ${connections} clients, to etcd's put`,
      unit: 'tps',
      ours,
      peer,
      bar: 3,
    },
    {
      kind: 'latency',
      workload: `replicated: 99th percentile of it, both at ${rate} a second`,
      unit: 'ms',
      ours: median(paced.map((each) => each.ours)),
      peer: median(paced.map((each) => each.peer)),
      bar: 0.7,
    },
    ...rows,
  ];
}

function fastestLoad(etcd: EtcdCluster): EtcdLoad {
  const rates = etcdLoads.map((load) => ({ load, rate: etcd.rate({ ...load, seconds: 1 }) }));
  return rates.reduce((best, each) => (each.rate > best.rate ? each : best)).load;
}

async function startPeer(directory: string): Promise<EtcdCluster | null> {
  if (hasEtcd()) return startEtcd(directory, { key: 'key-0123456789ab', value });
  console.error('etcd, etcdctl or h2load is not installed: nothing to compare writes with.');
  return null;
}

/** The primary first. Resolves once all of them vote. */
async function startCluster(directory: string): Promise<readonly RunningServer[]> {
  const primary = await startAlopex(join(directory, 'node-0'), undefined, ['--mode', 'primary']);
  const nodes = [primary];
  for (let index = 1; index <= replicas; index++) nodes.push(await startReplica(directory, index, primary));
  const start = performance.now();
  const voting =
    "SELECT count(*) FROM alopex.replication WHERE role IN ('primary', 'replica') AND is_in_sync";
  while (askPsql(primary, voting) !== String(1 + replicas)) {
    if (performance.now() - start > settledMsMax) throw new Error('the cluster does not settle');
    await setTimeout(lookMs);
  }
  return nodes;
}

function startReplica(directory: string, index: number, primary: RunningServer): Promise<RunningServer> {
  const options = ['--mode', 'replica', '--primary', `127.0.0.1:${primary.port}`];
  return startAlopex(join(directory, `node-${index}`), undefined, options);
}

/** An empty replica until it has all of a table, beside `cp` of the primary's files. */
async function catchUp(): Promise<Row> {
  return inDirectory('catch-up', async (directory) => {
    const data = join(directory, 'node-0');
    await createTable(data, rowCount);
    const primary = await startAlopex(data, undefined, ['--mode', 'primary']);
    const nodes = [primary];
    const [ours, peer]: [number[], number[]] = [[], []];
    try {
      for (let index = 1; index <= rounds; index++) {
        peer.push(copyMs(data, join(directory, `copy-${index}`)));
        ours.push(await replicaMs(directory, index, nodes));
      }
    } finally {
      await stopAll(nodes);
    }
    return {
      kind: 'comparison',
      workload: `replicated: catch-up of an empty replica, ${rowCount.toLocaleString('en-US')} rows, to cp and sync`,
      unit: '1/s',
      ours: 1000 / median(ours),
      peer: 1000 / median(peer),
      bar: 0.5,
    };
  });
}

/** From when the primary hears of it: the start of its process, and its joining, are not measured. */
async function replicaMs(directory: string, index: number, nodes: RunningServer[]): Promise<number> {
  const primary = nodes[0]!;
  await using database = await Database.open({
    url: `postgresql://alopex@127.0.0.1:${primary.port}/alopex`,
  });
  const states = async () =>
    (
      await database.query<{ readonly heard: boolean; readonly caughtUp: boolean }>(
        'SELECT silent_ms IS NOT NULL AS heard, is_in_sync AND lag = 0 AS "caughtUp" FROM alopex.replication',
      )
    ).rows;
  const heardBefore = (await states()).filter(({ heard }) => heard).length;
  const starting = startReplica(directory, index, primary);
  let startMs: number | null = null;
  for (;;) {
    const found = await states();
    if (found.filter(({ heard }) => heard).length > heardBefore) startMs ??= performance.now();
    if (startMs !== null && found.every(({ caughtUp }) => caughtUp)) break;
    await setTimeout(lookMs);
  }
  const tookMs = performance.now() - startMs;
  nodes.push(await starting);
  return tookMs;
}

function copyMs(from: string, to: string): number {
  const start = performance.now();
  for (const [program, ...words] of [['cp', '-r', from, to], ['sync']]) {
    if (spawnSync(program!, words).status !== 0) throw new Error(`${program} failed`);
  }
  return performance.now() - start;
}
