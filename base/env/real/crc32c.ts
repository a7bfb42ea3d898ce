import { createRequire } from 'node:module';
import { crc32cPortable, useCrc32c } from '../../bytes/crc32c.ts';

type Native = { readonly crc32c: (bytes: Uint8Array, initial?: number) => number };

/** Below this a call into the addon costs more than the portable loop: 151 against 188 ns at 64 bytes, 267 against 133 at 128. */
const nativeBytesMin = 96;
let asked = false;

/**
 * Lets checksums use the optional addon `@node-rs/crc32`. It is loaded (14 ms) with the first long checksum
 * and not before; without it the portable loop serves.
 */
export function useNativeCrc32c(): void {
  if (asked) return;
  asked = true;
  let long: (bytes: Uint8Array, initial?: number) => number = (bytes, initial) => {
    long = load()?.crc32c ?? crc32cPortable;
    return long(bytes, initial);
  };
  useCrc32c((bytes, initial = 0) =>
    bytes.length < nativeBytesMin ? crc32cPortable(bytes, initial) : long(bytes, initial),
  );
}

function load(): Native | null {
  try {
    return createRequire(import.meta.url)('@node-rs/crc32') as Native;
  } catch {
    return null;
  }
}
