import { expect } from 'chai';
import { concatBytes } from '../../base/bytes/compare.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { readWhole } from '../../base/env/whole_file.ts';
import { nodeId, offset } from '../../base/ids.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { encodeControlBatch } from '../record/control.ts';
import { openLog, type SegmentedLog } from '../segment/log.ts';
import { keepLost } from './lost.ts';

const directory = '/db/lost';

function batchFor(log: SegmentedLog, text: string): Uint8Array {
  const builder = new BatchBuilder();
  builder.add(null, new TextEncoder().encode(text));
  return builder.finish({ baseOffset: log.endOffset, epoch: log.epoch, timestampMs: 1_000 });
}

describe('keepLost', () => {
  it('writes what a log loses, byte for byte, into a file named as a segment is', () =>
    new Simulation(1).machine('a').run(async (env) => {
      const log = await openLog({ ...env, directory: '/db/log' });
      const batches = ['kept', 'lost', 'lost too'].map((text) => {
        const batch = batchFor(log, text);
        log.append(batch.slice());
        return batch;
      });
      await log.committed(log.endOffset);
      await keepLost(env.disk, directory, log, offset(1));
      const names = (await env.disk.list(directory)).map(({ name }) => name);
      expect(names).to.deep.equal(['00000000000000000001-0000000000.log']);
      const bytes = await readWhole(env.disk, `${directory}/${names[0]}`);
      expect(bytes).to.deep.equal(concatBytes(batches.slice(1)));
      await log.close();
    }));

  it('writes no file where nothing is lost but what the consensus wrote', () =>
    new Simulation(2).machine('a').run(async (env) => {
      const log = await openLog({ ...env, directory: '/db/log' });
      log.append(batchFor(log, 'kept'));
      log.append(
        encodeControlBatch(
          { kind: 'leader-change', leader: nodeId(1) },
          { baseOffset: log.endOffset, epoch: log.epoch, timestampMs: 1_000 },
        ),
      );
      await log.committed(log.endOffset);
      await keepLost(env.disk, directory, log, offset(1));
      await keepLost(env.disk, directory, log, log.endOffset);
      expect(await env.disk.exists(directory)).to.equal(false);
      await log.close();
    }));
});
