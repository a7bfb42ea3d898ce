import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Comparison } from './row.ts';

/** Does its work until the clock says stop; how much of it was done. */
export type Work = (deadlineMs: number) => number | Promise<number>;

export type Pair = {
  readonly workload: string;
  readonly unit: string;
  readonly bar: number | null;
  readonly ours: Work;
  readonly peer: Work;
  readonly roundMs?: number;
  readonly rounds?: number;
};

const roundMsDefault = 400;
const roundsDefault = 7;

/** Rounds of both alternate after one of each to warm up, so that a busy neighbour slows both; medians are compared. */
export async function compare(pair: Pair): Promise<Comparison> {
  const { workload, unit, bar, roundMs = roundMsDefault, rounds = roundsDefault } = pair;
  const ours: number[] = [];
  const peers: number[] = [];
  for (let round = 0; round <= rounds; round++) {
    const [mine, its] = [await perSecond(pair.ours, roundMs), await perSecond(pair.peer, roundMs)];
    if (round === 0) continue;
    ours.push(mine);
    peers.push(its);
  }
  return { kind: 'comparison', workload, unit, ours: median(ours), peer: median(peers), bar };
}

async function perSecond(work: Work, roundMs: number): Promise<number> {
  const start = performance.now();
  const done = await work(start + roundMs);
  return (done * 1000) / (performance.now() - start);
}

export function median(values: readonly number[]): number {
  return values.toSorted((left, right) => left - right)[values.length >> 1] ?? 0;
}

export function percentile(values: readonly number[], part: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

/** A directory of this run; ALOPEX_BENCH_DIR says on which disk. */
export async function inDirectory<Result>(
  name: string,
  work: (path: string) => Promise<Result>,
): Promise<Result> {
  const path = mkdtempSync(join(process.env.ALOPEX_BENCH_DIR ?? tmpdir(), `alopex-${name}-`));
  try {
    return await work(path);
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
