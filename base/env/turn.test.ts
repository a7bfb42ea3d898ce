import { expect } from 'chai';
import { realClock } from './real/clock.ts';
import { Turn } from './turn.ts';

describe('turn', () => {
  it('is exhausted by its calls and what lies between them, and new with the next turn', async () => {
    const turn = new Turn(realClock);
    turn.spend(1);
    expect(turn.exhausted).to.equal(false);
    while (!turn.exhausted);
    await turn.next();
    expect(turn.exhausted).to.equal(false);
    turn.spend(6);
    expect(turn.exhausted).to.equal(true);
  });
});
