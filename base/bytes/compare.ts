/** Byte order; a prefix comes first. */
export function compareBytes(left: Uint8Array, right: Uint8Array): number {
  const length = Math.min(left.length, right.length);
  for (let index = 0; index < length; index++) {
    const difference = left[index]! - right[index]!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

export function equalBytes(left: Uint8Array, right: Uint8Array): boolean {
  return left.length === right.length && compareBytes(left, right) === 0;
}

/** The first key after all that start with `prefix`, or null where there is none (all 0xff). */
export function prefixEnd(prefix: Uint8Array): Uint8Array | null {
  for (let last = prefix.length - 1; last >= 0; last--) {
    if (prefix[last]! < 255) {
      const end = prefix.slice(0, last + 1);
      end[last]!++;
      return end;
    }
  }
  return null;
}

export function concatBytes(parts: readonly Uint8Array[]): Uint8Array {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}
