/**
 * Bloom filter of the keys of a row group: ten bits a key, six probes by double hashing from one 32-bit hash
 * (Kirsch and Mitzenmacher, 2006): about 1 % false positives.
 */
const bitsPerKey = 10;
const probes = 6;

/** MurmurHash3's 32-bit variant (Appleby, 2011). A caller that asks several files hashes once. */
export function hashKey(key: Uint8Array): number {
  let hash = 0x9747b28c;
  const whole = key.length & ~3;
  for (let at = 0; at < whole; at += 4) {
    const block = key[at]! | (key[at + 1]! << 8) | (key[at + 2]! << 16) | (key[at + 3]! << 24);
    hash ^= scramble(block);
    hash = (hash << 13) | (hash >>> 19);
    hash = (Math.imul(hash, 5) + 0xe6546b64) | 0;
  }
  let tail = 0;
  for (let at = key.length - 1; at >= whole; at--) tail = (tail << 8) | key[at]!;
  hash ^= scramble(tail);
  hash ^= key.length;
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return (hash ^ (hash >>> 16)) >>> 0;
}

function scramble(block: number): number {
  const mixed = Math.imul(block, 0xcc9e2d51);
  return Math.imul((mixed << 15) | (mixed >>> 17), 0x1b873593);
}

export function filterLength(keyCount: number): number {
  return Math.max(8, Math.ceil((keyCount * bitsPerKey) / 8));
}

export function buildFilter(hashes: readonly number[]): Uint8Array {
  const filter = new Uint8Array(filterLength(hashes.length));
  const bits = filter.length * 8;
  for (const hash of hashes) {
    const step = ((hash >>> 17) | (hash << 15)) >>> 0;
    for (let probe = 0, at = hash; probe < probes; probe++, at = (at + step) >>> 0) {
      const bit = at % bits;
      filter[bit >>> 3]! |= 1 << (bit & 7);
    }
  }
  return filter;
}

export function mayContain(filter: Uint8Array, hash: number): boolean {
  const bits = filter.length * 8;
  const step = ((hash >>> 17) | (hash << 15)) >>> 0;
  for (let probe = 0, at = hash; probe < probes; probe++, at = (at + step) >>> 0) {
    const bit = at % bits;
    if ((filter[bit >>> 3]! & (1 << (bit & 7))) === 0) return false;
  }
  return true;
}
