import { crc32c } from '../../../base/bytes/crc32c.ts';
import { ByteWriter } from '../../../base/bytes/writer.ts';
import type { Datum } from '../../../base/values/datum.ts';
import { writeDatum } from './datum-codec.ts';

/**
 * Checksum of decoded rows, for replicas to compare a span of keys at a position: it depends on keys, versions and
 * values alone, and not on how they are spread over files.
 */
export class RowsChecksum {
  readonly #writer = new ByteWriter(1024);
  #crc = 0;
  #rowCount = 0;

  /** Live rows in key order; the columns in the same order for every row and every replica. */
  add(key: Uint8Array, version: number, values: readonly Datum[]): void {
    const writer = this.#writer;
    writer.clear();
    writer.varint(key.length);
    writer.raw(key);
    writer.varint(version);
    for (const value of values) writeDatum(writer, value);
    this.#crc = crc32c(writer.view(), this.#crc);
    this.#rowCount++;
  }

  get value(): { readonly rowCount: number; readonly crc32c: number } {
    return { rowCount: this.#rowCount, crc32c: this.#crc };
  }
}
