import { resolve } from 'node:path';
import { realEnv } from '../base/env/real/env.ts';
import { AlopexError } from '../base/errors.ts';
import type { Database as DatabaseInterface, OpenOptions } from './database/database.ts';
import { EmbeddedDatabase } from './database/embedded.ts';
import { Engine } from './database/engine.ts';
import { defaultRetention } from './database/log-retention.ts';
import { releaseYoungSpace } from './young-space.ts';

export type Database = DatabaseInterface;

const cacheBytesDefault = 256 * 1024 * 1024;
const connectionsMaxDefault = 10;

async function open(options: OpenOptions): Promise<Database> {
  const { path, url } = options;
  if (path !== undefined && url === undefined) return openPath(path, options);
  if (url !== undefined && path === undefined) return openUrl(url, options);
  throw new AlopexError('invalid_parameter_value', 'open takes either a path or a url');
}

async function openPath(path: string, options: OpenOptions): Promise<Database> {
  try {
    const engine = await Engine.open({
      env: realEnv(),
      path: resolve(path),
      cacheBytes: options.cacheBytes ?? cacheBytesDefault,
      retention: {
        retentionMs: options.logRetentionMs ?? defaultRetention.retentionMs,
        retentionBytes: options.logRetentionBytes ?? defaultRetention.retentionBytes,
      },
      connectionsMax: 10_000,
      settings: {},
      onProblem: options.onProblem ?? ((problem) => process.emitWarning(problem)),
    });
    return new EmbeddedDatabase(engine);
  } finally {
    releaseYoungSpace();
  }
}

/** The client of the wire, and with it the network, is loaded when it is asked for. */
async function openUrl(url: string, options: OpenOptions): Promise<Database> {
  const { RemoteDatabase } = await import('./remote/database.ts');
  return RemoteDatabase.open({ url, connectionsMax: options.connectionsMax ?? connectionsMaxDefault });
}

/** Opens databases: see `OpenOptions`. */
export const Database = { open } as const;
