import { parseArgs } from 'node:util';
import { prepareForMutations, sendMutations } from '../../api/pgwire/test-kit/mutations.ts';
import { ServedDatabase } from '../../api/pgwire/test-kit/served-database.ts';

/** npm run fuzz:pgwire -- --count 100000 --seed 1: damaged conversations, a thousand for each seed. */
const { values } = parseArgs({
  options: { count: { type: 'string', default: '100000' }, seed: { type: 'string', default: '1' } },
});
const count = Number(values.count);
const conversationsPerSeed = 1000;

const served = await ServedDatabase.open();
try {
  await prepareForMutations(served);
  for (let seed = Number(values.seed), sent = 0; sent < count; seed++, sent += conversationsPerSeed) {
    await sendMutations(served, seed, Math.min(conversationsPerSeed, count - sent));
  }
} finally {
  await served.close();
}
console.log(`${count} damaged conversations from seed ${values.seed} on: the server stood them all`);
