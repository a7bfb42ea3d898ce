import type { Random } from '../env.ts';

/** One call into the generator fills this many words: a call costs about as much as drawing 4 KiB. */
const wordsDrawn = 1024;
/** More than this `getRandomValues` refuses. */
const bytesDrawnMax = 65_536;

/** The web's generator, not `node:crypto`'s: importing that one takes 10 ms of every start. */
export function realRandom(): Random {
  const words = new Uint32Array(wordsDrawn);
  let left = 0;
  return {
    uint32: () => {
      if (left === 0) {
        crypto.getRandomValues(words);
        left = wordsDrawn;
      }
      left -= 1;
      return words[left]!;
    },
    bytes: (length) => {
      const bytes = new Uint8Array(length);
      for (let at = 0; at < length; at += bytesDrawnMax) {
        crypto.getRandomValues(bytes.subarray(at, at + bytesDrawnMax));
      }
      return bytes;
    },
  };
}
