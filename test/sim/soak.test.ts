import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { killRound, prepareSoak } from './soak.ts';

describe('a process that is killed under load', () => {
  it('loses nothing that it acknowledged, three times', async () => {
    const path = await mkdtemp(join(tmpdir(), 'alopex-soak-'));
    const state = await prepareSoak(path);
    for (const loadMs of [100, 200, 300]) await killRound(path, state, loadMs);
    expect(state.acknowledged.size).to.be.greaterThan(0);
    await rm(path, { recursive: true });
  }).timeout(120_000);
});
