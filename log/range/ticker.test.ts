import { expect } from 'chai';
import { StandingClock } from './clock.fixture.ts';
import { Ticker, type Ticking } from './ticker.ts';

/** Due again after each tick, unless it is told otherwise. */
class Member implements Ticking {
  deadlineMs: number | null;
  readonly ticks: number[] = [];
  readonly #next: (nowMs: number) => number | null;

  constructor(deadlineMs: number | null, next: (nowMs: number) => number | null = () => null) {
    this.deadlineMs = deadlineMs;
    this.#next = next;
  }

  tick(nowMs: number): void {
    this.ticks.push(nowMs);
    this.deadlineMs = this.#next(nowMs);
  }
}

describe('Ticker', () => {
  it('meets deadlines together, on a grid, none of them early', () => {
    const clock = new StandingClock();
    const ticker = new Ticker(clock);
    const members = [103, 101, 109, 111].map((deadlineMs) => new Member(deadlineMs));
    for (const member of members) ticker.add(member);
    expect(clock.timers).to.deep.equal([110]);
    clock.moveTo(1000);
    expect(members.map(({ ticks }) => ticks)).to.deep.equal([[110], [110], [110], [120]]);
    expect(clock.timers).to.deep.equal([]);
  });

  it('has a timer for the earliest of those that change', () => {
    const clock = new StandingClock();
    const ticker = new Ticker(clock);
    const member = new Member(500, (nowMs) => (nowMs < 1000 ? nowMs + 250 : null));
    ticker.add(member);
    member.deadlineMs = 40;
    ticker.note(member);
    expect(clock.timers).to.deep.equal([40]);
    clock.moveTo(2000);
    expect(member.ticks).to.deep.equal([40, 290, 540, 790, 1040]);
  });

  it('does not look at what has no deadline, until it is noted again', () => {
    const clock = new StandingClock();
    const ticker = new Ticker(clock);
    const busy = new Member(10, (nowMs) => nowMs + 10);
    let looks = 0;
    const quiet: Ticking = {
      get deadlineMs() {
        looks += 1;
        return looks > 1 ? 200 : null;
      },
      tick: () => ticker.remove(quiet),
    };
    ticker.add(quiet);
    ticker.add(busy);
    clock.moveTo(100);
    expect(busy.ticks.length).to.equal(10);
    expect(looks).to.equal(1);
    ticker.note(quiet);
    expect(looks).to.equal(2);
  });

  it('ticks nothing that is removed, and nothing after it is closed', () => {
    const clock = new StandingClock();
    const ticker = new Ticker(clock);
    const [first, second] = [new Member(10), new Member(20)];
    ticker.add(first);
    ticker.add(second);
    ticker.remove(first);
    ticker.close();
    ticker.note(second);
    clock.moveTo(100);
    expect([first.ticks, second.ticks, clock.timers]).to.deep.equal([[], [], []]);
  });
});
