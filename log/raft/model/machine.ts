import type { SeededRandom } from '../../../base/env/simulated/random.ts';
import { type Epoch, epoch, type NodeId, type Offset, offset } from '../../../base/ids.ts';
import { invariant } from '../../../base/unreachable.ts';
import {
  type Entry,
  firstHardState,
  type HardState,
  type Input,
  type Membership,
  type RaftLimits,
  type Ready,
} from '../contract.ts';
import { RaftGroup } from '../group.ts';
import { noMembership } from '../memberships.ts';
import type { Agenda } from './agenda.ts';

/** Entries are compared by identity: each is made once, by the leader that proposes it. */
export type LogBase = { readonly offset: Offset; readonly epoch: Epoch; readonly membership: Membership };

/** What the model does for a machine, and looks at after each of its steps. */
export type World = {
  send(machine: Machine, ready: Ready): void;
  restore(machine: Machine, from: NodeId): void;
  readable(machine: Machine, id: number, place: Offset | null): void;
  stepped(machine: Machine): void;
};

export type MachineOptions = {
  readonly limits: Partial<RaftLimits>;
  /** Part by which its clock may run faster or slower than the model's. */
  readonly clockDriftMax: number;
  readonly flushMsMax: number;
};

const emptyBytes = new Uint8Array(0);
const entryBytes = 100;

/**
 * A node of the model: a disk that loses what is not flushed, a clock that runs at its own speed, and the driver of one
 * group, which does what contract.ts asks of it.
 */
export class Machine {
  readonly id: NodeId;
  readonly #agenda: Agenda;
  readonly #random: SeededRandom;
  readonly #world: World;
  readonly #options: MachineOptions;
  /** Local milliseconds in one of the model's. */
  readonly #clockRate: number;
  readonly #clockBaseMs: number;
  hardState: HardState = firstHardState;
  base: LogBase;
  /** Appended, in order; durable up to `flushedOffset`. */
  entries: Entry[] = [];
  flushedOffset: Offset;
  /** Committed as its snapshot knows. */
  snapshotOffset: Offset;
  group: RaftGroup | null = null;
  pausedUntilMs = 0;
  refusals = 0;
  #flushing: { endOffset: Offset }[] = [];
  #tickAtMs = Number.POSITIVE_INFINITY;
  #incarnation = 0;

  constructor(
    id: NodeId,
    membership: Membership,
    agenda: Agenda,
    random: SeededRandom,
    world: World,
    options: MachineOptions,
  ) {
    this.id = id;
    this.#agenda = agenda;
    this.#random = random;
    this.#world = world;
    this.#options = options;
    this.#clockRate = 1 + random.between(-options.clockDriftMax, options.clockDriftMax);
    this.#clockBaseMs = random.between(0, 100_000);
    this.base = { offset: offset(0), epoch: epoch(0), membership };
    this.flushedOffset = offset(0);
    this.snapshotOffset = offset(0);
  }

  get nowMs(): number {
    return this.#clockBaseMs + this.#agenda.nowMs * this.#clockRate;
  }
  get endOffset(): Offset {
    return this.entries.at(-1)?.endOffset ?? this.base.offset;
  }
  get isUp(): boolean {
    return this.group !== null;
  }

  start(): void {
    const starts: { epoch: Epoch; startOffset: Offset }[] = [];
    for (const entry of this.entries) {
      if (starts.at(-1)?.epoch !== entry.epoch)
        starts.push({ epoch: entry.epoch, startOffset: entry.baseOffset });
    }
    const changes = this.entries.filter(
      (entry) => entry.membership !== null && entry.endOffset > this.snapshotOffset,
    );
    const covered = this.membershipAt(this.snapshotOffset);
    this.group = new RaftGroup({
      self: this.id,
      hardState: this.hardState,
      epochs: starts,
      startOffset: this.base.offset,
      startEpoch: this.base.epoch,
      endOffset: this.endOffset,
      highWatermark: this.snapshotOffset,
      memberships: [
        { endOffset: this.snapshotOffset, membership: covered },
        ...changes.map((entry) => ({ endOffset: entry.endOffset, membership: entry.membership! })),
      ],
      random: () => this.#random.uint32(),
      nowMs: this.nowMs,
      limits: this.#options.limits,
    });
    this.#incarnation++;
    this.#planTick();
  }

  /** Some of what was not flushed may be on the disk all the same. */
  crash(): void {
    this.group = null;
    this.#incarnation++;
    this.#flushing = [];
    this.#tickAtMs = Number.POSITIVE_INFINITY;
    while (this.endOffset > this.flushedOffset && this.#random.chance(0.7)) this.entries.pop();
    this.flushedOffset = this.endOffset;
  }

  step(input: Input): void {
    const { group } = this;
    if (group === null) return;
    const ready = group.step(input, this.nowMs);
    this.#store(ready);
    for (const proposal of ready.propose)
      this.write(1, proposal.kind === 'membership' ? proposal.membership : null);
    this.#world.send(this, ready);
    for (const { to, from, bytesMax } of ready.reads) this.#read(to, from, bytesMax);
    if (ready.restore !== null) this.#world.restore(this, ready.restore.from);
    for (const { id, offset: place } of ready.readable) this.#world.readable(this, id, place);
    this.#world.stepped(this);
    this.#planTick();
  }

  /** A leader's batch of so many records. */
  write(records: number, membership: Membership | null = null): void {
    const end = this.endOffset;
    const entry: Entry = {
      baseOffset: end,
      endOffset: offset(end + records),
      epoch: this.group!.status.epoch,
      sizeBytes: entryBytes,
      membership,
      bytes: emptyBytes,
    };
    this.entries.push(entry);
    this.#flushSoon();
    this.step({ kind: 'appended', entries: [entry] });
  }

  /** The log begins at a snapshot that another has. */
  restore(base: LogBase): void {
    this.base = base;
    this.entries = [];
    this.#flushing = [];
    this.flushedOffset = base.offset;
    this.snapshotOffset = base.offset;
    this.step({
      kind: 'restored',
      offset: base.offset,
      offsetEpoch: base.epoch,
      membership: base.membership,
    });
  }

  /** The log loses what is below a snapshot. `isTold`: the group hears of it before it asks for what is gone. */
  trim(place: Offset, isTold: boolean): void {
    const last = this.entries.findLast(({ endOffset }) => endOffset <= place);
    if (last === undefined) return;
    this.base = { offset: last.endOffset, epoch: last.epoch, membership: this.membershipAt(last.endOffset) };
    this.entries = this.entries.filter(({ baseOffset }) => baseOffset >= last.endOffset);
    if (this.snapshotOffset < last.endOffset) this.snapshotOffset = last.endOffset;
    if (isTold) this.step({ kind: 'trimmed', startOffset: last.endOffset });
  }

  membershipAt(place: Offset): Membership {
    const last = this.entries.findLast((entry) => entry.membership !== null && entry.endOffset <= place);
    return last?.membership ?? this.base.membership ?? noMembership;
  }

  /** Whether it has the entry, and has it on its disk. */
  hasDurable(entry: Entry): boolean {
    return (
      entry.endOffset <= this.base.offset ||
      (entry.endOffset <= this.flushedOffset && this.entries.includes(entry))
    );
  }

  #store(ready: Ready): void {
    if (ready.save !== null) this.hardState = ready.save;
    if (ready.truncate !== null) this.#truncate(ready.truncate);
    for (const entry of ready.append) {
      invariant(entry.baseOffset === this.endOffset, 'what is appended continues the log');
      this.entries.push(entry);
    }
    if (ready.append.length > 0) this.#flushSoon();
  }

  #truncate(end: Offset): void {
    while (this.endOffset > end) this.entries.pop();
    invariant(this.endOffset === end, `the log is cut at a boundary of batches, not at ${end}`);
    if (this.flushedOffset > end) this.flushedOffset = end;
    for (const flush of this.#flushing) if (flush.endOffset > end) flush.endOffset = end;
  }

  #flushSoon(): void {
    const flush = { endOffset: this.endOffset };
    const incarnation = this.#incarnation;
    this.#flushing.push(flush);
    this.#agenda.plan(this.#random.between(0, this.#options.flushMsMax), () => {
      if (this.#incarnation !== incarnation || !this.#flushing.includes(flush)) return;
      this.#flushing = this.#flushing.filter((other) => other !== flush);
      if (this.refusals > 0 && flush.endOffset > this.flushedOffset) this.#refuse();
      else this.#flushed(flush.endOffset);
    });
  }

  #flushed(end: Offset): void {
    if (end > this.flushedOffset) this.flushedOffset = end;
    this.step({ kind: 'flushed', endOffset: end });
  }

  #refuse(): void {
    this.refusals--;
    this.#truncate(this.flushedOffset);
    this.#flushing = [];
    this.step({ kind: 'refused', endOffset: this.flushedOffset });
  }

  #read(to: NodeId, from: Offset, bytesMax: number): void {
    const { epoch: epochWhenAsked } = this.group!.status;
    // As segment files are read: from the batch on that holds the place.
    const find = (): readonly Entry[] => this.entries.filter(({ endOffset }) => endOffset > from);
    // What is read may have been found in memory at once, and be told later.
    const found = this.#random.chance(0.5) ? find() : null;
    const answer = (): void => {
      const isTrimmed = from < this.base.offset;
      const wanted = found ?? find();
      invariant(
        isTrimmed || (wanted[0]?.baseOffset ?? from) === from || this.group!.status.epoch > epochWhenAsked,
        `what is read begins at a boundary of batches, not at ${from}`,
      );
      const entries = isTrimmed ? 'trimmed' : wanted.slice(0, Math.max(1, Math.floor(bytesMax / entryBytes)));
      this.step({ kind: 'read', to, from, entries });
    };
    const incarnation = this.#incarnation;
    if (this.#random.chance(0.8)) answer();
    else
      this.#agenda.plan(this.#random.between(0, 20), () => {
        if (this.#incarnation === incarnation) answer();
      });
  }

  /** A tick when the group wants one. */
  #planTick(): void {
    const deadlineMs = this.group?.nextDeadlineMs() ?? null;
    if (deadlineMs === null) return;
    const atMs = Math.max((deadlineMs - this.#clockBaseMs) / this.#clockRate, this.#agenda.nowMs);
    if (this.#tickAtMs <= atMs && this.#tickAtMs > this.#agenda.nowMs) return;
    this.#tickAtMs = atMs;
    const incarnation = this.#incarnation;
    const tick = (): void => {
      if (this.#incarnation !== incarnation) return;
      const pausedMs = this.pausedUntilMs - this.#agenda.nowMs;
      if (pausedMs > 0) {
        this.#agenda.plan(pausedMs, tick);
        return;
      }
      this.#tickAtMs = Number.POSITIVE_INFINITY;
      this.step({ kind: 'tick' });
    };
    this.#agenda.plan(atMs - this.#agenda.nowMs + 0.001, tick);
  }
}
