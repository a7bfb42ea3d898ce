import { expect } from 'chai';
import { concatBytes } from '../../base/bytes/compare.ts';
import { Simulation } from '../../base/env/simulated/simulation.ts';
import { readWhole } from '../../base/env/whole_file.ts';
import { epoch, nodeId, offset } from '../../base/ids.ts';
import { BatchBuilder } from '../record/batch-builder.ts';
import { encodeControlBatch } from '../record/control.ts';
import { dumpLogFile } from '../segment/dump.ts';
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

  it('writes one for each epoch, which can be read as a segment', () =>
    new Simulation(3).machine('a').run(async (env) => {
      const log = await openLog({ ...env, directory: '/db/log' });
      for (const inEpoch of [0, 2, 5]) {
        if (inEpoch > 0) log.startEpoch(epoch(inEpoch));
        for (const text of ['one', 'two']) log.append(batchFor(log, text));
        await log.committed(log.endOffset);
      }
      const paths = await keepLost(env.disk, directory, log, offset(1));
      const names = ['01-0000000000', '02-0000000002', '04-0000000005'];
      expect(paths).to.deep.equal(names.map((name) => `${directory}/000000000000000000${name}.log`));
      const lines: string[] = [];
      for (const path of paths) for await (const line of dumpLogFile(env.disk, path)) lines.push(line);
      expect(lines.filter((line) => /value="(one|two)"/.test(line))).to.have.length(5);
      expect(lines.filter((line) => line.includes('damage'))).to.deep.equal([]);
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
