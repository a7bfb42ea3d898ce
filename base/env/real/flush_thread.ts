/** The entry of a flush thread: writes and flushes by file descriptor, which the whole process shares. */

import { flushNow } from './flush.ts';
import { serve } from './serve.ts';

/** What the main thread sends. */
export type FlushRequest = { readonly fd: number; readonly position: number; readonly bytes: Uint8Array };

serve((request) => {
  const { fd, position, bytes } = request as FlushRequest;
  return flushNow(fd, position, [bytes]);
});
