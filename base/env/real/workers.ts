import { availableParallelism } from 'node:os';
import type { Workers, WorkerTask } from '../env.ts';
import { moduleBeside } from './module_beside.ts';
import { Threads } from './threads.ts';

const threadsMax = 4;

/** What the main thread sends to `worker_thread`. */
export type WorkerRequest = { readonly module: string; readonly name: string; readonly input: unknown };

export function realWorkers(): Workers {
  const threads = new Threads(
    moduleBeside(import.meta.url, 'worker_thread'),
    Math.min(threadsMax, availableParallelism()),
  );
  return {
    run: async <Input, Output>(task: WorkerTask<Input, Output>, input: Input) => {
      const request: WorkerRequest = { module: task.module, name: task.name, input };
      return (await threads.run(request)) as Output;
    },
    close: () => threads.close(),
  };
}
