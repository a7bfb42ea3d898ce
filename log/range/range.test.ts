import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { epoch, nodeId, offset, rangeId } from '../../base/ids.ts';
import { encodeMessage, entryOf } from '../raft/codec.ts';
import { type Entry, firstGeneration, type Membership, type Message } from '../raft/contract.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { decodeHeader } from '../record/header.ts';
import { openLog, type SegmentedLog } from '../segment/log.ts';
import type { LogLimits } from '../segment/options.ts';
import { Liveness } from './liveness.ts';
import { Range } from './range.ts';
import { firstState, GroupStates } from './states.ts';
import { Ticker } from './ticker.ts';

const [self, first, second] = [nodeId(1), nodeId(2), nodeId(3)];
const all = rangeId(0);
const membership: Membership = {
  members: [self, first, second].map((id) => ({ id, role: 'voter', mesh: '', client: '' })),
  outgoing: [],
  forced: [],
};

/** One record, in an epoch. */
function entryAt(baseOffset: number, inEpoch: number): Entry {
  const builder = new BatchBuilder();
  builder.add(null, new TextEncoder().encode(`${baseOffset} of epoch ${inEpoch}`));
  const batch = builder.finish({ baseOffset: offset(baseOffset), epoch: epoch(inEpoch), timestampMs: 0 });
  return entryOf(batch, decodeHeader(batch));
}

class Follower {
  log!: SegmentedLog;
  readonly range: Range;
  readonly failures: string[] = [];
  readonly heard: number[] = [];
  #round = 0;

  private constructor(env: Env, states: GroupStates) {
    const { clock, random, disk } = env;
    const ticker = new Ticker(clock);
    this.range = new Range({
      id: all,
      self,
      clock,
      random,
      disk,
      states,
      ticker,
      liveness: new Liveness({ self, clock, ticker, send: () => {} }),
      lostDirectory: '/db/lost',
      send: () => {},
      handlers: {
        onStatus: () => {},
        onHeard: (highWatermark) => this.heard.push(highWatermark),
        onFlushed: () => {},
        onProposed: () => {},
        onTruncate: () => {},
        onLost: () => {},
        onSnapshotNeeded: () => {},
        onOutranked: () => {},
        onFailed: ({ message }) => this.failures.push(message),
      },
      rarely: () => false,
    });
  }

  static async start(env: Env, limits: Partial<LogLimits> = {}): Promise<Follower> {
    const states = await GroupStates.open(env.disk, '/db/raft');
    const record = { endOffset: offset(0), epoch: epoch(0), membership };
    if (states.get(all) === null) await states.save(all, { ...firstState, memberships: [record] });
    const follower = new Follower(env, states);
    const replication = { by: follower.range, highWatermark: offset(0) };
    follower.log = await openLog({ ...env, directory: '/db/log', limits, replication });
    await follower.range.start(follower.log, null);
    return follower;
  }

  /** As the leader of an epoch says it. */
  append(
    leader: typeof self,
    leads: number,
    previous: readonly [at: number, epoch: number],
    entries: Entry[],
    highWatermark = 0,
  ): void {
    const message: Message = {
      kind: 'append',
      epoch: epoch(leads),
      previousOffset: offset(previous[0]),
      previousEpoch: epoch(previous[1]),
      entries,
      highWatermark: offset(highWatermark),
      round: ++this.#round,
      quiesce: false,
    };
    this.range.receive(leader, encodeMessage(message, firstGeneration));
  }

  get epochs(): readonly (readonly [base: number, epoch: number])[] {
    return this.log.segments.map(({ base, epoch }) => [base, epoch]);
  }
}

describe('a range that follows', () => {
  const settleMs = 100;
  const oneEpoch = [entryAt(0, 1), entryAt(1, 1), entryAt(2, 1)];

  // §3.5: a leader's log has what it has, in whichever epochs that was written.
  it('takes entries of an earlier epoch in the place of later ones', async () => {
    const simulation = new Simulation(1);
    await simulation.machine('a').run(async (env) => {
      const follower = await Follower.start(env);
      follower.append(first, 1, [0, 0], oneEpoch);
      await simulation.sleep(settleMs);
      follower.append(second, 2, [3, 1], [entryAt(3, 2), entryAt(4, 2)]);
      await simulation.sleep(settleMs);
      expect(follower.log.flushedOffset).to.equal(5);
      follower.append(first, 3, [3, 1], [entryAt(3, 1), entryAt(4, 3)]);
      await simulation.sleep(settleMs);
      expect(follower.failures).to.deep.equal([]);
      expect(follower.log.flushedOffset).to.equal(5);
      expect(follower.epochs).to.deep.equal([
        [0, 0],
        [0, 1],
        [4, 3],
      ]);
    });
  });

  it('takes them after an epoch of which a power cut has left nothing', async () => {
    const simulation = new Simulation(2);
    const machine = simulation.machine('a');
    await machine.run(async (env) => {
      const follower = await Follower.start(env);
      follower.append(first, 1, [0, 0], oneEpoch);
      await simulation.sleep(settleMs);
      follower.range.close();
      await follower.log.close();
      // Its segment is made before anything is in it.
      const file = await env.disk.open('/db/log/00000000000000000003-0000000002.log', 'create');
      await file.close();
      await env.disk.syncDirectory('/db/log');
    });
    machine.restart();
    await machine.run(async (env) => {
      const follower = await Follower.start(env);
      expect(follower.log.epoch).to.equal(2);
      follower.append(second, 3, [3, 1], [entryAt(3, 1)]);
      await simulation.sleep(settleMs);
      expect(follower.failures).to.deep.equal([]);
      expect(follower.log.flushedOffset).to.equal(4);
      follower.range.close();
      await follower.log.close();
      expect((await openLog({ ...env, directory: '/db/log' })).flushedOffset).to.equal(4);
    });
  });

  it('appends nothing behind what a full disk has cut while a vote was kept (simulation seed 1121105)', async () => {
    const simulation = new Simulation(3);
    const machine = simulation.machine('a');
    let isFull = false;
    const capacity = (): number => (isFull ? machine.disk.usedBytes : Number.MAX_SAFE_INTEGER);
    Object.defineProperty(machine.disk, 'capacityBytes', { get: capacity });
    await machine.run(async (env) => {
      const follower = await Follower.start(env, { segmentBytesMax: 64 });
      follower.append(first, 1, [0, 0], oneEpoch);
      await simulation.sleep(settleMs);
      isFull = true;
      follower.append(first, 1, [3, 1], [entryAt(3, 1), entryAt(4, 1)]);
      follower.append(second, 2, [5, 1], [entryAt(5, 2)]);
      follower.append(second, 2, [6, 2], [entryAt(6, 2)]);
      await simulation.sleep(settleMs);
      isFull = false;
      await simulation.sleep(10 * settleMs);
      expect(follower.failures).to.deep.equal([]);
      follower.append(second, 2, [3, 1], [entryAt(3, 1), entryAt(4, 1), entryAt(5, 2)]);
      await simulation.sleep(settleMs);
      expect(follower.failures).to.deep.equal([]);
      expect(follower.log.flushedOffset).to.equal(6);
    });
  });

  it('hears how much is committed of a leader that has committed something of its epoch (simulation seed 1120455)', async () => {
    const simulation = new Simulation(4);
    await simulation.machine('a').run(async (env) => {
      const follower = await Follower.start(env);
      follower.append(first, 1, [0, 0], oneEpoch);
      await simulation.sleep(settleMs);
      follower.append(first, 1, [3, 1], [], 3);
      await simulation.sleep(settleMs);
      for (const entries of [[], [entryAt(3, 2)]]) {
        follower.append(second, 2, [3, 1], entries, 3);
        await simulation.sleep(settleMs);
      }
      expect(follower.heard).to.deep.equal([3]);
      follower.append(second, 2, [4, 2], [], 4);
      await simulation.sleep(settleMs);
      expect(follower.heard).to.deep.equal([3, 4]);
    });
  });

  describe('that starts while nobody answers', () => {
    const keptWithinMs = 1_000;

    /** A follower with three records of epoch 1, of which so many are committed, starts again. */
    async function restarted(
      seed: number,
      leave: (follower: Follower, simulation: Simulation) => Promise<void>,
      before: (env: Env) => Promise<void> = async () => {},
    ): Promise<number> {
      const simulation = new Simulation(seed);
      const machine = simulation.machine('a');
      await machine.run(async (env) => {
        const follower = await Follower.start(env);
        follower.append(first, 1, [0, 0], oneEpoch, 2);
        await simulation.sleep(settleMs);
        await leave(follower, simulation);
      });
      machine.restart();
      return machine.run(async (env) => {
        await before(env);
        const { log } = await Follower.start(env);
        await simulation.sleep(settleMs);
        return log.highWatermark;
      });
    }

    it('knows how much was committed when it was stopped', async () => {
      const stopped = restarted(5, async ({ range, log }) => {
        await range.stop();
        await log.close();
      });
      expect(await stopped).to.equal(2);
    });

    it('knows of a power cut what was committed some seconds before', async () => {
      expect(await restarted(6, async (_, simulation) => simulation.sleep(2 * keptWithinMs))).to.equal(2);
      expect(await restarted(7, async () => {})).to.equal(0);
    });

    it('believes nothing of a log that is another one by now', async () => {
      const stopped = restarted(
        8,
        async ({ range, log }) => {
          await range.stop();
          await log.close();
        },
        async ({ disk }) => {
          const states = await GroupStates.open(disk, '/db/raft');
          const state = states.get(all)!;
          await states.save(all, { ...state, committed: { endOffset: offset(2), epoch: epoch(9) } });
        },
      );
      expect(await stopped).to.equal(0);
    });
  });
});
