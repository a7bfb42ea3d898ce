import { SeededRandom } from '../../../base/env/simulated/random.ts';
import { type NodeId, nodeId, type Offset, offset } from '../../../base/ids.ts';
import type {
  Member,
  MemberRole,
  Membership,
  MembershipChange,
  Message,
  Outgoing,
  RaftLimits,
  Ready,
} from '../contract.ts';
import { isJoint, noMembership } from '../memberships.ts';
import { Agenda } from './agenda.ts';
import { Checks, Violation } from './checks.ts';
import { type LogBase, Machine, type World } from './machine.ts';
import { fairWeather, ModelNetwork } from './network.ts';

/** What a run was, and what happened in it. */
export type ModelReport = {
  readonly seed: number;
  readonly steps: number;
  readonly leaders: number;
  readonly commits: number;
  readonly reads: number;
  readonly faults: Readonly<Record<FaultKind, number>>;
};

const faultKinds = [
  'crash',
  'restart',
  'pause',
  'partition',
  'one-way',
  'heal',
  'weather',
  'refuse',
  'trim',
  'transfer',
  'membership',
  'wake',
  'unreachable',
] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Shorter than the defaults, where that makes more happen; messages of one, two or ten batches. */
function drawLimits(random: SeededRandom): Partial<RaftLimits> {
  const electionMs = random.pick([150, 500]);
  return {
    heartbeatMs: electionMs / 5,
    electionMs,
    messageBytesMax: random.pick([100, 250, 1000]),
    inflightBytesMax: 600,
    inflightMessagesMax: 4,
    inSyncMs: 1000,
    quietAfterMs: random.pick([50, 400]),
    transferMs: 600,
    snapshotRecordsMin: random.pick([10, 1000]),
  };
}
/** Two clocks differ by less than the leases allow for: 1.1 / 0.9 < 1 / (1 - 0.2). */
const clockDriftMax = 0.1;
const machineCount = 6;
const faultyMs = 12_000;
const calmMs = 20_000;
const logCheckSteps = 400;

/**
 * Some machines, a network that fails in every way, and clients, from a seed. Whatever happens, what Raft promises holds
 * (checks.ts); and when the faults stop, there is a leader again and all have the same log.
 */
export class Model implements World {
  readonly #seed: number;
  readonly #random: SeededRandom;
  readonly #agenda = new Agenda();
  readonly #network: ModelNetwork;
  readonly #machines: readonly Machine[];
  readonly #checks: Checks;
  readonly #faults = Object.fromEntries(faultKinds.map((kind) => [kind, 0])) as Record<FaultKind, number>;
  readonly #enabled: readonly FaultKind[];
  readonly #clientPauseMsMax: number;
  /** Elections follow each other before what they began is everywhere (figure 3.7). */
  readonly #crashesNewLeaders: boolean;
  readonly #faultPauseMsMax: number;
  readonly #trace: ((line: string) => void) | null;
  /** By id: what was committed when it was asked for. */
  readonly #asked = new Map<number, number>();
  #askedCount = 0;
  #readCount = 0;
  #steps = 0;
  #isFaulty = true;

  constructor(seed: number, trace: ((line: string) => void) | null = null) {
    this.#seed = seed;
    this.#trace = trace;
    const random = new SeededRandom(seed);
    this.#random = random;
    this.#network = new ModelNetwork(this.#agenda, random, (from, sent) => this.#deliver(from, sent));
    const memberCount = 1 + random.below(5);
    const members = Array.from({ length: memberCount }, (_, index) =>
      this.#member(nodeId(index + 1), 'voter'),
    );
    if (memberCount > 2 && random.chance(0.3))
      members[memberCount - 1] = this.#member(nodeId(memberCount), 'witness');
    const first: Membership = { members, outgoing: [], forced: [] };
    const limits = drawLimits(random);
    const flushMsMax = random.pick([1, 10, 100]);
    this.#clientPauseMsMax = random.pick([30, 30, 1000]);
    this.#crashesNewLeaders = random.chance(0.3);
    this.#faultPauseMsMax = random.pick([60, 300, 1000]);
    this.#machines = Array.from({ length: machineCount }, (_, index) => {
      const held = index < memberCount ? first : noMembership;
      return new Machine(nodeId(index + 1), held, this.#agenda, random, this, {
        limits,
        clockDriftMax,
        flushMsMax,
      });
    });
    this.#checks = new Checks(this.#machines);
    // Not every fault in every run: what only happens without the others is found too.
    this.#enabled = faultKinds.filter(() => random.chance(0.6));
  }

  run(): ModelReport {
    for (const machine of this.#machines) machine.start();
    this.#planClient();
    this.#planFault();
    this.#agenda.runUntil(faultyMs);
    this.#calm();
    this.#agenda.runUntil(faultyMs + calmMs / 2);
    this.#leader().write(1);
    this.#agenda.runUntil(faultyMs + calmMs);
    this.#converged();
    return {
      seed: this.#seed,
      steps: this.#steps,
      leaders: this.#checks.leaderCount,
      commits: this.#checks.commitCount,
      reads: this.#readCount,
      faults: this.#faults,
    };
  }

  send(machine: Machine, ready: Ready): void {
    for (const sent of ready.messages) this.#network.send(machine.id, sent);
  }

  restore(machine: Machine, from: NodeId): void {
    const source = this.#machine(from);
    this.#agenda.plan(this.#random.between(0, 200), () => {
      const isReachable =
        this.#network.isLinked(from, machine.id) && this.#network.isLinked(machine.id, from);
      if (source.group === null || machine.group === null || !isReachable) return;
      const base = this.#snapshotOf(source);
      if (machine.group.needsSnapshot(base.offset, base.epoch)) machine.restore(base);
    });
  }

  readable(machine: Machine, id: number, place: Offset | null): void {
    const asked = this.#asked.get(id);
    if (asked === undefined) throw new Violation(`read ${id} is answered twice`);
    this.#asked.delete(id);
    if (place === null) return;
    this.#readCount++;
    this.#checks.read(machine, place, asked);
  }

  stepped(machine: Machine): void {
    this.#steps++;
    const leaders = this.#checks.leaderCount;
    this.#checks.afterStep(machine);
    if (this.#checks.leaderCount > leaders && this.#crashesNewLeaders && this.#isFaulty) this.#doom(machine);
    if (this.#steps % logCheckSteps === 0) this.#checks.logs();
    if (this.#trace !== null) this.#traceStatus(machine);
  }

  #deliver(from: NodeId, sent: Outgoing): void {
    const { to, generation, message } = sent;
    const machine = this.#machine(to);
    const pausedMs = machine.pausedUntilMs - this.#agenda.nowMs;
    if (pausedMs > 0) {
      this.#agenda.plan(pausedMs, () => this.#deliver(from, sent));
      return;
    }
    this.#trace?.(`${this.#clock} ${from} > ${to} ${describe(message)}`);
    machine.step({ kind: 'message', from, generation, message });
  }

  #planClient(): void {
    if (!this.#isFaulty) return;
    const leaders = this.#machines.filter(
      ({ group, pausedUntilMs }) => group?.status.role === 'leader' && pausedUntilMs <= this.#agenda.nowMs,
    );
    const machine = leaders[this.#random.below(leaders.length)];
    if (machine !== undefined) {
      if (this.#random.chance(0.5)) machine.write(1 + this.#random.below(3));
      else {
        const id = this.#askedCount++;
        this.#asked.set(id, this.#checks.committedOffset);
        machine.step({ kind: 'read-index', id });
      }
    }
    const pauseMs = this.#random.chance(0.02) ? 1500 : this.#clientPauseMsMax;
    this.#agenda.plan(this.#random.between(0, pauseMs), () => this.#planClient());
  }

  #planFault(): void {
    if (!this.#isFaulty || this.#enabled.length === 0) return;
    this.#agenda.plan(this.#random.between(0, this.#faultPauseMsMax), () => {
      if (!this.#isFaulty) return;
      const kind = this.#random.pick(this.#enabled as readonly [FaultKind, ...FaultKind[]]);
      const machine = this.#victim();
      this.#trace?.(`${this.#clock} FAULT ${kind} ${machine.id}`);
      this.#faults[kind]++;
      this.#fault(kind, machine);
      this.#planFault();
    });
  }

  /** A leader more often than another. */
  #victim(): Machine {
    const leaders = this.#machines.filter(({ group }) => group?.status.role === 'leader');
    const chosen = this.#random.chance(0.3) ? leaders[this.#random.below(leaders.length)] : undefined;
    return chosen ?? this.#random.pick(this.#machines as readonly [Machine, ...Machine[]]);
  }

  #fault(kind: FaultKind, machine: Machine): void {
    const random = this.#random;
    switch (kind) {
      case 'crash':
        this.#crash(machine, random.pick([20, 300, 2500]));
        this.#wakeOthers(machine);
        break;
      case 'restart':
        this.#crash(machine, 5);
        break;
      case 'pause':
        machine.pausedUntilMs = this.#agenda.nowMs + random.between(0, 1500);
        break;
      case 'partition':
        this.#partition();
        break;
      case 'one-way':
        this.#network.cut(machine.id, this.#other(machine).id);
        break;
      case 'heal':
        this.#network.heal();
        break;
      case 'weather':
        this.#network.weather = {
          loss: random.pick([0, 0.02, 0.3]),
          duplication: random.pick([0, 0.1]),
          straggling: random.pick([0, 0.02, 0.2]),
          delayMsMax: random.pick([1, 10, 100]),
        };
        break;
      case 'refuse':
        machine.refusals++;
        break;
      case 'trim':
        this.#trim(machine);
        break;
      default:
        this.#operate(kind, machine);
    }
  }

  /** What operators and drivers do. */
  #operate(kind: 'transfer' | 'membership' | 'wake' | 'unreachable', machine: Machine): void {
    const other = this.#other(machine);
    const leader = this.#machines.find(({ group }) => group?.status.role === 'leader');
    if (kind === 'wake') machine.step({ kind: 'wake' });
    else if (kind === 'unreachable') machine.step({ kind: 'unreachable', peer: other.id });
    else if (kind === 'transfer') leader?.step({ kind: 'transfer', to: other.id });
    else leader?.step({ kind: 'change-membership', change: this.#change(leader) });
  }

  #crash(machine: Machine, downMsMax: number): void {
    if (!machine.isUp) return;
    machine.crash();
    this.#agenda.plan(this.#random.between(0, downMsMax), () => {
      if (!machine.isUp) machine.start();
    });
  }

  #doom(machine: Machine): void {
    this.#agenda.plan(this.#random.between(0, this.#network.weather.delayMsMax * 8), () => {
      if (this.#isFaulty) this.#crash(machine, this.#random.pick([20, 300]));
    });
  }

  /** The others' drivers hear no more of it. */
  #wakeOthers(machine: Machine): void {
    for (const other of this.#machines) {
      if (other === machine) continue;
      this.#agenda.plan(this.#random.between(0, 300), () => other.step({ kind: 'wake' }));
    }
  }

  #partition(): void {
    const side = new Set(this.#machines.filter(() => this.#random.chance(0.5)));
    for (const first of this.#machines)
      for (const second of this.#machines)
        if (side.has(first) !== side.has(second)) this.#network.cut(first.id, second.id);
    for (const machine of side) this.#wakeOthers(machine);
  }

  #trim(machine: Machine): void {
    if (machine.group === null) return;
    const place = offset(Math.floor(machine.group.status.highWatermark * this.#random.fraction()));
    if (this.#random.chance(0.5)) machine.trim(place, this.#random.chance(0.5));
    else {
      const last = machine.entries.findLast(({ endOffset }) => endOffset <= place);
      if (last !== undefined && last.endOffset > machine.snapshotOffset)
        machine.snapshotOffset = last.endOffset;
    }
  }

  #change(leader: Machine): MembershipChange {
    const { membership } = leader.group!.status;
    const members = membership.members.map(({ id }) => id);
    const spare = this.#machines.map(({ id }) => id).filter((id) => !members.includes(id));
    const member = this.#random.pick(members as [NodeId, ...NodeId[]]);
    const role = this.#random.pick<MemberRole>(['voter', 'voter', 'voter', 'witness', 'learner']);
    const kind = this.#random.pick(['add', 'add', 'change', 'change', 'remove', 'replace'] as const);
    const added = spare.length === 0 ? member : this.#random.pick(spare as [NodeId, ...NodeId[]]);
    switch (kind) {
      case 'add':
        return { kind, member: this.#member(added, role === 'voter' ? 'learner' : role) };
      case 'change':
        return { kind, member: this.#member(member, role) };
      case 'remove':
        return { kind, id: member };
      default:
        return { kind, id: member, member: this.#member(added, role) };
    }
  }

  /** A snapshot covers what its machine has committed, and the log goes on from any place of it. */
  #snapshotOf(source: Machine): LogBase {
    const { highWatermark } = source.group!.status;
    const entries = source.entries.filter(({ endOffset }) => endOffset <= highWatermark);
    const entry = entries.at(-1 - this.#random.below(Math.min(3, entries.length)));
    if (entry === undefined) return source.base;
    return { offset: entry.endOffset, epoch: entry.epoch, membership: source.membershipAt(entry.endOffset) };
  }

  #calm(): void {
    this.#isFaulty = false;
    this.#network.heal();
    this.#network.weather = fairWeather;
    for (const machine of this.#machines) {
      machine.refusals = 0;
      machine.pausedUntilMs = 0;
      if (!machine.isUp) machine.start();
      this.#wakeOthers(machine);
    }
  }

  #leader(): Machine {
    const leaders = this.#machines.filter(({ group }) => group?.status.role === 'leader');
    leaders.sort((a, b) => b.group!.status.epoch - a.group!.status.epoch);
    const leader = leaders[0];
    if (leader === undefined) throw new Violation('progress: nobody leads although nothing fails');
    return leader;
  }

  #converged(): void {
    const leader = this.#leader();
    const { membership, highWatermark } = leader.group!.status;
    if (isJoint(membership)) throw new Violation('progress: the membership is joint although nothing fails');
    for (const { id } of membership.members) {
      const machine = this.#machine(id);
      const status = machine.group!.status;
      if (highWatermark !== leader.endOffset || status.highWatermark !== highWatermark)
        throw new Violation(
          `progress: ${id} has committed ${status.highWatermark} of ${leader.endOffset}, ${leader.id} ${highWatermark}`,
        );
    }
    this.#checks.logs();
  }

  #machine(id: NodeId): Machine {
    return this.#machines[id - 1]!;
  }
  #other(machine: Machine): Machine {
    return this.#machines[(machine.id + this.#random.below(machineCount - 1)) % machineCount]!;
  }
  #member(id: NodeId, role: MemberRole): Member {
    return { id, role, mesh: '', client: '' };
  }

  get #clock(): string {
    return this.#agenda.nowMs.toFixed(1).padStart(8);
  }
  #traceStatus(machine: Machine): void {
    const status = machine.group?.status;
    if (status === undefined) return;
    const { role, epoch, highWatermark, isQuiet } = status;
    const flags = `${isQuiet ? ' quiet' : ''}${isJoint(status.membership) ? ' joint' : ''}`;
    const members = status.membership.members.map(
      ({ id, role: as }) => `${id}${as === 'voter' ? '' : as[0]}`,
    );
    this.#trace?.(
      `${this.#clock}   ${machine.id} ${role} epoch ${epoch} hw ${highWatermark} flushed ${machine.flushedOffset} end ${machine.endOffset} of ${members.join()}${flags}`,
    );
  }
}

function describe(message: Message): string {
  const fields = Object.entries(message).filter(([name]) => name !== 'kind' && name !== 'membership');
  const texts = fields.map(([name, value]) => {
    if (name !== 'entries') return `${name}=${value}`;
    const entries = value as readonly { baseOffset: number; endOffset: number; epoch: number }[];
    return `entries=${entries.map((entry) => `[${entry.baseOffset},${entry.endOffset})@${entry.epoch}`).join(' ')}`;
  });
  return `${message.kind} ${texts.join(' ')}`;
}
