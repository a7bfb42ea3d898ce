import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { freePorts } from '../test/cluster/network.ts';
import { percentile } from './measure.ts';

const readyMsMax = 30_000;
const lookMs = 100;
const nodes = 3;
/** Between two clients' starts: their requests do not come all at once. */
const startGapMs = 1;

/** Three nodes of etcd, each with its own files and its settings as they come: what is put is durable on a quorum. */
export type EtcdCluster = {
  /** Puts a second. */
  readonly rate: (load: EtcdLoad) => number;
  /** Of puts that are sent at a given rate, in milliseconds. */
  readonly p99AtRate: (load: EtcdLoad, rate: number) => number;
  stop(): Promise<void>;
};
export type EtcdLoad = {
  readonly connections: number;
  /** Of each connection, under way at once. */
  readonly streams: number;
  readonly seconds: number;
};

export function hasEtcd(): boolean {
  return [
    ['etcd', '--version'],
    ['etcdctl', 'version'],
    ['h2load', '--version'],
  ].every(([program, option]) => spawnSync(program!, [option!]).status === 0);
}

export function etcdVersion(): string {
  return /etcd Version: (\S+)/.exec(spawnSync('etcd', ['--version'], { encoding: 'utf8' }).stdout)?.[1] ?? '';
}

/** What is put, each time the same: `mvccpb` has nothing cheaper. */
export type EtcdPut = { readonly key: string; readonly value: string };

export async function startEtcd(directory: string, put: EtcdPut): Promise<EtcdCluster> {
  const ports = await freePorts(2 * nodes);
  const urlOf = (place: number): string => `http://127.0.0.1:${ports[place]}`;
  const names = Array.from({ length: nodes }, (_, index) => `n${index}`);
  const members = names.map((name, index) => `${name}=${urlOf(nodes + index)}`).join(',');
  const children: ChildProcess[] = names.map((name, index) => {
    const [client, peer] = [urlOf(index), urlOf(nodes + index)];
    const options = {
      name,
      'data-dir': join(directory, `etcd-${name}`),
      'listen-client-urls': client,
      'advertise-client-urls': client,
      'listen-peer-urls': peer,
      'initial-advertise-peer-urls': peer,
      'initial-cluster': members,
      'log-level': 'error',
    };
    return spawn(
      'etcd',
      Object.entries(options).flatMap(([key, value]) => [`--${key}`, value]),
      {
        stdio: 'ignore',
      },
    );
  });
  const stop = async (): Promise<void> => {
    await Promise.all(
      children.map(async (child) => {
        child.kill('SIGTERM');
        if (child.exitCode === null) await new Promise((resolve) => child.once('exit', resolve));
      }),
    );
  };
  try {
    const leader = await leaderOf(names.map((_, index) => urlOf(index)));
    const body = join(directory, 'put');
    writeFileSync(body, grpcPut(put));
    return { ...loads(leader, body, directory), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function leaderOf(urls: readonly string[]): Promise<string> {
  const start = performance.now();
  for (;;) {
    const asked = ['--endpoints', urls.join(','), 'endpoint', 'status', '-w', 'json'];
    const { status, stdout } = spawnSync('etcdctl', asked, {
      encoding: 'utf8',
      env: { ...process.env, ETCDCTL_API: '3' },
    });
    if (status === 0) {
      const states = JSON.parse(stdout) as readonly {
        readonly Endpoint: string;
        readonly Status: { readonly leader?: number; readonly header: { readonly member_id: number } };
      }[];
      const leading = states.find(({ Status }) => Status.leader === Status.header.member_id);
      if (leading !== undefined && states.length === nodes) return leading.Endpoint;
    }
    if (performance.now() - start > readyMsMax) throw new Error('etcd has no leader');
    await setTimeout(lookMs);
  }
}

function loads(leader: string, body: string, directory: string): Pick<EtcdCluster, 'rate' | 'p99AtRate'> {
  const h2load = (options: readonly string[]): string => {
    const headers = ['-H', 'content-type: application/grpc', '-H', 'te: trailers'];
    const { status, stdout, stderr } = spawnSync(
      'h2load',
      [...options, '-t', '1', '-d', body, ...headers, `${leader}/etcdserverpb.KV/Put`],
      { encoding: 'utf8' },
    );
    const failed = /(\d+) failed, (\d+) errored/.exec(stdout);
    if (status !== 0 || failed === null || Number(failed[1]) + Number(failed[2]) > 0)
      throw new Error(`h2load: ${stdout}${stderr}`);
    return stdout;
  };
  return {
    rate: ({ connections, streams, seconds }) => {
      const output = h2load(['-c', `${connections}`, '-m', `${streams}`, '-D', `${seconds}`]);
      return Number(/([\d.]+) req\/s/.exec(output)?.[1]);
    },
    p99AtRate: ({ connections, streams, seconds }, rate) => {
      const log = join(directory, 'h2load.log');
      const paced = ['-r', '1', '--rate-period', `${startGapMs}ms`, '--rps', `${rate / connections}`];
      h2load([
        ...['-c', `${connections}`, '-m', `${streams}`, '-n', `${Math.round(rate * seconds)}`],
        ...[...paced, '--log-file', log],
      ]);
      const lines = readFileSync(log, 'utf8').trimEnd().split('\n');
      rmSync(log);
      // start, status, microseconds
      return percentile(
        lines.map((line) => Number(line.split('\t')[2]) / 1000),
        0.99,
      );
    },
  };
}

/** `etcdserverpb.PutRequest` as gRPC has it on a stream: not compressed, its length, field 1 (key), field 2 (value). */
function grpcPut({ key, value }: EtcdPut): Uint8Array {
  const fields = [key, value].map((text, index) => {
    const bytes = Buffer.from(text);
    if (bytes.length > 127) throw new RangeError('a length of one byte is enough here');
    return Buffer.concat([Uint8Array.of(((index + 1) << 3) | 2, bytes.length), bytes]);
  });
  const message = Buffer.concat(fields);
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}
