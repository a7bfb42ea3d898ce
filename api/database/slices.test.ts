import { expect } from 'chai';
import { Slices } from './slices.ts';

describe('Slices', () => {
  it('go on one a turn, in their order, and as often as they ask', async () => {
    const timers: (() => void)[] = [];
    const slices = new Slices({
      setTimer: (_delayMs, callback) => {
        timers.push(callback);
        return { cancel: () => undefined };
      },
    });
    const gone: number[] = [];
    const statement = async (name: number): Promise<void> => {
      for (let slice = 0; slice < 2; slice++) {
        await slices.next();
        gone.push(name);
      }
    };
    const all = Promise.all([1, 2, 3].map(statement));
    const perTurn: number[] = [];
    while (gone.length < 6) {
      const before = gone.length;
      for (const timer of timers.splice(0)) timer();
      for (let hop = 0; hop < 5; hop++) await null;
      perTurn.push(gone.length - before);
    }
    await all;
    expect(gone).to.deep.equal([1, 2, 3, 1, 2, 3]);
    expect(perTurn).to.deep.equal([1, 1, 1, 1, 1, 1]);
    expect(timers).to.deep.equal([]);
  });
});
