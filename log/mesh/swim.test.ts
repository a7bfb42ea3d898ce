import { expect } from 'chai';
import { SeededRandom } from '../../base/env/simulated/random.ts';
import { type NodeId, nodeId } from '../../base/ids.ts';
import { ProbeOrder } from './probe-order.ts';
import {
  defaultSwimLimits,
  type MemberRecord,
  overrides,
  Swim,
  type SwimInput,
  type SwimMessage,
} from './swim.ts';
import { decodeSwimMessage, encodeSwimMessage } from './swim-messages.ts';

const { periodMs } = defaultSwimLimits;
const addressesOf = (node: number, port = 1) => ({ mesh: `n${node}:${port}`, client: `n${node}:5432` });

type Running = { readonly swim: Swim; readonly changes: MemberRecord[]; readonly life: number };
type Delivery = {
  readonly atMs: number;
  readonly from: NodeId;
  readonly to: NodeId;
  readonly bytes: Uint8Array;
};

/** Nodes that only have SWIM, on a network that loses, delays and divides. */
class Group {
  readonly random: SeededRandom;
  readonly nodes = new Map<NodeId, Running>();
  readonly incarnations = new Map<NodeId, number>();
  lossProbability = 0;
  delayMsMax = 20;
  isDivided: (from: NodeId, to: NodeId) => boolean = () => false;
  nowMs = 0;
  #deliveries: Delivery[] = [];
  #lives = 0;

  constructor(seed: number, count: number) {
    this.random = new SeededRandom(seed);
    const ids = Array.from({ length: count }, (_, index) => nodeId(index + 1));
    for (const id of ids) this.start(id);
    // Each knows the first one alone, and it knows nobody.
    for (const id of ids) if (id !== ids[0]) this.introduce(id, ids[0]!);
  }

  start(id: NodeId, port = 1, incarnation = 1 + Math.floor(this.nowMs)): void {
    const options = { self: id, addresses: addressesOf(id, port), incarnation, random: this.random };
    const swim = new Swim({ ...options, limits: defaultSwimLimits, nowMs: this.nowMs });
    this.nodes.set(id, { swim, changes: [], life: this.#lives++ });
  }

  introduce(id: NodeId, other: NodeId): void {
    this.step(id, { kind: 'introduce', node: other, addresses: addressesOf(other) });
  }

  step(id: NodeId, input: SwimInput): void {
    const running = this.nodes.get(id);
    if (running === undefined) return;
    const { messages, changes } = running.swim.step(input, this.nowMs);
    running.changes.push(...changes);
    const own = running.swim.self.incarnation;
    this.incarnations.set(id, Math.max(own, this.incarnations.get(id) ?? 0));
    for (const { node, incarnation } of changes) {
      const most = this.incarnations.get(node) ?? 0;
      if (incarnation > most)
        throw new Error(`node ${id} knows incarnation ${incarnation} of ${node}, at ${most}`);
    }
    for (const { to, message } of messages) this.#send(id, to, message);
  }

  #send(from: NodeId, to: NodeId, message: SwimMessage): void {
    if (this.isDivided(from, to) || this.random.chance(this.lossProbability)) return;
    const atMs = this.nowMs + this.random.between(1, this.delayMsMax);
    this.#deliveries.push({ atMs, from, to, bytes: encodeSwimMessage(message) });
  }

  run(durationMs: number): void {
    const endMs = this.nowMs + durationMs;
    for (;;) {
      let next: { atMs: number; happen: () => void } = { atMs: endMs, happen: () => {} };
      for (const [id, { swim }] of this.nodes) {
        const atMs = Math.max(this.nowMs, swim.nextDeadlineMs());
        if (atMs < next.atMs) next = { atMs, happen: () => this.step(id, { kind: 'tick' }) };
      }
      for (const delivery of this.#deliveries)
        if (delivery.atMs < next.atMs) next = { atMs: delivery.atMs, happen: () => this.#deliver(delivery) };
      this.nowMs = next.atMs;
      next.happen();
      if (next.atMs >= endMs) return;
    }
  }

  #deliver(delivery: Delivery): void {
    this.#deliveries.splice(this.#deliveries.indexOf(delivery), 1);
    this.step(delivery.to, {
      kind: 'message',
      from: delivery.from,
      message: decodeSwimMessage(delivery.bytes),
    });
  }

  /** What each node says of the others: `1: 2 alive, 3 dead`. */
  states(): readonly string[] {
    return [...this.nodes].map(([id, { swim }]) => {
      const others = [...swim.members].sort((left, right) => left.node - right.node);
      return `${id}: ${others.map(({ node, state }) => `${node} ${state}`).join(', ')}`;
    });
  }

  /** All that run know each other as alive and where they are, and the others as dead or not at all. */
  expectAgreement(hint: string): void {
    for (const [id, { swim }] of this.nodes) {
      const known = new Map(swim.members.map((record) => [record.node, record]));
      for (const [other, { swim: theirs }] of this.nodes) {
        if (other === id) continue;
        const { state, addresses } = known.get(other) ?? { state: 'unknown', addresses: null };
        expect([state, addresses], `${hint}: ${id} of ${other}`).to.deep.equal([
          'alive',
          theirs.self.addresses,
        ]);
      }
      for (const { node, state } of known.values())
        if (!this.nodes.has(node)) expect(state, `${hint}: ${id} of ${node}`).to.equal('dead');
    }
  }
}

const [one, two, three] = [nodeId(1), nodeId(2), nodeId(3)];

describe('the order of probes', () => {
  it('has_each_member_once_a_round_whoever_comes_and_goes', () => {
    const random = new SeededRandom(1);
    const order = new ProbeOrder(random);
    const present = new Set<NodeId>();
    /** Asked for since its last turn. */
    const waits = new Map<NodeId, number>();
    for (let turn = 0; turn < 5000; turn++) {
      const node = nodeId(1 + random.below(10));
      if (random.chance(0.5) && !present.has(node)) {
        order.add(node);
        present.add(node);
        waits.set(node, 0);
      } else if (random.chance(0.5) && present.delete(node)) order.remove(node);
      const next = order.next(() => true);
      expect(next === null).to.equal(present.size === 0);
      if (next === null) continue;
      expect(present.has(next)).to.equal(true);
      for (const each of present) waits.set(each, waits.get(each)! + 1);
      waits.set(next, 0);
      for (const each of present) expect(waits.get(each)).to.be.lessThan(20);
    }
  });
});

describe('swim', () => {
  it('section_4_2_an_incarnation_overrides_and_within_it_the_worse_state', () => {
    const record = (incarnation: number, state: MemberRecord['state']): MemberRecord => ({
      node: two,
      incarnation,
      state,
      addresses: addressesOf(2),
    });
    const inOrder = [
      record(1, 'alive'),
      record(1, 'suspect'),
      record(1, 'dead'),
      record(2, 'alive'),
      record(2, 'dead'),
    ];
    for (const [left, a] of inOrder.entries())
      for (const [right, b] of inOrder.entries()) expect(overrides(a, b)).to.equal(left > right);
  });

  it('section_4_1_everybody_hears_of_everybody_from_one_that_is_known', () => {
    const group = new Group(1, 12);
    group.run(20 * periodMs);
    group.expectAgreement('joined');
  });

  it('section_4_1_who_comes_late_hears_of_everybody_from_one_that_is_known', () => {
    const group = new Group(9, 8);
    group.run(60 * periodMs);
    group.start(nodeId(9));
    group.introduce(nodeId(9), one);
    group.run(3 * periodMs);
    group.expectAgreement('joined late');
  });

  it('suspects_nobody_while_nothing_fails', () => {
    const group = new Group(2, 8);
    group.run(200 * periodMs);
    for (const { changes } of group.nodes.values())
      expect(changes.filter(({ state }) => state !== 'alive')).to.deep.equal([]);
  });

  it('section_4_3_a_node_that_stops_is_suspected_within_two_rounds_and_then_dead', () => {
    for (let seed = 10; seed < 20; seed++) {
      const group = new Group(seed, 6);
      group.run(20 * periodMs);
      group.nodes.delete(three);
      group.run((2 * 5 + 2) * periodMs);
      for (const { changes } of group.nodes.values())
        expect(changes.some(({ node, state }) => node === three && state === 'suspect')).to.equal(true);
      group.run(8 * periodMs);
      group.expectAgreement(`seed ${seed}`);
      expect(group.states()[0]).to.contain('3 dead');
    }
  });

  it('section_3_1_a_broken_way_between_two_is_bridged_by_others', () => {
    const group = new Group(3, 4);
    group.run(10 * periodMs);
    group.isDivided = (from, to) => from + to === 3;
    group.run(100 * periodMs);
    for (const { changes } of group.nodes.values())
      expect(changes.filter(({ state }) => state !== 'alive')).to.deep.equal([]);
  });

  it('section_4_2_a_suspect_refutes', () => {
    const group = new Group(4, 5);
    group.run(10 * periodMs);
    const before = group.nodes.get(two)!.swim.self.incarnation;
    group.isDivided = (from, to) => from === two || to === two;
    group.run(7 * periodMs);
    expect(group.states().join()).to.contain('2 suspect');
    group.isDivided = () => false;
    group.run(10 * periodMs);
    group.expectAgreement('refuted');
    expect(group.nodes.get(two)!.swim.self.incarnation).to.be.greaterThan(before);
  });

  it('both_sides_of_a_partition_hold_the_other_to_be_dead_and_find_it_again', () => {
    const group = new Group(5, 6);
    group.run(10 * periodMs);
    group.isDivided = (from, to) => from <= 3 !== to <= 3;
    group.run(60 * periodMs);
    expect(group.states()[0]).to.equal('1: 2 alive, 3 alive, 4 dead, 5 dead, 6 dead');
    group.isDivided = () => false;
    group.run(60 * periodMs);
    group.expectAgreement('healed');
  });

  it('a_node_that_comes_back_elsewhere_is_known_there_even_where_its_clock_went_back', () => {
    for (const incarnation of [1_000_000, 1]) {
      const group = new Group(6, 4);
      group.run(20 * periodMs);
      group.nodes.delete(two);
      group.run(20 * periodMs);
      group.start(two, 9, incarnation);
      group.introduce(two, one);
      group.run(20 * periodMs);
      group.expectAgreement(`incarnation ${incarnation}`);
      const record = group.nodes.get(three)!.swim.members.find(({ node }) => node === two);
      expect(record?.addresses.mesh).to.equal('n2:9');
    }
  });

  it('a_node_that_is_forgotten_is_asked_after_no_more', () => {
    const group = new Group(7, 3);
    group.run(10 * periodMs);
    group.nodes.delete(three);
    for (const id of [one, two]) group.step(id, { kind: 'forget', node: three });
    group.run(20 * periodMs);
    expect(group.states()).to.deep.equal(['1: 2 alive', '2: 1 alive']);
  });

  it('messages_carry_no_more_records_than_their_limit_and_end_when_all_have_been_told', () => {
    const group = new Group(8, 40);
    let most = 0;
    for (const { swim } of group.nodes.values()) {
      const step = swim.step.bind(swim);
      swim.step = (input, nowMs) => {
        const ready = step(input, nowMs);
        for (const { message } of ready.messages) most = Math.max(most, message.updates.length);
        return ready;
      };
    }
    group.run(40 * periodMs);
    expect(most).to.be.within(2, defaultSwimLimits.updatesMax + 1);
    group.expectAgreement('joined');
    most = 0;
    group.run(40 * periodMs);
    expect(most).to.equal(1);
  });

  it('agrees_once_faults_end_whatever_they_were', () => {
    for (let seed = 100; seed < 140; seed++) {
      const group = new Group(seed, 3 + (seed % 5));
      const ids = [...group.nodes.keys()];
      const { random } = group;
      for (let round = 0; round < 30; round++) {
        group.lossProbability = random.chance(0.5) ? 0 : 0.3;
        group.delayMsMax = random.chance(0.8) ? 20 : 500;
        const side = random.below(ids.length + 1);
        group.isDivided = random.chance(0.3) ? (from, to) => from <= side !== to <= side : () => false;
        const id = ids[random.below(ids.length)]!;
        if (random.chance(0.3) && group.nodes.size > 1) group.nodes.delete(id);
        else if (!group.nodes.has(id)) {
          group.start(id, 1 + random.below(3));
          for (const other of ids) if (other !== id) group.introduce(id, other);
        }
        group.run(random.between(0, 6) * periodMs);
      }
      group.lossProbability = 0;
      group.delayMsMax = 20;
      group.isDivided = () => false;
      group.run(120 * periodMs);
      group.expectAgreement(`seed ${seed}`);
    }
  });
});
