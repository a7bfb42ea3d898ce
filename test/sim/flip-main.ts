import { parseArgs } from 'node:util';
import { loadParser } from '../../query/sql/parse.ts';
import { fileKind } from './file-kind.ts';
import { Flipper, flipRandom, UndetectedFlip } from './flip.ts';

/** `npm run flip -- --count 100000 --seed 1`: flips bits one at a time, and counts what came of them. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { count: { type: 'string', default: '10000' }, seed: { type: 'string', default: '1' } },
  });
  await loadParser();
  const flipper = await Flipper.create();
  const random = flipRandom(Number(values.seed));
  const counts = new Map<string, number>();
  const startMs = performance.now();
  for (let done = 0; done < Number(values.count); done++) {
    const flip = flipper.pick(random);
    let outcome: string;
    try {
      outcome = await flipper.outcomeOf(flip);
    } catch (error) {
      if (!(error instanceof UndetectedFlip)) throw error;
      outcome = 'UNDETECTED';
      process.exitCode = 1;
      console.error(error.message);
    }
    const name = `${fileKind(flip.path)} ${outcome}`;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  for (const [name, count] of [...counts].sort()) console.log(`${name}: ${count}`);
  console.log(`${values.count} bits flipped in ${((performance.now() - startMs) / 1000).toFixed(0)} s`);
}

await main();
