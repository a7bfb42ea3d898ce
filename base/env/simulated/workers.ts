import { AlopexError } from '../../errors.ts';
import type { Env, Workers } from '../env.ts';
import type { Incarnation } from './incarnation.ts';

const startMsMax = 1;

/** Tasks of the one scheduler, with the Env of the machine that asked; input and output are cloned as between threads. */
export function simulatedWorkers(incarnation: Incarnation, env: () => Env): Workers {
  const { random } = incarnation.scheduler;
  const running = new Set<Promise<unknown>>();
  let closed = false;
  const soon = () => incarnation.perform(random.between(0, startMsMax), () => {});
  return {
    run: async (task, input) => {
      if (closed) throw new AlopexError('admin_shutdown', 'the worker threads are shut down');
      const cloned = structuredClone(input);
      const answer = soon().then(() => task.run(env(), cloned));
      running.add(answer);
      try {
        const output = structuredClone(await answer);
        await soon();
        return output;
      } finally {
        running.delete(answer);
      }
    },
    close: async () => {
      closed = true;
      await Promise.allSettled(running);
    },
  };
}
