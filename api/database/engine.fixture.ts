import type { Env } from '../../base/env/env.ts';
import { Engine, type EngineOptions } from './engine.ts';

/** The database of a simulated machine; a problem that no call answers for fails the test. */
export function openEngine(env: Env, options: Partial<EngineOptions> = {}): Promise<Engine> {
  return Engine.open({
    env,
    path: '/db',
    cacheBytes: 1 << 20,
    connectionsMax: 10,
    settings: {},
    onProblem: (problem) => {
      throw problem;
    },
    ...options,
  });
}
