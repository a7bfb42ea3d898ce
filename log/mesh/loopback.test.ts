import { expect } from 'chai';
import { equalBytes } from '../../base/bytes/compare.ts';
import { AlopexError } from '../../base/errors.ts';
import { type NodeId, nodeId, rangeId } from '../../base/ids.ts';
import { zstdCompression } from './compression.ts';
import type { Mesh, MeshHandlers, Transport } from './contract.ts';
import { KeyRing } from './keys.fixture.ts';
import { openMesh } from './mesh.ts';
import { plainTransport } from './plain.ts';
import { tlsTransport } from './tls.ts';

const [one, two] = [nodeId(1), nodeId(2)];
const host = '127.0.0.1';

/** Half of it zeros. */
const content = Uint8Array.from({ length: 5_000_000 }, (_, at) => (at % 2) * Math.imul(at, 0x9e3779b1));

const handlers: MeshHandlers = {
  onMessage: () => {},
  onRequest: async (_, __, body) => body,
  onFetch: async function* (_, __, ___, position) {
    yield content.subarray(position);
  },
  onLink: () => {},
};

describe('the mesh on this machine', () => {
  let ring: KeyRing;
  const problems: AlopexError[] = [];
  const meshes: Mesh[] = [];
  const open = async (self: NodeId, transport: Transport, changed: Partial<MeshHandlers> = {}) => {
    const mesh = await openMesh({
      self,
      env: ring.env,
      transport,
      listen: { host, port: 0 },
      handlers: { ...handlers, ...changed },
      compression: zstdCompression,
      onProblem: (problem) => problems.push(problem),
    });
    meshes.push(mesh);
    return mesh;
  };
  before(async () => {
    ring = await KeyRing.open();
  });
  afterEach(async () => {
    await Promise.all(meshes.splice(0).map((mesh) => mesh.close()));
    expect(problems.splice(0).map(({ message }) => message)).to.deep.equal([]);
  });
  after(() => ring.close());

  const transports: Readonly<Record<'plain' | 'tls', () => Promise<readonly [Transport, Transport]>>> = {
    plain: async () => [plainTransport(ring.env, one), plainTransport(ring.env, two)],
    tls: async () => {
      const first = await ring.create('mesh');
      const second = await ring.join(first, 2);
      const { clock } = ring.env;
      return [tlsTransport({ identity: first, clock }), tlsTransport({ identity: second, clock })];
    },
  };

  for (const [name, make] of Object.entries(transports)) {
    it(`carries requests, messages and fetches: ${name}`, async () => {
      const [near, far] = await make();
      const received: number[] = [];
      const { promise: isLinked, resolve: onLinked } = Promise.withResolvers<void>();
      const { promise: isComplete, resolve: onComplete } = Promise.withResolvers<void>();
      const a = await open(one, near, { onLink: (_, isUp) => (isUp ? onLinked() : null) });
      const b = await open(two, far, {
        onMessage: (_, __, bytes) => {
          if (received.push(bytes[0]!) === 100) onComplete();
        },
      });
      a.setPeer(two, b.address);
      const bodies = Array.from({ length: 200 }, (_, index) => content.subarray(0, index * 1000));
      const answers = await Promise.all(bodies.map((body) => a.request(two, 'echo', body)));
      expect(answers.every((answer, index) => equalBytes(answer, bodies[index]!))).to.equal(true);

      a.send(two, rangeId(1), new Uint8Array([255]));
      await isLinked;
      for (let value = 0; value < 100; value++) a.send(two, rangeId(1), new Uint8Array([value]));
      await isComplete;
      expect(received).to.deep.equal(Array.from({ length: 100 }, (_, index) => index));

      let position = 0;
      for await (const chunk of a.fetch(two, 'file', new Uint8Array(0))) {
        expect(equalBytes(chunk, content.subarray(position, position + chunk.length))).to.equal(true);
        position += chunk.length;
      }
      expect(position).to.equal(content.length);

      await b.close();
      const refused = await a.request(two, 'echo', content).catch((error: AlopexError) => error);
      expect(refused).to.be.instanceOf(AlopexError);
      expect((refused as AlopexError).condition).to.equal('connection_failure');
    });
  }

  it('hangs up on whoever speaks otherwise, and on damaged frames', async () => {
    const a = await open(one, plainTransport(ring.env, one));
    const closed = (bytes: Uint8Array) =>
      ring.env.network.connect(a.address).then(
        (connection) =>
          new Promise<void>((resolve) => {
            connection.handle({ onData: () => {}, onDrain: () => {}, onClose: () => resolve() });
            connection.write(bytes);
          }),
      );
    await closed(new TextEncoder().encode('GET / HTTP/1.1\r\n\r\n'));
    expect(problems).to.deep.equal([]);
    const hello = [0x41, 0x4c, 0x58, 0x43, 0, 1, 2, 0, 0, 0, 0, 0, 0, 0, 0, 2];
    await closed(Uint8Array.from([...hello, 0, 0, 0, 0, 4, 1, 2, 3, 4]));
    expect(problems.splice(0).map(({ message }) => message)).to.deep.equal([
      'the link to node 2 (control): a frame of the mesh is damaged: checksum mismatch',
    ]);
  });
});
