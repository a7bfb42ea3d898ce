import { once } from 'node:events';
import type { Writable } from 'node:stream';

/** Text for people or pipes, with back-pressure: await before writing more. */
export type Output = { write(text: string | Uint8Array): Promise<void> };

export function streamOutput(stream: Writable): Output {
  return {
    async write(text) {
      if (text.length > 0 && !stream.write(text)) await once(stream, 'drain');
    },
  };
}
