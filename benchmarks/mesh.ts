import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { realEnv } from '../base/env/real/env.ts';
import { nodeId } from '../base/ids.ts';
import type { Mesh } from '../log/mesh/contract.ts';
import { createCluster, type NodeIdentity, requestIdentity, storeJoined } from '../log/mesh/identity.ts';
import { openMesh } from '../log/mesh/mesh.ts';
import { loadQuicAddon, quicConfig } from '../log/mesh/quic-addon.ts';
import { compare, inDirectory, type Work } from './measure.ts';
import { bareWork, meshTransports, type Ports, type TransportName, tlsOptions } from './mesh-server.ts';
import type { Row } from './row.ts';

const message = new Uint8Array(1024).fill(7);
const inFlight = 64;
const readBytesMax = 64 * 1024;
const megabyte = 1_000_000;
const host = '127.0.0.1';
const [self, other] = [nodeId(2), nodeId(1)];

/**
 * Two processes that talk by the mesh, and by the library beneath it without any framing: what the answers are to is known by
 * their order, and each message is written as it comes.
 */
export async function run(): Promise<Row[]> {
  return inDirectory('mesh', async (directory) => {
    const env = realEnv();
    const [first, second] = [join(directory, '1'), join(directory, '2')];
    const signer = await createCluster(env, first);
    const signed = await signer.signJoin(await requestIdentity(env, second), self);
    const joined = { ...signed, node: self, cluster: signer.cluster };
    const identity = await storeJoined(env, second, joined);
    const rows: Row[] = [];
    for (const name of ['quic', 'tls'] as const) rows.push(...(await measure(name, first, identity)));
    return rows;
  });
}

async function measure(name: TransportName, directory: string, identity: NodeIdentity): Promise<Row[]> {
  const server = fork(join(import.meta.dirname, 'mesh-server.ts'), [name, directory]);
  const [ports] = (await once(server, 'message')) as [Ports];
  const env = realEnv();
  const mesh = await openMesh({
    self,
    env,
    transport: meshTransports[name]({ identity, clock: env.clock }),
    listen: { host, port: 0 },
    handlers: {
      onMessage: () => {},
      onRequest: async () => message,
      onFetch: async function* () {},
      onLink: () => {},
    },
    onProblem: (problem) => console.error(problem.message),
  });
  mesh.setPeer(other, { host, port: ports.mesh });
  const bare = name === 'tls' ? bareTls(identity, ports.bare) : bareQuic(identity, ports.bare);
  try {
    return [
      await compare({
        workload: `mesh: echo of 1 KiB, ${inFlight} in flight, ${name}`,
        unit: 'echoes/s',
        bar: 0.7,
        ours: (deadlineMs) => echoes(deadlineMs, () => mesh.request(other, 'echo', message)),
        peer: await bareEchoes(bare),
      }),
      await compare({
        workload: `mesh: bytes fetched, ${name}`,
        unit: 'MB/s',
        bar: null,
        ours: (deadlineMs) => fetched(mesh, deadlineMs),
        peer: (deadlineMs) => streamed(bare, deadlineMs),
      }),
    ];
  } finally {
    await mesh.close();
    await stop(server);
  }
}

async function stop(server: ChildProcess): Promise<void> {
  server.disconnect();
  await once(server, 'exit');
}

async function echoes(deadlineMs: number, echo: () => Promise<unknown>): Promise<number> {
  let done = 0;
  const work = async () => {
    for (; performance.now() < deadlineMs; done++) await echo();
  };
  await Promise.all(Array.from({ length: inFlight }, work));
  return done;
}

async function fetched(mesh: Mesh, deadlineMs: number): Promise<number> {
  let bytes = 0;
  for await (const chunk of mesh.fetch(other, 'bytes', new Uint8Array(0))) {
    bytes += chunk.length;
    if (performance.now() >= deadlineMs) break;
  }
  return bytes / megabyte;
}

/** A connection of the bare library, whose first byte says what for. */
type Bare = (
  first: number,
  onData: (bytes: Uint8Array) => void,
) => Promise<{ readonly write: (bytes: Uint8Array) => void; readonly close: () => void }>;

async function bareEchoes(open: Bare): Promise<Work> {
  const waiting: (() => void)[] = [];
  let received = 0;
  const { write } = await open(bareWork.echo, (bytes) => {
    for (received += bytes.length; received >= message.length; received -= message.length) waiting.shift()!();
  });
  const echo = () =>
    new Promise<void>((resolve) => {
      waiting.push(resolve);
      write(message);
    });
  return (deadlineMs) => echoes(deadlineMs, echo);
}

async function streamed(open: Bare, deadlineMs: number): Promise<number> {
  let bytes = 0;
  const { promise, resolve } = Promise.withResolvers<void>();
  const { close } = await open(bareWork.stream, (part) => {
    bytes += part.length;
    if (performance.now() >= deadlineMs) resolve();
  });
  await promise;
  close();
  return bytes / megabyte;
}

function bareTls(identity: NodeIdentity, port: number): Bare {
  return async (first, onData) => {
    const socket = connect({ ...tlsOptions(identity), host, port });
    socket.setNoDelay(true);
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.on('data', onData);
    socket.write(Uint8Array.of(first));
    // Alone, so that the other process finds it alone.
    await new Promise((resolve) => setTimeout(resolve, 20));
    return { write: (bytes) => socket.write(bytes), close: () => socket.destroy() };
  };
}

function bareQuic(identity: NodeIdentity, port: number): Bare {
  const addon = loadQuicAddon();
  const client = new addon.Client(quicConfig(addon, identity.key), 0);
  return async (first, onData) => {
    const link = await client.outboundConnection(host, port);
    const stream = await link.outboundStream();
    await stream.write(Uint8Array.of(first));
    const read = async () => {
      for (;;) {
        const bytes = await stream.read(readBytesMax);
        if (bytes === null || bytes === undefined) return;
        onData(bytes);
      }
    };
    read().catch(() => {});
    return {
      write: (bytes) => void stream.write(bytes).catch(() => {}),
      close: () => link.abort(),
    };
  };
}
