import type { SeededRandom } from '../../../base/env/simulated/random.ts';

/**
 * What happens to the machines, as data. `node` is an index of the first members, or the primary of that moment; `seed`
 * is for what is drawn while it happens.
 */
export type Fault = {
  readonly kind: FaultKind;
  readonly atMs: number;
  /** How long it lasts, where it ends by being undone. */
  readonly forMs: number;
  readonly node: number | 'primary';
  readonly seed: number;
};

const kindsAnywhere = [
  'partition',
  'one-way block',
  'swizzle',
  'slow link',
  'lossy link',
  'clock jump',
  'clock drift',
  'pause',
  'power cut',
  'power cut at an I/O',
  'power cut of all',
  'kill',
  'clean restart',
  'full disk',
  'slow disk',
  'failed sync',
  'lost disk',
  'corrupt block',
  'misdirected write',
  'leadership transfer',
  'membership change',
] as const;
export const faultKinds = [...kindsAnywhere, 'broken connections', 'short reigns'] as const;
export type FaultKind = (typeof faultKinds)[number];

/** Faults begin after the cluster has been there for a moment, and before the clients' last operations. */
const firstMs = 3000;
const lastMs = 52_000;

/** Only runs with streams have connections: there, they break more often than anything else. */
const brokenProbability = 0.15;

export function drawFault(
  random: SeededRandom,
  { voters, hasStreams }: { readonly voters: number; readonly hasStreams: boolean },
): Fault {
  const atMs = Math.floor(random.between(firstMs, lastMs));
  return {
    kind: hasStreams && random.chance(brokenProbability) ? 'broken connections' : random.pick(kindsAnywhere),
    atMs,
    // Mostly short, at times longer than an election or a timeout of TCP.
    forMs: Math.floor(random.chance(0.7) ? random.between(50, 2500) : random.between(2500, 20_000)),
    node: random.chance(0.4) ? 'primary' : random.below(voters),
    seed: random.uint32(),
  };
}

export function textOfFault({ kind, node, forMs }: Fault): string {
  return `${kind}, ${node === 'primary' ? 'the primary' : `node ${node + 1}`}, for ${forMs} ms`;
}
