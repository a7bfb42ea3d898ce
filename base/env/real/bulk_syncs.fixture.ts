/** A task for the test beside it; a thread cannot load the test's own module, which needs mocha. */
import type { Env, WorkerTask } from '../env.ts';
import { countedAsBulk } from './bulk_syncs.ts';

export async function waitAsBulk({ clock }: Env, delayMs: number): Promise<void> {
  await countedAsBulk(
    () =>
      new Promise<void>((resolve) => {
        clock.setTimer(delayMs, resolve);
      }),
  );
}

export const waitAsBulkTask: WorkerTask<number, void> = {
  module: import.meta.url,
  name: 'waitAsBulk',
  run: waitAsBulk,
};
