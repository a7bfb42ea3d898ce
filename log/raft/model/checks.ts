import type { Epoch, NodeId, Offset } from '../../../base/ids.ts';
import type { Entry, Member, Membership, RaftStatus } from '../contract.ts';
import type { Machine } from './machine.ts';

/** A property of Raft (thesis, figure 3.2), of its leases or of its reads does not hold. */
export class Violation extends Error {
  override readonly name = 'Violation';
}

type Committed = { readonly entry: Entry; readonly epoch: Epoch };

/** What all machines together have shown so far, and what must follow from it. */
export class Checks {
  readonly #machines: readonly Machine[];
  readonly #leaders = new Map<Epoch, NodeId>();
  /** By offset, without gaps, with the epoch of the leader that committed it. */
  readonly #committed: Committed[] = [];
  readonly #highWatermarks = new Map<Machine, { group: object; offset: Offset }>();
  #electedEpochMax = 0;

  constructor(machines: readonly Machine[]) {
    this.#machines = machines;
  }

  get committedOffset(): number {
    return this.#committed.at(-1)?.entry.endOffset ?? 0;
  }
  get leaderCount(): number {
    return this.#leaders.size;
  }
  get commitCount(): number {
    return this.#committed.length;
  }

  afterStep(machine: Machine): void {
    const { group } = machine;
    if (group === null) return;
    const { status } = group;
    if (status.role === 'leader') this.#elected(machine, status.epoch);
    this.#highWatermark(machine, status);
    for (const other of this.#machines) if (other.group !== null) this.#lease(other, other.group.status);
  }

  /** §6.4: at least what was committed when it was asked for. */
  read(machine: Machine, place: Offset, committedWhenAsked: number): void {
    if (place < committedWhenAsked)
      throw new Violation(
        `read: node ${machine.id} reads at ${place}, ${committedWhenAsked} was committed before`,
      );
  }

  /** §3.5, log matching: where two logs have an epoch at a place, they are equal up to it. */
  logs(): void {
    for (const [index, first] of this.#machines.entries())
      for (const second of this.#machines.slice(index + 1)) matchLogs(first, second);
  }

  /** §3.4, election safety, and §3.6.3, leader completeness. */
  #elected(machine: Machine, epoch: Epoch): void {
    const before = this.#leaders.get(epoch);
    if (before === machine.id) return;
    if (before !== undefined)
      throw new Violation(`election safety: ${before} and ${machine.id} lead epoch ${epoch}`);
    this.#leaders.set(epoch, machine.id);
    this.#electedEpochMax = Math.max(this.#electedEpochMax, epoch);
    const held = new Set(machine.entries);
    for (const committed of this.#committed) {
      const { entry } = committed;
      if (committed.epoch >= epoch || entry.endOffset <= machine.base.offset || held.has(entry)) continue;
      throw new Violation(
        `leader completeness: ${machine.id} leads epoch ${epoch} without [${entry.baseOffset}, ${entry.endOffset})`,
      );
    }
  }

  /** State machine safety: all commit the same at every place, and nobody takes it back. */
  #highWatermark(machine: Machine, status: RaftStatus): void {
    const known = this.#highWatermarks.get(machine);
    const group = machine.group!;
    const { highWatermark } = status;
    const isSame = known !== undefined && known.group === group;
    if (isSame && known.offset === highWatermark) return;
    if (isSame && highWatermark < known.offset)
      throw new Violation(`high watermark of ${machine.id} went from ${known.offset} to ${highWatermark}`);
    if (highWatermark > machine.flushedOffset)
      throw new Violation(
        `${machine.id} commits ${highWatermark}, and has ${machine.flushedOffset} on its disk`,
      );
    for (const entry of machine.entries) {
      if (entry.endOffset > highWatermark) break;
      if (isSame && entry.endOffset <= known.offset) continue;
      this.#commit(machine, entry, status);
    }
    this.#highWatermarks.set(machine, { group, offset: highWatermark });
  }

  #commit(machine: Machine, entry: Entry, status: RaftStatus): void {
    if (entry.baseOffset < this.committedOffset) {
      if (this.#at(entry.baseOffset) !== entry)
        throw new Violation(`state machine safety: ${machine.id} has another commit at ${entry.baseOffset}`);
      return;
    }
    if (entry.baseOffset !== this.committedOffset)
      throw new Violation(`${machine.id} commits ${entry.baseOffset}, after ${this.committedOffset}`);
    if (this.#leaders.get(status.epoch) !== machine.id)
      throw new Violation(
        `${machine.id} commits ${entry.baseOffset} and does not lead epoch ${status.epoch}`,
      );
    if (entry.endOffset === status.highWatermark) this.#durable(entry, status.membership);
    this.#committed.push({ entry, epoch: status.epoch });
  }

  /** What is committed is on the disks of a majority, of both memberships while they are joint. */
  #durable(entry: Entry, { members, outgoing }: Membership): void {
    const isHeld = ({ id }: Member): boolean =>
      this.#machines.find((machine) => machine.id === id)?.hasDurable(entry) ?? false;
    const voters = members.filter(({ role }) => role !== 'learner');
    for (const group of outgoing.length > 0 ? [voters, outgoing] : [voters]) {
      const count = group.filter(isHeld).length;
      if (count * 2 <= group.length)
        throw new Violation(
          `[${entry.baseOffset}, ${entry.endOffset}) is committed on ${count} of ${group.length}`,
        );
    }
  }

  #at(baseOffset: Offset): Entry | null {
    let low = 0;
    let high = this.#committed.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#committed[middle]!.entry.baseOffset <= baseOffset) low = middle;
      else high = middle - 1;
    }
    const { entry } = this.#committed[low]!;
    return entry.baseOffset === baseOffset ? entry : null;
  }

  /** §6.4.1: while a lease holds no other is elected, and nobody has committed more. */
  #lease(machine: Machine, status: RaftStatus): void {
    if (status.role !== 'leader' || machine.nowMs >= status.leaseUntilMs) return;
    if (this.#electedEpochMax > status.epoch)
      throw new Violation(
        `lease: ${machine.id} leads epoch ${status.epoch} with a lease, epoch ${this.#electedEpochMax} has a leader`,
      );
    if (status.highWatermark < this.committedOffset)
      throw new Violation(
        `lease: ${machine.id} would read at ${status.highWatermark}, not ${this.committedOffset}`,
      );
  }
}

function matchLogs(first: Machine, second: Machine): void {
  const places = new Map(second.entries.map((entry) => [entry.endOffset, entry]));
  let mustMatch = false;
  for (const entry of first.entries.toReversed()) {
    const other = places.get(entry.endOffset);
    if (entry.baseOffset < second.base.offset) return;
    if (other === undefined ? mustMatch : other !== entry && (mustMatch || other.epoch === entry.epoch))
      throw new Violation(`log matching: ${first.id} and ${second.id} differ at ${entry.baseOffset}`);
    if (other === entry) mustMatch = true;
  }
}
