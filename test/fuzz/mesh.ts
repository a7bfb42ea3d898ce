import { parseArgs } from 'node:util';
import { sendMutations } from '../../log/mesh/test-kit/mutations.ts';

/** npm run fuzz:mesh -- --count 100000 --seed 1: damaged frames and hellos of the mesh, a thousand for each seed. */
const { values } = parseArgs({
  options: { count: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const count = Number(values.count);
const mutationsPerSeed = 1000;

let refused = 0;
for (let seed = Number(values.seed), sent = 0; sent < count; seed++, sent += mutationsPerSeed)
  refused += sendMutations(seed, Math.min(mutationsPerSeed, count - sent)).refused;
console.log(`${count} mutations from seed ${values.seed} on: ${refused} refused by name, none taken damaged`);
