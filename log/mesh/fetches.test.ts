import { expect } from 'chai';
import { equalBytes } from '../../base/bytes/compare.ts';
import { stringToUtf8 } from '../../base/bytes/utf8.ts';
import { conditionOf } from '../../base/env/conformance/harness.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../base/errors.ts';
import { nodeId, rangeId } from '../../base/ids.ts';
import { zstdCompression } from './compression.ts';
import type { MeshHandlers } from './contract.ts';
import type { MeshLimits } from './limits.ts';
import { type MeshNode, type SimulatedMesh, simulateMesh } from './test-kit/simulated-mesh.ts';

const two = nodeId(2);
const nothing = new Uint8Array(0);

type Pair = SimulatedMesh & { readonly a: MeshNode; readonly b: MeshNode };
type Settings = { readonly limits?: Partial<MeshLimits>; readonly isCompressing?: boolean };

async function between(seed: number, task: (pair: Pair) => Promise<void>, settings: Settings = {}) {
  const simulation = new Simulation(seed);
  await simulation.run(async () => {
    const cluster = await simulateMesh(simulation, 2, {
      limits: settings.limits ?? {},
      ...(settings.isCompressing ? { compression: zstdCompression } : {}),
    });
    const [a, b] = cluster.nodes as [MeshNode, MeshNode];
    await task({ ...cluster, a, b });
    await cluster.close();
  });
}

/** Half of it noise. */
function content(seed: number, length: number): Uint8Array {
  const random = new SeededRandom(seed);
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length; at += 2) bytes[at] = random.uint32();
  return bytes;
}

/** Of bytes, in pieces of any length; `given` counts what was taken of it. */
function sourceOf(bytes: Uint8Array, given = { bytes: 0 }): MeshHandlers['onFetch'] {
  return async function* (_, name, __, position) {
    const random = new SeededRandom(position);
    if (name !== 'file') throw new AlopexError('undefined_file', `no ${name}`);
    for (let at = position; at < bytes.length; ) {
      const piece = bytes.subarray(at, at + random.below(700_000));
      given.bytes += piece.length;
      at += piece.length;
      yield piece;
    }
  };
}

async function gathered(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const chunk of chunks) parts.push(chunk);
  return new Uint8Array(Buffer.concat(parts));
}

describe('fetches between nodes', () => {
  it('bring every byte, raw or compressed, and no more than the link needs', async () => {
    const bytes = content(1, 3_000_000);
    const carried: number[] = [];
    for (const isCompressing of [false, true]) {
      await between(
        1,
        async ({ a, b, simulation }) => {
          let sum = 0;
          simulation.scheduler.onTrace((line) => {
            const [, length] = /n2 > n1:\d+ (\d+)/.exec(line) ?? [];
            sum += Number(length ?? 0);
          });
          b.handlers.onFetch = sourceOf(bytes);
          expect(equalBytes(await gathered(a.mesh.fetch(two, 'file', nothing)), bytes)).to.equal(true);
          carried.push(sum);
        },
        { isCompressing },
      );
    }
    expect(carried[0]).to.be.within(3_000_000, 3_010_000);
    expect(carried[1]).to.be.lessThan(2_400_000);
  });

  it('may be empty, and at once', () =>
    between(2, async ({ a, b }) => {
      b.handlers.onFetch = sourceOf(nothing);
      const many = await Promise.all([1, 2, 3].map(() => gathered(a.mesh.fetch(two, 'file', nothing))));
      expect(many.map(({ length }) => length)).to.deep.equal([0, 0, 0]);
    }));

  it('go on where a link broke, exact to the byte', async () => {
    const bytes = content(3, 2_000_000);
    let broken = 0;
    for (let seed = 300; seed < 330; seed++) {
      await between(
        seed,
        async ({ a, b, simulation, restart }) => {
          b.handlers.onFetch = sourceOf(bytes);
          let isDone = false;
          const { random } = simulation.scheduler;
          const breaking = (async () => {
            while (!isDone) {
              await simulation.sleep(random.between(1, 6));
              if (isDone) return;
              broken += 1;
              if (random.chance(0.1)) await restart(b);
              else simulation.network.breakConnections('n1', 'n2');
              await simulation.sleep(random.between(0, 100));
            }
          })();
          const fetched = await gathered(a.mesh.fetch(two, 'file', nothing));
          isDone = true;
          expect(equalBytes(fetched, bytes), `seed ${seed}`).to.equal(true);
          await breaking;
          expect([...a.problems, ...b.problems]).to.deep.equal([]);
        },
        { isCompressing: seed % 2 === 0, limits: { fetchWindowBytes: 100_000, chunkBytesMax: 20_000 } },
      );
    }
    expect(broken).to.be.greaterThan(60);
  });

  it('take from the source only what the fetcher has room for', () =>
    between(
      4,
      async ({ a, b, simulation }) => {
        const given = { bytes: 0 };
        const bytes = content(4, 20_000_000);
        b.handlers.onFetch = sourceOf(bytes, given);
        let taken = 0;
        for await (const chunk of a.mesh.fetch(two, 'file', nothing)) {
          taken += chunk.length;
          await simulation.sleep(20);
          // The window, and the piece that the source gave last.
          expect(given.bytes - taken).to.be.lessThan(1_000_000 + 700_000);
        }
        expect(taken).to.equal(bytes.length);
      },
      { limits: { fetchWindowBytes: 1_000_000 } },
    ));

  it('end with the error of the source, after the bytes before it', () =>
    between(5, async ({ a, b }) => {
      b.handlers.onFetch = async function* () {
        yield content(5, 1000);
        throw new AlopexError('undefined_file', 'gone');
      };
      let length = 0;
      const reading = (async () => {
        for await (const chunk of a.mesh.fetch(two, 'file', nothing)) length += chunk.length;
      })();
      expect(await conditionOf(reading)).to.equal('undefined_file');
      expect(length).to.equal(1000);
      b.handlers.onFetch = () => {
        throw new Error('a defect');
      };
      expect(await conditionOf(gathered(a.mesh.fetch(two, 'file', nothing)))).to.equal('internal_error');
      expect(b.problems.map(({ message }) => message)).to.deep.equal(['a defect']);
    }));

  it('stop the source where the fetcher leaves', () =>
    between(6, async ({ a, b, simulation }) => {
      let isEnded = false;
      b.handlers.onFetch = async function* () {
        try {
          for (;;) yield content(6, 100_000);
        } finally {
          isEnded = true;
        }
      };
      for await (const _ of a.mesh.fetch(two, 'file', nothing)) break;
      await simulation.sleep(100);
      expect(isEnded).to.equal(true);
    }));

  it('stop the source where the link breaks, and the fetcher when it has waited long enough', () =>
    between(7, async ({ a, b, simulation }) => {
      let ended = 0;
      b.handlers.onFetch = async function* () {
        try {
          for (;;) yield content(7, 100_000);
        } finally {
          ended += 1;
        }
      };
      const chunks = a.mesh.fetch(two, 'file', nothing)[Symbol.asyncIterator]();
      expect((await chunks.next()).done).to.equal(false);
      simulation.network.partition(['n1'], ['n2']);
      const failure = (async () => {
        while (!(await chunks.next()).done);
      })();
      const startMs = simulation.scheduler.nowMs;
      expect(await conditionOf(failure)).to.equal('connection_failure');
      expect(simulation.scheduler.nowMs - startMs).to.be.within(30_000, 31_000);
      expect(ended).to.equal(1);
      simulation.network.heal();
    }));

  it('wait out a partition that is shorter than that', () =>
    between(8, async ({ a, b, simulation }) => {
      const bytes = content(8, 5_000_000);
      b.handlers.onFetch = sourceOf(bytes);
      const fetched = gathered(a.mesh.fetch(two, 'file', nothing));
      await simulation.sleep(4);
      simulation.network.partition(['n1'], ['n2']);
      await simulation.sleep(20_000);
      simulation.network.heal();
      expect(equalBytes(await fetched, bytes)).to.equal(true);
    }));

  it('are refused beyond so many at once, by the one who fetches', () =>
    between(
      9,
      async ({ a, b }) => {
        b.handlers.onFetch = async function* () {
          for (;;) yield content(9, 100_000);
        };
        const open = [1, 2].map(() => a.mesh.fetch(two, 'file', nothing)[Symbol.asyncIterator]());
        await Promise.all(open.map((chunks) => chunks.next()));
        const more = gathered(a.mesh.fetch(two, 'file', nothing));
        expect(await conditionOf(more)).to.equal('insufficient_resources');
        await Promise.all(open.map((chunks) => chunks.return?.()));
        b.handlers.onFetch = sourceOf(nothing);
        expect((await gathered(a.mesh.fetch(two, 'file', nothing))).length).to.equal(0);
      },
      { limits: { fetchesMax: 2 } },
    ));

  it('end when this node stops, as do those that begin after', () =>
    between(10, async ({ a, b }) => {
      b.handlers.onFetch = () => ({
        [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}) }),
      });
      const waiting = conditionOf(gathered(a.mesh.fetch(two, 'file', nothing)));
      const later = a.mesh.fetch(two, 'file', nothing);
      await a.mesh.close();
      expect(await waiting).to.equal('connection_failure');
      expect(await conditionOf(gathered(later))).to.equal('connection_failure');
    }));

  it('do not keep messages of Raft waiting', () =>
    between(11, async ({ a, b, simulation }) => {
      const { network } = simulation;
      b.handlers.onFetch = sourceOf(content(11, 4_000_000));
      b.mesh.send(nodeId(1), rangeId(0), stringToUtf8('x'));
      await simulation.sleep(10);
      network.worsen('n2', 'n1', { delayMs: { min: 20, max: 30 }, lossProbability: 0 });
      let isDone = false;
      const fetching = gathered(a.mesh.fetch(two, 'file', nothing)).finally(() => {
        isDone = true;
      });
      let beats = 0;
      while (!isDone) {
        const before = a.messages.length;
        b.mesh.send(nodeId(1), rangeId(0), stringToUtf8('x'));
        await simulation.sleep(35);
        expect(a.messages.length - before).to.equal(1);
        beats += 1;
      }
      await fetching;
      expect(beats).to.be.greaterThan(10);
    }));
});
