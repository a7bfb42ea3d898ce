/** Zigzag variable-length integers into a buffer that has room: the builder's hot path. */

/** Bytes that a safe integer takes. */
export function varintBytes(value: number): number {
  if (value >= -64 && value < 64) return 1;
  if (value >= -8192 && value < 8192) return 2;
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  let count = 1;
  while (rest > 127) {
    rest = Math.floor(rest / 128);
    count++;
  }
  return count;
}

/** Writes at `at`, and returns where it ends. */
export function putVarint(target: Uint8Array, at: number, value: number): number {
  if (value >= -64 && value < 64) {
    target[at] = (value << 1) ^ (value >> 31);
    return at + 1;
  }
  let end = at;
  let rest = value >= 0 ? value * 2 : -value * 2 - 1;
  while (rest > 127) {
    target[end++] = (rest % 128) | 128;
    rest = Math.floor(rest / 128);
  }
  target[end++] = rest;
  return end;
}
