import { type ColumnBatch, type ColumnVector, datumAt } from '../../../base/values/column.ts';
import { type HashKey, hashKey } from '../../types/compare.ts';
import type { TypeOid } from '../../types/type.ts';

const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);

/** The finalizer of MurmurHash3 (Appleby). */
function mixed(hash: number): number {
  let mix = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  mix = Math.imul(mix ^ (mix >>> 13), 0xc2b2ae35);
  return mix ^ (mix >>> 16);
}

function hashOfNumber(value: number): number {
  bits[0] = value + 0;
  return mixed(words[0]! ^ Math.imul(words[1]!, 0x9e3779b1));
}

function hashOfText(text: string): number {
  let hash = text.length;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash, 31) + text.charCodeAt(at);
  return mixed(hash);
}

function hashOf(key: string | number | bigint): number {
  return typeof key === 'number' ? hashOfNumber(key) : hashOfText(String(key));
}

/** Hashes of key values, equal where the type counts them as equal; all nulls are. */
export class RowHash {
  readonly #keys: readonly HashKey[];

  constructor(types: readonly TypeOid[]) {
    this.#keys = types.map(hashKey);
  }

  /** Which of `count` partitions each live row belongs to, at its index. Each depth divides them differently. */
  partitions(keys: readonly ColumnVector[], batch: ColumnBatch, depth: number, count: number): Uint8Array {
    const parts = new Uint8Array(batch.rowCount);
    const live = batch.selection;
    const rows = live === null ? batch.rowCount : live.length;
    for (let at = 0; at < rows; at++) {
      const row = live === null ? at : live[at]!;
      let hash = depth;
      for (let column = 0; column < keys.length; column++) {
        const value = datumAt(keys[column]!, row);
        const key = value === null ? 0 : hashOf(this.#keys[column]!(value));
        hash = mixed(Math.imul(hash, 0x9e3779b1) + key);
      }
      parts[row] = (hash >>> 0) % count;
    }
    return parts;
  }
}
