import { readlinkSync } from 'node:fs';
import { getPriority, setPriority } from 'node:os';

/** Above the process's own, which nobody may go below: a tenth of its share. */
const backgroundNice = 10;
const niceMax = 19;

/** The number that the system has for it; 0, which stands for the whole process, where threads have none of their own. */
export function callingThread(): number {
  return process.platform === 'linux' ? Number(readlinkSync('/proc/thread-self').split('/').at(-1)) : 0;
}

/**
 * Of the thread that calls: whoever answers somebody goes first where there are fewer processors than there is work. Where
 * threads have no priorities of their own, nothing changes.
 */
export function workInBackground(): void {
  const thread = callingThread();
  if (thread !== 0) setPriority(thread, Math.min(niceMax, getPriority(thread) + backgroundNice));
}
