/**
 * The package `alopex-db`:
 *
 *     import { Database } from 'alopex-db';
 *     await using db = await Database.open({ path: './data' });
 *     await db.execute('CREATE TABLE docs (id TEXT, vec VECTOR(384))');
 */
import './node-version.ts';
import './young-space.ts';

export { AlopexError } from '../base/errors.ts';
export type {
  Change,
  Field,
  Isolation,
  OpenOptions,
  Queryable,
  QueryResult,
  Row,
  Statement,
  TailOptions,
  TransactionOptions,
} from './database/database.ts';
export type { Value } from './database/values.ts';
export type { PoolClient, QueryConfig } from './embedded/client.ts';
export { Pool, type PoolOptions } from './embedded/pool.ts';
export type { ClientResult, FieldDef, TypeParsers } from './embedded/result.ts';
export { Database } from './open.ts';
