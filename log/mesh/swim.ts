import type { Random } from '../../base/env/env.ts';
import type { NodeId } from '../../base/ids.ts';
import { ProbeOrder } from './probe-order.ts';
import { Rumours } from './rumours.ts';

/** host:port, for the nodes and for clients. */
export type NodeAddresses = { readonly mesh: string; readonly client: string };

export type MemberState = 'alive' | 'suspect' | 'dead';

/**
 * What is said of a node. Of two records the one of the higher incarnation holds, of the same incarnation the worse one. A
 * node alone raises its incarnation: to say that it lives although others doubt it, or that it is to be found elsewhere.
 */
export type MemberRecord = {
  readonly node: NodeId;
  readonly incarnation: number;
  readonly state: MemberState;
  readonly addresses: NodeAddresses;
};

/** `sender`: what the node that sends it says of itself. */
export type SwimMessage = {
  readonly sequence: number;
  readonly sender: MemberRecord;
  readonly updates: readonly MemberRecord[];
} & (
  | { readonly kind: 'ping' }
  | { readonly kind: 'ack' }
  /** Asks for a ping of another node, and for the ack that it gives. */
  | { readonly kind: 'probe'; readonly target: NodeId }
);

export type SwimLimits = {
  /** Each period one member is pinged. */
  readonly periodMs: number;
  /** Without an answer by then, others are asked to try. */
  readonly pingMsMax: number;
  /** So many of them. */
  readonly helpers: number;
  /** A suspect is held to be dead after so many periods, times the logarithm of the members. */
  readonly suspicionPeriods: number;
  /** In so many periods a dead member is pinged once, for a partition ends without a word. */
  readonly deadPeriods: number;
  /** A record is passed on so many times, times the logarithm of the members. */
  readonly retellings: number;
  readonly updatesMax: number;
  readonly membersMax: number;
  /** Pings for others that are under way. */
  readonly relaysMax: number;
};

export const defaultSwimLimits: SwimLimits = {
  periodMs: 1_000,
  pingMsMax: 300,
  helpers: 3,
  suspicionPeriods: 2,
  deadPeriods: 5,
  retellings: 3,
  updatesMax: 16,
  membersMax: 1_024,
  relaysMax: 256,
};

export type SwimInput =
  | { readonly kind: 'tick' }
  | { readonly kind: 'message'; readonly from: NodeId; readonly message: SwimMessage }
  /** A node that somebody knows by other means. */
  | { readonly kind: 'introduce'; readonly node: NodeId; readonly addresses: NodeAddresses }
  /** It is no member any more: nobody asks after it. */
  | { readonly kind: 'forget'; readonly node: NodeId };

export type SwimReady = {
  readonly messages: readonly { readonly to: NodeId; readonly message: SwimMessage }[];
  /** Records of other nodes that are new, in their order. */
  readonly changes: readonly MemberRecord[];
};

type Member = {
  record: MemberRecord;
  /** When a suspect is held to be dead. */
  deadAtMs: number;
};

/** The ping of this period. */
type Probe = {
  readonly target: NodeId;
  readonly sequence: number;
  readonly helpAtMs: number;
  isHelpAsked: boolean;
};

type Relay = { readonly asker: NodeId; readonly sequence: number; readonly endMs: number };

const badness: Readonly<Record<MemberState, number>> = { alive: 0, suspect: 1, dead: 2 };

/** Whether one record holds against another of the same node (§4.2). */
export function overrides(record: MemberRecord, known: MemberRecord): boolean {
  if (record.incarnation !== known.incarnation) return record.incarnation > known.incarnation;
  return badness[record.state] > badness[known.state];
}

/**
 * SWIM (Das, Gupta, Motivala: "SWIM: Scalable Weakly-consistent Infection-style Process Group Membership Protocol", 2002):
 * who is there, who is not, and where they are. Each node pings one other a period (§3.1), and asks others to try before it
 * suspects it; a suspect may refute (§4.2); what is new rides on pings and acks (§4.1), targets are taken in turns (§4.3).
 * Beyond the paper: the dead are pinged now and then, and may return with a higher incarnation.
 *
 * No clock, no network: `step` says what is to be sent.
 *
 * Invariants: no record of a node has a higher incarnation than the node has had; a member's record only ever gives way to
 * one that overrides it.
 */
export class Swim {
  readonly #random: Pick<Random, 'uint32'>;
  readonly #limits: SwimLimits;
  readonly #members = new Map<NodeId, Member>();
  readonly #rumours: Rumours;
  readonly #order: ProbeOrder;
  readonly #relays = new Map<number, Relay>();
  #self: MemberRecord;
  #probe: Probe | null = null;
  #periodEndMs: number;
  #periods = 0;
  #lastSequence = 0;
  #messages: { readonly to: NodeId; readonly message: SwimMessage }[] = [];
  #changes: MemberRecord[] = [];

  /** `incarnation`: above that of this node's life before, if it can be; else it will learn it from others. */
  constructor(options: {
    readonly self: NodeId;
    readonly addresses: NodeAddresses;
    readonly incarnation: number;
    readonly random: Pick<Random, 'uint32'>;
    readonly limits: SwimLimits;
    readonly nowMs: number;
  }) {
    const { self: node, addresses, incarnation, random, limits, nowMs } = options;
    this.#self = { node, incarnation, state: 'alive', addresses };
    this.#random = random;
    this.#limits = limits;
    this.#rumours = new Rumours(limits);
    this.#order = new ProbeOrder(random);
    // Nodes that start together do not ping together.
    this.#periodEndMs = nowMs + (random.uint32() % limits.periodMs);
  }

  /** Of the other nodes. */
  get members(): readonly MemberRecord[] {
    return Array.from(this.#members.values(), ({ record }) => record);
  }
  get self(): MemberRecord {
    return this.#self;
  }

  /** When the next tick has something to do. */
  nextDeadlineMs(): number {
    let deadlineMs = this.#periodEndMs;
    if (this.#probe !== null && !this.#probe.isHelpAsked)
      deadlineMs = Math.min(deadlineMs, this.#probe.helpAtMs);
    for (const { record, deadAtMs } of this.#members.values())
      if (record.state === 'suspect') deadlineMs = Math.min(deadlineMs, deadAtMs);
    return deadlineMs;
  }

  step(input: SwimInput, nowMs: number): SwimReady {
    switch (input.kind) {
      case 'tick':
        this.#tick(nowMs);
        break;
      case 'message':
        this.#receive(input.from, input.message, nowMs);
        break;
      case 'introduce':
        if (!this.#members.has(input.node))
          this.#learn(
            { node: input.node, incarnation: 0, state: 'alive', addresses: input.addresses },
            nowMs,
          );
        break;
      case 'forget':
        this.#members.delete(input.node);
        this.#rumours.forget(input.node);
        this.#order.remove(input.node);
        break;
    }
    const ready = { messages: this.#messages, changes: this.#changes };
    this.#messages = [];
    this.#changes = [];
    return ready;
  }

  // ---- periods

  #tick(nowMs: number): void {
    for (const { record, deadAtMs } of this.#members.values())
      if (record.state === 'suspect' && deadAtMs <= nowMs) this.#learn({ ...record, state: 'dead' }, nowMs);
    if (nowMs >= this.#periodEndMs) this.#endPeriod(nowMs);
    else if (this.#probe !== null && nowMs >= this.#probe.helpAtMs) this.#askForHelp(this.#probe);
  }

  #endPeriod(nowMs: number): void {
    if (this.#probe !== null) this.#suspect(this.#probe.target, nowMs);
    for (const [sequence, { endMs }] of this.#relays) if (endMs <= nowMs) this.#relays.delete(sequence);
    this.#periodEndMs = nowMs + this.#limits.periodMs;
    this.#periods += 1;
    this.#probe = null;
    this.#pingDead();
    const target = this.#order.next((node) => this.#members.get(node)?.record.state !== 'dead');
    if (target === null) return;
    const sequence = this.#nextSequence();
    this.#probe = { target, sequence, helpAtMs: nowMs + this.#limits.pingMsMax, isHelpAsked: false };
    this.#send(target, { kind: 'ping', sequence });
  }

  /** It answers nothing to a ping that is not this period's; what it says of itself is heard all the same. */
  #pingDead(): void {
    if (this.#periods % this.#limits.deadPeriods !== 0) return;
    const dead = this.members.filter(({ state }) => state === 'dead');
    const member = dead[this.#random.uint32() % Math.max(1, dead.length)];
    if (member !== undefined) this.#send(member.node, { kind: 'ping', sequence: this.#nextSequence() });
  }

  #askForHelp(probe: Probe): void {
    if (probe.isHelpAsked) return;
    probe.isHelpAsked = true;
    const { sequence, target } = probe;
    const others = this.members.filter(({ node, state }) => node !== target && state === 'alive');
    for (let count = 0; count < this.#limits.helpers && others.length > 0; count++) {
      const [helper] = others.splice(this.#random.uint32() % others.length, 1);
      this.#send(helper!.node, { kind: 'probe', sequence, target });
    }
  }

  #suspect(node: NodeId, nowMs: number): void {
    const member = this.#members.get(node);
    if (member?.record.state === 'alive') this.#learn({ ...member.record, state: 'suspect' }, nowMs);
  }

  // ---- messages

  #receive(from: NodeId, message: SwimMessage, nowMs: number): void {
    if (message.sender.node !== from) return;
    const isNew = !this.#members.has(from);
    for (const record of [message.sender, ...message.updates]) this.#learn(record, nowMs);
    // Who comes anew hears of everybody.
    if (isNew) for (const record of this.members) this.#rumours.tell(record);
    const { sequence } = message;
    switch (message.kind) {
      case 'ping':
        this.#send(from, { kind: 'ack', sequence });
        return;
      case 'ack':
        this.#acknowledge(sequence);
        return;
      case 'probe':
        this.#help(from, sequence, message.target, nowMs);
    }
  }

  #acknowledge(sequence: number): void {
    if (this.#probe?.sequence === sequence) this.#probe = null;
    const relay = this.#relays.get(sequence);
    if (relay === undefined) return;
    this.#relays.delete(sequence);
    this.#send(relay.asker, { kind: 'ack', sequence: relay.sequence });
  }

  #help(asker: NodeId, sequence: number, target: NodeId, nowMs: number): void {
    if (!this.#members.has(target) || this.#relays.size >= this.#limits.relaysMax) return;
    const own = this.#nextSequence();
    this.#relays.set(own, { asker, sequence, endMs: nowMs + this.#limits.periodMs });
    this.#send(target, { kind: 'ping', sequence: own });
  }

  /** Whoever is doubted hears it first, for it alone can refute. */
  #send(
    to: NodeId,
    message:
      | { readonly kind: 'ping' | 'ack'; readonly sequence: number }
      | { readonly kind: 'probe'; readonly sequence: number; readonly target: NodeId },
  ): void {
    const theirs = this.#members.get(to)?.record;
    const updates = this.#rumours.take(this.#members.size + 1).filter(({ node }) => node !== to);
    if (theirs !== undefined) updates.unshift(theirs);
    this.#messages.push({ to, message: { ...message, sender: this.#self, updates } });
  }

  #nextSequence(): number {
    this.#lastSequence = (this.#lastSequence + 1) % 2 ** 32;
    return this.#lastSequence;
  }

  // ---- records

  #learn(record: MemberRecord, nowMs: number): void {
    if (record.node === this.#self.node) {
      this.#refute(record);
      return;
    }
    const member = this.#members.get(record.node);
    if (member === undefined) {
      // Of a node that nobody here has met, its end is no news.
      if (record.state === 'dead' || this.#members.size >= this.#limits.membersMax) return;
      this.#order.add(record.node);
    } else if (!overrides(record, member.record)) return;
    this.#members.set(record.node, { record, deadAtMs: nowMs + this.#suspicionMs() });
    this.#rumours.tell(record);
    this.#changes.push(record);
  }

  /** This node lives, and is where it says (§4.2). */
  #refute(record: MemberRecord): void {
    const { incarnation, addresses } = this.#self;
    const isTrue =
      record.state === 'alive' &&
      record.addresses.mesh === addresses.mesh &&
      record.addresses.client === addresses.client;
    if (record.incarnation < incarnation || (record.incarnation === incarnation && isTrue)) return;
    this.#self = { ...this.#self, incarnation: record.incarnation + 1 };
    this.#rumours.tell(this.#self);
  }

  #suspicionMs(): number {
    const { suspicionPeriods, periodMs } = this.#limits;
    return suspicionPeriods * periodMs * Math.max(1, Math.log2(this.#members.size + 1));
  }
}
