import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { type AddressInfo, createServer, type Server } from 'node:net';

/** Where a node runs, and what its command line begins with. */
export type Place = {
  readonly host: string;
  readonly port: number;
  readonly meshPort: number;
  readonly launcher: readonly string[];
};

/** The network that the nodes talk over; the test talks to all of them, whatever is cut. */
export type Network = {
  readonly places: readonly Place[];
  readonly isLoopback: boolean;
  /** Null where links cannot be cut. One way: nothing of what `from` sends arrives at `to`, and nobody is told. */
  readonly cut: ((from: number, to: number) => void) | null;
  heal(): void;
  close(): void;
};

/** On ports of loopback that are free. */
export async function loopbackNetwork(count: number): Promise<Network> {
  const ports = await freePorts(2 * count);
  return {
    places: Array.from({ length: count }, (_, index) => ({
      host: '127.0.0.1',
      port: ports[2 * index]!,
      meshPort: ports[2 * index + 1]!,
      launcher: [],
    })),
    isLoopback: true,
    cut: null,
    heal: () => {},
    close: () => {},
  };
}

/** Below those that the system gives to connections: a server that is restarted finds its port free. */
const [portMin, portEnd] = [15_000, 30_000];

/** All of them are held until all are known: none is given twice. */
export async function freePorts(count: number): Promise<readonly number[]> {
  const held: Server[] = [];
  while (held.length < count) {
    const server = createServer();
    if (await isBound(server, randomInt(portMin, portEnd))) held.push(server);
  }
  const ports = held.map((server) => (server.address() as AddressInfo).port);
  for (const server of held) await new Promise((resolve) => server.close(resolve));
  return ports;
}

function isBound(server: Server, port: number): Promise<boolean> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    server.listen(port, '127.0.0.1', () => resolve(true));
  });
}

/** An address of hardware that nobody has. */
const nowhere = '02:00:00:00:00:01';
const [port, meshPort] = [5432, 7432];

/** Each node in a network namespace of its own, on one bridge that this process has an address at. */
export function namespaceNetwork(count: number): Network {
  const name = `alpx${process.pid % 100_000}`;
  const subnet = `10.213.${process.pid % 250}`;
  const hostOf = (index: number): string => `${subnet}.${index + 1}`;
  const namespaceOf = (index: number): string => `${name}-${index}`;
  const indexes = Array.from({ length: count }, (_, index) => index);
  const cuts: (readonly [from: number, to: number])[] = [];
  const close = (): void => {
    process.off('exit', close);
    for (const index of indexes) ip(['netns', 'del', namespaceOf(index)], 'may fail');
    ip(['link', 'del', name], 'may fail');
  };
  process.on('exit', close);
  try {
    ip(['link', 'add', name, 'type', 'bridge']);
    ip(['addr', 'add', `${subnet}.254/24`, 'dev', name]);
    ip(['link', 'set', name, 'up']);
    for (const index of indexes) {
      const [namespace, link] = [namespaceOf(index), `${name}v${index}`];
      ip(['netns', 'add', namespace]);
      ip(['link', 'add', link, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', namespace]);
      ip(['link', 'set', link, 'master', name, 'up']);
      ip(['-n', namespace, 'addr', 'add', `${hostOf(index)}/24`, 'dev', 'eth0']);
      for (const device of ['lo', 'eth0']) ip(['-n', namespace, 'link', 'set', device, 'up']);
    }
  } catch (error) {
    close();
    throw error;
  }
  return {
    places: indexes.map((index) => ({
      host: hostOf(index),
      port,
      meshPort,
      launcher: ['ip', 'netns', 'exec', namespaceOf(index)],
    })),
    isLoopback: false,
    cut: (from, to) => {
      cuts.push([from, to]);
      neighbour(['replace', hostOf(to), 'lladdr', nowhere, 'nud', 'permanent'], namespaceOf(from));
    },
    heal: () => {
      for (const [from, to] of cuts.splice(0)) neighbour(['del', hostOf(to)], namespaceOf(from));
    },
    close,
  };
}

/** A loopback of one's own, on which every port is free; this machine's where namespaces cannot be made. */
export function ownLoopback(): Pick<Place, 'launcher'> & Pick<Network, 'close'> {
  if (!hasNamespaces()) return { launcher: [], close: () => {} };
  const name = `alpxlo${process.pid}`;
  const close = (): void => {
    process.off('exit', close);
    ip(['netns', 'del', name], 'may fail');
  };
  process.on('exit', close);
  ip(['netns', 'add', name]);
  ip(['-n', name, 'link', 'set', 'lo', 'up']);
  return { launcher: ['ip', 'netns', 'exec', name], close };
}

/** Frames to a neighbour that is none are sent, and get lost: the sender cannot tell. */
function neighbour(change: readonly string[], namespace: string): void {
  ip(['-n', namespace, 'neigh', ...change, 'dev', 'eth0'], change[0] === 'del' ? 'may fail' : undefined);
}

/** Whether this process may make namespaces. */
export function hasNamespaces(): boolean {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return false;
  const name = `alpxtry${process.pid}`;
  try {
    ip(['netns', 'add', name]);
    ip(['netns', 'del', name]);
    return true;
  } catch {
    return false;
  }
}

function ip(words: readonly string[], failure?: 'may fail'): void {
  try {
    execFileSync('ip', words, { stdio: ['ignore', 'ignore', 'pipe'] });
  } catch (error) {
    if (failure === undefined) throw error;
  }
}
