import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { killRound, prepareSoak } from './soak.ts';

describe('a process that is killed under load', () => {
  it('loses nothing that it acknowledged, three times', async () => {
    const path = await mkdtemp(join(tmpdir(), 'alopex-soak-'));
    const state = await prepareSoak(path);
    for (const transactions of [10, 60, 120]) await killRound(path, state, transactions);
    expect(state.acknowledged.size).to.be.at.least(190);
    await rm(path, { recursive: true });
  }).timeout(120_000);
});
