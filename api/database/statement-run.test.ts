import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import type { Transaction } from '../../query/txn/transaction.ts';
import type { EngineSession } from './session.ts';
import { Slices } from './slices.ts';
import { StatementRun } from './statement-run.ts';

/** A run whose timers fire only when told to: the event loop is held. */
function heldRun(timeoutMs: number) {
  let nowMs = 1000;
  const timers: (() => void)[] = [];
  const cancelled: AlopexError[] = [];
  const clock = {
    monotonicMs: () => nowMs,
    wallMs: () => nowMs,
    setTimer: (_delayMs: number, callback: () => void) => {
      timers.push(callback);
      return { cancel: () => undefined };
    },
  };
  const locks = { cancelWait: (_of: Transaction, reason: AlopexError) => cancelled.push(reason) };
  const session = {
    engine: {
      env: { clock },
      slices: new Slices(clock),
      transactions: { locks },
      temporaryFiles: { store: () => null },
    },
  } as unknown as EngineSession;
  const run = new StatementRun(session, {} as Transaction, timeoutMs);
  return {
    run,
    timers,
    cancelled,
    pass: (ms: number) => {
      nowMs += ms;
    },
  };
}

describe('StatementRun', () => {
  it('ends at its timeout though the timer had no turn', () => {
    const { run, pass, cancelled } = heldRun(100);
    pass(99);
    run.checkCancelled();
    pass(2);
    expect(() => run.checkCancelled())
      .to.throw(AlopexError, 'canceling statement due to statement timeout')
      .with.property('code', '57014');
    expect(cancelled).to.have.length(1);
  });

  it('has a new slice after each turn of the loop', async () => {
    const { run, pass, timers } = heldRun(0);
    pass(4);
    expect(run.slice()).to.equal(null);
    pass(1);
    const turn = run.slice();
    expect(turn).not.to.equal(null);
    pass(7);
    timers.shift()!();
    await turn;
    expect(run.sliceMs()).to.equal(0);
    expect(run.slice()).to.equal(null);
  });
});
