/** FIPS 180-4. Its constants are the fractional parts of roots of the first primes, computed as it defines them. */
const primes = firstPrimes(80);
const mask = (1n << 64n) - 1n;
/** Of cube roots, 64 bits; SHA-256 takes the upper half of the first 64. */
const wideConstants = primes.map((prime) => root(BigInt(prime) << 192n, 3n) & mask);
const constants = Uint32Array.from(wideConstants.slice(0, 64), upper);
/** Of square roots: of the first eight primes, and of the eight after them. */
const [squares, laterSquares] = [0, 8].map((from) =>
  primes.slice(from, from + 8).map((prime) => root(BigInt(prime) << 128n, 2n) & mask),
) as [bigint[], bigint[]];

export function sha224(bytes: Uint8Array): Uint8Array {
  return digest(bytes, Uint32Array.from(laterSquares, lower)).slice(0, 28);
}

export function sha256(bytes: Uint8Array): Uint8Array {
  return digest(bytes, Uint32Array.from(squares, upper));
}

export function sha384(bytes: Uint8Array): Uint8Array {
  return wideDigest(bytes, BigUint64Array.from(laterSquares)).slice(0, 48);
}

export function sha512(bytes: Uint8Array): Uint8Array {
  return wideDigest(bytes, BigUint64Array.from(squares));
}

function firstPrimes(count: number): readonly number[] {
  const found: number[] = [];
  for (let candidate = 2; found.length < count; candidate++) {
    if (found.every((prime) => candidate % prime !== 0)) found.push(candidate);
  }
  return found;
}

/** The whole part of a root, bit by bit from above. */
function root(value: bigint, degree: bigint): bigint {
  let found = 0n;
  for (let bit = 1n << 72n; bit > 0n; bit >>= 1n) {
    if ((found | bit) ** degree <= value) found |= bit;
  }
  return found;
}

function upper(wide: bigint): number {
  return Number(wide >> 32n);
}

function lower(wide: bigint): number {
  return Number(wide & 0xffffffffn);
}

/** The message, a one bit, zeros, and its length in bits at the end of the last block. */
function padded(bytes: Uint8Array, blockBytes: number): DataView {
  const lengthBytes = blockBytes / 8;
  const blocks = Math.ceil((bytes.length + 1 + lengthBytes) / blockBytes);
  const message = new Uint8Array(blocks * blockBytes);
  message.set(bytes);
  message[bytes.length] = 0x80;
  const view = new DataView(message.buffer);
  view.setBigUint64(message.length - 8, BigInt(bytes.length) * 8n);
  return view;
}

const turned = (word: number, by: number): number => (word >>> by) | (word << (32 - by));

function digest(bytes: Uint8Array, state: Uint32Array): Uint8Array {
  const message = padded(bytes, 64);
  const words = new Uint32Array(64);
  for (let block = 0; block < message.byteLength; block += 64) {
    for (let at = 0; at < 16; at++) words[at] = message.getUint32(block + 4 * at);
    for (let at = 16; at < 64; at++) {
      const [early, late] = [words[at - 15]!, words[at - 2]!];
      const first = turned(early, 7) ^ turned(early, 18) ^ (early >>> 3);
      const second = turned(late, 17) ^ turned(late, 19) ^ (late >>> 10);
      words[at] = words[at - 16]! + first + words[at - 7]! + second;
    }
    mix(state, words);
  }
  const view = new DataView(new ArrayBuffer(32));
  for (const [at, word] of state.entries()) view.setUint32(4 * at, word);
  return new Uint8Array(view.buffer);
}

function mix(state: Uint32Array, words: Uint32Array): void {
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    ...[number, number, number, number],
    ...[number, number, number, number],
  ];
  for (const [at, word] of words.entries()) {
    const choice = (turned(e, 6) ^ turned(e, 11) ^ turned(e, 25)) + ((e & f) ^ (~e & g));
    const added = (h + choice + constants[at]! + word) | 0;
    const majority = (turned(a, 2) ^ turned(a, 13) ^ turned(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + added) | 0, c, b, a, (added + majority) | 0];
  }
  for (const [at, word] of [a, b, c, d, e, f, g, h].entries()) state[at] = state[at]! + word;
}

const wideTurned = (word: bigint, by: bigint): bigint => ((word >> by) | (word << (64n - by))) & mask;

function wideDigest(bytes: Uint8Array, state: BigUint64Array): Uint8Array {
  const message = padded(bytes, 128);
  const words = new BigUint64Array(80);
  for (let block = 0; block < message.byteLength; block += 128) {
    for (let at = 0; at < 16; at++) words[at] = message.getBigUint64(block + 8 * at);
    for (let at = 16; at < 80; at++) {
      const [early, late] = [words[at - 15]!, words[at - 2]!];
      const first = wideTurned(early, 1n) ^ wideTurned(early, 8n) ^ (early >> 7n);
      const second = wideTurned(late, 19n) ^ wideTurned(late, 61n) ^ (late >> 6n);
      words[at] = words[at - 16]! + first + words[at - 7]! + second;
    }
    wideMix(state, words);
  }
  const view = new DataView(new ArrayBuffer(64));
  for (const [at, word] of state.entries()) view.setBigUint64(8 * at, word);
  return new Uint8Array(view.buffer);
}

function wideMix(state: BigUint64Array, words: BigUint64Array): void {
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    ...[bigint, bigint, bigint, bigint],
    ...[bigint, bigint, bigint, bigint],
  ];
  for (const [at, word] of words.entries()) {
    const turn = wideTurned(e, 14n) ^ wideTurned(e, 18n) ^ wideTurned(e, 41n);
    const added = h + turn + ((e & f) ^ (~e & g)) + wideConstants[at]! + word;
    const mixed = wideTurned(a, 28n) ^ wideTurned(a, 34n) ^ wideTurned(a, 39n);
    const majority = mixed + ((a & b) ^ (a & c) ^ (b & c));
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + added) & mask, c, b, a, (added + majority) & mask];
  }
  for (const [at, word] of [a, b, c, d, e, f, g, h].entries()) state[at] = state[at]! + word;
}
