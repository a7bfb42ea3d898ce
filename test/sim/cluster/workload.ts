import type { Queryable } from '../../../api/database/database.ts';
import type { EmbeddedDatabase } from '../../../api/database/embedded.ts';
import type { ListAction, ListTransaction } from '../checkers/list-append.ts';
import type { RegisterAction, RegisterValue } from '../checkers/registers.ts';
import type { Client, Told } from './client.ts';
import { askOutcome, isolationNames, withMark, writeOnce } from './marks.ts';
import type { ClientPlan, Work } from './plan.ts';
import { inSession } from './session.ts';
import { readFresh, readOwn } from './visibility.ts';

export const registerCount = 4;
export const listCount = 4;
export const accountCount = 5;
const balanceAtFirst = 100;
export const balanceTotal = accountCount * balanceAtFirst;

/** `marks` has no key: what is applied twice is there twice. */
export const schemaScript = `
  CREATE TABLE registers (key int PRIMARY KEY, value int);
  CREATE TABLE lists (key int PRIMARY KEY, elements text NOT NULL);
  CREATE TABLE accounts (id int PRIMARY KEY, balance int NOT NULL);
  CREATE TABLE marks (id text NOT NULL);
  INSERT INTO registers SELECT n, NULL FROM generate_series(1, ${registerCount}) AS n;
  INSERT INTO lists SELECT n, '' FROM generate_series(1, ${listCount}) AS n;
  INSERT INTO accounts SELECT n, ${balanceAtFirst} FROM generate_series(1, ${accountCount}) AS n;
`;

/** Operations follow each other closely, or after a while. */
const [shortMs, longMs] = [30, 3000];
const shortOf: Readonly<Record<Work, number>> = {
  mixed: 0.7,
  registers: 0.9,
  lists: 1,
  'fresh reads': 0.7,
};
/** That any node is asked, which sends it on. */
const anywhereOf: Readonly<Record<Work, number>> = {
  mixed: 0.3,
  registers: 0.7,
  lists: 0,
  'fresh reads': 0,
};
/** Who uses lists alone does so when the others do: at whole multiples. */
const [meetMs, meetProbability] = [2500, 0.2];
/** In the middle of a transaction. */
const lingerMs = [300, 3000] as const;

export async function runClient(client: Client, { operations, work }: ClientPlan): Promise<void> {
  const { random } = client;
  for (let count = 0; count < operations; count++) {
    await random.pick(workloads[work])(client);
    if (work === 'lists' && random.chance(meetProbability))
      await client.pause(meetMs - (client.nowMs % meetMs));
    else await client.pause(random.between(0, random.chance(shortOf[work]) ? shortMs : longMs));
  }
}

type Operation = (client: Client) => Promise<void>;
type Pause = (delayMs: number) => Promise<void>;

// ---- registers: one statement each

const useRegister: Operation = async (client) => {
  const { history, random } = client;
  const key = 1 + random.below(registerCount);
  const kind = random.pick<RegisterAction['kind']>(['read', 'read', 'write', 'set']);
  const [from, to] = [random.chance(0.1) ? null : 1 + random.below(5), 1 + random.below(5)];
  const called = history.next();
  const told = await anywhere(client, kind, `${client.name} ${kind} register ${key}`, (database) =>
    act(database, kind, key, from, to),
  );
  if (told.kind === 'refused' || (told.kind === 'unknown' && kind === 'read')) return;
  const isDone = told.kind === 'done';
  const answered = isDone ? history.next() : null;
  const action: RegisterAction = isDone
    ? told.value
    : kind === 'write'
      ? { kind: 'write', value: to }
      : { kind: 'set', from, to, done: null };
  history.registers.push({ key: String(key), client: client.name, called, answered, action });
};

/** Nodes that do not lead send it on: reads that are to be current, and writes where they may. */
function anywhere<Value>(
  client: Client,
  kind: RegisterAction['kind'],
  what: string,
  task: (database: EmbeddedDatabase) => Promise<Value>,
): Promise<Told<Value>> {
  if (!client.random.chance(anywhereOf[client.work]) || (kind !== 'read' && !client.forwardsWrites))
    return client.onPrimary(what, ({ database }) => task(database));
  const settings = { 'alopex.read_from': 'primary' };
  return client.onAny(what, ({ database }) => inSession(database, settings, task));
}

async function act(
  database: EmbeddedDatabase,
  kind: RegisterAction['kind'],
  key: number,
  from: RegisterValue,
  to: number,
): Promise<RegisterAction> {
  switch (kind) {
    case 'read': {
      const sql = 'SELECT value FROM registers WHERE key = $1';
      const { rows } = await database.query<{ value: RegisterValue }>(sql, [key]);
      return { kind, value: rows[0]!.value };
    }
    case 'write':
      await database.execute('UPDATE registers SET value = $1 WHERE key = $2', [to, key]);
      return { kind, value: to };
    case 'set': {
      const sql = 'UPDATE registers SET value = $1 WHERE key = $2 AND value IS NOT DISTINCT FROM $3';
      return { kind, from, to, done: (await database.execute(sql, [to, key, from])) === 1 };
    }
  }
}

// ---- lists and accounts: transactions that leave a mark

const useLists: Operation = async (client) => {
  const { history, random, isolation } = client;
  const actions: ListAction[] = [];
  const count = 1 + random.below(4);
  const { id, told, called, answered } = await withMark(
    client,
    'lists',
    isolation,
    async ({ queries, pause }) => {
      // An earlier node may have refused it half way.
      actions.length = 0;
      for (let left = count; left > 0; left--) {
        actions.push(await useList(queries, client));
        await waitWithin(client, pause);
      }
    },
  );
  const outcome = listOutcomeOf[told.kind];
  history.lists.push({ id, called, answered, outcome, actions });
};
const listOutcomeOf: Readonly<Record<Told<null>['kind'], ListTransaction['outcome']>> = {
  done: 'committed',
  refused: 'aborted',
  unknown: 'unknown',
};

async function useList(queries: Queryable, client: Client): Promise<ListAction> {
  const { random } = client;
  const key = 1 + random.below(listCount);
  if (random.chance(0.5)) return { kind: 'read', key: String(key), elements: await readList(queries, key) };
  return appendTo(queries, client, key);
}

async function appendTo(queries: Queryable, { history }: Client, key: number): Promise<ListAction> {
  const element = history.next();
  await queries.execute(`UPDATE lists SET elements = elements || $1 WHERE key = $2`, [`${element},`, key]);
  return { kind: 'append', key: String(key), element };
}

export async function readList(queries: Queryable, key: number): Promise<readonly number[]> {
  const sql = 'SELECT elements FROM lists WHERE key = $1';
  const { rows } = await queries.query<{ elements: string }>(sql, [key]);
  return rows[0]!.elements.split(',').slice(0, -1).map(Number);
}

async function waitWithin({ random, lingers }: Client, pause: Pause): Promise<void> {
  if (lingers) await pause(random.between(...lingerMs));
  else if (random.chance(0.3)) await pause(random.between(0, shortMs));
}

/** Reads one list and appends to another: two of them contradict each other although no row is written by both. */
const crossLists: Operation = async (client) => {
  const { history, random, isolation } = client;
  const [from, to] = random.pick([
    [1, 2],
    [2, 1],
  ] as const);
  const actions: ListAction[] = [];
  const { id, told, called, answered } = await withMark(client, 'across', isolation, async ({ queries }) => {
    actions.length = 0;
    actions.push({ kind: 'read', key: String(from), elements: await readList(queries, from) });
    actions.push(await appendTo(queries, client, to));
  });
  history.lists.push({ id, called, answered, outcome: listOutcomeOf[told.kind], actions });
};

const transfer: Operation = async (client) => {
  const { random } = client;
  const [from, to] = [1 + random.below(accountCount), 1 + random.below(accountCount)];
  const amount = 1 + random.below(20);
  await withMark(client, 'transfer', client.isolation, async ({ queries, pause }) => {
    const sql = 'UPDATE accounts SET balance = balance - $1 WHERE id = $2 AND balance >= $1';
    if ((await queries.execute(sql, [amount, from])) === 0) return;
    await waitWithin(client, pause);
    await queries.execute('UPDATE accounts SET balance = balance + $1 WHERE id = $2', [amount, to]);
  });
};

/** One statement, on any node. */
const readAccounts: Operation = async (client) => {
  const called = client.history.next();
  let node = '';
  const told = await client.onAny('accounts', async ({ database, by }) => {
    node = by;
    return database.query<{ id: number; balance: number }>('SELECT id, balance FROM accounts');
  });
  if (told.kind !== 'done') return;
  const balances = new Map(told.value.rows.map(({ id, balance }) => [id, balance]));
  client.history.bankReads.push({ at: `${client.name} on ${node}, ${called}`, balances });
};

/** A transaction that only reads, on any node: an earlier state, but one that was. */
const readLists: Operation = async (client) => {
  const { history, random, isolation } = client;
  const actions: ListAction[] = [];
  const told = await client.onAny('read lists', ({ database, pause }) =>
    database.transaction(
      async (queries) => {
        for (let key = 1; key <= listCount; key++) {
          actions.push({ kind: 'read', key: String(key), elements: await readList(queries, key) });
          if (random.chance(0.2)) await pause(random.between(0, shortMs));
        }
      },
      { isolation: isolationNames[isolation], readOnly: true },
    ),
  );
  if (told.kind !== 'done') return;
  // It may see less than was answered before: in the order of real time it has no place.
  history.lists.push({
    id: `${client.nextId()} (read)`,
    called: 0,
    answered: null,
    outcome: 'committed',
    actions,
  });
};

const mixed: readonly [Operation, ...Operation[]] = [
  useRegister,
  useRegister,
  useRegister,
  useLists,
  useLists,
  useLists,
  transfer,
  transfer,
  readAccounts,
  readLists,
  writeOnce,
  askOutcome,
  readOwn,
  readFresh,
];

const workloads: Readonly<Record<Work, readonly [Operation, ...Operation[]]>> = {
  mixed,
  registers: [useRegister],
  lists: [crossLists],
  'fresh reads': [readFresh, readFresh, readOwn],
};
