import { expect } from 'chai';
import type { EnvHarness } from './harness.ts';

/** What every Clock and Random promise. */
export function describeClockAndRandom(name: string, run: EnvHarness): void {
  describe(`${name}: clock and random`, () => {
    it('fires timers in the order of their times, never early, and not when cancelled', () =>
      run(async ({ clock }) => {
        const fired: string[] = [];
        const start = clock.monotonicMs();
        await new Promise<void>((resolve) => {
          clock.setTimer(300, () => {
            fired.push(clock.monotonicMs() - start >= 300 ? 'late' : 'early');
            resolve();
          });
          clock.setTimer(150, () => fired.push('first'));
          clock.setTimer(100, () => fired.push('cancelled')).cancel();
          clock.setTimer(0, () => fired.push('at once'));
          clock.setTimer(2 ** 40, () => fired.push('after 35 years')).cancel();
        });
        expect(fired).to.deep.equal(['at once', 'first', 'late']);
      }));

    it('lets ready promises continue before a timer of no delay', () =>
      run(async ({ clock }) => {
        const order: string[] = [];
        const fired = new Promise<void>((resolve) => {
          clock.setTimer(0, () => {
            order.push('timer');
            resolve();
          });
        });
        for (let hops = 0; hops < 10; hops++) await null;
        order.push('promise');
        await fired;
        expect(order).to.deep.equal(['promise', 'timer']);
      }));

    it('tells a wall time of this century in whole milliseconds', () =>
      run(async ({ clock }) => {
        expect(clock.wallMs()).to.be.within(Date.UTC(2025), Date.UTC(2100));
        expect(Number.isInteger(clock.wallMs())).to.equal(true);
      }));

    it('draws words and bytes over their whole range', () =>
      run(async ({ random }) => {
        const words = Array.from({ length: 4000 }, () => random.uint32());
        expect(words.every((word) => Number.isInteger(word) && word >= 0 && word < 2 ** 32)).to.equal(true);
        const mean = words.reduce((sum, word) => sum + word, 0) / words.length / 2 ** 32;
        // Ten standard deviations around a half.
        expect(mean).to.be.within(0.45, 0.55);
        expect(new Set(words).size).to.be.greaterThan(3990);
        expect(new Set(random.bytes(8000)).size).to.equal(256);
        expect(random.bytes(0)).to.have.length(0);
        // More than one draw of the real one; the last bytes are drawn too.
        expect(new Set(random.bytes(70_000).subarray(66_000)).size).to.equal(256);
      }));
  });
}
