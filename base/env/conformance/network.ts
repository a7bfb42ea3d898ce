import { expect } from 'chai';
import type { Clock, Connection, Listener, Network } from '../env.ts';
import { conditionOf, type EnvHarness } from './harness.ts';

const loopback = { host: '127.0.0.1', port: 0 };

/** What every Network promises. */
export function describeNetwork(name: string, run: EnvHarness): void {
  describe(`${name}: network`, () => {
    it('carries bytes both ways in order and closes both ends', () =>
      run(async ({ network }) => {
        const { client, server, listener } = await connected(network);
        const sent = Uint8Array.from({ length: 5000 }, (_, index) => index & 255);
        const atServer = collect(server);
        const atClient = collect(client);
        for (let at = 0; at < sent.length; at += 700) client.write(sent.subarray(at, at + 700));
        client.end();
        server.write(sent.subarray(0, 10));
        expect(await atServer.closed).to.equal(null);
        expect(await atClient.closed).to.equal(null);
        expect(Buffer.compare(Buffer.concat(atServer.chunks), sent)).to.equal(0);
        await listener.close();
      }));

    it('hands out plain Uint8Arrays, whose slices are copies', () =>
      run(async ({ network }) => {
        const { client, server, listener } = await connected(network);
        const received = new Promise<Uint8Array>((resolve) => {
          server.handle({ onData: resolve, onDrain: () => {}, onClose: () => {} });
        });
        client.handle({ onData: () => {}, onDrain: () => {}, onClose: () => {} });
        client.write(Uint8Array.of(7));
        expect(Object.getPrototypeOf(await received)).to.equal(Uint8Array.prototype);
        client.destroy();
        await listener.close();
      }));

    it('holds the writer back while the reader pauses', () =>
      run(async ({ network, clock }) => {
        const { client, server, listener } = await connected(network);
        let received = 0;
        server.pause();
        const atServer = new Promise<Error | null>((resolve) => {
          server.handle({
            onData: (bytes) => {
              received += bytes.length;
            },
            onDrain: () => {},
            onClose: resolve,
          });
        });
        let drained = () => {};
        client.handle({ onData: () => {}, onDrain: () => drained(), onClose: () => {} });
        const block = new Uint8Array(1 << 16);
        let written = 0;
        while (client.write(block)) {
          written += block.length;
          await turn(clock);
          expect(written).to.be.lessThan(64 << 20);
        }
        written += block.length;
        expect(received).to.equal(0);
        const drain = new Promise<void>((resolve) => {
          drained = resolve;
        });
        server.resume();
        await drain;
        client.end();
        await atServer;
        expect(received).to.equal(written);
        await listener.close();
      }));

    it('refuses a connection where nobody listens, and a place that is taken', () =>
      run(async ({ network }) => {
        const listener = await network.listen(loopback, () => {});
        expect(listener.address.port).to.be.greaterThan(0);
        expect(await conditionOf(network.listen(listener.address, () => {}))).to.equal('object_in_use');
        await listener.close();
        expect(await conditionOf(network.connect(listener.address))).to.equal('connection_failure');
      }));

    it('tells the other end when one is destroyed, once', () =>
      run(async ({ network, clock }) => {
        const { client, server, listener } = await connected(network);
        let closes = 0;
        const atServer = collect(server, () => {
          closes += 1;
        });
        const atClient = collect(client);
        client.destroy();
        client.destroy();
        client.end();
        await Promise.all([atServer.closed, atClient.closed]);
        server.destroy();
        await turn(clock);
        expect(closes).to.equal(1);
        await listener.close();
      }));

    it('tells an end that came before anybody handled the connection', () =>
      run(async ({ network, clock }) => {
        const { client, server, listener } = await connected(network);
        const atClient = collect(client);
        server.destroy();
        await atClient.closed;
        await turn(clock);
        await collect(server).closed;
        await listener.close();
      }));
  });
}

async function connected(network: Network): Promise<{
  readonly client: Connection;
  readonly server: Connection;
  readonly listener: Listener;
}> {
  const accepted = Promise.withResolvers<Connection>();
  const listener = await network.listen(loopback, accepted.resolve);
  const client = await network.connect(listener.address);
  expect(client.remote.port).to.equal(listener.address.port);
  return { client, server: await accepted.promise, listener };
}

function collect(connection: Connection, onClose: () => void = () => {}) {
  const chunks: Uint8Array[] = [];
  const closed = new Promise<Error | null>((resolve) => {
    connection.handle({
      onData: (bytes) => chunks.push(bytes.slice()),
      onDrain: () => {},
      onClose: (error) => {
        onClose();
        resolve(error);
      },
    });
  });
  return { chunks, closed };
}

function turn(clock: Clock): Promise<void> {
  return new Promise((resolve) => {
    clock.setTimer(0, resolve);
  });
}
