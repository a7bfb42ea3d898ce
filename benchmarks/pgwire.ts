import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inDirectory, median } from './measure.ts';
import { pgbench, tpsOf } from './pgbench.ts';
import type { Row } from './row.ts';
import {
  hasPostgres,
  postgresBin,
  type RunningServer,
  runPsql,
  startAlopex,
  startPostgres,
} from './servers.ts';

/** 100,000 accounts each. */
const scale = Number(process.env.ALOPEX_BENCH_SCALE ?? 10);
const seconds = Number(process.env.ALOPEX_BENCH_SECONDS ?? 4);
const rounds = 3;

type Load = {
  readonly workload: string;
  readonly unit: string;
  readonly bar: number;
  readonly clients: number;
  readonly options: readonly string[];
  /** Statements of one of pgbench's transactions, where they are what is counted. */
  readonly statements?: number;
};

/** The server beside PostgreSQL 15, both as they come, under pgbench; the two and pgbench share the machine. */
export async function run(): Promise<Row[]> {
  if (!hasPostgres()) {
    console.error(`PostgreSQL is not in ${postgresBin} (ALOPEX_POSTGRES_BIN): nothing to compare with.`);
    return [];
  }
  return inDirectory('pgwire', async (directory) => {
    const peer = await startPostgres(directory);
    const ours = await startAlopex(join(directory, 'alopex')).catch(async (error: unknown) => {
      await peer.stop('SIGINT');
      throw error;
    });
    try {
      for (const server of [ours, peer]) {
        pgbench(server, ['-i', '-q', '-s', String(scale)]);
        runPsql(server, 'CREATE TABLE written (id bigserial PRIMARY KEY, name text, kind int, price float8)');
      }
      runPsql(ours, 'CHECKPOINT');
      return loads(directory).map((load) => measure(load, ours, peer));
    } finally {
      await ours.stop();
      await peer.stop('SIGINT');
    }
  });
}

const lookUp =
  '\\set aid random(1, 100000 * :scale)\nSELECT abalance FROM pgbench_accounts WHERE aid = :aid;\n';
const insert =
  "\\set kind random(1, 100)\nINSERT INTO written (name, kind, price) VALUES ('twenty characters in', :kind, 2.5);\n";
const pipelineDepth = 16;

function loads(directory: string): readonly Load[] {
  const script = (name: string, text: string): string => {
    const path = join(directory, name);
    writeFileSync(path, text);
    return path;
  };
  const pipelined = script(
    'pipelined.sql',
    `\\startpipeline\n${lookUp.repeat(pipelineDepth)}\\endpipeline\n`,
  );
  const inserts = script('insert.sql', insert);
  const selects: readonly (readonly [clients: number, bar: number])[] = [
    [1, 0.8],
    [8, 1],
    [32, 1.5],
  ];
  return [
    ...selects.map(([clients, bar]) => ({
      workload: `pgwire: pgbench -S -M prepared, ${clients} clients`,
      unit: 'tps',
      bar,
      clients,
      options: ['-S', '-M', 'prepared'],
    })),
    {
      workload: `pgwire: the same, pipelined ${pipelineDepth} deep, 8 clients`,
      unit: 'statements/s',
      bar: 1.5,
      clients: 8,
      options: ['-f', pipelined, '-M', 'prepared'],
      statements: pipelineDepth,
    },
    {
      workload: 'pgwire: single-row INSERT, 32 clients',
      unit: 'tps',
      bar: 3,
      clients: 32,
      options: ['-f', inserts, '-M', 'prepared'],
    },
    {
      workload: 'pgwire: pgbench -N, 32 clients',
      unit: 'tps',
      bar: 2,
      clients: 32,
      options: ['-N', '-M', 'prepared'],
    },
  ];
}

function measure(load: Load, ours: RunningServer, peer: RunningServer): Row {
  const { workload, unit, bar, clients, options, statements = 1 } = load;
  const perSecond = (server: RunningServer, time: number): number => {
    const shared = ['-n', '-s', String(scale), '-c', String(clients), '-T', String(time)];
    return tpsOf(pgbench(server, [...shared, ...options])) * statements;
  };
  for (const server of [ours, peer]) perSecond(server, 1);
  const samples = Array.from({ length: rounds }, () => [perSecond(ours, seconds), perSecond(peer, seconds)]);
  return {
    kind: 'comparison',
    workload,
    unit,
    bar,
    ours: median(samples.map(([mine]) => mine!)),
    peer: median(samples.map(([, its]) => its!)),
  };
}
