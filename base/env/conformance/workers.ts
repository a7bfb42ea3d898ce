import { expect } from 'chai';
import { AlopexError } from '../../errors.ts';
import { bytes, conditionOf, type EnvHarness } from './harness.ts';
import { refuseTask, waitTask, writeAndReadTask } from './tasks.ts';

/** What every Workers promises. */
export function describeWorkers(name: string, run: EnvHarness): void {
  describe(`${name}: workers`, () => {
    it('runs a task with an Env of its own, on copies', () =>
      run(async ({ workers, disk }, directory) => {
        const input = { path: `${directory}/a`, bytes: bytes(1, 2) };
        const { read } = await workers.run(writeAndReadTask, input);
        expect(read).to.deep.equal(bytes(1, 2));
        expect(input.bytes).to.deep.equal(bytes(1, 2));
        expect(await disk.exists(input.path)).to.equal(true);
      }));

    it('hands back an AlopexError as one, with its fields', () =>
      run(async ({ workers }) => {
        const error = await workers.run(refuseTask, 't').then(
          () => null,
          (thrown: unknown) => thrown,
        );
        expect(error).to.be.instanceOf(AlopexError);
        expect(error).to.include({
          code: '42P01',
          message: 'relation "t" does not exist',
          hint: 'Create it.',
        });
        expect((error as AlopexError).fields.table).to.equal('t');
      }));

    it('answers each of many tasks', () =>
      run(async ({ workers }) => {
        const delays = Array.from({ length: 40 }, (_, index) => index % 3);
        expect(await Promise.all(delays.map((delay) => workers.run(waitTask, delay)))).to.deep.equal(delays);
      }));

    it('finishes what runs on close, and takes nothing more', () =>
      run(async ({ workers }) => {
        const running = workers.run(waitTask, 5);
        let closed = false;
        const closing = workers.close().then(() => {
          closed = true;
        });
        expect(await conditionOf(workers.run(waitTask, 0))).to.equal('admin_shutdown');
        expect(await running).to.equal(5);
        await closing;
        expect(closed).to.equal(true);
      }));
  });
}
