import { readFile } from 'node:fs/promises';
import { isIP, connect as netConnect, type Socket } from 'node:net';
import { checkServerIdentity, type PeerCertificate, connect as tlsConnect } from 'node:tls';
import { serialize } from 'pg-protocol';
import { AlopexError, asAlopexError } from '../../base/errors.ts';
import type { Host, ServerAddress, SslMode } from './url.ts';

/** A connected socket, encrypted as the address asks. Throws 08006, naming the host. */
export async function openSocket(host: Host, address: ServerAddress, signal?: AbortSignal): Promise<Socket> {
  const aborting = signal === undefined ? {} : { signal };
  const plain = netConnect({ host: host.host, port: host.port, noDelay: true, keepAlive: true, ...aborting });
  const timer = setTimeout(() => plain.destroy(new Error('timeout expired')), address.connectMsMax);
  try {
    await opened(plain, 'connect');
    return address.sslMode === 'disable' ? plain : await encrypted(plain, host, address);
  } catch (error) {
    plain.destroy();
    throw failed(host, error);
  } finally {
    clearTimeout(timer);
  }
}

/** Whether a server answers at all: its kernel takes connections for a process that stands still. */
export async function answers({ host, port }: Host, waitMs: number): Promise<boolean> {
  const socket = netConnect({ host, port, signal: AbortSignal.timeout(waitMs) });
  try {
    await opened(socket, 'connect');
    socket.write(serialize.requestSsl());
    await firstBytes(socket);
    return true;
  } catch {
    return false;
  } finally {
    socket.on('error', () => {});
    socket.destroy();
  }
}

function failed(host: Host, thrown: unknown): AlopexError {
  const error = asAlopexError(thrown);
  return new AlopexError(
    'connection_failure',
    `connection to server at "${host.host}", port ${host.port} failed: ${error.message}`,
    { cause: thrown },
  );
}

function opened(socket: Socket, event: 'connect' | 'secureConnect'): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('server closed the connection unexpectedly')));
    socket.once(event, () => {
      socket.off('error', reject);
      resolve();
    });
  });
}

/** SSLRequest (PostgreSQL manual, 55.2.10): one byte answers it, and nothing may come behind that in the clear. */
async function encrypted(plain: Socket, host: Host, address: ServerAddress): Promise<Socket> {
  plain.write(serialize.requestSsl());
  const answer = await firstBytes(plain);
  if (answer.length !== 1) {
    throw new AlopexError('protocol_violation', 'received unencrypted data after SSL response');
  }
  if (answer[0] !== 'S'.charCodeAt(0)) {
    if (address.sslMode === 'prefer') return plain;
    throw new AlopexError('connection_failure', 'server does not support SSL, but SSL was required');
  }
  const certificates =
    address.sslRootCertificate === null ? {} : { ca: await readFile(address.sslRootCertificate) };
  const socket = tlsConnect({
    socket: plain,
    ...(isIP(host.host) === 0 ? { servername: host.host } : {}),
    rejectUnauthorized: verifies(address.sslMode),
    checkServerIdentity: (_name, certificate) => identityProblem(host, address.sslMode, certificate),
    ...certificates,
  });
  await opened(socket, 'secureConnect');
  return socket;
}

function verifies(mode: SslMode): boolean {
  return mode === 'verify-ca' || mode === 'verify-full';
}

function identityProblem(host: Host, mode: SslMode, certificate: PeerCertificate): Error | undefined {
  return mode === 'verify-full' ? checkServerIdentity(host.host, certificate) : undefined;
}

function firstBytes(socket: Socket): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const end = () => reject(new Error('server closed the connection unexpectedly'));
    socket.once('error', reject);
    socket.once('close', end);
    socket.once('data', (bytes: Buffer) => {
      socket.pause();
      socket.off('error', reject);
      socket.off('close', end);
      resolve(bytes);
    });
  });
}
