import { parseArgs } from 'node:util';
import { mutations } from './mutations.ts';
import { type Found, MutatedTree, requirePlace } from './run.ts';

/** `npm run sim:mutations -- --seeds 5000 --jobs 2 --only vote`: which bugs the cluster simulator finds, and how soon. */
const { values } = parseArgs({
  options: {
    seeds: { type: 'string', default: '5000' },
    jobs: { type: 'string', default: '1' },
    only: { type: 'string', default: '' },
  },
});

async function work(left: (typeof mutations)[number][], found: Found[]): Promise<void> {
  const tree = await MutatedTree.create();
  try {
    for (let mutation = left.shift(); mutation !== undefined; mutation = left.shift()) {
      const one = await tree.hunt(mutation, Number(values.seeds));
      found.push(one);
      console.log(textOf(one));
    }
  } finally {
    await tree.remove();
  }
}

function textOf({ name, seed, how, seconds }: Found): string {
  const where = seed === null ? '-' : `seed ${seed}`;
  return `| ${name} | ${where} | ${how.slice(0, 90)} | ${seconds.toFixed(0)} s |`;
}

await Promise.all(mutations.map(requirePlace));
const left = mutations.filter(({ name }) => name.includes(values.only));
const all = left.length;
const found: Found[] = [];
console.log('| bug | found | how | time |\n|---|---|---|---|');
await Promise.all(Array.from({ length: Number(values.jobs) }, () => work(left, found)));
const missed = found.filter(({ how }) => how === 'not found');
console.log(`${all - missed.length} of ${all} found`);
if (missed.length > 0) process.exitCode = 1;
