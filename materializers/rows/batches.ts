import type { ColumnBatch } from '../../base/values/column.ts';
import type { Scan } from './contract.ts';

/** The batches of a scan, for whoever may wait between them; the scan is closed at the end, however it comes. */
export async function* batchesOf(scan: Scan): AsyncGenerator<ColumnBatch, void, undefined> {
  try {
    for (;;) {
      const batch = scan.next();
      if (batch === null) return;
      if (batch instanceof Promise) await batch;
      else yield batch;
    }
  } finally {
    scan.close();
  }
}
