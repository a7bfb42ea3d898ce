import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeEnv } from '../conformance/env.ts';
import type { EnvHarness } from '../conformance/harness.ts';
import { realEnv } from './env.ts';

const onThisMachine: EnvHarness = async (body) => {
  const directory = await mkdtemp(join(tmpdir(), 'alopex-env-'));
  const env = realEnv();
  try {
    await body(env, directory);
  } finally {
    await env.workers.close();
    await rm(directory, { recursive: true });
  }
};

describeEnv('real', onThisMachine);
