import { expect } from 'chai';
import { Turns } from './turns.ts';

/** Turns on a clock that stands still until it is told, and whose timers fire when they are told. */
function heldTurns() {
  let nowMs = 0;
  const timers: (() => void)[] = [];
  const turns = new Turns({
    wallMs: () => 0,
    monotonicMs: () => nowMs,
    setTimer: (_delayMs, callback) => {
      timers.push(callback);
      return { cancel: () => undefined };
    },
  });
  return {
    /** Which of so many answers waits for the next turn. */
    waiting: (answers: number) =>
      Array.from({ length: answers }, () => turns.pause()).findIndex((each) => each !== null),
    pass: (ms: number) => {
      nowMs += ms;
    },
    nextTurn: () => {
      for (const timer of timers.splice(0)) timer();
    },
  };
}

describe('Turns', () => {
  it('let an answer wait once a turn has lasted long, and not before', () => {
    const { waiting, pass, nextTurn } = heldTurns();
    expect(waiting(100)).to.equal(-1);
    pass(4);
    expect(waiting(100)).to.equal(-1);
    pass(1);
    expect(waiting(100)).to.be.within(0, 31);
    nextTurn();
    expect(waiting(100)).to.equal(-1);
  });
});
