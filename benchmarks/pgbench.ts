import { spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { percentile } from './measure.ts';
import { postgresBin, type RunningServer } from './servers.ts';

const logOfRun = 'latencies';

/** Transactions a second, and what else it prints. */
export function pgbench(server: RunningServer, options: readonly string[]): string {
  const done = spawnSync(join(postgresBin, 'pgbench'), [...place(server), ...options, 'alopex'], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw new Error(`pgbench: ${done.stderr}`);
  return done.stdout;
}

export function tpsOf(output: string): number {
  const tps = /^tps = ([\d.]+)/m.exec(output)?.[1];
  if (tps === undefined) throw new Error(`pgbench: ${output}`);
  return Number(tps);
}

/**
 * The 99th percentile of latencies in milliseconds, where transactions begin at a given rate, whenever the last ones end.
 * A latency counts from where its transaction was sent, as h2load counts.
 */
export function p99AtRate(
  server: RunningServer,
  { rate, directory }: { readonly rate: number; readonly directory: string },
  options: readonly string[],
): number {
  const logs = mkdtempSync(join(directory, 'pgbench-'));
  try {
    const paced = ['-R', String(rate), '-l', '--log-prefix', join(logs, logOfRun)];
    pgbench(server, [...paced, ...options]);
    const latenciesMs: number[] = [];
    for (const name of readdirSync(logs)) {
      for (const line of readFileSync(join(logs, name), 'utf8').trimEnd().split('\n')) {
        // client, transaction, latency, script, seconds, microseconds, lag behind the schedule
        const fields = line.split(' ');
        latenciesMs.push((Number(fields[2]) - Number(fields[6])) / 1000);
      }
    }
    return percentile(latenciesMs, 0.99);
  } finally {
    rmSync(logs, { recursive: true, force: true });
  }
}

function place({ port }: RunningServer): readonly string[] {
  return ['-h', '127.0.0.1', '-p', String(port), '-U', 'alopex'];
}
