import { expect } from 'chai';
import { ByteReader } from '../../base/bytes/reader.ts';
import { ByteWriter } from '../../base/bytes/writer.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import { defaultRaftLimits, type Membership } from '../raft/contract.ts';
import { StandingClock } from './clock.fixture.ts';
import { Liveness } from './liveness.ts';
import { Ticker } from './ticker.ts';

const [self, other, third] = [nodeId(1), nodeId(2), nodeId(3)];
const { electionMs, heartbeatMs } = defaultRaftLimits;
const membership: Membership = {
  members: [self, other, third].map((id) => ({ id, role: 'voter', mesh: '', client: '' })),
  outgoing: [],
  forced: [],
};

class Sleeping {
  wakes = 0;
  wake(): void {
    this.wakes += 1;
  }
}

class Node {
  readonly clock = new StandingClock();
  readonly sent: (readonly [to: NodeId, led: number])[] = [];
  readonly liveness: Liveness;

  constructor() {
    const ticker = new Ticker(this.clock);
    this.liveness = new Liveness({
      self,
      clock: this.clock,
      ticker,
      send: (to, message) => this.sent.push([to, new ByteReader(message).uint32()]),
    });
  }

  /** Quiet, under a leader; null: busy. */
  range(leader: NodeId | null): Sleeping {
    const range = new Sleeping();
    this.note(range, leader);
    return range;
  }
  note(range: Sleeping, leader: NodeId | null): void {
    this.liveness.note(range, { isQuiet: leader !== null, leader, membership });
  }
  hear(from: NodeId, led: number): void {
    const writer = new ByteWriter();
    writer.uint32(led);
    this.liveness.receive(from, writer.toBytes());
  }
}

describe('Liveness', () => {
  it('has no deadline where nothing is quiet', () => {
    const node = new Node();
    expect(node.liveness.deadlineMs).to.equal(null);
    node.range(null);
    expect(node.liveness.deadlineMs).to.equal(null);
    const range = node.range(other);
    expect(node.liveness.deadlineMs).to.equal(electionMs);
    node.note(range, null);
    expect(node.liveness.deadlineMs).to.equal(null);
    expect(node.sent).to.deep.equal([]);
  });

  it('wakes what it follows where the heartbeat is missing for an election timeout', () => {
    const node = new Node();
    const [range, ofThird] = [node.range(other), node.range(third)];
    node.clock.moveTo(electionMs - 10);
    node.hear(third, 1);
    expect(range.wakes).to.equal(0);
    node.clock.moveTo(electionMs + 10);
    expect([range.wakes, ofThird.wakes]).to.deep.equal([1, 0]);
    // It keeps a vote, and cannot wake: it is asked again.
    node.hear(third, 1);
    node.clock.moveTo(2 * electionMs);
    expect([range.wakes, ofThird.wakes]).to.deep.equal([2, 0]);
  });

  it('leaves them be while the heartbeat comes', () => {
    const node = new Node();
    const range = node.range(other);
    for (let ms = heartbeatMs; ms <= 10 * electionMs; ms += heartbeatMs) {
      node.clock.moveTo(ms);
      node.hear(other, 1);
    }
    expect(range.wakes).to.equal(0);
  });

  it('wakes them where the leader names fewer than are followed', () => {
    const node = new Node();
    const ranges = [node.range(other), node.range(other), node.range(third)];
    node.hear(other, 2);
    node.hear(other, 3);
    expect(ranges.map(({ wakes }) => wakes)).to.deep.equal([0, 0, 0]);
    node.hear(other, 1);
    expect(ranges.map(({ wakes }) => wakes)).to.deep.equal([1, 1, 0]);
  });

  it('wakes them where the link to their leader breaks', () => {
    const node = new Node();
    const ranges = [node.range(other), node.range(third), node.range(self)];
    node.liveness.onUnreachable(other);
    expect(ranges.map(({ wakes }) => wakes)).to.deep.equal([1, 0, 0]);
    node.liveness.onUnreachable(nodeId(9));
  });

  it('says, while it leads quiet ranges and no longer, how many', () => {
    const node = new Node();
    const [first, second] = [node.range(self), node.range(self)];
    node.clock.moveTo(heartbeatMs);
    const beat = (led: number) => [other, third].map((id) => [id, led]);
    expect(node.sent.splice(0)).to.deep.equal([...beat(2), ...beat(2)]);
    node.note(first, null);
    node.clock.moveTo(2 * heartbeatMs);
    expect(node.sent.splice(0)).to.deep.equal(beat(1));
    node.liveness.note(second, null);
    expect(node.liveness.deadlineMs).to.equal(null);
    node.clock.moveTo(10 * heartbeatMs);
    expect(node.sent).to.deep.equal([]);
  });
});
