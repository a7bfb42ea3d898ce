import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { freePorts } from '../test/cluster/network.ts';

/** A server in a process of its own, on a port of its own; user and database are `alopex`. */
export type RunningServer = {
  readonly port: number;
  readonly pid: number;
  stop(signal?: 'SIGTERM' | 'SIGINT' | 'SIGKILL'): Promise<void>;
};

const root = join(import.meta.dirname, '..');
const readyMsMax = 30_000;
/** PostgreSQL refuses to run as root: then it runs as nobody. */
const nobody = 65_534;

export const postgresBin = process.env.ALOPEX_POSTGRES_BIN ?? '/usr/lib/postgresql/15/bin';

export function hasPostgres(): boolean {
  return existsSync(join(postgresBin, 'postgres')) && existsSync(join(postgresBin, 'pgbench'));
}

export function postgresVersion(): string {
  return spawnSync(join(postgresBin, 'postgres'), ['--version'], { encoding: 'utf8' }).stdout.trim();
}

export async function startAlopex(
  data: string,
  program = join(root, 'bin/alopex-server.js'),
  further: readonly string[] = [],
): Promise<RunningServer> {
  const [port, meshPort] = (await freePorts(2)) as [number, number];
  const ports = ['--port', String(port), '--mesh-port', String(meshPort)];
  const options = [...ports, '--data', data, '--log-level', 'error', ...further];
  return ready(
    spawn(process.execPath, [program, ...options], {
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
    port,
  );
}

/** A fresh cluster with the settings that it comes with: fsync and synchronous_commit are on. */
export async function startPostgres(directory: string): Promise<RunningServer> {
  const data = join(directory, 'postgres');
  mkdirSync(data);
  const owner = process.getuid?.() === 0 ? { uid: nobody, gid: nobody } : {};
  if (owner.uid !== undefined) {
    chmodSync(directory, 0o711);
    chownSync(data, nobody, nobody);
  }
  const made = spawnSync(
    join(postgresBin, 'initdb'),
    ['-D', data, '-U', 'alopex', '--auth=trust', '--no-sync', '-E', 'UTF8', '--locale=C'],
    { ...owner, cwd: data, stdio: ['ignore', 'ignore', 'inherit'] },
  );
  if (made.status !== 0) throw new Error('initdb failed');
  const [port] = (await freePorts(1)) as [number];
  const options = ['-D', data, '-p', String(port), '-k', data, '-h', '127.0.0.1'];
  const child = spawn(join(postgresBin, 'postgres'), options, { ...owner, cwd: data, stdio: 'ignore' });
  const server = await ready(child, port, 'postgres');
  runPsql(server, 'CREATE DATABASE alopex', 'postgres');
  return server;
}

/** One value, as text. */
export function askPsql({ port }: RunningServer, sql: string): string {
  const done = psql(port, sql, 'alopex', ['-A', '-t']);
  if (done.status !== 0) throw new Error(`psql: ${done.stderr}`);
  return done.stdout.trim();
}

export function runPsql({ port }: RunningServer, sql: string, database = 'alopex'): void {
  const done = psql(port, sql, database);
  if (done.status !== 0) throw new Error(`psql: ${done.stderr}`);
}

function psql(port: number, sql: string, database: string, further: readonly string[] = []) {
  const options = [
    ...further,
    '-X',
    '-q',
    '-h',
    '127.0.0.1',
    '-p',
    String(port),
    '-U',
    'alopex',
    '-d',
    database,
  ];
  return spawnSync(join(postgresBin, 'psql'), [...options, '-c', sql], { encoding: 'utf8' });
}

async function ready(child: ChildProcess, port: number, database = 'alopex'): Promise<RunningServer> {
  const exited = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const start = performance.now();
  while (psql(port, 'SELECT 1', database).status !== 0) {
    if (child.exitCode !== null || performance.now() - start > readyMsMax) {
      child.kill('SIGKILL');
      throw new Error('the server does not answer');
    }
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return {
    port,
    pid: child.pid!,
    async stop(signal = 'SIGTERM') {
      child.kill(signal);
      await exited;
    },
  };
}
