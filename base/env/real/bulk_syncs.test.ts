import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { waitAsBulkTask } from './bulk_syncs.fixture.ts';
import { bulkSyncRuns, countedAsBulk } from './bulk_syncs.ts';
import { realEnv } from './env.ts';

describe('bulk syncs', () => {
  it('are counted over all threads of the process', async () => {
    const { workers, clock } = realEnv();
    let seen = false;
    const look = () => {
      seen ||= bulkSyncRuns();
      if (!seen) clock.setTimer(1, look);
    };
    look();
    await workers.run(waitAsBulkTask, 200);
    expect(seen).to.equal(true);
    expect(bulkSyncRuns()).to.equal(false);
    await workers.close();
  });

  it('send commits to the flush thread while they run', async () => {
    const directory = await mkdtemp(join(tmpdir(), 'alopex-bulk-'));
    const file = await realEnv().disk.open(`${directory}/a`, 'create');
    // On the caller's thread it has happened when the call returns; the flush thread has to start first.
    const writeAndLook = (position: number) => {
      const written = file.writeDurably(position, [Uint8Array.of(1)]);
      return { written, size: readFileSync(`${directory}/a`).length };
    };
    const alone = writeAndLook(0);
    await alone.written;
    expect(alone.size).to.equal(1);
    const release = Promise.withResolvers<void>();
    const bulk = countedAsBulk(() => release.promise);
    const meanwhile = writeAndLook(1);
    expect(meanwhile.size).to.equal(1);
    await meanwhile.written;
    release.resolve();
    await bulk;
    await file.close();
    // Another disk, for the first one may seem slow by now.
    const again = await realEnv().disk.open(`${directory}/b`, 'create');
    const after = again.writeDurably(0, [Uint8Array.of(1)]);
    expect(readFileSync(`${directory}/b`).length).to.equal(1);
    await after;
    await again.close();
    await rm(directory, { recursive: true });
  });
});
