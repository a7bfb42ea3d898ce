import { randomFillSync } from 'node:crypto';
import type { Random } from '../env.ts';

/** One call into the generator fills this many words: a call costs about as much as drawing 4 KiB. */
const wordsDrawn = 1024;

export function realRandom(): Random {
  const words = new Uint32Array(wordsDrawn);
  let left = 0;
  return {
    uint32: () => {
      if (left === 0) {
        randomFillSync(words);
        left = wordsDrawn;
      }
      left -= 1;
      return words[left]!;
    },
    bytes: (length) => randomFillSync(new Uint8Array(length)),
  };
}
