import { getPriority } from 'node:os';
import { expect } from 'chai';
import { realEnv } from './env.ts';
import { priorityTask } from './priority.fixture.ts';
import { callingThread } from './priority.ts';

describe('priority of threads', () => {
  it('is lower for those that work in the background, on Linux', async () => {
    const { workers } = realEnv();
    const here = getPriority(callingThread());
    const there = await workers.run(priorityTask, null);
    if (process.platform === 'linux') expect(there).to.be.greaterThan(here);
    else expect(there).to.equal(here);
    expect(getPriority(callingThread())).to.equal(here);
    await workers.close();
  });
});
