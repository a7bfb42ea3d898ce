import type { Database, Queryable } from '../../api/database/database.ts';
import type { SeededRandom } from '../../base/env/simulated/random.ts';
import { AlopexError } from '../../base/errors.ts';
import type { Attempt, Model } from './model.ts';
import { type Account, accountText, bucketCount } from './schema.ts';

/** What an operation works with: one transaction, and the model's record of it. */
type Scope = {
  readonly queries: Queryable;
  readonly attempt: Attempt;
  readonly random: SeededRandom;
};
type Operation = (scope: Scope) => Promise<void>;

const accountIdMax = 40;
const nameCount = 24;

/** Thrown to roll a transaction back for reasons of its own. */
class ChangedMind extends Error {}

async function putAccounts({ queries, attempt }: Scope, sql: string): Promise<number> {
  const { rows } = await queries.query<Account & { id: number }>(
    `${sql} RETURNING id, bucket, balance, note`,
  );
  for (const row of rows) attempt.put(`accounts/${row.id}`, accountText(row));
  return rows.length;
}

const transfer: Operation = async (scope) => {
  const { random } = scope;
  const amount = 1 + random.below(50);
  for (const change of [-amount, amount]) {
    const id = 1 + random.below(accountIdMax);
    const changed = await putAccounts(
      scope,
      `UPDATE accounts SET balance = balance + ${change}, bucket = (bucket + 1) % ${bucketCount} WHERE id = ${id}`,
    );
    // The sum of all balances is 0 at any time.
    if (changed === 0 && change > 0) throw new ChangedMind();
    if (changed === 0) return;
  }
};

const upsertAccount: Operation = async (scope) => {
  const { random, attempt } = scope;
  const id = 1 + random.below(accountIdMax);
  await putAccounts(
    scope,
    `INSERT INTO accounts VALUES (${id}, ${random.below(bucketCount)}, 0, 'new')
     ON CONFLICT (id) DO UPDATE SET note = 'again ${attempt.id}'`,
  );
};

const updateBucket: Operation = async (scope) => {
  const note = `of ${scope.attempt.id} ${'n'.repeat(scope.random.below(60))}`;
  await putAccounts(
    scope,
    `UPDATE accounts SET note = '${note}' WHERE bucket = ${scope.random.below(bucketCount)}`,
  );
};

const deleteAccounts: Operation = async ({ queries, attempt, random }) => {
  const sql = `DELETE FROM accounts WHERE balance = 0 AND bucket = ${random.below(bucketCount)} RETURNING id`;
  for (const { id } of (await queries.query(sql)).rows) attempt.remove(`accounts/${id}`);
};

/** Names are few and unique: many of these end with 23505, and then the transaction is rolled back. */
const takeName: Operation = async ({ queries, attempt, random }) => {
  const name = `name ${random.below(nameCount)}`;
  await queries.query(`INSERT INTO names VALUES (${attempt.id}, '${name}')`);
  attempt.put(`names/${attempt.id}`, name);
};

const renameSome: Operation = async ({ queries, attempt, random }) => {
  const name = `name ${random.below(nameCount)}`;
  const sql = `UPDATE names SET name = '${name}' WHERE name = 'name ${random.below(nameCount)}' RETURNING id`;
  for (const { id } of (await queries.query(sql)).rows) attempt.put(`names/${id}`, name);
};

const dropNames: Operation = async ({ queries, attempt, random }) => {
  const sql = `DELETE FROM names WHERE id % 4 = ${random.below(4)} RETURNING id`;
  for (const { id } of (await queries.query(sql)).rows) attempt.remove(`names/${id}`);
};

const truncateNames: Operation = async ({ queries, attempt }) => {
  await queries.query('TRUNCATE names');
  attempt.clear('names/');
};

const drawTickets: Operation = async ({ queries, attempt, random }) => {
  const values = Array.from({ length: 1 + random.below(20) }, () => `(${attempt.id})`).join(', ');
  const { rows } = await queries.query(`INSERT INTO tickets (txn) VALUES ${values} RETURNING id`);
  for (const { id } of rows) attempt.put(`tickets/${id}`, `${attempt.id}`);
};

const drawNumber: Operation = async ({ queries, attempt }) => {
  const { rows } = await queries.query<{ n: number }>(`SELECT nextval('numbers')::int AS n`);
  attempt.drawn.push(rows[0]!.n);
};

const insertBulk: Operation = async ({ queries, attempt, random }) => {
  const rows = 20 + random.below(80);
  const size = random.chance(0.02) ? 20_000 : 30 + random.below(200);
  const from = attempt.writes.length * 100;
  await queries.query(
    `INSERT INTO bulk SELECT ${attempt.id}, n, repeat('b', ${size}) FROM generate_series(${from + 1}, ${from + rows}) AS n`,
  );
  for (let n = from + 1; n <= from + rows; n++) attempt.put(`bulk/${attempt.id}.${n}`, `${size}`);
};

const deleteBulk: Operation = async ({ queries, attempt, random }) => {
  const sql = `DELETE FROM bulk WHERE txn % 3 = ${random.below(3)} RETURNING txn, n`;
  for (const { txn, n } of (await queries.query(sql)).rows) attempt.remove(`bulk/${txn}.${n}`);
};

const createTable: Operation = async ({ queries, attempt }) => {
  const name = `extra_${attempt.id}`;
  await queries.query(`CREATE TABLE IF NOT EXISTS ${name} (id int PRIMARY KEY, body text)`);
  await queries.query(
    `INSERT INTO ${name} SELECT n, 'of ' || n FROM generate_series(1, 3) AS n ON CONFLICT DO NOTHING`,
  );
  attempt.put(`table ${name}`, 'there');
  for (let n = 1; n <= 3; n++) attempt.put(`${name}/${n}`, `of ${n}`);
};

const dropTable: Operation = async ({ queries, attempt }) => {
  const { rows } = await queries.query(
    `SELECT relname AS name FROM pg_class WHERE relname LIKE 'extra%' AND relkind = 'r' LIMIT 1`,
  );
  const name = rows[0]?.name;
  if (name === undefined) return;
  await queries.query(`DROP TABLE ${name}`);
  attempt.remove(`table ${name}`);
  attempt.clear(`${name}/`);
};

const addColumn: Operation = async ({ queries, attempt }) => {
  await queries.query(
    `ALTER TABLE accounts ADD COLUMN IF NOT EXISTS extra_${attempt.id} int DEFAULT ${attempt.id}`,
  );
  attempt.put(`column extra_${attempt.id}`, 'filled');
};

const createIndex: Operation = async ({ queries, attempt }) => {
  await queries.query(`CREATE INDEX IF NOT EXISTS extra_note_${attempt.id} ON accounts (note, id)`);
  attempt.put(`index extra_note_${attempt.id}`, 'there');
};

/** The sum of all balances is 0 in every snapshot. */
const checkSum: Operation = async ({ queries }) => {
  const { rows } = await queries.query<{ total: number }>(
    'SELECT coalesce(sum(balance), 0)::int AS total FROM accounts',
  );
  if (rows[0]!.total !== 0)
    throw new Error(`the balances add up to ${rows[0]!.total}, in a transaction that moved none`);
};

const operations: readonly (readonly [weight: number, operation: Operation])[] = [
  [8, transfer],
  [4, upsertAccount],
  [2, updateBucket],
  [1, deleteAccounts],
  [4, takeName],
  [3, renameSome],
  [1, dropNames],
  [0.4, truncateNames],
  [3, drawTickets],
  [2, drawNumber],
  [1.5, insertBulk],
  [0.7, deleteBulk],
  [0.5, createTable],
  [0.3, dropTable],
  [0.3, addColumn],
  [0.3, createIndex],
];
const totalWeight = operations.reduce((sum, [weight]) => sum + weight, 0);

function pickOperation(random: SeededRandom): Operation {
  let left = random.fraction() * totalWeight;
  for (const [weight, operation] of operations) {
    left -= weight;
    if (left < 0) return operation;
  }
  return transfer;
}

/** One operation that may be taken back, alone, and the transaction goes on. */
async function inSavepoint(scope: Scope, operation: Operation): Promise<void> {
  const { queries, attempt, random } = scope;
  await queries.query('SAVEPOINT one');
  const writes = attempt.writes.length;
  try {
    await operation(scope);
    if (random.chance(0.6)) {
      await queries.query('RELEASE one');
      return;
    }
  } catch (error) {
    const isOwn = error instanceof ChangedMind;
    if (!isOwn && !(error instanceof AlopexError && error.condition === 'unique_violation')) throw error;
  }
  await queries.query('ROLLBACK TO one');
  attempt.writes.length = writes;
}

export type SessionOptions = {
  readonly database: Database;
  readonly model: Model;
  readonly random: SeededRandom;
  readonly transactions: number;
  readonly pause: (delayMs: number) => Promise<void>;
  /** Whether an error may come of what the run does to the machine. */
  readonly expects: (error: AlopexError) => boolean;
  readonly note: (happening: string) => void;
};

/** Of transactions that meet each other. */
const ordinaryConditions: readonly string[] = [
  'serialization_failure',
  'deadlock_detected',
  'unique_violation',
  'undefined_table',
  'undefined_column',
  'duplicate_table',
];

/** A client: random transactions, one after another, each noted in the model with what came of it. */
export async function runSession(options: SessionOptions): Promise<void> {
  for (let count = 0; count < options.transactions; count++) {
    const { random } = options;
    const attempt = options.model.begin(1 + random.below(3));
    try {
      if (random.chance(0.15)) await singleStatement(options, attempt);
      else await transaction(options, attempt);
      options.model.acknowledge(attempt);
      options.note(`transaction ${attempt.id} acknowledged`);
    } catch (error) {
      refuse(options, attempt, error);
    }
    if (random.chance(0.1)) await bareNumber(options);
    await options.pause(random.between(0, 1));
  }
}

function refuse({ expects, note }: SessionOptions, attempt: Attempt, error: unknown): void {
  if (error instanceof ChangedMind) {
    attempt.outcome = 'refused';
    return;
  }
  if (!(error instanceof AlopexError)) throw error;
  if (!ordinaryConditions.includes(error.condition) && !expects(error)) throw error;
  note(`transaction ${attempt.id}: ${error.condition}: ${error.message}`);
  attempt.outcome = error.condition === 'statement_completion_unknown' ? 'undecided' : 'refused';
}

function journalSql({ id, parts }: Attempt): string {
  const rows = Array.from({ length: parts }, (_, part) => `(${id}, ${part}, ${parts})`);
  return `INSERT INTO journal VALUES ${rows.join(', ')}`;
}

/** Committed by itself; all its effect is in the journal. */
async function singleStatement({ database }: SessionOptions, attempt: Attempt): Promise<void> {
  attempt.outcome = 'undecided';
  await database.query(journalSql(attempt));
}

/** A number that is drawn and written nowhere is acknowledged all the same. */
async function bareNumber({ database, model, expects, note }: SessionOptions): Promise<void> {
  try {
    const { rows } = await database.query<{ n: number }>(`SELECT nextval('numbers')::int AS n`);
    note(`number ${rows[0]!.n} acknowledged`);
    model.acknowledgeNumber(rows[0]!.n);
  } catch (error) {
    if (!(error instanceof AlopexError && expects(error))) throw error;
  }
}

/** The timeline of a failing seed shows the statements. */
function noted(queries: Queryable, note: (sql: string) => void): Queryable {
  return {
    ...queries,
    query: async <R>(sql: string) => {
      const result = await queries.query<R>(sql);
      note(`${sql}: ${result.rowCount}`);
      return result;
    },
  };
}

const isolations = ['read committed', 'read committed', 'repeatable read', 'serializable'] as const;

async function transaction(options: SessionOptions, attempt: Attempt): Promise<void> {
  const { database, random, pause, note } = options;
  const isolation = random.pick(isolations);
  await database.transaction(
    async (transaction) => {
      const queries = noted(transaction, (sql) => note(`${attempt.id}: ${sql}`));
      const scope = { queries, attempt, random };
      if (random.chance(0.2)) await checkSum(scope);
      for (let left = 1 + random.below(4); left > 0; left--) {
        const operation = pickOperation(random);
        await (random.chance(0.25) ? inSavepoint(scope, operation) : operation(scope));
        if (random.chance(0.5)) await pause(random.between(0, 0.5));
      }
      await queries.query(journalSql(attempt));
      if (random.chance(0.08)) throw new ChangedMind();
      note(`transaction ${attempt.id} commits`);
      attempt.outcome = 'undecided';
    },
    { isolation },
  );
}
