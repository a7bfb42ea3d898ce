import { AlopexError } from '../../errors.ts';
import type { Env, WorkerTask } from '../env.ts';

/** Writes with the worker's own Env, then answers with what it read back. */
export async function writeAndRead(
  { disk }: Env,
  { path, bytes }: { path: string; bytes: Uint8Array },
): Promise<{ read: Uint8Array }> {
  const file = await disk.open(path, 'create');
  await file.writeDurably(0, [bytes]);
  const read = await file.read(0, bytes.length);
  await file.close();
  bytes.fill(0);
  return { read };
}

export async function refuse(_env: Env, table: string): Promise<never> {
  throw new AlopexError('undefined_table', `relation "${table}" does not exist`, {
    table,
    hint: 'Create it.',
  });
}

export async function wait({ clock }: Env, delayMs: number): Promise<number> {
  await new Promise<void>((resolve) => {
    clock.setTimer(delayMs, resolve);
  });
  return delayMs;
}

function task<Input, Output>(run: (env: Env, input: Input) => Promise<Output>): WorkerTask<Input, Output> {
  return { module: import.meta.url, name: run.name, run };
}

export const writeAndReadTask = task(writeAndRead);
export const refuseTask = task(refuse);
export const waitTask = task(wait);
