/** How long an array that is full becomes: half as much again, once it is large. */
export function grownCapacity(length: number): number {
  return length < 65_536 ? length * 2 : Math.ceil(length * 1.5);
}

/** An array of at least `count` items, grown where it has fewer: what it held is moved, and its memory freed at once. */
export function grown<Values extends Float64Array<ArrayBuffer> | Uint8Array<ArrayBuffer>>(
  values: Values,
  count: number,
): Values {
  if (count <= values.length) return values;
  const length = Math.max(count, grownCapacity(values.length));
  const buffer = values.buffer.transfer(length * values.BYTES_PER_ELEMENT);
  return new (values.constructor as new (buffer: ArrayBuffer) => Values)(buffer);
}
