import { describeClockAndRandom } from './clock.ts';
import { describeDisk } from './disk.ts';
import type { EnvHarness } from './harness.ts';
import { describeNetwork } from './network.ts';
import { describeWorkers } from './workers.ts';

/** What code above `base` may rely on, of the machine and of the simulation alike. */
export function describeEnv(name: string, run: EnvHarness): void {
  describeClockAndRandom(name, run);
  describeDisk(name, run);
  describeNetwork(name, run);
  describeWorkers(name, run);
}
