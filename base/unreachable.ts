/** Ends a switch over a discriminated union: does not compile while a kind is unhandled. */
export function unreachable(value: never): never {
  throw new Error(`unreachable: ${String(value)}`);
}

/** A broken invariant stops the program: better stopped than corrupt. */
export function invariant(condition: boolean, message: string): asserts condition {
  if (!condition) throw new Error(`invariant violated: ${message}`);
}
