import type { Env } from '../env.ts';
import { realClock } from './clock.ts';
import { useNativeCrc32c } from './crc32c.ts';
import { realDisk } from './disk.ts';
import { realNetwork } from './network.ts';
import { realRandom } from './random.ts';
import { realWorkers } from './workers.ts';

/** The machine. Starts nothing: threads, addons and sockets come with their first use. */
export function realEnv(): Env {
  useNativeCrc32c();
  return {
    clock: realClock,
    random: realRandom(),
    disk: realDisk(),
    network: realNetwork,
    workers: realWorkers(),
    rarely: () => false,
  };
}
