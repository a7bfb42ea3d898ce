import type { Database } from '../../api/database/database.ts';
import type { SeededRandom } from '../../base/env/simulated/random.ts';
import { AlopexError, type Condition } from '../../base/errors.ts';

type IndexBuildOptions = {
  readonly database: Database;
  readonly random: SeededRandom;
  readonly pause: (delayMs: number) => Promise<void>;
  readonly expects: (error: AlopexError) => boolean;
  readonly note: (happening: string) => void;
};

type Build = readonly [name: string, create: string];

/** Their names are none that the model knows. Balances are rarely unique: that one mostly ends with 23505. */
const builds: readonly [Build, ...Build[]] = [
  ['online_bucket', 'CREATE INDEX CONCURRENTLY online_bucket ON accounts (bucket, note)'],
  ['online_balance', 'CREATE UNIQUE INDEX CONCURRENTLY online_balance ON accounts (balance)'],
  ['online_name', 'CREATE UNIQUE INDEX CONCURRENTLY online_name ON names (name DESC, id)'],
  ['online_body', 'CREATE INDEX CONCURRENTLY online_body ON bulk (txn, body)'],
  ['online_ticket', 'ALTER TABLE tickets ADD CONSTRAINT online_ticket UNIQUE (txn, id)'],
];

/** What may come in the way of a build, or of its end. */
const ordinaryConditions: readonly Condition[] = [
  'unique_violation',
  'serialization_failure',
  'duplicate_table',
  'undefined_object',
  'undefined_table',
  'deadlock_detected',
  'dependent_objects_still_exist',
];

/** A client beside the others that makes indexes of the tables that they write to, and drops them, built or not. */
export async function buildIndexes(options: IndexBuildOptions): Promise<void> {
  const { random, pause } = options;
  for (let left = random.below(4); left > 0; left--) {
    await pause(random.between(0, 6));
    const [name, create] = random.pick(builds);
    const drop =
      name === 'online_ticket' ? `ALTER TABLE tickets DROP CONSTRAINT ${name}` : `DROP INDEX ${name}`;
    const dropping = random.chance(0.3) ? pause(random.between(0, 12)).then(() => run(options, drop)) : null;
    await run(options, create);
    await dropping;
    if (name === 'online_balance' || random.chance(0.5)) await run(options, drop);
  }
}

async function run({ database, expects, note }: IndexBuildOptions, sql: string): Promise<void> {
  try {
    await database.query(sql);
    note(`${sql}: done`);
  } catch (error) {
    if (!(error instanceof AlopexError)) throw error;
    note(`${sql}: ${error.condition}: ${error.message}`);
    if (!ordinaryConditions.includes(error.condition) && !expects(error)) throw error;
  }
}
