import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '../../api/index.ts';
import { databaseSuite } from './client-suite.ts';

const directories: string[] = [];

databaseSuite('embedded', async () => {
  const path = await mkdtemp(join(tmpdir(), 'alopex-client-'));
  directories.push(path);
  return Database.open({ path });
});

after(() => Promise.all(directories.map((path) => rm(path, { recursive: true, force: true }))));
