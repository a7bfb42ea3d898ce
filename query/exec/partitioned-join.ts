import type { ColumnBatch } from '../../base/values/column.ts';
import type { TypeOid } from '../types/type.ts';
import type { SpillStore } from './contract.ts';
import { type KeptJoin, KeptJoinOperator, type Overflow } from './kept-join.ts';
import { type KeyedInput, storedInput, withKeys } from './keyed-input.ts';
import type { MemoryShare } from './memory.ts';
import type { Operator, Runtime } from './operator.ts';
import { Partitions, partitionBytes, partitionDepthMax } from './spill/partitions.ts';

/** A partition with so much of what was divided is not worth dividing again: few keys have most of the rows. */
const skewedFraction = 0.5;

/**
 * A hash join whose sides are divided by the hash of their keys into partitions in temporary files, which are joined
 * one by one (grace hash join: Kitsuregawa, Tanaka, Moto-oka 1983). A partition that does not fit is divided again;
 * one that cannot be is joined in chunks, its left side read once for each.
 */
export class PartitionedJoin implements Operator {
  readonly #kind: KeptJoin;
  readonly #shape: { readonly leftWidth: number; readonly keyTypes: readonly TypeOid[] };
  readonly #sides: { readonly left: KeyedInput; readonly right: KeyedInput };
  readonly #depth: number;
  readonly #owner: { readonly spill: SpillStore; readonly share: MemoryShare; readonly runtime: Runtime };
  #opened: Partitions[] = [];
  #joins: Iterator<Operator> | null = null;
  #current: Operator | null = null;

  constructor(
    kind: KeptJoin,
    shape: { readonly leftWidth: number; readonly keyTypes: readonly TypeOid[] },
    sides: { readonly left: KeyedInput; readonly right: KeyedInput },
    depth: number,
    owner: { readonly spill: SpillStore; readonly share: MemoryShare; readonly runtime: Runtime },
  ) {
    this.#kind = kind;
    this.#shape = shape;
    this.#sides = sides;
    this.#depth = depth;
    this.#owner = owner;
  }

  next(): ColumnBatch | null | Promise<void> {
    if (this.#joins === null) return this.#divide();
    for (;;) {
      if (this.#current === null) {
        const step = this.#joins.next();
        if (step.done === true) return null;
        this.#current = step.value;
      }
      const batch = this.#current.next();
      if (batch !== null) return batch;
      this.#current.close();
      this.#current = null;
    }
  }

  close(): void {
    this.#sides.left.close();
    this.#sides.right.close();
    this.#current?.close();
    for (const partitions of this.#opened) partitions.close();
  }

  async #divide(): Promise<void> {
    const right = await this.#divided(this.#sides.right, this.#kind.rightWidth);
    const left = await this.#divided(this.#sides.left, this.#shape.leftWidth);
    this.#owner.share.hold(0);
    this.#joins = this.#partJoins(left, right);
  }

  async #divided(input: KeyedInput, width: number): Promise<Partitions> {
    const { spill, share, runtime } = this.#owner;
    const { keyTypes } = this.#shape;
    const shape = { width: width + keyTypes.length, keyTypes };
    const partitions = new Partitions(spill, shape, this.#depth, share, runtime);
    this.#opened.push(partitions);
    for (;;) {
      const batch = input.next();
      if (batch === null) break;
      if (batch instanceof Promise) await batch;
      else await partitions.append(withKeys(batch), batch.keys);
    }
    await partitions.finish();
    share.hold(partitionBytes(runtime.memory));
    return partitions;
  }

  *#partJoins(left: Partitions, right: Partitions): Generator<Operator> {
    const { share, runtime } = this.#owner;
    for (const [at, rightPart] of right.parts.entries()) {
      const leftPart = left.parts[at]!;
      const readLeft = (): KeyedInput => storedInput(left.reader(leftPart), this.#shape.leftWidth);
      const readRight = (): KeyedInput => storedInput(right.reader(rightPart), this.#kind.rightWidth);
      const isSkewed = rightPart.rowCount > right.rowCount * skewedFraction;
      const overflow: Overflow =
        isSkewed || this.#depth + 1 >= partitionDepthMax
          ? { kind: 'chunks', rereadLeft: readLeft }
          : {
              kind: 'hand over',
              reservedBytes: partitionBytes(runtime.memory),
              to: () => this.#again(readLeft(), readRight()),
            };
      yield new KeptJoinOperator(this.#kind, readLeft(), readRight(), overflow, share, runtime);
      share.hold(0);
    }
  }

  #again(left: KeyedInput, right: KeyedInput): PartitionedJoin {
    return new PartitionedJoin(this.#kind, this.#shape, { left, right }, this.#depth + 1, this.#owner);
  }
}
