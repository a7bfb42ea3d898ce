import { writeFile } from 'node:fs/promises';
import { connect as connectTcp, type Socket } from 'node:net';
import { expect } from 'chai';
import type { Listener } from '../../base/env/env.ts';
import { AlopexError } from '../../base/errors.ts';
import { nodeId } from '../../base/ids.ts';
import { type Authority, createAuthority, makeNodeKey, makeRequest, signNode } from './authority.ts';
import type { Channel, MessageClass, Transport } from './contract.ts';
import { loadIdentity, type NodeIdentity } from './identity.ts';
import { KeyRing } from './keys.fixture.ts';
import { quicTransport } from './quic.ts';
import type { Credentials, SecureOptions } from './secure.ts';
import { tlsTransport } from './tls.ts';

const loopback = { host: '127.0.0.1', port: 0 };
const transports = { tls: tlsTransport, quic: quicTransport };

/** A node that answers what it is sent, and remembers what happened. */
class Echo {
  readonly transport: Transport;
  readonly channels: Channel[] = [];
  readonly refused: string[] = [];
  /** Bytes that came to the application. */
  received = 0;
  listener!: Listener;

  constructor(
    make: (options: SecureOptions) => Transport,
    identity: Credentials,
    options: Partial<SecureOptions> = {},
  ) {
    this.transport = make({
      identity,
      clock: ring.env.clock,
      onRefused: ({ message }) => this.refused.push(message),
      ...options,
    });
    opened.push(this.transport);
  }

  async listen(): Promise<this> {
    this.listener = await this.transport.listen(loopback, (channel) => {
      this.channels.push(channel);
      channel.connection.handle({
        onData: (bytes) => {
          this.received += bytes.length;
          channel.connection.write(bytes.slice());
        },
        onDrain: () => {},
        onClose: () => {},
      });
    });
    return this;
  }
}

let ring: KeyRing;
let opened: Transport[] = [];

/** Sends, and resolves with as many bytes that came back; rejects where the channel ends before. */
function exchange({ connection }: Channel, bytes: Uint8Array): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const parts: Uint8Array[] = [];
    let received = 0;
    connection.handle({
      onData: (part) => {
        parts.push(part);
        received += part.length;
        if (received >= bytes.length) resolve(Buffer.concat(parts));
      },
      onDrain: () => {},
      onClose: (error) => reject(error ?? new Error('it ended')),
    });
    connection.write(bytes);
  });
}

const closing = ({ connection }: Channel): Promise<string> =>
  new Promise((resolve) =>
    connection.handle({
      onData: () => {},
      onDrain: () => {},
      onClose: (error) => resolve(error?.message ?? 'it ended'),
    }),
  );

async function refusal(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof AlopexError) return `${error.condition}: ${error.message}`;
    throw error;
  }
  throw new Error('it was not refused');
}

function authorityOf(identity: NodeIdentity): Authority {
  const key = Buffer.from(identity.exportAuthorityKey()).toString();
  return { certificate: identity.trust.authorities[0]!.toString(), key };
}

for (const [name, make] of Object.entries(transports)) {
  describe(`streams between nodes over ${name}`, () => {
    let first: NodeIdentity;
    let second: NodeIdentity;
    let server: Echo;

    before(async () => {
      ring = await KeyRing.open();
    });
    after(() => ring.close());
    beforeEach(async () => {
      opened = [];
      first = await ring.create(`${name}-${Math.random()}`);
      second = await ring.join(first, 2);
      server = await new Echo(make, first).listen();
    });
    afterEach(async () => {
      for (const { connection } of server.channels) connection.destroy();
      await server.listener.close();
      await Promise.all(opened.map((transport) => transport.close()));
    });

    const connect = (credentials: Credentials, messageClass: MessageClass = 'control', peer = 1) =>
      new Echo(make, credentials).transport.connect(server.listener.address, nodeId(peer), messageClass);

    it('carries bytes between two nodes, for each class', async () => {
      for (const messageClass of ['raft', 'control', 'bulk'] as const) {
        const channel = await connect(second, messageClass);
        const sent = Buffer.alloc(3_000_000, messageClass);
        expect((await exchange(channel, sent)).equals(sent)).to.equal(true);
        expect([channel.peer, channel.class]).to.deep.equal([1, messageClass]);
        const accepted = server.channels.at(-1)!;
        expect([accepted.peer, accepted.class]).to.deep.equal([2, messageClass]);
        channel.connection.destroy();
      }
    });

    it('flushes what was written before an end, and tells both ends', async () => {
      const ends = Promise.withResolvers<string>();
      let received = 0;
      const { address } = await server.transport.listen(loopback, ({ connection }) => {
        connection.handle({
          onData: (bytes) => {
            received += bytes.length;
          },
          onDrain: () => {},
          onClose: (error) => ends.resolve(String(error)),
        });
      });
      const channel = await new Echo(make, second).transport.connect(address, nodeId(1), 'bulk');
      channel.connection.write(new Uint8Array(5_000_000));
      channel.connection.end();
      expect(await closing(channel)).to.equal('it ended');
      expect([received, await ends.promise]).to.deep.equal([5_000_000, 'null']);
    });

    it('holds back a writer whose reader pauses', async () => {
      const { address } = await server.transport.listen(loopback, (channel) => server.channels.push(channel));
      const channel = await new Echo(make, second).transport.connect(address, nodeId(1), 'bulk');
      let drains = 0;
      const ended = new Promise<void>((resolve) =>
        channel.connection.handle({ onData: () => {}, onDrain: () => drains++, onClose: () => resolve() }),
      );
      let written = 0;
      const chunk = new Uint8Array(1024 * 1024);
      const fill = async () => {
        while (written < 256 && channel.connection.write(chunk)) written++;
        const before = drains;
        for (let turn = 0; turn < 20 && drains === before; turn++)
          await new Promise((resolve) => setTimeout(resolve, 5));
        return drains > before;
      };
      while (await fill());
      expect(written).to.be.lessThan(256);
      const reader = server.channels.at(-1)!.connection;
      reader.handle({ onData: () => {}, onDrain: () => {}, onClose: () => {} });
      for (let turn = 0; turn < 200 && drains === 0; turn++)
        await new Promise((resolve) => setTimeout(resolve, 5));
      expect(drains).to.be.greaterThan(0);
      channel.connection.destroy();
      await ended;
    });

    it('says who is not who was expected', async () => {
      const third = await ring.join(first, 3);
      expect(await refusal(connect(third, 'raft', 2))).to.match(
        /invalid_authorization.*node 1 answers there, where node 2 was expected/,
      );
    });

    it('lets nobody in who is of another cluster, either way', async () => {
      const other = await ring.create(`${name}-other-${Math.random()}`);
      expect(await refusal(connect(other))).to.match(/invalid_authorization.*another cluster/);
      const alike = await forged(second, await createAuthority(first.cluster, Date.now()), 2);
      expect(await refusal(connect(alike))).to.match(/invalid_authorization.*not signed|certificate/);
      const impostor = await new Echo(make, alike).listen();
      const toImpostor = new Echo(make, second).transport.connect(
        impostor.listener.address,
        nodeId(2),
        'raft',
      );
      expect(await refusal(toImpostor)).to.match(/invalid_authorization.*not signed/);
      expect([server.channels.length, impostor.received]).to.deep.equal([0, 0]);
      expect(server.refused.join()).to.match(/not signed|hang up|hung up|closed/);
    });

    it('lets nobody in whose certificate is expired, either way', async () => {
      const expired = await forged(second, authorityOf(first), 2, -1);
      expect(await refusal(connect(expired))).to.match(/invalid_authorization.*valid from/);
      const late = await new Echo(make, expired).listen();
      const toLate = new Echo(make, first).transport.connect(late.listener.address, nodeId(2), 'raft');
      expect(await refusal(toLate)).to.match(/invalid_authorization.*valid from/);
      expect(server.channels.length).to.equal(0);
    });

    it('lets nobody in who is revoked, either way, and ends what is open', async () => {
      const channel = await connect(second);
      const ended = closing(channel);
      const { ended: open } = await exchangeOn(await connect(second));
      await first.revoke({ nodes: [nodeId(2)] });
      expect(await ended).to.be.a('string');
      expect(await open).to.be.a('string');
      expect(await refusal(connect(second))).to.match(/invalid_authorization.*node 2 is revoked/);
      expect(server.refused.join()).to.match(/node 2 is revoked/);
      const revoked = await new Echo(make, second).listen();
      const toRevoked = new Echo(make, first).transport.connect(revoked.listener.address, nodeId(2), 'raft');
      expect(await refusal(toRevoked)).to.match(/node 2 is revoked/);
    });

    it('goes on while the authority changes, without a restart', async () => {
      const before = await connect(second);
      await first.rotate();
      await second.adoptTrust(first.trustDocument);
      await second.renew((await first.signJoin(await second.makeRequest(), second.self)).certificate);
      const between = await connect(second);
      await first.finishRotation();
      await second.adoptTrust(first.trustDocument);
      const after = await connect(second);
      expect((await exchange(after, Buffer.from('after'))).toString()).to.equal('after');
      for (const channel of [before, between, after]) channel.connection.destroy();
    });

    it('lets nobody in with the certificate of another node', async () => {
      const third = await ring.join(first, 3);
      const thief: Credentials = {
        self: nodeId(3),
        certificate: third.certificate,
        key: second.key,
        trust: second.trust,
        verify: (certificate) => second.verify(certificate),
        onChange: () => () => {},
      };
      await connect(thief).then(
        () => expect.fail('it was let in'),
        () => {},
      );
      expect(server.channels.length).to.equal(0);
    });

    it('hangs up on who connects and says nothing', async () => {
      const impatient = await new Echo(make, first, { handshakeMsMax: 50, handshakesMax: 2 }).listen();
      const { address } = impatient.listener;
      if (name === 'tls') {
        const silent = await Promise.all([1, 2, 3].map(() => tcp(address.port)));
        await Promise.all(silent.map((socket) => new Promise((resolve) => socket.once('close', resolve))));
      }
      const channel = await new Echo(make, second).transport.connect(address, nodeId(1), 'raft');
      expect(channel.peer).to.equal(1);
    });

    it('says that nobody listens there', async () => {
      const { address } = server.listener;
      const nobody = new Echo(make, second, { handshakeMsMax: 100 }).transport;
      const closed = { host: address.host, port: name === 'tls' ? 1 : 9 };
      expect(await refusal(nobody.connect(closed, nodeId(1), 'raft'))).to.match(/connection_failure/);
    });

    /** Resolves, once bytes have come back, with how the channel will end. */
    async function exchangeOn(channel: Channel): Promise<{ readonly ended: Promise<string> }> {
      const ended = Promise.withResolvers<string>();
      const heard = Promise.withResolvers<void>();
      channel.connection.handle({
        onData: () => heard.resolve(),
        onDrain: () => {},
        onClose: (error) => ended.resolve(error?.message ?? 'it ended'),
      });
      channel.connection.write(Buffer.from('hello'));
      await heard.promise;
      return { ended: ended.promise };
    }
  });
}

/** A node whose certificate some authority has signed, valid for so many days. */
async function forged(
  base: NodeIdentity,
  authority: Authority,
  node: number,
  days = 1,
): Promise<NodeIdentity> {
  const directory = ring.directory(`forged-${Math.random()}`);
  const key = makeNodeKey();
  const certificate = await signNode(authority, await makeRequest(key), {
    cluster: base.cluster,
    node: nodeId(node),
    nowMs: Date.now(),
    validMs: days * 24 * 3_600_000,
  });
  await ring.env.disk.makeDirectory(`${directory}/cluster`);
  await writeFile(`${directory}/cluster/node.key`, key);
  await writeFile(`${directory}/cluster/node.crt`, certificate);
  await writeFile(`${directory}/cluster/trust.json`, base.trustDocument);
  return (await loadIdentity(ring.env, directory))!;
}

function tcp(port: number): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectTcp({ port, host: '127.0.0.1' });
    socket.on('error', reject);
    socket.once('connect', () => resolve(socket));
  });
}
