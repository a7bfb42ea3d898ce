import { connect, createServer, type Socket } from 'node:net';
import { expect } from 'chai';
import { nodeId } from '../../base/ids.ts';
import type { NodeIdentity } from './identity.ts';
import { KeyRing } from './keys.fixture.ts';
import { EchoNode, tamper, tcpProxy } from './test-kit/tamper.ts';

describe('what somebody between two nodes can do', () => {
  let ring: KeyRing;
  let nodes: readonly [NodeIdentity, NodeIdentity];
  before(async () => {
    ring = await KeyRing.open();
    const first = await ring.create('first');
    nodes = [first, await ring.join(first, 2)];
  });
  after(() => ring.close());

  it('can pass on what it does not damage', async () => {
    for (const name of ['tls', 'quic'] as const)
      expect(await tamper(name, nodes, 1, 2, true)).to.deep.equal({ ended: 0, unharmed: 2, violations: 0 });
  });

  it('ends a TLS connection by damaging it, and no more', async () => {
    const { ended, unharmed, violations } = await tamper('tls', nodes, 1, 200);
    expect([ended + unharmed, violations]).to.deep.equal([200, 0]);
    // The version in the records of a handshake is read by nobody.
    expect(unharmed).to.be.lessThan(20);
  });

  it('does not get a damaged packet of QUIC taken', async () => {
    const { ended, unharmed, violations } = await tamper('quic', nodes, 1, 16);
    expect([ended + unharmed, violations]).to.deep.equal([16, 0]);
    expect(unharmed).to.be.greaterThan(0);
  });

  it('gets nothing by saying again what a node has said', async () => {
    const recorded: Record<'to' | 'from', Buffer[]> = { to: [], from: [] };
    const echo = new EchoNode(nodes[0], 'tls');
    const target = await echo.listen();
    const proxy = await tcpProxy(target, (bytes, direction) => {
      recorded[direction].push(bytes);
      return bytes;
    });
    const own = new EchoNode(nodes[1], 'tls').transport;
    const { connection } = await own.connect(proxy.address, nodeId(1), 'control');
    await new Promise<void>((resolve) => {
      connection.handle({ onData: () => resolve(), onDrain: () => {}, onClose: () => {} });
      connection.write(Uint8Array.of(0, 1, 2, 3));
    });
    connection.destroy();
    expect([echo.channels, echo.received]).to.deep.equal([1, 4]);
    const replayed = connect(target);
    replayed.on('error', () => {});
    replayed.resume();
    for (const bytes of recorded.to) replayed.write(bytes);
    await new Promise((resolve) => replayed.once('close', resolve));
    expect([echo.channels, echo.received]).to.deep.equal([1, 4]);

    const impostors: Socket[] = [];
    const impostor = createServer((socket) => {
      impostors.push(socket);
      socket.on('error', () => {});
      for (const bytes of recorded.from) socket.write(bytes);
    });
    await new Promise<void>((resolve) => impostor.listen(0, '127.0.0.1', resolve));
    const { port } = impostor.address() as { port: number };
    const tricked = own.connect({ host: '127.0.0.1', port }, nodeId(1), 'control');
    expect(await tricked.catch((error: Error) => error.message)).to.match(/could not connect/);
    for (const socket of impostors) socket.destroy();
    impostor.close();
    proxy.close();
    await Promise.all([own.close(), echo.transport.close()]);
  });
});
