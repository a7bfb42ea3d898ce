import { expect } from 'chai';
import { loopbackNetwork } from './network.ts';
import { isClean, reportText } from './report.ts';
import { soak } from './soak.ts';

describe('a cluster of processes', () => {
  it('loses nothing that it acknowledged when the primary is killed, paused and stopped', async () => {
    const report = await soak({
      network: await loopbackNetwork(3),
      minutes: 0,
      failovers: 3,
      seed: 1,
      faults: ['kill the primary', 'pause the primary', 'stop the primary'],
    });
    expect(isClean(report), reportText(report)).to.equal(true);
  });
});
