import { expect } from 'chai';
import type { Disk, Env } from '../../base/env/env.ts';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { type SimulatedMachine, Simulation } from '../../base/env/simulated/simulation.ts';
import { AlopexError } from '../../base/errors.ts';
import { epoch, type Offset, offset } from '../../base/ids.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { encodeControlBatch } from '../record/control.ts';
import { decodeHeader } from '../record/header.ts';
import { dumpLogFile } from './dump.ts';
import { openLog, type SegmentedLog } from './log.ts';
import { encodeSlot } from './mark.ts';
import type { LogLimits } from './options.ts';
import { openLogReader } from './reader.ts';

const directory = '/log';
/** Of `commit`'s batches. */
const batchBytes = 170;
const firstSegment = `${directory}/00000000000000000000-0000000000.log`;
const small: Partial<LogLimits> = { segmentBytesMax: 2_000, markBytes: 1_000_000, markDelayMs: 1_000_000 };

function machineOf(seed = 1): SimulatedMachine {
  return new Simulation(seed).machine('a');
}

function open(env: Env, limits: Partial<LogLimits> = small): Promise<SegmentedLog> {
  return openLog({ ...env, directory, limits });
}

function batchFor(log: SegmentedLog, text: string, producerId?: number): Uint8Array {
  const builder = new BatchBuilder();
  builder.add(null, new TextEncoder().encode(text));
  const place = { baseOffset: log.endOffset, epoch: log.epoch, timestampMs: 1_000 + 10 * log.endOffset };
  if (producerId === undefined) return builder.finish(place);
  return builder.finish({
    ...place,
    producer: { id: producerId, epoch: 0, baseSequence: 0, isTransactional: true },
  });
}

async function commit(log: SegmentedLog, count: number, text = 'x'.repeat(100)): Promise<void> {
  for (let done = 0; done < count; done++) log.append(batchFor(log, text));
  await log.committed(log.endOffset);
}

function end(log: SegmentedLog, producerId: number, kind: 'commit' | 'abort'): Uint8Array {
  return encodeControlBatch(
    kind === 'abort' ? { kind, coordinatorEpoch: 0 } : { kind, coordinatorEpoch: 0, timestamp: 1 },
    {
      baseOffset: log.endOffset,
      epoch: log.epoch,
      timestampMs: 5,
      producer: { id: producerId, epoch: 0, baseSequence: -1, isTransactional: true },
    },
  );
}

async function errorOf(work: () => unknown): Promise<AlopexError> {
  try {
    await work();
  } catch (thrown) {
    if (thrown instanceof AlopexError) return thrown;
    throw thrown;
  }
  throw new Error('nothing was thrown');
}

async function readAll(read: (from: Offset) => Promise<readonly Uint8Array[]>, from: number, to: number) {
  const offsets: number[] = [];
  for (let at = from; at < to; ) {
    for (const batch of await read(offset(at))) {
      offsets.push(decodeHeader(batch).baseOffset);
      at = decodeHeader(batch).lastOffset + 1;
    }
  }
  return offsets;
}

function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, index) => from + index);
}

/** A log of five segments that was closed, so that the mark is at its end. */
async function closedLog(machine: SimulatedMachine, count = 50): Promise<void> {
  await machine.run(async (env) => {
    const log = await open(env);
    await commit(log, count);
    await log.close();
  });
}

async function dump(disk: Disk, path: string): Promise<readonly string[]> {
  const lines: string[] = [];
  for await (const line of dumpLogFile(disk, path)) lines.push(line);
  return lines;
}

describe('log/segment', () => {
  it('appends_during_a_flush_share_the_next', async () => {
    await machineOf().run(async (env) => {
      const marks: number[] = [];
      const log = await openLog({
        ...env,
        directory,
        listener: { onCommitted: (mark) => marks.push(mark), onRefused: () => {}, onPoisoned: () => {} },
      });
      const first = log.committed(offset(0));
      log.append(batchFor(log, 'a'));
      const one = log.committed(log.endOffset);
      await one;
      for (let count = 0; count < 64; count++) log.append(batchFor(log, 'b'));
      await log.committed(log.endOffset);
      await first;
      expect(marks).to.deep.equal([1, 65]);
    });
  });

  it('append_elsewhere_than_the_end_is_a_broken_invariant', async () => {
    await machineOf().run(async (env) => {
      const log = await open(env);
      const batch = batchFor(log, 'a');
      log.append(batch);
      expect(() => log.append(batch)).to.throw('invariant violated');
      expect(() => log.append(new Uint8Array(5))).to.throw();
      await log.close();
    });
  });

  it('unflushed_bytes_are_limited', async () => {
    await machineOf().run(async (env) => {
      const log = await open(env, { unflushedBytesMax: 1_000 });
      const error = await errorOf(() => {
        for (let count = 0; count < 100; count++) log.append(batchFor(log, 'x'.repeat(100)));
      });
      expect(error.condition).to.equal('insufficient_resources');
      const kept = log.endOffset;
      await log.committed(kept);
      expect(kept).to.be.within(4, 6);
      await commit(log, 3);
      expect(await readAll((from) => log.read(from, 100), 0, kept + 3)).to.deep.equal(range(0, kept + 3));
    });
  });

  it('waiters_are_limited_and_told_when_the_log_closes', async () => {
    await machineOf().run(async (env) => {
      const log = await open(env, { waitersMax: 1 });
      const waiting = log.waitPast(offset(7)).catch((thrown) => thrown);
      expect((await errorOf(() => log.waitPast(offset(8)))).condition).to.equal('insufficient_resources');
      await log.close();
      expect((await waiting).condition).to.equal('admin_shutdown');
      expect((await errorOf(() => log.append(new Uint8Array(61)))).condition).to.equal('admin_shutdown');
      expect((await errorOf(() => log.committed(offset(1)))).condition).to.equal('admin_shutdown');
    });
  });

  it('tail_waits_for_what_is_not_appended_yet', async () => {
    await machineOf().run(async (env) => {
      const log = await open(env);
      const seen = log.waitPast(offset(2)).then(() => log.highWatermark);
      await commit(log, 2);
      await commit(log, 3);
      expect(await seen).to.equal(5);
    });
  });

  it('transactions_hold_the_last_stable_offset_until_they_end', async () => {
    const machine = machineOf();
    await machine.run(async (env) => {
      const log = await open(env);
      await commit(log, 20);
      log.append(batchFor(log, 'one', 1));
      log.append(batchFor(log, 'two', 2));
      await commit(log, 20);
      expect(log.lastStableOffset).to.equal(20);
      log.append(end(log, 1, 'commit'));
      await commit(log, 20);
      expect(log.lastStableOffset).to.equal(21);
      await log.trim(log.highWatermark);
      expect(log.startOffset).to.be.within(1, 21);
      await log.close();
    });
    await machine.run(async (env) => {
      const log = await open(env);
      expect(log.lastStableOffset, 'after it was opened again').to.equal(21);
      log.append(end(log, 2, 'abort'));
      await log.committed(log.endOffset);
      expect(log.lastStableOffset).to.equal(log.highWatermark);
      await log.close();
    });
  });

  it('epoch_starts_a_segment_and_batches_of_another_are_not_taken', async () => {
    const machine = machineOf();
    await machine.run(async (env) => {
      const log = await open(env);
      await commit(log, 2);
      log.startEpoch(epoch(4));
      expect(() => log.startEpoch(epoch(3))).to.throw('epochs never decrease');
      await commit(log, 2);
      await log.close();
      expect((await env.disk.list(directory)).map(({ name }) => name)).to.include(
        '00000000000000000002-0000000004.log',
      );
    });
    await machine.run(async (env) => {
      const log = await open(env);
      expect(log.epoch).to.equal(4);
      expect(await readAll((from) => log.read(from, 1), 0, 4)).to.deep.equal(range(0, 4));
    });
  });

  it('read_begins_with_the_batch_that_holds_the_offset', async () => {
    await machineOf().run(async (env) => {
      const log = await open(env, {});
      const builder = new BatchBuilder();
      for (let batch = 0; batch < 300; batch++) {
        for (let record = 0; record < 3; record++) builder.add(null, new Uint8Array(100));
        log.append(
          builder.finish({ baseOffset: log.endOffset, epoch: log.epoch, timestampMs: 1000 * batch }),
        );
      }
      await log.committed(log.endOffset);
      for (const wanted of [0, 1, 448, 449, 450, 898, 899]) {
        expect(decodeHeader(await log.batchAt(offset(wanted))).baseOffset).to.equal(wanted - (wanted % 3));
      }
      expect((await log.read(offset(0), 1)).length).to.equal(1);
      expect((await log.read(offset(0), 1_000)).length).to.equal(3);
      expect(await log.read(log.highWatermark, 1_000)).to.deep.equal([]);
      expect((await errorOf(() => log.batchAt(log.highWatermark))).condition).to.equal(
        'invalid_parameter_value',
      );
      expect([
        await log.offsetAtTime(0),
        await log.offsetAtTime(99_001),
        await log.offsetAtTime(1e9),
      ]).to.deep.equal([0, 300, 900]);
      const size = log.bytesAfter(offset(0));
      expect(log.bytesAfter(offset(600))).to.be.within(size / 3, size / 3 + 17_000);
      expect(log.bytesAfter(log.endOffset)).to.be.lessThan(17_000);
    });
  });

  it('trim_drops_whole_segments_and_what_is_gone_says_so', async () => {
    const machine = machineOf();
    await closedLog(machine);
    await machine.run(async (env) => {
      const log = await open(env);
      const reader = await openLogReader(env.disk, directory);
      await log.trim(offset(25));
      expect(log.startOffset).to.be.within(13, 25);
      const { startOffset } = log;
      for (const source of [() => log.read(offset(0), 10), () => reader.read(offset(0), offset(50), 10)]) {
        expect((await errorOf(source)).condition).to.equal('snapshot_too_old');
      }
      expect(await readAll((from) => reader.read(from, offset(50), 500), startOffset, 50)).to.deep.equal(
        range(startOffset, 50),
      );
      await reader.close();
      await log.close();
      expect((await open(env)).startOffset).to.equal(startOffset);
    });
  });

  it('truncate_ends_the_log_at_a_batch_and_it_goes_on_from_there', async () => {
    const machine = machineOf();
    await closedLog(machine);
    await machine.run(async (env) => {
      const log = await open(env);
      for (const wanted of [45, 20, 0]) {
        await log.truncate(offset(wanted));
        expect(log).to.include({ endOffset: wanted, highWatermark: wanted });
        expect(await readAll((from) => log.read(from, 500), 0, wanted)).to.deep.equal(range(0, wanted));
        await commit(log, 2);
      }
      const builder = new BatchBuilder();
      for (let record = 0; record < 3; record++) builder.add(null, null);
      log.append(builder.finish({ baseOffset: log.endOffset, epoch: log.epoch, timestampMs: 0 }));
      await log.committed(log.endOffset);
      const error = await errorOf(() => log.truncate(offset(3)));
      expect(error.message).to.equal('the log cannot be truncated: offset 3 is inside a batch');
      await commit(log, 1);
      await log.close();
      expect((await open(env)).endOffset).to.equal(6);
    });
  });

  it('reader_elsewhere_tails_past_the_segments_that_it_knew', async () => {
    await machineOf().run(async (env) => {
      const log = await open(env);
      const reader = await openLogReader(env.disk, directory);
      let read = 0;
      for (let round = 0; round < 20; round++) {
        await commit(log, 5);
        const got = await readAll(
          (from) => reader.read(from, log.highWatermark, 300),
          read,
          log.highWatermark,
        );
        expect(got).to.deep.equal(range(read, log.highWatermark));
        read = log.highWatermark;
      }
      expect(await reader.read(offset(read), offset(read), 10)).to.deep.equal([]);
      expect((await errorOf(() => reader.read(offset(read), offset(read + 1), 10))).condition).to.equal(
        'data_corrupted',
      );
      expect(await reader.offsetAtTime(1_000 + 10 * 77, offset(read))).to.equal(77);
    });
  });

  it('damage_below_the_mark_refuses_to_open_and_names_the_byte', async () => {
    const random = new SeededRandom(3);
    for (let round = 0; round < 60; round++) {
      const machine = machineOf(round);
      await machine.run(async (env) => {
        const log = await open(env, {});
        await commit(log, 10);
        await log.close();
      });
      const size = machine.disk.contents(firstSegment).length;
      expect(size).to.equal(10 * batchBytes);
      const bit = random.below(size * 8);
      machine.disk.flipBit(firstSegment, bit);
      const error = await machine.run((env) => errorOf(() => open(env)));
      expect(error.code).to.equal('XX001');
      const named = /^(.*) is corrupt at byte (\d+): /.exec(error.message);
      expect(named?.[1]).to.equal(firstSegment);
      // In the batch that holds the flipped bit.
      expect(Math.floor(Number(named?.[2]) / batchBytes)).to.equal(Math.floor(bit / 8 / batchBytes));
    }
  });

  it('damage_in_an_older_segment_is_named_by_its_readers', async () => {
    const machine = machineOf();
    await closedLog(machine);
    machine.disk.flipBit(firstSegment, 8 * 900);
    await machine.run(async (env) => {
      const log = await open(env);
      const reader = await openLogReader(env.disk, directory);
      for (const source of [
        log.read.bind(log, offset(0), 5_000),
        () => reader.read(offset(6), offset(50), 5_000),
      ]) {
        const error = await errorOf(async () => {
          for (let at = 0; at < 10; at++) await source();
          await log.read(offset(5), 5_000);
        });
        expect(error.message).to.match(/-0000000000.log is corrupt at byte \d+: CRC-32C/);
      }
    });
  });

  it('damage_of_an_index_or_one_slot_of_the_mark_is_harmless', async () => {
    const random = new SeededRandom(5);
    for (let round = 0; round < 60; round++) {
      const machine = machineOf(round);
      await closedLog(machine);
      const files = machine.disk.files().filter((path) => !path.endsWith('.log'));
      const path = files[round % files.length]!;
      machine.disk.flipBit(path, random.below(machine.disk.contents(path).length * 8));
      await machine.run(async (env) => {
        const log = await open(env);
        expect(await readAll((from) => log.read(from, 500), 0, 50)).to.deep.equal(range(0, 50));
      });
    }
  });

  it('missing_segment_or_mark_refuses_to_open', async () => {
    for (const [path, problem] of [
      [firstSegment, 'is corrupt at byte 0: the segment at offset 0 before it is missing'],
      [`${directory}/mark`, 'is corrupt at byte 0: no mark is left of a log that has segments'],
    ] as const) {
      const machine = machineOf();
      await closedLog(machine);
      const error = await machine.run(async (env) => {
        await env.disk.remove(path);
        return errorOf(() => open(env));
      });
      expect(error.code).to.equal('XX001');
      expect(error.message).to.contain(problem);
    }
  });

  it('last_segment_that_is_shorter_than_the_mark_refuses_to_open', async () => {
    const machine = machineOf();
    await closedLog(machine, 5);
    const error = await machine.run(async (env) => {
      const file = await env.disk.open(firstSegment, 'write');
      await file.truncate((await file.size()) - 3);
      await file.close();
      return errorOf(() => open(env));
    });
    expect(error.message).to.match(
      /^\/log\/0+-0+\.log is corrupt at byte 680: the file ends 167 bytes into a batch$/,
    );
  });

  it('torn_tail_above_the_mark_is_cut_whatever_follows', async () => {
    const machine = machineOf();
    machine.disk.loss = 'everything';
    await machine.run(async (env) => commit(await open(env, { markBytes: 1e9, markDelayMs: 1e9 }), 10));
    machine.restart();
    machine.disk.flipBit(firstSegment, 8 * (batchBytes * 6 + 100));
    await machine.run(async (env) => {
      const log = await open(env);
      expect(log.endOffset).to.equal(6);
      expect(log.cut?.file).to.equal(firstSegment);
      expect(log.cut?.byteOffset).to.be.within(batchBytes * 6, batchBytes * 7);
      expect(machine.disk.contents(firstSegment).length).to.equal(batchBytes * 6);
      // A batch of the same size: were the old ones still behind it, they would now follow.
      await commit(log, 1);
    });
    machine.restart();
    await machine.run(async (env) => expect((await open(env)).endOffset).to.equal(7));
  });

  it('refused_batches_never_come_back', async () => {
    for (let seed = 1; seed <= 30; seed++) {
      const machine = machineOf(seed);
      const { disk } = machine;
      disk.loss = 'everything';
      await machine.run(async (env) => {
        const log = await open(env, {});
        await commit(log, 1);
        // A part of them reaches the file before the disk is full.
        disk.faults.at(disk.boundaries, { kind: 'fail', operation: 'write', errno: 'ENOSPC' });
        expect((await errorOf(() => commit(log, 10))).condition).to.equal('disk_full');
        expect(log.endOffset).to.equal(1);
        await commit(log, 1);
      });
      machine.restart();
      await machine.run(async (env) => expect((await open(env)).endOffset, `seed ${seed}`).to.equal(2));
    }
  });

  it('newer_format_is_refused_by_name', async () => {
    const machine = machineOf();
    await closedLog(machine, 5);
    const slot = encodeSlot(
      {
        startOffset: offset(0),
        offset: offset(0),
        segmentBase: offset(0),
        segmentEpoch: epoch(0),
        position: 0,
        undecided: [],
      },
      99,
      2,
    );
    machine.disk.damage(`${directory}/mark`, 0, slot);
    const error = await machine.run((env) => errorOf(() => open(env)));
    expect(error.condition).to.equal('feature_not_supported');
    expect(error.message).to.equal(
      '/log/mark has log format version 2, and this version of Alopex DB reads 1',
    );
  });

  it('file_is_reserved_in_doubling_steps_and_shrinks_when_it_ends', async () => {
    const machine = machineOf();
    await machine.run(async (env) => {
      const log = await open(env, {});
      const sizes = new Set<number>();
      for (let count = 0; count < 60; count++) {
        await commit(log, 1, 'x'.repeat(10_000));
        sizes.add(machine.disk.contents(firstSegment).length / 65_536);
      }
      expect([...sizes]).to.deep.equal([1, 2, 4, 8, 16]);
      await log.close();
      expect(machine.disk.contents(firstSegment).length).to.equal(log.bytesAfter(offset(0)));
    });
  });

  it('dump_prints_what_a_person_can_read', async () => {
    await machineOf().run(async (env) => {
      const log = await open(env, {});
      log.append(batchFor(log, 'hello'));
      log.append(batchFor(log, 'world', 9));
      log.append(end(log, 9, 'commit'));
      await log.committed(log.endOffset);
      await log.close();
      expect(await dump(env.disk, firstSegment)).to.deep.equal([
        'byte 0: batch of 73 bytes, offsets 0 to 0, epoch 0, 1970-01-01T00:00:01.000Z',
        '  0 key=null value="hello"',
        'byte 73: transactional batch of 73 bytes, offsets 1 to 1, epoch 0, 1970-01-01T00:00:01.010Z, producer 9 epoch 0 sequence 0',
        '  1 key=null value="world"',
        'byte 146: transactional control batch of 90 bytes, offsets 2 to 2, epoch 0, 1970-01-01T00:00:00.005Z, producer 9 epoch 0 sequence -1',
        '  2 commit coordinatorEpoch=0 timestamp=1',
        'end at byte 236, offset 3; the file has 236 bytes',
      ]);
      expect(await dump(env.disk, `${directory}/mark`)).to.deep.equal([
        'mark: format 1, generation 2, log starts at 0',
        'durable below offset 3: byte 236 of segment 0, epoch 0',
      ]);
      expect((await errorOf(() => dump(env.disk, '/log/other'))).condition).to.equal(
        'invalid_parameter_value',
      );
    });
  });
});
