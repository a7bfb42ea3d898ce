import { expect } from 'chai';
import { Pace } from './pace.ts';

const fastMs = 0.1;

function paceAfter(...calls: readonly (readonly [count: number, elapsedMs: number])[]): Pace {
  const pace = new Pace(0.8);
  for (const [count, elapsedMs] of calls) {
    for (let call = 0; call < count; call++) pace.observe(elapsedMs);
  }
  return pace;
}

describe('pace', () => {
  it('stays fast through single hiccups', () => {
    const hiccups = Array.from({ length: 20 }, () => [[1, 10] as const, [100, fastMs] as const]).flat();
    expect(paceAfter(...hiccups).fast).to.equal(true);
  });

  it('is slow after one stall', () => {
    expect(paceAfter([100, fastMs], [1, 20]).fast).to.equal(false);
  });

  it('is slow when calls are, before they add up to a fifth of a second', () => {
    for (const elapsedMs of [1.2, 2, 5, 10]) {
      expect(
        paceAfter([100, fastMs], [Math.floor(200 / elapsedMs), elapsedMs]).fast,
        `${elapsedMs}`,
      ).to.equal(false);
    }
  });

  it('is fast again when calls are, and not by one fast call', () => {
    expect(paceAfter([1000, 5], [1, fastMs]).fast).to.equal(false);
    expect(paceAfter([1000, 5], [200, fastMs]).fast).to.equal(true);
  });

  it('stays slow longer with each relapse, up to a limit', () => {
    const pace = new Pace(0.8);
    const recoveries: number[] = [];
    for (let relapse = 0; relapse < 8; relapse++) {
      pace.observe(20);
      let calls = 0;
      for (; !pace.fast; calls++) pace.observe(fastMs);
      recoveries.push(calls);
    }
    expect(recoveries.slice(-1)).to.deep.equal([1024]);
    expect(recoveries).to.deep.equal([...recoveries].sort((left, right) => left - right));
    for (let call = 0; call < 8192; call++) pace.observe(fastMs);
    pace.observe(20);
    for (let call = 0; call < 100; call++) pace.observe(fastMs);
    expect(pace.fast, 'forgiven').to.equal(true);
  });
});
