import { once } from 'node:events';
import { createServer } from 'node:tls';
import { realEnv } from '../base/env/real/env.ts';
import type { Transport } from '../log/mesh/contract.ts';
import { loadIdentity, type NodeIdentity } from '../log/mesh/identity.ts';
import { openMesh } from '../log/mesh/mesh.ts';
import { quicTransport } from '../log/mesh/quic.ts';
import { loadQuicAddon, type QuicLink, type QuicStream, quicConfig } from '../log/mesh/quic-addon.ts';
import type { SecureOptions } from '../log/mesh/secure.ts';
import { tlsTransport } from '../log/mesh/tls.ts';

/** The other process of the benchmark of the mesh: it echoes, and gives bytes away, by the mesh and by the bare library. */
export const meshTransports: Readonly<Record<'tls' | 'quic', (options: SecureOptions) => Transport>> = {
  tls: tlsTransport,
  quic: quicTransport,
};
export type TransportName = keyof typeof meshTransports;
/** Where it listens. */
export type Ports = { readonly mesh: number; readonly bare: number };

/** The first byte on a connection to the bare library. */
export const bareWork = { echo: 1, stream: 2 } as const;

const host = '127.0.0.1';
const block = new Uint8Array(256 * 1024).fill(7);
const readBytesMax = 64 * 1024;
const env = realEnv();

if (import.meta.main) {
  const [name, directory] = process.argv.slice(2) as [TransportName, string];
  const identity = (await loadIdentity(env, directory))!;
  const mesh = await openMesh({
    self: identity.self,
    env,
    transport: meshTransports[name]({ identity, clock: env.clock }),
    listen: { host, port: 0 },
    handlers: {
      onMessage: () => {},
      onRequest: async (_, __, body) => body,
      onFetch: async function* () {
        for (;;) yield block;
      },
      onLink: () => {},
    },
    onProblem: (problem) => console.error(problem.message),
  });
  const bare = name === 'tls' ? await serveTls(identity) : await serveQuic(identity);
  process.send!({ mesh: mesh.address.port, bare } satisfies Ports);
  process.once('disconnect', () => process.exit());
}

export function tlsOptions({ certificate, key, trust }: NodeIdentity) {
  const ca = trust.authorities.map((authority) => authority.toString());
  return { cert: certificate, key, ca, minVersion: 'TLSv1.3', checkServerIdentity: () => undefined } as const;
}

async function serveTls(identity: NodeIdentity): Promise<number> {
  const server = createServer({ ...tlsOptions(identity), requestCert: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', (first: Buffer) => {
      if (first[0] === bareWork.echo) {
        socket.on('data', (bytes) => socket.write(bytes));
        return;
      }
      const fill = () => {
        while (socket.writable && socket.write(block));
      };
      socket.on('drain', fill);
      fill();
    });
  });
  server.listen(0, host);
  await once(server, 'listening');
  return (server.address() as { readonly port: number }).port;
}

async function serveQuic(identity: NodeIdentity): Promise<number> {
  const addon = loadQuicAddon();
  const server = new addon.Server(quicConfig(addon, identity.key), host, 0);
  const serve = async () => {
    for (;;) serveLink(await server.inboundConnection()).catch(() => {});
  };
  void serve();
  return server.port();
}

async function serveLink(link: QuicLink): Promise<void> {
  const stream: QuicStream = await link.inboundStream();
  const first = await stream.read(1);
  if (first?.[0] === bareWork.stream) for (;;) await stream.write(block);
  for (;;) {
    const bytes = await stream.read(readBytesMax);
    if (bytes === null || bytes === undefined) return;
    await stream.write(bytes);
  }
}
