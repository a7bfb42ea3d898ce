import { expect } from 'chai';
import type { Clock } from '../../base/env/env.ts';
import { Gathering } from './gathering.ts';

/** A clock whose event loop turns at once, and tells of each turn. */
function turningClock(onTurn: () => void): Clock {
  return {
    wallMs: () => 0,
    monotonicMs: () => 0,
    setTimer: (_, callback) => {
      onTurn();
      queueMicrotask(callback);
      return { cancel: () => undefined };
    },
  };
}

async function turnsOf(gathering: Gathering, flushes: number, endOffset: () => number, turns: () => number) {
  const before = turns();
  for (let flush = 0; flush < flushes; flush++) await gathering.gather(endOffset);
  return turns() - before;
}

describe('log/segment gathering', () => {
  it('lone_producer_waits_for_a_turn_at_every_sixteenth_flush', async () => {
    let turns = 0;
    const gathering = new Gathering(turningClock(() => turns++));
    expect(
      await turnsOf(
        gathering,
        160,
        () => 0,
        () => turns,
      ),
    ).to.equal(10);
  });

  it('turns_that_bring_batches_are_waited_for_until_they_bring_none', async () => {
    let turns = 0;
    let end = 0;
    let isBusy = true;
    const gathering = new Gathering(
      turningClock(() => {
        turns++;
        if (isBusy) end++;
      }),
    );
    await turnsOf(
      gathering,
      16,
      () => end,
      () => turns,
    );
    expect(
      await turnsOf(
        gathering,
        50,
        () => end,
        () => turns,
      ),
      'others append in each turn',
    ).to.equal(50);
    isBusy = false;
    await turnsOf(
      gathering,
      32,
      () => end,
      () => turns,
    );
    expect(
      await turnsOf(
        gathering,
        160,
        () => end,
        () => turns,
      ),
      'nobody does any more',
    ).to.equal(10);
  });

  it('continuations_that_append_are_always_waited_for', async () => {
    const gathering = new Gathering(turningClock(() => undefined));
    let appended = 0;
    const producer = async () => {
      for (let turn = 0; turn < 8; turn++) await undefined;
      appended++;
    };
    void producer();
    await gathering.gather(() => appended);
    expect(appended).to.equal(1);
  });
});
