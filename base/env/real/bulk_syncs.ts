import { workerData } from 'node:worker_threads';

/** A sync of so many bytes keeps the disk, and commits behind it in the file system's journal, waiting. */
export const bulkBytesMin = 4 << 20;

type Shared = { readonly alopexBulkSyncs?: SharedArrayBuffer };

/** What each worker thread is started with, so that all of the process count together. */
export const sharedWithThreads: Required<Shared> = {
  alopexBulkSyncs: (workerData as Shared | null)?.alopexBulkSyncs ?? new SharedArrayBuffer(4),
};
const running = new Int32Array(sharedWithThreads.alopexBulkSyncs);

/** Whether some thread of this process is syncing a large file at this moment. */
export function bulkSyncRuns(): boolean {
  return Atomics.load(running, 0) > 0;
}

export async function countedAsBulk<Output>(sync: () => Promise<Output>): Promise<Output> {
  Atomics.add(running, 0, 1);
  try {
    return await sync();
  } finally {
    Atomics.sub(running, 0, 1);
  }
}
