import { expect } from 'chai';
import type { Env } from '../../base/env/env.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { type Offset, offset } from '../../base/ids.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { openLog, type SegmentedLog } from './log.ts';

const directory = '/log';
const segmentBytesMax = 2_000;
const firstSegment = `${directory}/00000000000000000000-0000000000.log`;

async function open(env: Env): Promise<SegmentedLog> {
  const ignore = () => {};
  const by = {
    onAppended: ignore,
    onFlushing: ignore,
    onFlushed: (end: Offset) => log.advance(end),
    onCut: ignore,
  };
  const log: SegmentedLog = await openLog({
    ...env,
    directory,
    limits: { segmentBytesMax },
    replication: { by, highWatermark: offset(0) },
  });
  return log;
}

/** Batches of which the last one of a segment leaves some bytes of the file that was reserved for it. */
async function commit(log: SegmentedLog, count: number, valueBytes: number): Promise<void> {
  for (let done = 0; done < count; done++) {
    const builder = new BatchBuilder();
    builder.add(null, new Uint8Array(valueBytes));
    log.append(builder.finish({ baseOffset: log.endOffset, epoch: log.epoch, timestampMs: 1 }));
  }
  await log.committed(log.endOffset);
}

describe('log/segment: how far a log is committed', () => {
  // Cluster simulation, seed 100628: a full segment is shrunk, and nobody waits for that to be durable.
  for (const left of [1, 8, 11, 12, 100]) {
    it(`segment_with_${left}_bytes_of_its_reservation_left_opens`, async () => {
      const machine = new Simulation(1).machine('a');
      await machine.run(async (env) => {
        const log = await open(env);
        await commit(log, 20, 130);
        await log.close();
        const file = await env.disk.open(firstSegment, 'write');
        await file.write(await file.size(), [new Uint8Array(left)]);
        await file.close();
        const reopened = await open(env);
        expect(reopened.endOffset).to.equal(20);
        reopened.advance(reopened.endOffset);
        expect(await reopened.read(offset(0), 1_000_000)).to.not.be.empty;
        await reopened.close();
      });
    });
  }
});
