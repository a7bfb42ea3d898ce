import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { killRound, prepareSoak } from './soak.ts';

/** `npm run soak:kill -- --rounds 100`: kills a process under load, as often, on a directory of its own. */
async function main(): Promise<void> {
  const { values } = parseArgs({ options: { rounds: { type: 'string', default: '100' } } });
  const path = await mkdtemp(join(tmpdir(), 'alopex-soak-'));
  const state = await prepareSoak(path);
  const rounds = Number(values.rounds);
  for (let round = 1; round <= rounds; round++) {
    await killRound(path, state, 1 + Math.floor(Math.random() * 300));
    if (round % 10 === 0) console.log(`${round} kills, ${state.acknowledged.size} transactions acknowledged`);
  }
  console.log(
    `${rounds} kills, ${state.acknowledged.size} transactions acknowledged, none lost, none by half`,
  );
  await rm(path, { recursive: true });
}

await main();
