import type { SeededRandom } from './random.ts';

/** One change of a file. `extend`: the size of a write arrived and its bytes did not. */
type Change =
  | { readonly kind: 'write'; readonly position: number; readonly bytes: Uint8Array }
  | { readonly kind: 'truncate'; readonly size: number }
  | { readonly kind: 'extend'; readonly size: number };
type PendingChange = { readonly sequence: number; readonly change: Change };

/**
 * What a crash keeps of the changes that were not synced. `prefix`: the first of them, the last one torn.
 * `some`: each or not. `pieces`: each is cut at any bytes, and each piece kept or not; an earlier change may
 * so outlive a later one, which is what reordering shows.
 */
export const lossModels = ['nothing', 'everything', 'prefix', 'some', 'pieces'] as const;
export type LossModel = (typeof lossModels)[number];

const cutsMax = 3;
const extendedProbability = 0.25;

/** A file's bytes twice: as every reader sees them, and as they are on the medium. Between the two, the changes not yet synced. */
export class FileNode {
  readonly kind = 'file';
  readonly #current = new Content();
  readonly #durable = new Content();
  #pending: PendingChange[] = [];
  #sequence = 0;

  get size(): number {
    return this.#current.size;
  }

  /** The newest change; a sync covers what is there when it is asked for. */
  get sequence(): number {
    return this.#sequence;
  }

  read(position: number, length: number): Uint8Array {
    return this.#current.read(position, length);
  }

  write(position: number, bytes: Uint8Array): void {
    this.#change({ kind: 'write', position, bytes });
  }

  truncate(size: number): void {
    this.#change({ kind: 'truncate', size });
  }

  /** Brings every change up to `sequence` to the medium. */
  sync(sequence: number): void {
    for (const change of this.#take(sequence)) this.#durable.apply(change);
  }

  /** A sync that the machine did not survive: any pieces of it. */
  syncInPart(sequence: number, random: SeededRandom): void {
    const covered = this.#pending.filter((pending) => pending.sequence <= sequence);
    for (const change of survivors(changesOf(covered), 'pieces', random)) this.#durable.apply(change);
  }

  /**
   * A sync that failed. Linux calls the pages clean all the same: some reached the medium, no later sync tries
   * the others again, and readers go on seeing them or lose them, at the kernel's pleasure.
   */
  failSync(sequence: number, random: SeededRandom): void {
    const covered = this.#take(sequence);
    for (const change of survivors(covered, 'pieces', random)) this.#durable.apply(change);
    if (random.chance(0.5)) return;
    this.#current.copy(this.#durable);
    for (const { change } of this.#pending) this.#current.apply(change);
  }

  /** Bytes that nobody asked for, on the medium and in sight: a misdirected write, a flipped bit. */
  damage(position: number, bytes: Uint8Array): void {
    const change: Change = { kind: 'write', position, bytes };
    this.#durable.apply(change);
    this.#current.apply(change);
  }

  crash(model: LossModel, random: SeededRandom): void {
    for (const change of survivors(this.#take(this.#sequence), model, random)) this.#durable.apply(change);
    this.#current.copy(this.#durable);
  }

  #change(change: Change): void {
    this.#sequence += 1;
    this.#pending.push({ sequence: this.#sequence, change });
    this.#current.apply(change);
  }

  #take(sequence: number): Change[] {
    const taken = this.#pending.filter((pending) => pending.sequence <= sequence);
    this.#pending = this.#pending.filter((pending) => pending.sequence > sequence);
    return changesOf(taken);
  }
}

function changesOf(pending: readonly PendingChange[]): Change[] {
  return pending.map(({ change }) => change);
}

function survivors(changes: readonly Change[], model: LossModel, random: SeededRandom): Change[] {
  switch (model) {
    case 'nothing':
      return [];
    case 'everything':
      return [...changes];
    case 'prefix': {
      const whole = random.below(changes.length + 1);
      const torn = changes[whole];
      const kept = changes.slice(0, whole);
      return torn === undefined ? kept : [...kept, ...pieces(torn, random).slice(0, random.below(2))];
    }
    case 'some':
      return changes.flatMap((change) => keepOrLose(change, random));
    case 'pieces':
      return changes
        .flatMap((change) => pieces(change, random))
        .flatMap((piece) => keepOrLose(piece, random));
  }
}

function keepOrLose(change: Change, random: SeededRandom): Change[] {
  if (random.chance(0.5)) return [change];
  if (change.kind !== 'write' || !random.chance(extendedProbability)) return [];
  return [{ kind: 'extend', size: change.position + change.bytes.length }];
}

function pieces(change: Change, random: SeededRandom): Change[] {
  if (change.kind !== 'write') return [change];
  const { position, bytes } = change;
  const cuts = Array.from({ length: 1 + random.below(cutsMax) }, () => random.below(bytes.length + 1));
  const bounds = [0, ...cuts.sort((left, right) => left - right), bytes.length];
  return bounds
    .slice(1)
    .map((end, index) => ({ start: bounds[index]!, end }))
    .filter(({ start, end }) => start < end)
    .map(({ start, end }) => ({
      kind: 'write',
      position: position + start,
      bytes: bytes.subarray(start, end),
    }));
}

/** Growable bytes; what was never written is zero. */
class Content {
  #bytes = new Uint8Array(0);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  read(position: number, length: number): Uint8Array {
    return this.#bytes.slice(position, Math.min(this.#size, position + length));
  }

  apply(change: Change): void {
    switch (change.kind) {
      case 'write':
        this.#reserve(change.position + change.bytes.length);
        this.#bytes.set(change.bytes, change.position);
        this.#size = Math.max(this.#size, change.position + change.bytes.length);
        return;
      case 'truncate':
        this.#reserve(change.size);
        if (change.size < this.#size) this.#bytes.fill(0, change.size, this.#size);
        this.#size = change.size;
        return;
      case 'extend':
        this.#reserve(change.size);
        this.#size = Math.max(this.#size, change.size);
        return;
    }
  }

  copy(other: Content): void {
    this.#bytes = other.#bytes.slice();
    this.#size = other.#size;
  }

  #reserve(size: number): void {
    if (size <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(size, 2 * this.#bytes.length));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
}
