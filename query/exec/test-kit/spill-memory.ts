import { concatBytes } from '../../../base/bytes/compare.ts';
import { AlopexError } from '../../../base/errors.ts';
import type { SpillFile, SpillStore } from '../contract.ts';

/** Temporary files in memory, each read and write of which is a wait. */
export class MemorySpill implements SpillStore {
  /** Files that are open now. */
  open = 0;
  created = 0;
  writtenBytes = 0;
  bytesMax = Number.POSITIVE_INFINITY;
  /** Flips a bit of what is read from this place on. */
  damagedFrom = Number.POSITIVE_INFINITY;

  create(): SpillFile {
    const number = ++this.created;
    this.open++;
    let bytes: Uint8Array = new Uint8Array(0);
    let isClosed = false;
    return {
      name: `spill ${number}`,
      number,
      write: async (position, chunks) => {
        if (isClosed) throw new AlopexError('io_error', 'the temporary file is closed');
        const added = concatBytes(chunks);
        this.writtenBytes += added.length;
        if (this.writtenBytes > this.bytesMax) throw new AlopexError('disk_full', 'no space left');
        bytes = concatBytes([bytes.subarray(0, position), added]);
      },
      read: async (position, length) => {
        const read = bytes.slice(position, position + length);
        if (position >= this.damagedFrom) read[length - 1]! ^= 4;
        return read;
      },
      close: () => {
        if (!isClosed) this.open--;
        isClosed = true;
        bytes = new Uint8Array(0);
      },
    };
  }
}
