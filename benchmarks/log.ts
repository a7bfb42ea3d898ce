import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { realEnv } from '../base/env/real/env.ts';
import { BatchBuilder } from '../log/record/batch-builder.ts';
import { openLog, type SegmentedLog } from '../log/segment/log.ts';
import { inDirectory, median } from './measure.ts';
import type { Row } from './row.ts';

const commitBytes = 100;
const rounds = 7;
const roundMs = 500;
const peerFileBytes = 8 * 1024 * 1024;

/**
 * Durable commits to the bare log against a plain loop of write + fdatasync on a preallocated file, which writes
 * as many commits at once as the log had in a flush. The rounds of both alternate; medians are compared.
 */
export async function run(): Promise<Row[]> {
  return inDirectory('log', async (directory) => [
    await commits(directory, 64, 0.7),
    await commits(directory, 1, null),
  ]);
}

async function commits(directory: string, producers: number, bar: number | null): Promise<Row> {
  const env = realEnv();
  let flushes = 0;
  const log = await openLog({
    ...env,
    directory: join(directory, `log-${producers}`),
    listener: { onCommitted: () => flushes++, onRefused: () => undefined, onPoisoned: () => undefined },
  });
  const peer = new Peer(join(directory, `peer-${producers}`));
  const ours: number[] = [];
  const theirs: number[] = [];
  await commitsPerSecond(log, producers);
  for (let round = 0; round < rounds; round++) {
    const [flushesBefore, commitsBefore] = [flushes, log.endOffset];
    ours.push(await commitsPerSecond(log, producers));
    theirs.push(peer.commitsPerSecond((log.endOffset - commitsBefore) / (flushes - flushesBefore)));
  }
  peer.close();
  await log.close();
  await env.workers.close();
  return {
    kind: 'comparison',
    workload: `bare log: ${commitBytes}-byte commits, ${producers} producers`,
    unit: 'commits/s',
    ours: median(ours),
    peer: median(theirs),
    bar,
  };
}

async function commitsPerSecond(log: SegmentedLog, producers: number): Promise<number> {
  const start = performance.now();
  const value = new Uint8Array(commitBytes).fill(7);
  const first = log.endOffset;
  // One builder for all, as the commits of one log have: building a batch and appending it is one synchronous step.
  const builder = new BatchBuilder();
  const produce = async () => {
    while (performance.now() - start < roundMs) {
      builder.add(null, value);
      log.append(builder.finish({ baseOffset: log.endOffset, epoch: log.epoch, timestampMs: Date.now() }));
      await log.committed(log.endOffset);
    }
  };
  await Promise.all(Array.from({ length: producers }, produce));
  return ((log.endOffset - first) * 1000) / (performance.now() - start);
}

/** The bound: nothing but the two system calls. */
class Peer {
  readonly #fd: number;
  #position = 0;

  constructor(path: string) {
    this.#fd = openSync(path, 'wx');
    writeSync(this.#fd, new Uint8Array(peerFileBytes));
    fdatasyncSync(this.#fd);
  }

  commitsPerSecond(group: number): number {
    const bytes = new Uint8Array(Math.round(group * commitBytes)).fill(7);
    const start = performance.now();
    let writes = 0;
    for (; performance.now() - start < roundMs; writes++) {
      if (this.#position + bytes.length > peerFileBytes) this.#position = 0;
      writeSync(this.#fd, bytes, 0, bytes.length, this.#position);
      fdatasyncSync(this.#fd);
      this.#position += bytes.length;
    }
    return (writes * group * 1000) / (performance.now() - start);
  }

  close(): void {
    closeSync(this.#fd);
  }
}
