import { unreachable } from '../../unreachable.ts';
import { type DiskOperationKind, FaultPlan } from './faults.ts';
import { type LossModel, lossModels } from './file_node.ts';
import type { Incarnation } from './incarnation.ts';
import type { SeededRandom } from './random.ts';
import { SystemError, Tree } from './tree.ts';

/** One I/O: its whole effect, and what of it may have happened when the machine crashes meanwhile. */
export type DiskOperation<Output> = {
  readonly kind: DiskOperationKind;
  readonly path: string;
  /** For the trace: place, checksum of the bytes. */
  readonly detail: string;
  readonly apply: () => Output;
  readonly applyPart: () => void;
  /** What a failure does besides failing. */
  readonly fail: () => void;
  /** `files`: those that it may damage. */
  readonly misdirect: (files: RegExp) => Output;
};

const anyFile = /^/;
/** Of an operation. */
export const usualLatencyMs = { min: 0.02, max: 0.2 };

/**
 * A disk, and the hand that damages it. Its bytes outlive the machine's crashes. Every operation that changes
 * something is an *I/O boundary*, numbered from 0 in the order in which they are asked for.
 */
export class SimulatedDisk {
  readonly faults = new FaultPlan();
  /** Each operation takes a random time between the two. */
  latencyMs = usualLatencyMs;
  /** All files together; more is disk_full. May be changed at any time. */
  capacityBytes = Number.MAX_SAFE_INTEGER;
  /** What a crash keeps of each file's unsynced changes; `any`: one or the other, file by file. */
  loss: LossModel | 'any' = 'any';
  #tree = new Tree();
  readonly random: SeededRandom;
  /** Directories held by the machine's present life. */
  readonly locked = new Set<string>();
  readonly #inFlight = new Set<DiskOperation<unknown>>();
  #boundaries = 0;

  constructor(random: SeededRandom) {
    this.random = random;
  }

  get tree(): Tree {
    return this.#tree;
  }

  /** I/O boundaries so far: the number of the next one. */
  get boundaries(): number {
    return this.#boundaries;
  }

  get usedBytes(): number {
    return this.tree.files().reduce((sum, { node }) => sum + node.size, 0);
  }

  get freeBytes(): number {
    if (this.capacityBytes === Number.MAX_SAFE_INTEGER) return this.capacityBytes;
    return Math.max(0, this.capacityBytes - this.usedBytes);
  }

  /** The paths of all files, in order. */
  files(): readonly string[] {
    return this.tree.files().map(({ path }) => path);
  }

  /** A file's bytes as readers see them, without any I/O. */
  contents(path: string): Uint8Array {
    const file = this.tree.file(path);
    return file.read(0, file.size);
  }

  /** Overwrites bytes behind everybody's back. */
  damage(path: string, position: number, bytes: Uint8Array): void {
    this.tree.file(path).damage(position, bytes);
  }

  flipBit(path: string, bit: number): void {
    const position = bit >>> 3;
    const byte = this.tree.file(path).read(position, 1)[0] ?? 0;
    this.damage(path, position, Uint8Array.of(byte ^ (1 << (bit & 7))));
  }

  /** Power is gone: what was not synced, and what was in flight, is kept or lost by the loss model. */
  crash(): void {
    for (const operation of this.#inFlight) {
      if (this.random.chance(0.5)) operation.applyPart();
    }
    this.#inFlight.clear();
    this.locked.clear();
    const edits = this.#lossModel();
    this.tree.crash(() => edits !== 'nothing' && (edits === 'everything' || this.random.chance(0.5)));
    for (const { node } of this.tree.files()) node.crash(this.#lossModel(), this.random);
  }

  /** A new, empty disk is in its place. Of a machine that is off. */
  replace(): void {
    this.#tree = new Tree();
    this.locked.clear();
  }

  /** Does one operation for a machine's life: after its time, and with the fault that is planned for it. */
  perform<Output>(incarnation: Incarnation, operation: DiskOperation<Output>): Promise<Output> {
    const boundary = this.#boundaries;
    const fault = this.faults.take(boundary, operation.kind, operation.path);
    if (operation.kind !== 'read') this.#boundaries += 1;
    const { min, max } = this.latencyMs;
    const slowMs = fault?.kind === 'slow' ? fault.delayMs : 0;
    this.#inFlight.add(operation);
    return incarnation.perform(this.random.between(min, max) + slowMs, () => {
      this.#inFlight.delete(operation);
      const { kind, path, detail } = operation;
      incarnation.scheduler.trace(
        `${incarnation.machine} ${boundary} ${kind} ${path} ${detail} ${fault?.kind ?? ''}`,
      );
      switch (fault?.kind) {
        case undefined:
        case 'slow':
          return operation.apply();
        case 'misdirect':
          return operation.misdirect(fault.files ?? anyFile);
        case 'fail':
          operation.fail();
          throw new SystemError(fault.errno);
        case 'crash':
          if (fault.moment === 'during') operation.applyPart();
          if (fault.moment === 'after') operation.apply();
          incarnation.crash();
          // Nobody is told: the life that asked has ended.
          throw new SystemError('EIO');
        default:
          return unreachable(fault);
      }
    });
  }

  #lossModel(): LossModel {
    return this.loss === 'any' ? this.random.pick(lossModels) : this.loss;
  }
}
