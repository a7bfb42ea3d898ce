import { describeEnv } from '../conformance/env.ts';
import type { EnvHarness } from '../conformance/harness.ts';
import { Simulation } from './simulation.ts';

const seeds = 3;

for (let seed = 1; seed <= seeds; seed++) {
  const inSimulation: EnvHarness = (body) =>
    new Simulation(seed).machine('a').run(async (env) => {
      await env.disk.makeDirectory('/data');
      await body(env, '/data');
    });
  describeEnv(`simulated, seed ${seed}`, inSimulation);
}
