import { expect } from 'chai';
import { conditionOf } from '../conformance/harness.ts';
import { Threads } from './threads.ts';

/** Answers {ok: true}, dies by 'die', or names its thread by 'name'. */
const entry = new URL(
  `data:text/javascript,${encodeURIComponent(`
    import { parentPort, threadId } from 'node:worker_threads';
    parentPort.on('message', (request) => {
      if (request === 'die') process.exit(3);
      if (request === 'throw') setImmediate(() => { throw new Error('out of hand'); });
      else parentPort.postMessage({ kind: 'output', output: threadId });
    });
  `)}`,
);

describe('threads', () => {
  it('starts no more than it may, and reuses them', async () => {
    const threads = new Threads(entry, 2);
    const ids = await Promise.all(Array.from({ length: 12 }, () => threads.run('name')));
    const again = await threads.run('name');
    expect(new Set(ids).size).to.equal(2);
    expect(ids).to.include(again);
    await threads.close();
  });

  for (const request of ['die', 'throw']) {
    it(`settles the request of a thread that ends by "${request}", and goes on with another`, async () => {
      const threads = new Threads(entry, 1);
      const [died, next] = [threads.run(request), threads.run('name')];
      expect(await conditionOf(died)).to.equal('internal_error');
      expect(await next).to.be.a('number');
      await threads.close();
    });
  }

  it('refuses what cannot be sent, and what is too much', async () => {
    const threads = new Threads(entry, 1);
    const error = await threads
      .run(() => 0)
      .then(
        () => null,
        (thrown: Error) => thrown.name,
      );
    expect(error).to.equal('DataCloneError');
    const asked = Array.from({ length: 1025 }, () => threads.run('name'));
    expect(await conditionOf(threads.run('name'))).to.equal('insufficient_resources');
    await Promise.all(asked);
    await threads.close();
  });
});
