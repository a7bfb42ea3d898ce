import { resolve } from 'node:path';
import { realEnv } from '../base/env/real/env.ts';
import { AlopexError, unsupported } from '../base/errors.ts';
import type { Database as DatabaseInterface, OpenOptions } from './database/database.ts';
import { EmbeddedDatabase } from './database/embedded.ts';
import { Engine } from './database/engine.ts';

export type Database = DatabaseInterface;

const cacheBytesDefault = 256 * 1024 * 1024;

async function open(options: OpenOptions): Promise<Database> {
  const { path, url } = options;
  if ((path === undefined) === (url === undefined)) {
    throw new AlopexError('invalid_parameter_value', 'open takes either a path or a url');
  }
  if (url !== undefined) throw unsupported('a database on a server, by url');
  return new EmbeddedDatabase(
    await Engine.open({
      env: realEnv(),
      path: resolve(path!),
      cacheBytes: options.cacheBytes ?? cacheBytesDefault,
      connectionsMax: 10_000,
      settings: {},
      onProblem: options.onProblem ?? ((problem) => process.emitWarning(problem)),
    }),
  );
}

/** Opens databases: see `OpenOptions`. */
export const Database = { open } as const;
