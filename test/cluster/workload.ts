import { setTimeout } from 'node:timers/promises';
import type { Database, Queryable } from '../../api/index.ts';
import type { MarkedTransaction } from '../sim/checkers/acknowledged.ts';
import type { ListAction, ListTransaction } from '../sim/checkers/list-append.ts';
import type { RegisterAction, RegisterValue } from '../sim/checkers/registers.ts';
import type { LoadClient } from './load-client.ts';
import type { Told } from './told.ts';

/** Registers and lists are given up after so many operations: no history gets too long to be judged. */
const operationsOfOne = 100;
const keyCount = 10_000;
const keysAtOnce = 3;
export const accountCount = 10;
const balanceAtFirst = 100;
export const balanceTotal = accountCount * balanceAtFirst;
const pauseMsMax = 40;
const probePauseMs = 10;
const readersOfAll = 'SELECT id, balance FROM accounts';

/** `marks` has no unique key: what is applied twice is there twice. */
export const schemaScript = `
  CREATE TABLE registers (key int PRIMARY KEY, value int);
  CREATE TABLE lists (key int PRIMARY KEY, elements text NOT NULL);
  CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
  CREATE TABLE marks (id text NOT NULL);
  CREATE TABLE probes (id text NOT NULL);
  CREATE INDEX marks_id ON marks (id);
  INSERT INTO registers SELECT n, NULL FROM generate_series(1, ${keyCount}) AS n;
  INSERT INTO lists SELECT n, '' FROM generate_series(1, ${keyCount}) AS n;
  INSERT INTO accounts SELECT n, ${balanceAtFirst} FROM generate_series(1, ${accountCount}) AS n;
`;

type Operation = (client: LoadClient) => Promise<void>;

export async function runClient(client: LoadClient): Promise<void> {
  while (!client.isStopping) {
    await client.random.pick(workload)(client);
    await setTimeout(client.random.between(0, pauseMsMax));
  }
}

/** Writes as often as it can, on one node: by those it is seen how long nobody could. */
export async function probe(client: LoadClient): Promise<void> {
  while (!client.isStopping) {
    const id = client.nextId();
    await client.run((database) => database.execute('INSERT INTO probes VALUES ($1)', [id]), true);
    await setTimeout(probePauseMs);
  }
}

function keyOf({ seen: { history }, random }: LoadClient): number {
  const era = Math.floor(history.operations++ / (operationsOfOne * keysAtOnce));
  return 1 + ((era * keysAtOnce + random.below(keysAtOnce)) % keyCount);
}

// ---- registers: one statement each

const useRegister: Operation = async (client) => {
  const { random, seen } = client;
  const { history } = seen;
  const key = keyOf(client);
  const kind = random.pick<'read' | 'set'>(['read', 'set']);
  const to = history.next();
  const sql = 'SELECT value FROM registers WHERE key = $1';
  const readOnce = (): Promise<Told<RegisterValue>> =>
    client.run(async (database) => {
      const { rows } = await database.query<{ value: RegisterValue }>(sql, [key]);
      return rows[0]!.value;
    }, false);
  const called = history.next();
  const read = await readOnce();
  if (read.kind !== 'done') return;
  const from = read.value;
  const add = (called: number, answered: number | null, action: RegisterAction): void =>
    void history.registers.push({ key: String(key), client: client.name, called, answered, action });
  add(called, history.next(), { kind: 'read', value: from });
  if (kind === 'read') return;
  const calledSet = history.next();
  const setSql = 'UPDATE registers SET value = $1 WHERE key = $2 AND value IS NOT DISTINCT FROM $3';
  const told = await client.run(
    async (database) => (await database.execute(setSql, [to, key, from])) === 1,
    true,
  );
  if (told.kind === 'refused') return;
  const done = told.kind === 'done' ? told.value : null;
  add(calledSet, done === null ? null : history.next(), { kind: 'set', from, to, done });
};

// ---- lists and accounts: transactions that leave a mark

type Marked = {
  readonly id: string;
  readonly told: Told<null>;
  readonly called: number;
  readonly answered: number | null;
};

async function withMark(client: LoadClient, work: (queries: Queryable) => Promise<void>): Promise<Marked> {
  const { history } = client.seen;
  const id = client.nextId();
  const called = history.next();
  const told = await client.run(
    (database) =>
      database.transaction(
        async (queries) => {
          await work(queries);
          await queries.execute('INSERT INTO marks VALUES ($1)', [id]);
          return null;
        },
        { isolation: 'serializable' },
      ),
    true,
  );
  const answered = told.kind === 'unknown' ? null : history.next();
  addMark(client, { id, called, answered, outcome: outcomeOf[told.kind] });
  return { id, told, called, answered };
}

function addMark({ seen: { history } }: LoadClient, mark: Omit<MarkedTransaction, 'mode' | 'primary'>): void {
  history.marked.push({ ...mark, mode: 'semi-sync', primary: 'the cluster' });
}
const outcomeOf: Readonly<Record<Told<null>['kind'], MarkedTransaction['outcome']>> = {
  done: 'acknowledged',
  refused: 'refused',
  unknown: 'unknown',
};

const useLists: Operation = async (client) => {
  const { random, seen } = client;
  const actions: ListAction[] = [];
  const count = 1 + random.below(4);
  const { id, told, called, answered } = await withMark(client, async (queries) => {
    // BEGIN may have been done again.
    actions.length = 0;
    for (let left = count; left > 0; left--) actions.push(await useList(queries, client));
  });
  seen.history.lists.push({ id, called, answered, outcome: listOutcomeOf[told.kind], actions });
};
const listOutcomeOf: Readonly<Record<Told<null>['kind'], ListTransaction['outcome']>> = {
  done: 'committed',
  refused: 'aborted',
  unknown: 'unknown',
};

async function useList(queries: Queryable, client: LoadClient): Promise<ListAction> {
  const key = keyOf(client);
  if (client.random.chance(0.5))
    return { kind: 'read', key: String(key), elements: await readList(queries, key) };
  const element = client.seen.history.next();
  await queries.execute('UPDATE lists SET elements = elements || $1 WHERE key = $2', [`${element},`, key]);
  return { kind: 'append', key: String(key), element };
}

async function readList(queries: Queryable, key: number): Promise<readonly number[]> {
  const sql = 'SELECT elements FROM lists WHERE key = $1';
  const { rows } = await queries.query<{ elements: string }>(sql, [key]);
  return elementsOf(rows[0]!.elements);
}

function elementsOf(text: string): readonly number[] {
  return text.split(',').slice(0, -1).map(Number);
}

const transfer: Operation = async (client) => {
  const { random } = client;
  const [from, to] = [1 + random.below(accountCount), 1 + random.below(accountCount)];
  const amount = 1 + random.below(20);
  await withMark(client, async (queries) => {
    const sql = 'UPDATE accounts SET balance = balance - $1 WHERE id = $2 AND balance >= $1';
    if ((await queries.execute(sql, [amount, from])) === 0) return;
    await queries.execute('UPDATE accounts SET balance = balance + $1 WHERE id = $2', [amount, to]);
  });
};

/** One statement, on a replica where there is one. */
const readAccounts: Operation = async (client) => {
  const { history } = client.seen;
  const called = history.next();
  const told = await client.run(
    (database) =>
      database.transaction(
        async (queries) => {
          await queries.execute("SET LOCAL alopex.read_from = 'replica'");
          return queries.query<{ id: number; balance: number }>(readersOfAll);
        },
        { readOnly: true },
      ),
    false,
  );
  if (told.kind !== 'done') return;
  const balances = new Map(told.value.rows.map(({ id, balance }) => [id, balance]));
  history.bankReads.push({ at: `${client.name}, ${called}`, balances });
};

/** Sent again until it is answered: by its id it is executed once. */
const insertOnce: Operation = async (client) => {
  const { history } = client.seen;
  const id = client.nextId();
  const called = history.next();
  const insert = async (database: Database): Promise<number> =>
    (await database.once(id, 'INSERT INTO marks VALUES ($1)', [id])).rowCount;
  let told = await client.run(insert, true);
  while (told.kind !== 'done' && !client.isStopping) told = await client.run(insert, true);
  const isDone = told.kind === 'done';
  const outcome = isDone ? 'acknowledged' : 'unknown';
  addMark(client, { id, called, answered: isDone ? history.next() : null, outcome });
};

/** What one session has committed, another one sees on a replica that is told to wait for it. */
const readAwaited: Operation = async (client) => {
  const { seen } = client;
  const id = client.nextId();
  const written = await withToken(client, id);
  if (written.kind !== 'done') return;
  const token = written.value;
  const told = await client.run(
    (database) =>
      database.transaction(
        async (queries) => {
          await queries.execute("SET LOCAL alopex.read_from = 'replica'");
          await queries.execute(`SET LOCAL alopex.await_token = '${token}'`);
          return (await queries.query('SELECT id FROM marks WHERE id = $1', [id])).rowCount;
        },
        { readOnly: true },
      ),
    false,
  );
  if (told.kind !== 'done') return;
  seen.awaited += 1;
  if (told.value !== 1) seen.stale.push(`${client.name} has committed ${id} (${token}), and does not see it`);
};

/** Commits a mark, and asks in the same session for the token of it. */
async function withToken(client: LoadClient, id: string): Promise<Told<string>> {
  const { history } = client.seen;
  const called = history.next();
  const told = await client.run(async (database) => {
    const script = `BEGIN; INSERT INTO marks VALUES ('${id}'); COMMIT; SHOW alopex.last_commit`;
    return Object.values((await database.query<Record<string, string>>(script)).rows[0]!)[0]!;
  }, true);
  const answered = told.kind === 'unknown' ? null : history.next();
  addMark(client, { id, called, answered, outcome: outcomeOf[told.kind] });
  return told;
}

const workload: readonly [Operation, ...Operation[]] = [
  useRegister,
  useRegister,
  useLists,
  useLists,
  transfer,
  readAccounts,
  insertOnce,
  insertOnce,
  readAwaited,
];

// ---- what is there in the end

export type Outcome = {
  readonly lists: ReadonlyMap<string, readonly number[]>;
  readonly marks: ReadonlyMap<string, number>;
};

export async function outcomeOfAll(database: Queryable): Promise<Outcome> {
  const lists = await database.query<{ key: number; elements: string }>(
    "SELECT key, elements FROM lists WHERE elements <> ''",
  );
  const marks = await database.query<{ id: string; n: number }>(
    'SELECT id, count(*)::int AS n FROM marks GROUP BY id',
  );
  return {
    lists: new Map(lists.rows.map(({ key, elements }) => [String(key), elementsOf(elements)])),
    marks: new Map(marks.rows.map(({ id, n }) => [id, n])),
  };
}
