import { expect } from 'chai';
import { type NodeId, rangeId } from '../../base/ids.ts';
import type { Mesh } from './contract.ts';
import type { NodeIdentity } from './identity.ts';
import { KeyRing } from './keys.fixture.ts';
import { openSecureMesh } from './secure-mesh.ts';

const loopback = { host: '127.0.0.1', port: 0 };

for (const transport of ['tls', 'quic'] as const) {
  describe(`a mesh over ${transport}`, () => {
    let ring: KeyRing;
    let meshes: Mesh[];
    let problems: string[];
    const messages: string[] = [];
    before(async () => {
      ring = await KeyRing.open();
    });
    after(() => ring.close());
    beforeEach(() => {
      meshes = [];
      problems = [];
    });
    afterEach(() => Promise.all(meshes.map((mesh) => mesh.close())));

    async function open(identity: NodeIdentity): Promise<Mesh> {
      const mesh = await openSecureMesh({
        identity,
        transport,
        env: ring.env,
        listen: loopback,
        handlers: {
          onMessage: (from, group, bytes) => messages.push(`${from} ${group} ${Buffer.from(bytes)}`),
          onRequest: async (from, name, body) => Buffer.from(`${from} ${name} ${Buffer.from(body)}`),
          onFetch: async function* (_, __, ___, position) {
            for (let at = position; at < 3_000_000; at += 65_536)
              yield new Uint8Array(Math.min(65_536, 3_000_000 - at)).fill(7);
          },
          onLink: () => {},
        },
        onProblem: ({ message }) => problems.push(message),
      });
      meshes.push(mesh);
      return mesh;
    }

    const meet = (mesh: Mesh, id: NodeId, other: Mesh) => mesh.setPeer(id, other.address);

    it('asks, tells and fetches between two nodes', async () => {
      const first = await ring.create(`${transport}-1`);
      const second = await ring.join(first, 2);
      const [one, two] = [await open(first), await open(second)];
      meet(one, second.self, two);
      meet(two, first.self, one);
      const answer = await one.request(second.self, 'a name', Buffer.from('what'));
      expect(Buffer.from(answer).toString()).to.equal('1 a name what');
      let fetched = 0;
      for await (const bytes of two.fetch(first.self, 'file', new Uint8Array(0))) fetched += bytes.length;
      expect(fetched).to.equal(3_000_000);
      for (let turn = 0; turn < 500 && messages.length === 0; turn++) {
        one.send(second.self, rangeId(5), Buffer.from('beat'));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      expect(messages[0]).to.equal('1 5 beat');
      expect(problems).to.deep.equal([]);
      messages.length = 0;
    });

    it('has no part for who is of another cluster', async () => {
      const first = await ring.create(`${transport}-2`);
      const stranger = await ring.join(await ring.create(`${transport}-3`), 2);
      const [one, two] = [await open(first), await open(stranger)];
      meet(two, first.self, one);
      const asked = two.request(first.self, 'a name', new Uint8Array(0), 300);
      expect(await asked.catch((error: Error) => error.name)).to.equal('AlopexError');
      for (let turn = 0; turn < 200 && problems.length === 0; turn++)
        await new Promise((resolve) => setTimeout(resolve, 5));
      expect(problems.join()).to.match(/another cluster|hang up/);
    });
  });
}
