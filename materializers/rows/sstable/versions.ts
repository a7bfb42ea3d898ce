import { ByteReader } from '../../../base/bytes/reader.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import { readBits, readIntegers, writeBits, writeIntegers } from './integers.ts';
import { type Stamp, stamped } from './stamp.ts';

/** Timestamps of a group's rows, which rows are deletions, and which repeat the key of the row before them. */
const hasDeletedFlag = 1;
const hasRepeatsFlag = 2;

export function encodeVersions(
  timestamps: Float64Array,
  deleted: Uint8Array,
  repeats: Uint8Array,
  count: number,
): Uint8Array {
  const writer = new ByteWriter(count * 2 + 64);
  const hasDeleted = deleted.subarray(0, count).includes(1);
  const hasRepeats = repeats.subarray(0, count).includes(1);
  writer.uint8((hasDeleted ? hasDeletedFlag : 0) | (hasRepeats ? hasRepeatsFlag : 0));
  writer.varint(count);
  if (hasDeleted) writeBits(writer, deleted, 0, count);
  if (hasRepeats) writeBits(writer, repeats, 0, count);
  writeIntegers(writer, timestamps, count);
  return writer.toBytes();
}

export function decodeVersions(payload: Uint8Array, stamp: Stamp | null): VersionPage {
  const reader = new ByteReader(payload);
  const flags = reader.uint8();
  const count = reader.varint();
  const deleted = flags & hasDeletedFlag ? readBits(reader, count) : null;
  const repeats = flags & hasRepeatsFlag ? readBits(reader, count) : null;
  const timestamps = readIntegers(reader, new Float64Array(count));
  if (stamp !== null)
    for (let row = 0; row < count; row++) timestamps[row] = stamped(stamp, timestamps[row]!);
  return new VersionPage(timestamps, deleted, repeats);
}

export class VersionPage {
  readonly timestamps: Float64Array;
  /** A byte a row, or null where no row is a deletion. */
  readonly deleted: Uint8Array | null;
  /** A byte a row, or null where no key repeats. */
  readonly repeats: Uint8Array | null;

  constructor(timestamps: Float64Array, deleted: Uint8Array | null, repeats: Uint8Array | null) {
    this.timestamps = timestamps;
    this.deleted = deleted;
    this.repeats = repeats;
  }

  get rowCount(): number {
    return this.timestamps.length;
  }

  isDeleted(row: number): boolean {
    return this.deleted !== null && this.deleted[row] === 1;
  }

  isRepeat(row: number): boolean {
    return this.repeats !== null && this.repeats[row] === 1;
  }

  /**
   * The newest version at `at` of each key in rows [start, end), ascending; deletions among them only
   * where `withDeleted`. `hiddenFirstKey`: an earlier group has a version of the first row's key that `at` sees.
   */
  visible(
    at: number,
    start: number,
    end: number,
    hiddenFirstKey: boolean,
    withDeleted: boolean,
  ): Uint32Array {
    const { timestamps, deleted, repeats } = this;
    const rows = new Uint32Array(end - start);
    let count = 0;
    let isDecided = hiddenFirstKey;
    for (let row = start; row < end; row++) {
      if (repeats === null || repeats[row] === 0) isDecided = false;
      if (isDecided || timestamps[row]! > at) continue;
      isDecided = true;
      if (withDeleted || deleted === null || deleted[row] === 0) rows[count++] = row;
    }
    return rows.subarray(0, count);
  }
}
