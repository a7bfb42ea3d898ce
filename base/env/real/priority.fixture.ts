/** A task for the test beside it; a thread cannot load the test's own module, which needs mocha. */
import { getPriority } from 'node:os';
import type { Env, WorkerTask } from '../env.ts';
import { callingThread } from './priority.ts';

export async function priorityHere(_: Env, __: null): Promise<number> {
  return getPriority(callingThread());
}

export const priorityTask: WorkerTask<null, number> = {
  module: import.meta.url,
  name: 'priorityHere',
  run: priorityHere,
};
