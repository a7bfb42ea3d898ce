import { parseArgs } from 'node:util';
import { KeyRing } from '../../log/mesh/keys.fixture.ts';
import { sendMutations } from '../../log/mesh/test-kit/mutations.ts';
import { tamper } from '../../log/mesh/test-kit/tamper.ts';

/**
 * npm run fuzz:mesh -- --count 100000 --seed 1: damaged frames and hellos of the mesh, a thousand for each seed. With
 * `--transport tls` (or `quic`) what is damaged is what passes between two nodes of a cluster.
 */
const { values } = parseArgs({
  options: {
    count: { type: 'string', default: '100000' },
    seed: { type: 'string', default: '1' },
    transport: { type: 'string', default: 'none' },
  },
});
const count = Number(values.count);
const mutationsPerSeed = 1000;

if (values.transport === 'tls' || values.transport === 'quic')
  process.exitCode = await damageStreams(values.transport);
else damageFrames();

function damageFrames(): void {
  let refused = 0;
  for (let seed = Number(values.seed), sent = 0; sent < count; seed++, sent += mutationsPerSeed)
    refused += sendMutations(seed, Math.min(mutationsPerSeed, count - sent)).refused;
  console.log(
    `${count} mutations from seed ${values.seed} on: ${refused} refused by name, none taken damaged`,
  );
}

async function damageStreams(transport: 'tls' | 'quic'): Promise<number> {
  const ring = await KeyRing.open();
  const first = await ring.create('first');
  const nodes = [first, await ring.join(first, 2)] as const;
  let [ended, violations] = [0, 0];
  for (let seed = Number(values.seed), sent = 0; sent < count; seed++, sent += mutationsPerSeed) {
    const outcome = await tamper(transport, nodes, seed, Math.min(mutationsPerSeed, count - sent));
    ended += outcome.ended;
    violations += outcome.violations;
  }
  await ring.close();
  console.log(
    `${count} damaged connections over ${transport} from seed ${values.seed} on: ${ended} ended, ${violations} took what was damaged`,
  );
  return violations === 0 ? 0 : 1;
}
