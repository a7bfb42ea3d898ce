import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { SimulatedCrash } from '../../base/env/simulated/incarnation.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { type SimulatedMachine, Simulation } from '../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../base/errors.ts';
import { epoch, type Offset, offset } from '../../base/ids.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { encodeControlBatch } from '../record/control.ts';
import { decodeHeader } from '../record/header.ts';
import { openLog, type SegmentedLog } from './log.ts';
import type { LogLimits } from './options.ts';
import { openLogReader } from './reader.ts';
import { Undecided } from './undecided.ts';

const directory = '/data/log';
const limits: Partial<LogLimits> = {
  segmentBytesMax: 40_000,
  flushBytesMax: 12_000,
  markBytes: 15_000,
  markDelayMs: 3,
};
const faultMoments = ['before', 'during', 'after'] as const;

/**
 * What the log must hold: every batch that was appended and not refused, of which those below `durable` were
 * acknowledged. It outlives the machine's crashes.
 */
class Model {
  batches: Uint8Array[] = [];
  durable = 0;
  trimmedTo = 0;
  /** Nothing below is truncated: a trim relied on what was decided there. */
  settled = 0;

  get end(): number {
    const last = this.batches.at(-1);
    return last === undefined ? 0 : decodeHeader(last).lastOffset + 1;
  }

  dropFrom(end: number): void {
    this.batches = this.batches.filter((batch) => decodeHeader(batch).baseOffset < end);
  }

  lastStableOffset(highWatermark: number): number {
    const undecided = new Undecided();
    for (const batch of this.batches) {
      const header = decodeHeader(batch);
      if (header.lastOffset < highWatermark) undecided.observe(header);
    }
    return undecided.firstOffset ?? highWatermark;
  }
}

/** One machine with a log that is written, crashed, damaged and opened again. */
class Run {
  readonly model = new Model();
  readonly simulation: Simulation;
  readonly machine: SimulatedMachine;
  readonly random: SeededRandom;
  readonly #builder = new BatchBuilder();
  #poisoned = false;
  refusals = 0;

  constructor(seed: number) {
    this.simulation = new Simulation(seed);
    this.machine = this.simulation.machine('a');
    this.random = new SeededRandom(seed);
  }

  used(): number {
    const { disk } = this.machine;
    return disk.files().reduce((bytes, path) => bytes + disk.contents(path).length, 0);
  }

  open(env: Env): Promise<SegmentedLog> {
    this.#poisoned = false;
    return openLog({
      ...env,
      directory,
      limits,
      listener: {
        onCommitted: (highWatermark) => {
          expect(highWatermark).to.be.greaterThan(this.model.durable);
          this.model.durable = highWatermark;
        },
        onRefused: (from) => {
          this.refusals++;
          expect(from).to.equal(this.model.durable);
          this.model.dropFrom(from);
        },
        onPoisoned: () => {
          this.#poisoned = true;
        },
      },
    });
  }

  /** Writes until the machine crashes, the log is poisoned, or the steps are done; then closes it. */
  async write(env: Env, steps: number): Promise<void> {
    const log = await this.open(env);
    await this.check(env, log);
    for (let step = 0; step < steps && !this.#poisoned; step++) await this.#step(env, log);
    if (this.#poisoned) {
      expect(() => log.append(this.#batch(log))).to.throw(AlopexError);
      // What a failed flush left is unknown, and the process ends here.
      this.machine.crash();
      return;
    }
    await log.committed(log.endOffset).catch(refused);
    await log.close();
  }

  async #step(env: Env, log: SegmentedLog): Promise<void> {
    const choice = this.random.below(100);
    if (choice < 80) {
      for (let count = 1 + this.random.below(4); count > 0; count--) this.#append(log);
      const end = log.endOffset;
      if (this.random.chance(0.7)) {
        await log.committed(end).then(() => expect(this.model.durable).to.be.at.least(end), refused);
      }
    } else if (choice < 84) log.startEpoch(epoch(log.epoch + this.random.below(2)));
    else if (choice < 88) await this.#truncate(log);
    else if (choice < 92) await this.#trim(log);
    else if (choice < 96) await this.checkReader(env, log);
    else await env.disk.exists(directory);
  }

  #append(log: SegmentedLog): void {
    const batch = this.#batch(log);
    this.model.batches.push(batch);
    log.append(batch);
  }

  #batch(log: SegmentedLog): Uint8Array {
    const place = { baseOffset: log.endOffset, epoch: log.epoch, timestampMs: 1000 + log.endOffset };
    const id = this.random.below(4);
    const producer = { id, epoch: 0, baseSequence: -1, isTransactional: true };
    const choice = this.random.below(10);
    if (choice === 0)
      return encodeControlBatch({ kind: 'abort', coordinatorEpoch: 0 }, { ...place, producer });
    for (let count = 1 + this.random.below(3); count > 0; count--) {
      const size = this.random.chance(0.05) ? 9_000 : this.random.below(600);
      this.#builder.add(null, this.random.bytes(size));
    }
    return this.#builder.finish(choice === 1 ? { ...place, producer } : place);
  }

  async #truncate(log: SegmentedLog): Promise<void> {
    await log.committed(log.endOffset).catch(refused);
    if (this.#poisoned || this.model.batches.length === 0) return;
    const kept = this.model.batches.filter((batch) => decodeHeader(batch).baseOffset >= this.model.settled);
    const batch = kept[Math.max(0, kept.length - 1 - this.random.below(30))];
    if (batch === undefined) return;
    const end = decodeHeader(batch).baseOffset;
    // Until it is answered it may have happened or not.
    this.model.durable = end;
    await log.truncate(end).catch(refused);
    if (this.#poisoned) return;
    this.model.dropFrom(end);
    expect(log).to.include({ endOffset: end, highWatermark: end });
  }

  async #trim(log: SegmentedLog): Promise<void> {
    const wanted = Math.max(0, log.highWatermark - this.random.below(200));
    this.model.trimmedTo = Math.max(this.model.trimmedTo, Math.min(wanted, log.lastStableOffset));
    this.model.settled = log.highWatermark;
    await log.trim(offset(wanted)).catch(refused);
  }

  /** The log is the model up to some batch at or above what was acknowledged. */
  async check(env: Env, log: SegmentedLog): Promise<void> {
    expect(log.endOffset, 'nothing acknowledged is lost').to.be.at.least(this.model.durable);
    expect(log.startOffset, 'only what was trimmed is gone').to.be.at.most(this.model.trimmedTo);
    this.model.dropFrom(log.endOffset);
    expect(this.model.end, 'nothing is there that was not appended').to.equal(log.endOffset);
    this.model.durable = log.endOffset;
    expect(log.highWatermark).to.equal(log.endOffset);
    expect(log.lastStableOffset).to.equal(
      Math.max(this.model.lastStableOffset(log.endOffset), 0),
      'last stable offset',
    );
    await this.#compare(log.startOffset, log.endOffset, (from) => log.read(from, 5_000));
    await this.checkReader(env, log);
  }

  /** Another process reads the same from the files alone. */
  async checkReader(env: Env, log: SegmentedLog): Promise<void> {
    const reader = await openLogReader(env.disk, directory);
    expect(await reader.markedOffset()).to.be.at.most(log.highWatermark);
    const limit = log.highWatermark;
    await this.#compare(log.startOffset, limit, (from) => reader.read(from, limit, 20_000));
    await reader.close();
  }

  async #compare(
    start: Offset,
    end: Offset,
    read: (from: Offset) => Promise<readonly Uint8Array[]>,
  ): Promise<void> {
    const wanted = this.model.batches.filter((batch) => decodeHeader(batch).baseOffset >= start);
    let at = 0;
    for (let from = start; from < end; ) {
      for (const batch of await read(from)) {
        if (!same(batch, wanted[at++]))
          throw new Error(`batch ${at - 1} of the log is not what was appended`);
        from = offset(decodeHeader(batch).lastOffset + 1);
      }
    }
  }
}

function same(left: Uint8Array, right: Uint8Array | undefined): boolean {
  return right !== undefined && Buffer.compare(left, right) === 0;
}

/** A full disk refuses; a failed flush poisons. Both are told to whoever waits. */
function refused(thrown: unknown): void {
  if (!(thrown instanceof AlopexError) || !['disk_full', 'io_error'].includes(thrown.condition)) throw thrown;
}

/** Runs a task until it ends or its machine crashes, and then switches the machine on again. */
async function live(run: Run, task: (env: Env) => Promise<void>): Promise<'ended' | 'crashed'> {
  try {
    await run.machine.run(task);
    return 'ended';
  } catch (thrown) {
    // After a failed flush the process ends, also where the flush was recovery's.
    const isFailedFlush = thrown instanceof AlopexError && thrown.condition === 'io_error';
    if (!(thrown instanceof SimulatedCrash || isFailedFlush)) throw thrown;
    run.machine.restart();
    return 'crashed';
  }
}

function planCrash(run: Run, within: number): void {
  const { disk } = run.machine;
  const moment = run.random.pick(faultMoments);
  disk.faults.at(disk.boundaries + run.random.below(within), { kind: 'crash', moment });
}

async function crashesAndRecovers(seed: number): Promise<Run> {
  const run = new Run(seed);
  for (let life = 0; life < 4; life++) {
    planCrash(run, 150);
    await live(run, (env) => run.write(env, 60));
    // The second crash comes while it recovers from the first.
    run.machine.disk.faults.clear();
    planCrash(run, 12);
    await live(run, async (env) => {
      const log = await run.open(env);
      await run.check(env, log);
      await log.close();
    });
    run.machine.disk.faults.clear();
  }
  await live(run, (env) => run.write(env, 5));
  return run;
}

/** The disk refuses writes, some of them in part, and is full for a while; then a flush fails. */
async function refusesAndFails(seed: number): Promise<Run> {
  const run = new Run(seed);
  const { disk } = run.machine;
  for (let life = 0; life < 3; life++) {
    for (let count = run.random.below(4); count > 0; count--) {
      const errno = run.random.pick(['ENOSPC', 'EDQUOT'] as const);
      disk.faults.at(disk.boundaries + 10 + run.random.below(200), {
        kind: 'fail',
        operation: 'write',
        errno,
      });
    }
    if (run.random.chance(0.5)) {
      disk.faults.at(disk.boundaries + 10 + run.random.below(300), {
        kind: 'fail',
        operation: 'sync',
        errno: 'EIO',
      });
    }
    if (run.random.chance(0.3)) planCrash(run, 200);
    await live(run, async (env) => {
      const log = await run.open(env);
      await log.close();
      if (run.random.chance(0.5)) disk.capacityBytes = run.used() + run.random.below(150_000);
      await run.write(env, 60);
    });
    disk.faults.clear();
    disk.capacityBytes = Number.MAX_SAFE_INTEGER;
  }
  await live(run, (env) => run.write(env, 20));
  return run;
}

describe('log/segment recovery', () => {
  it('crash_anywhere_and_again_in_recovery_keeps_what_was_acknowledged', async () => {
    for (let seed = 1; seed <= 60; seed++) await named(seed, crashesAndRecovers);
  });

  it('full_disk_refuses_in_order_and_failed_flush_poisons', async () => {
    let refusals = 0;
    for (let seed = 1; seed <= 40; seed++) refusals += (await named(seed, refusesAndFails)).refusals;
    expect(refusals).to.be.greaterThan(30);
  });

  it('same_seed_same_trace', async () => {
    const [first, second] = [await crashesAndRecovers(7), await crashesAndRecovers(7)];
    expect(first.model.batches.length).to.be.greaterThan(0);
    expect(first.simulation.traceHash).to.equal(second.simulation.traceHash);
    expect(first.model).to.deep.equal(second.model);
  });
});

async function named<Result>(seed: number, work: (seed: number) => Promise<Result>): Promise<Result> {
  try {
    return await work(seed);
  } catch (thrown) {
    throw new Error(`seed ${seed}: ${thrown instanceof Error ? thrown.message : thrown}`, { cause: thrown });
  }
}
