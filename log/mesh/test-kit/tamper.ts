import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { connect, createServer, type Socket } from 'node:net';
import type { NetworkAddress } from '../../../base/env/env.ts';
import { realClock } from '../../../base/env/real/clock.ts';
import { SeededRandom } from '../../../base/env/simulated/random.ts';
import { nodeId } from '../../../base/ids.ts';
import type { Channel, Transport } from '../contract.ts';
import type { NodeIdentity } from '../identity.ts';
import { quicTransport } from '../quic.ts';
import { tlsTransport } from '../tls.ts';

const host = '127.0.0.1';
const handshakeMsMax = 300;
/** What a client says, again and again: byte n of it is n modulo this. */
const pattern = 251;
const chunk = Uint8Array.from({ length: 4 * pattern }, (_, index) => index % pattern);
/** Of an encrypted conversation that is damaged early: handshake and a few records. */
const damagedWithinBytes = 6_000;
const patienceMs = 1_000;
const atOnce = 32;

type Direction = 'to' | 'from';
type Damage = (bytes: Buffer, direction: Direction) => Buffer;

/** A node that echoes; `received` is what has come to it, all of which must be the pattern. */
export class EchoNode {
  readonly transport: Transport;
  channels = 0;
  received = 0;
  violations = 0;

  constructor(identity: NodeIdentity, name: 'tls' | 'quic') {
    const make = name === 'tls' ? tlsTransport : quicTransport;
    this.transport = make({ identity, clock: realClock, handshakeMsMax, handshakesMax: 1024 });
  }

  async listen(): Promise<NetworkAddress> {
    const { address } = await this.transport.listen({ host, port: 0 }, ({ connection }) => {
      this.channels++;
      let position = 0;
      connection.handle({
        onData: (bytes) => {
          this.violations += isPattern(bytes, position) ? 0 : 1;
          position += bytes.length;
          this.received += bytes.length;
          connection.write(bytes.slice());
        },
        onDrain: () => {},
        onClose: () => {},
      });
    });
    return address;
  }
}

function isPattern(bytes: Uint8Array, position: number): boolean {
  return bytes.every((byte, index) => byte === (position + index) % pattern);
}

export type Outcome = {
  /** Conversations that ended, or never came about. */
  readonly ended: number;
  /** Those that went on, for what was damaged did not matter, or was sent again. */
  readonly unharmed: number;
  /** Bytes at either end that were not what the other had sent. */
  readonly violations: number;
};

/** Speaks with a node through something that damages what passes (unless it `isHonest`), `count` times. */
export async function tamper(
  name: 'tls' | 'quic',
  [server, client]: readonly [NodeIdentity, NodeIdentity],
  seed: number,
  count: number,
  isHonest = false,
): Promise<Outcome> {
  const random = new SeededRandom(seed);
  const echo = new EchoNode(server, name);
  const target = await echo.listen();
  const own = new EchoNode(client, name).transport;
  const outcome = { ended: 0, unharmed: 0, violations: 0 };
  let begun = 0;
  const talk = async (): Promise<void> => {
    while (begun++ < count) {
      const damage = isHonest ? unchanged : name === 'tls' ? damageOnce(random) : damageOften(random);
      const proxy = await (name === 'tls' ? tcpProxy : udpProxy)(target, damage);
      const answer = await converse(own, proxy.address, server);
      outcome[answer === 'whole' ? 'unharmed' : 'ended']++;
      if (answer === 'wrong') outcome.violations++;
      proxy.close();
    }
  };
  await Promise.all(Array.from({ length: atOnce }, talk));
  outcome.violations += echo.violations;
  await Promise.all([own.close(), echo.transport.close()]);
  return outcome;
}

const unchanged: Damage = (bytes) => bytes;

/** A TCP stream knows no harmless damage: one, anywhere in the handshake or in what follows. */
function damageOnce(random: SeededRandom): Damage {
  const direction = random.pick(['to', 'from'] as const);
  let rest = random.below(damagedWithinBytes);
  return (bytes, passing) => {
    if (passing !== direction || rest < 0) return bytes;
    const at = rest;
    rest -= bytes.length;
    return rest < 0 ? mutated(bytes, at, random) : bytes;
  };
}

/** UDP loses packets anyway: one of three is damaged, or comes twice. */
function damageOften(random: SeededRandom): Damage {
  return (bytes) => (random.chance(0.3) ? mutated(bytes, random.below(bytes.length), random) : bytes);
}

function mutated(bytes: Buffer, at: number, random: SeededRandom): Buffer {
  const [before, after] = [bytes.subarray(0, at), bytes.subarray(at)];
  switch (random.below(4)) {
    case 0: {
      const turned = Buffer.from(bytes);
      turned[at]! ^= 1 << random.below(8);
      return turned;
    }
    case 1:
      return Buffer.concat([before, after.subarray(1 + random.below(8))]);
    case 2:
      return Buffer.concat([before, random.bytes(1 + random.below(8)), after]);
    default:
      return Buffer.concat([bytes, before]);
  }
}

/** Writes until enough has come back, or it ends. */
async function converse(
  own: Transport,
  address: NetworkAddress,
  server: NodeIdentity,
): Promise<'whole' | 'ended' | 'wrong'> {
  let channel: Channel;
  try {
    channel = await own.connect(address, nodeId(server.self), 'control');
  } catch {
    return 'ended';
  }
  const { connection } = channel;
  const { promise, resolve } = Promise.withResolvers<'whole' | 'ended' | 'wrong'>();
  let received = 0;
  connection.handle({
    onData: (bytes) => {
      if (!isPattern(bytes, received)) resolve('wrong');
      received += bytes.length;
      if (received > 2 * damagedWithinBytes) resolve('whole');
    },
    onDrain: () => {},
    onClose: () => resolve('ended'),
  });
  // Going on, so that a record whose length was damaged is filled.
  const writing = setInterval(() => connection.write(chunk), 1);
  const patience = setTimeout(() => resolve('ended'), patienceMs);
  const answer = await promise;
  clearInterval(writing);
  clearTimeout(patience);
  connection.destroy();
  return answer;
}

type Proxy = { readonly address: NetworkAddress; readonly close: () => void };

/** Everything that passes goes through `damage`. */
export function tcpProxy(target: NetworkAddress, damage: Damage): Promise<Proxy> {
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (near) => {
    const far = connect({ ...target, noDelay: true });
    for (const [source, sink, direction] of [
      [near, far, 'to'],
      [far, near, 'from'],
    ] as const) {
      sockets.add(source);
      source.on('data', (bytes: Buffer) => sink.write(damage(bytes, direction)));
      source.on('error', () => {});
      source.on('close', () => {
        sockets.delete(source);
        sink.destroy();
      });
    }
  });
  return new Promise((resolve) =>
    server.listen(0, host, () => {
      const bound = server.address();
      resolve({
        address: { host, port: typeof bound === 'object' && bound !== null ? bound.port : 0 },
        close: () => {
          server.close();
          for (const socket of sockets) socket.destroy();
        },
      });
    }),
  );
}

function udpProxy(target: NetworkAddress, damage: Damage): Promise<Proxy> {
  const far = createSocket('udp4');
  const near = createSocket('udp4');
  let client: NetworkAddress | null = null;
  const pass = (socket: UdpSocket, bytes: Buffer, to: NetworkAddress) => {
    if (bytes.length > 0 && bytes.length < 60_000) socket.send(bytes, to.port, to.host, () => {});
  };
  near.on('message', (bytes, { address, port }) => {
    client = { host: address, port };
    pass(far, damage(bytes, 'to'), target);
  });
  far.on('message', (bytes) => {
    if (client !== null) pass(near, damage(bytes, 'from'), client);
  });
  return new Promise((resolve) =>
    far.bind(0, host, () =>
      near.bind(0, host, () =>
        resolve({
          address: { host, port: near.address().port },
          close: () => {
            near.close();
            far.close();
          },
        }),
      ),
    ),
  );
}
