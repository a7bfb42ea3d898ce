import { expect } from 'chai';
import { stringToUtf8, utf8ToString } from '../../base/bytes/utf8.ts';
import { conditionOf } from '../../base/env/conformance/harness.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../base/errors.ts';
import { nodeId, rangeId } from '../../base/ids.ts';
import type { MeshLimits } from './limits.ts';
import {
  type MeshNode,
  machineOf,
  meshPort,
  type SimulatedMesh,
  simulateMesh,
} from './test-kit/simulated-mesh.ts';

const [one, two] = [nodeId(1), nodeId(2)];
const group = rangeId(0);
const text = stringToUtf8;

/** Two nodes and what happens between them, in virtual time. */
async function between(
  seed: number,
  task: (cluster: SimulatedMesh & { readonly a: MeshNode; readonly b: MeshNode }) => Promise<void>,
  limits: Partial<MeshLimits> = {},
): Promise<void> {
  const simulation = new Simulation(seed);
  await simulation.run(async () => {
    const cluster = await simulateMesh(simulation, 2, { limits });
    const [a, b] = cluster.nodes as [MeshNode, MeshNode];
    await task({ ...cluster, a, b });
    await cluster.close();
  });
}

async function messageOf(promise: Promise<unknown>): Promise<string> {
  return promise.then(
    () => 'answered',
    (error: AlopexError) => error.message,
  );
}

describe('requests between nodes', () => {
  it('are answered, each with its own answer', () =>
    between(1, async ({ a, b }) => {
      b.handlers.onRequest = async (from, name, body) => text(`${from} ${name} ${utf8ToString(body)}`);
      const answers = await Promise.all(
        Array.from({ length: 50 }, (_, index) => a.mesh.request(two, 'echo', text(String(index)))),
      );
      expect(answers.map((answer) => utf8ToString(answer))).to.deep.equal(
        Array.from({ length: 50 }, (_, index) => `1 echo ${index}`),
      );
    }));

  it('carry the errors of the one who is asked', () =>
    between(2, async ({ a, b }) => {
      const thrown = new AlopexError('unique_violation', 'twice', { detail: 'the key', hint: 'another' });
      b.handlers.onRequest = () => {
        throw thrown;
      };
      const caught = await a.mesh.request(two, 'fail', text('')).catch((error: AlopexError) => error);
      expect(caught).to.be.instanceOf(AlopexError);
      const { condition, message, detail, hint } = caught as AlopexError;
      expect([condition, message, detail, hint]).to.deep.equal([
        'unique_violation',
        'twice',
        'the key',
        'another',
      ]);
      expect(b.problems).to.deep.equal([]);
      b.handlers.onRequest = () => Promise.reject(new Error('a defect'));
      expect(await conditionOf(a.mesh.request(two, 'fail', text('')))).to.equal('internal_error');
      expect(b.problems.map(({ message: problem }) => problem)).to.deep.equal(['a defect']);
    }));

  it('end with their time, and a late answer is nobody’s', () =>
    between(3, async ({ a, b, simulation }) => {
      b.handlers.onRequest = async () => {
        await simulation.sleep(100);
        return text('late');
      };
      expect(await messageOf(a.mesh.request(two, 'slow', text(''), 50))).to.equal(
        'node 2 did not answer "slow" within 50 ms',
      );
      await simulation.sleep(200);
      expect(a.problems).to.deep.equal([]);
    }));

  it('end with their link, and are answered again once there is another', () =>
    between(4, async ({ a, b, simulation }) => {
      b.handlers.onRequest = async () => text('here');
      await a.mesh.request(two, 'x', text(''));
      b.handlers.onRequest = () => new Promise(() => {});
      const lost = conditionOf(a.mesh.request(two, 'x', text('')));
      await simulation.sleep(10);
      simulation.network.breakConnections('n1', 'n2');
      expect(await lost).to.equal('connection_failure');
      b.handlers.onRequest = async () => text('again');
      expect(utf8ToString(await a.mesh.request(two, 'x', text('')))).to.equal('again');
    }));

  it('fail at once where nobody listens, and reach a node that is started', () =>
    between(5, async ({ a, b, simulation, restart }) => {
      await b.mesh.close();
      expect(await messageOf(a.mesh.request(two, 'x', text('')))).to.contain('ECONNREFUSED');
      expect(simulation.scheduler.nowMs).to.be.lessThan(100);
      b.handlers.onRequest = async () => text('here');
      await restart(b);
      expect(utf8ToString(await a.mesh.request(two, 'x', text('')))).to.equal('here');
    }));

  it('end where a node is cut off, long before the transport gives up', () =>
    between(6, async ({ a, simulation }) => {
      simulation.network.partition(['n1'], ['n2']);
      expect(await messageOf(a.mesh.request(two, 'x', text(''), 60_000))).to.contain(
        'no link within 3000 ms',
      );
      simulation.network.heal();
    }));

  it('go to the address that a node has now, and to none that has left', () =>
    between(7, async ({ a, b, simulation }) => {
      b.handlers.onRequest = async () => text('two');
      await a.mesh.request(two, 'x', text(''));
      a.mesh.setPeer(two, { host: 'n1', port: meshPort });
      const impostor = a.mesh.request(two, 'x', text(''));
      expect(await messageOf(impostor)).to.contain('node 2 is not reached: node 1 answers');
      expect(await conditionOf(impostor)).to.equal('connection_failure');
      expect(a.problems.map(({ message }) => message)).to.deep.equal([
        'node 1 answers at n1:7000, where node 2 was expected',
      ]);
      a.mesh.setPeer(two, { host: machineOf(2), port: meshPort });
      expect(utf8ToString(await a.mesh.request(two, 'x', text('')))).to.equal('two');
      const lost = conditionOf(a.mesh.request(two, 'x', text('')));
      a.mesh.setPeer(two, null);
      expect(await lost).to.equal('connection_failure');
      expect(await messageOf(a.mesh.request(two, 'x', text('')))).to.contain('node 2 is not known');
      await simulation.sleep(10);
    }));

  it('go to the new address of a node at once, although the old one has not answered', () =>
    between(12, async ({ a, b, simulation }) => {
      b.handlers.onRequest = async () => text('two');
      a.mesh.setPeer(two, { host: 'nowhere', port: 1 });
      const answer = a.mesh.request(two, 'x', text(''));
      await simulation.sleep(2900);
      a.mesh.setPeer(two, { host: machineOf(2), port: meshPort });
      expect(utf8ToString(await answer)).to.equal('two');
    }));

  it('are refused beyond what may wait', () =>
    between(
      8,
      async ({ a, b }) => {
        b.handlers.onRequest = () => new Promise(() => {});
        const waiting = Array.from({ length: 3 }, () => conditionOf(a.mesh.request(two, 'x', text(''), 100)));
        expect(await conditionOf(a.mesh.request(two, 'x', text('')))).to.equal('insufficient_resources');
        expect(await Promise.all(waiting)).to.deep.equal(new Array(3).fill('connection_failure'));
        const long = new Uint8Array(5000);
        expect(await conditionOf(a.mesh.request(two, 'x', long))).to.equal('program_limit_exceeded');
        b.handlers.onRequest = async () => long;
        // Those that were given up are still at work there.
        const refused = await Promise.all(
          [1, 2, 3].map(() => conditionOf(a.mesh.request(two, 'x', text('')))),
        );
        expect(refused).to.deep.equal(new Array(3).fill('insufficient_resources'));
      },
      { requestsMax: 3, frameBytesMax: 4096 },
    ));

  it('are refused an answer that is too long', () =>
    between(
      9,
      async ({ a, b }) => {
        b.handlers.onRequest = async () => new Uint8Array(5000);
        expect(await conditionOf(a.mesh.request(two, 'x', text('')))).to.equal('program_limit_exceeded');
      },
      { frameBytesMax: 4096 },
    ));

  it('are read no more while answers to those before wait for a slow link', () =>
    between(
      10,
      async ({ a, b, simulation }) => {
        let asked = 0;
        b.handlers.onRequest = async () => {
          asked += 1;
          return new Uint8Array(50_000);
        };
        const ask = (count: number) =>
          Array.from({ length: count }, () => a.mesh.request(two, 'x', new Uint8Array(0), 60_000));
        await Promise.all(ask(1));
        simulation.network.worsen('n2', 'n1', { delayMs: { min: 200, max: 200 }, lossProbability: 0 });
        const first = ask(10);
        await simulation.sleep(20);
        const more = ask(50);
        await simulation.sleep(20);
        expect(asked).to.equal(11);
        const answers = await Promise.all([...first, ...more]);
        expect(answers.every(({ length }) => length === 50_000)).to.equal(true);
        expect(asked).to.equal(61);
      },
      { controlQueueBytesMax: 100_000 },
    ));

  it('are rejected when this node stops, as are those that come after', () =>
    between(11, async ({ a, b }) => {
      b.handlers.onRequest = () => new Promise(() => {});
      const waiting = conditionOf(a.mesh.request(two, 'x', text('')));
      await a.mesh.close();
      expect(await waiting).to.equal('connection_failure');
      expect(await conditionOf(a.mesh.request(two, 'x', text('')))).to.equal('connection_failure');
    }));
});

describe('messages of Raft between nodes', () => {
  const send = (node: MeshNode, to: number, value: number, range = group) =>
    node.mesh.send(nodeId(to), range, new Uint8Array([value]));

  it('are lost where there is no link, and make one', () =>
    between(20, async ({ a, b, simulation }) => {
      send(a, 2, 1);
      await simulation.sleep(10);
      expect([a.mesh.isLinked(two), b.mesh.isLinked(one)]).to.deep.equal([true, true]);
      for (let value = 2; value < 50; value++) send(a, 2, value, rangeId(value % 3));
      await simulation.sleep(10);
      expect(b.messages).to.deep.equal(
        Array.from({ length: 48 }, (_, index) => [1, (index + 2) % 3, index + 2]),
      );
      expect([a.links, b.links]).to.deep.equal([[[2, true]], [[1, true]]]);
    }));

  it('of one turn leave in one write', () =>
    between(21, async ({ a, simulation }) => {
      send(a, 2, 0);
      await simulation.sleep(10);
      let deliveries = 0;
      simulation.scheduler.onTrace((line) => {
        deliveries += line.includes('n1 > n2') ? 1 : 0;
      });
      for (let value = 0; value < 100; value++) send(a, 2, value);
      await simulation.sleep(5);
      expect(deliveries).to.equal(1);
    }));

  it('say that their link broke and that it is there again, by itself', () =>
    between(22, async ({ a, b, simulation }) => {
      send(a, 2, 0);
      await simulation.sleep(10);
      simulation.network.breakConnections('n1', 'n2');
      await simulation.sleep(500);
      expect([a.links, b.links]).to.deep.equal([
        [
          [2, true],
          [2, false],
          [2, true],
        ],
        [
          [1, true],
          [1, false],
          [1, true],
        ],
      ]);
    }));

  it('notice a node that is silent, and one that comes back', () =>
    between(23, async ({ a, b, simulation, restart }) => {
      send(a, 2, 0);
      await simulation.sleep(10);
      simulation.machine('n2').crash();
      await simulation.sleep(6000);
      expect(a.mesh.isLinked(two)).to.equal(false);
      await restart(b);
      await simulation.sleep(3000);
      expect(a.mesh.isLinked(two)).to.equal(true);
      send(a, 2, 7);
      await simulation.sleep(10);
      expect(b.messages).to.deep.equal([[1, 0, 7]]);
    }));

  it('leave an idle link as it is', () =>
    between(24, async ({ a, simulation }) => {
      send(a, 2, 0);
      await simulation.sleep(60_000);
      expect(a.links).to.deep.equal([[2, true]]);
    }));

  it('are lost beyond what may wait for a slow link, and Raft hears nothing of it', () =>
    between(
      25,
      async ({ a, b, simulation }) => {
        send(a, 2, 0);
        await simulation.sleep(10);
        simulation.network.worsen('n1', 'n2', { delayMs: { min: 200, max: 200 }, lossProbability: 0 });
        for (let value = 0; value < 200; value++) a.mesh.send(two, group, new Uint8Array(10_000).fill(value));
        a.mesh.send(two, group, new Uint8Array(2_000_000));
        await simulation.sleep(5000);
        expect(b.messages.length).to.be.within(8, 20);
        expect(b.messages.map(([, , value]) => value)).to.deep.equal(b.messages.map((_, index) => index));
        expect(a.links).to.deep.equal([[2, true]]);
      },
      { messageQueueBytesMax: 100_000, frameBytesMax: 1_000_000 },
    ));

  it('that waited for a link are lost with it, for newer ones come on the next', () =>
    between(27, async ({ a, b, simulation }) => {
      send(a, 2, 0);
      await simulation.sleep(10);
      simulation.network.worsen('n1', 'n2', { delayMs: { min: 500, max: 500 }, lossProbability: 0 });
      for (let count = 0; count < 3; count++) {
        a.mesh.send(two, group, new Uint8Array(100_000).fill(1));
        await simulation.sleep(10);
      }
      simulation.network.breakConnections('n1', 'n2');
      simulation.network.heal();
      await simulation.sleep(1000);
      send(a, 2, 2);
      await simulation.sleep(10);
      expect(b.messages).to.deep.equal([[1, 0, 2]]);
    }));

  it('of a node that starts again come on its new link, and the old one is over', () =>
    between(28, async ({ a, b, simulation, restart }) => {
      send(a, 2, 0);
      await simulation.sleep(10);
      await restart(a);
      send(a, 2, 0);
      await simulation.sleep(10);
      send(a, 2, 1);
      await simulation.sleep(10);
      expect(b.links.map(([, isUp]) => isUp)).to.deep.equal([true, false, true]);
      expect([b.messages, b.mesh.isLinked(one)]).to.deep.equal([[[1, 0, 1]], true]);
    }));

  it('that a handler cannot take are lost, and the link stays', () =>
    between(26, async ({ a, b, simulation }) => {
      send(a, 2, 0);
      await simulation.sleep(10);
      const { onMessage } = b.handlers;
      b.handlers.onMessage = (from, range, bytes) => {
        if (bytes[0] === 1) throw new AlopexError('data_corrupted', 'no message');
        onMessage(from, range, bytes);
      };
      for (const value of [1, 2]) send(a, 2, value);
      await simulation.sleep(10);
      expect(b.messages).to.deep.equal([[1, 0, 2]]);
      expect(b.problems.map(({ message }) => message)).to.deep.equal(['no message']);
    }));

  it('come in the order of sending through losses, resets and restarts', async () => {
    for (let seed = 100; seed < 120; seed++) {
      await between(seed, async ({ a, b, simulation, restart }) => {
        simulation.network.lossProbability = 0.05;
        const random = simulation.scheduler.random;
        const sent = 255;
        for (let value = 0; value < sent; value++) {
          send(a, 2, value, rangeId(value % 2));
          if (random.chance(0.3)) await simulation.sleep(random.between(0, 50));
          if (random.chance(0.02)) simulation.network.breakConnections('n1', 'n2');
          if (random.chance(0.005)) await restart(b);
        }
        await simulation.sleep(2000);
        expect(b.messages.length, `seed ${seed}`).to.be.greaterThan(5);
        for (const range of [0, 1]) {
          const values = b.messages.filter(([, of]) => of === range).map(([, , value]) => value);
          expect(values, `seed ${seed}`).to.deep.equal([...new Set(values)].sort((x, y) => x - y));
        }
        expect([...a.problems, ...b.problems]).to.deep.equal([]);
      });
    }
  });
});
