/** Slots, a power of two; a name that falls on another's slot takes it. */
const slots = 512;
/** As long as identifiers are; longer names are decoded each time. */
const nameBytesMax = 63;

const known = new Array<string>(slots).fill('');

/**
 * The text of a short ASCII name at [start, end), the same string as the last time: clients send a handful of names of
 * statements and portals over and over. Null: it is long, or not ASCII.
 */
export function knownName(bytes: Uint8Array, start: number, end: number): string | null {
  if (end - start > nameBytesMax) return null;
  let hash = end - start;
  for (let at = start; at < end; at++) {
    const byte = bytes[at]!;
    if (byte > 127) return null;
    hash = (Math.imul(hash, 31) + byte) | 0;
  }
  const slot = hash & (slots - 1);
  const last = known[slot]!;
  if (isSame(last, bytes, start, end)) return last;
  const name = String.fromCharCode(...bytes.subarray(start, end));
  known[slot] = name;
  return name;
}

function isSame(name: string, bytes: Uint8Array, start: number, end: number): boolean {
  if (name.length !== end - start) return false;
  for (let at = start; at < end; at++) if (name.charCodeAt(at - start) !== bytes[at]) return false;
  return true;
}
