/** The entry of a worker thread: runs exported task functions with this thread's own Env. */
import { invariant } from '../../unreachable.ts';
import type { Env } from '../env.ts';
import { realEnv } from './env.ts';
import { workInBackground } from './priority.ts';
import { serve } from './serve.ts';
import type { WorkerRequest } from './workers.ts';

workInBackground();
const env = realEnv();

serve(async (request) => {
  const { module, name, input } = request as WorkerRequest;
  const exported = (await import(module)) as Record<string, unknown>;
  const task = exported[name];
  invariant(typeof task === 'function', `${module} exports no function ${name}`);
  return (task as (env: Env, input: unknown) => Promise<unknown>)(env, input);
});
