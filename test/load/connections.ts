import { fork } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { bind, execute, parse, query, startup, sync } from '../../api/pgwire/test-kit/messages.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';

/**
 * npm run measure:connections: what idle connections cost the server, in memory and in the speed of busy ones, and
 * what connections cost that never finish the handshake. The server is a process of its own.
 */
const idleCount = 5000;
const busyCount = 200;
const halfOpenCount = 1000;
const roundMs = 4000;
const rounds = 3;

async function serve(): Promise<void> {
  const served = await ServedDatabase.open({ connectionsMax: 10_000 });
  const client = await served.client();
  await client.ask(
    query(
      'CREATE TABLE t (id int PRIMARY KEY, n int); INSERT INTO t SELECT i, i FROM generate_series(1, 1000) i',
    ),
  );
  client.close();
  process.on('message', () => {
    globalThis.gc?.();
    process.send!(residentBytes());
  });
  process.on('disconnect', () => {
    void served.close().then(() => process.exit(0));
  });
  process.send!(served.port);
}

/** Of this process, as the kernel counts it. */
function residentBytes(): number {
  const line = /VmRSS:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'utf8'));
  return Number(line![1]) * 1024;
}

async function measure(): Promise<void> {
  const server = fork(new URL(import.meta.url), ['serve'], { execArgv: ['--expose-gc'] });
  const [port] = (await once(server, 'message')) as [number];
  const memory = async (): Promise<number> => {
    await sleep(500);
    server.send('memory');
    const [bytes] = (await once(server, 'message')) as [number];
    return bytes;
  };
  const busy = await Promise.all(Array.from({ length: busyCount }, () => BusyClient.open(port)));
  await statementsPerSecond(busy);
  const beforeHalfOpen = await memory();
  // A packet that says it is 10,000 bytes long and stops one short: all that the server keeps for a stranger.
  const halfOpen = await openAll(
    port,
    halfOpenCount,
    new Uint8Array(9999).with(2, 10_000 >> 8).with(3, 10_000 & 255),
    false,
  );
  const halfOpenBytes = (await memory()) - beforeHalfOpen;
  await closeAll(halfOpen);
  const before = await memory();

  const speeds: { readonly alone: number; readonly beside: number }[] = [];
  let idleBytes = 0;
  for (let round = 0; round < rounds; round++) {
    const alone = await statementsPerSecond(busy);
    const idle = await openAll(port, idleCount, startup());
    idleBytes ||= (await memory()) - before;
    speeds.push({ alone, beside: await statementsPerSecond(busy) });
    await closeAll(idle);
  }
  const ratios = speeds.map(({ alone, beside }) => beside / alone).sort((left, right) => left - right);
  const ratio = ratios[Math.floor(rounds / 2)]!;
  console.table([
    row(`${idleCount} idle connections, memory in all`, megabytes(idleBytes), '< 150 MB', idleBytes < 150e6),
    row(`${busyCount} busy ones beside them, speed against alone`, ratio.toFixed(2), '>= 0.90', ratio >= 0.9),
    row(
      `${halfOpenCount} unauthenticated, memory of one`,
      `${(halfOpenBytes / halfOpenCount / 1024).toFixed(1)} KiB`,
      '<= 64 KiB',
      halfOpenBytes / halfOpenCount <= 65_536,
    ),
  ]);
  console.log(
    speeds
      .map(({ alone, beside }) => `${Math.round(alone)}/s alone, ${Math.round(beside)}/s beside`)
      .join('; '),
  );
  for (const client of busy) client.close();
  server.disconnect();
}

function row(what: string, measured: string, bar: string, isReached: boolean) {
  return { what, measured, bar, verdict: isReached ? 'ok' : 'below' };
}

const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

async function openAll(port: number, count: number, hello: Uint8Array, isAnswered = true): Promise<Socket[]> {
  const sockets: Socket[] = [];
  for (let at = 0; at < count; at += 100) {
    const some = Array.from({ length: 100 }, () => connect(port, '127.0.0.1'));
    for (const socket of some) {
      socket.on('error', () => {});
      socket.write(hello);
    }
    await Promise.all(some.map((socket) => once(socket, isAnswered ? 'data' : 'connect')));
    sockets.push(...some);
  }
  return sockets;
}

async function closeAll(sockets: readonly Socket[]): Promise<void> {
  for (const socket of sockets) socket.destroy();
  await sleep(1000);
}

async function statementsPerSecond(clients: readonly BusyClient[]): Promise<number> {
  const end = performance.now() + roundMs;
  const counts = await Promise.all(clients.map((client) => client.runUntil(end)));
  return counts.reduce((sum, count) => sum + count, 0) / (roundMs / 1000);
}

/** Sends a prepared lookup as soon as the last one is answered. */
class BusyClient {
  readonly #socket: Socket;
  readonly #lookUp = Buffer.concat([bind(['500'], { statement: 'p' }), execute(), sync]);

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(port: number): Promise<BusyClient> {
    const socket = connect(port, '127.0.0.1').setNoDelay(true);
    socket.write(startup());
    await once(socket, 'data');
    socket.write(Buffer.concat([parse('SELECT n FROM t WHERE id = $1', 'p'), sync]));
    await once(socket, 'data');
    return new BusyClient(socket);
  }

  runUntil(endMs: number): Promise<number> {
    let count = 0;
    return new Promise((resolve) => {
      const onAnswer = (): void => {
        count++;
        if (performance.now() < endMs) this.#socket.write(this.#lookUp);
        else {
          this.#socket.off('data', onAnswer);
          resolve(count);
        }
      };
      this.#socket.on('data', onAnswer);
      this.#socket.write(this.#lookUp);
    });
  }

  close(): void {
    this.#socket.destroy();
  }
}

if (process.argv[2] === 'serve') await serve();
else await measure();
