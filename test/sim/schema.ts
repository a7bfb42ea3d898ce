import type { Database } from '../../api/database/database.ts';
import type { State } from './model.ts';

export const bucketCount = 5;

/** `journal` says of each transaction that it is there; the other tables are written by the operations of workload.ts. */
export const schemaScript = `
  CREATE TABLE journal (txn int, part int, parts int NOT NULL, PRIMARY KEY (txn, part));
  CREATE TABLE accounts (id int PRIMARY KEY, bucket int NOT NULL, balance int NOT NULL, note text);
  CREATE INDEX accounts_bucket ON accounts (bucket);
  CREATE TABLE names (id int PRIMARY KEY, name text UNIQUE);
  CREATE TABLE tickets (id serial PRIMARY KEY, txn int);
  CREATE TABLE bulk (txn int, n int, body text, PRIMARY KEY (txn, n));
  CREATE SEQUENCE numbers;
  INSERT INTO accounts SELECT n, n % ${bucketCount}, 0, NULL FROM generate_series(1, 12) AS n;
`;

/** The state after `schemaScript`. */
export function initialState(): State {
  const state = new Map<string, string>();
  for (let id = 1; id <= 12; id++)
    state.set(`accounts/${id}`, accountText({ bucket: id % bucketCount, balance: 0, note: null }));
  return state;
}

export type Account = { readonly bucket: number; readonly balance: number; readonly note: string | null };

export function accountText({ bucket, balance, note }: Account): string {
  return `${bucket} ${balance} ${note}`;
}

type Query = Pick<Database, 'query'>['query'];

/** Every row of every table, `suffix` behind each table's name (a moment in the past), and the catalog's objects. */
export async function readState(query: Query, suffix = ''): Promise<State> {
  const state = new Map<string, string>();
  const read = async (sql: string, entry: (row: Record<string, unknown>) => readonly [string, string]) => {
    for (const row of (await query(sql)).rows) state.set(...entry(row));
  };
  await read(`SELECT * FROM journal ${suffix}`, (row) => [`journal/${row.txn}.${row.part}`, `${row.parts}`]);
  await read(`SELECT id, bucket, balance, note FROM accounts ${suffix}`, (row) => [
    `accounts/${row.id}`,
    accountText(row as Account),
  ]);
  await read(`SELECT id, name FROM names ${suffix}`, (row) => [`names/${row.id}`, `${row.name}`]);
  await read(`SELECT id, txn FROM tickets ${suffix}`, (row) => [`tickets/${row.id}`, `${row.txn}`]);
  await read(`SELECT txn, n, length(body) AS size FROM bulk ${suffix}`, (row) => [
    `bulk/${row.txn}.${row.n}`,
    `${row.size}`,
  ]);
  return state;
}

/** Tables, columns and indexes that transactions made, and the rows of those tables. */
export async function readObjects(query: Query): Promise<State> {
  const state = new Map<string, string>();
  const relations = `SELECT relname AS name, relkind AS kind FROM pg_class WHERE relname LIKE 'extra%'`;
  for (const { name, kind } of (await query<{ name: string; kind: string }>(relations)).rows) {
    if (kind === 'i') {
      if (!name.endsWith('_pkey')) state.set(`index ${name}`, 'there');
      continue;
    }
    state.set(`table ${name}`, 'there');
    const rows = await query<{ id: number; body: string }>(`SELECT id, body FROM ${name}`);
    for (const { id, body } of rows.rows) state.set(`${name}/${id}`, body);
  }
  const columns = `SELECT attname AS name FROM pg_attribute
     WHERE attrelid = 'accounts'::regclass AND attname LIKE 'extra%' AND NOT attisdropped`;
  for (const { name } of (await query<{ name: string }>(columns)).rows) {
    const filled = await query<{ n: number }>(
      `SELECT count(*)::int AS n FROM accounts WHERE ${name} IS NOT NULL`,
    );
    const all = await query<{ n: number }>('SELECT count(*)::int AS n FROM accounts');
    state.set(`column ${name}`, filled.rows[0]!.n === all.rows[0]!.n ? 'filled' : 'empty in some rows');
  }
  return state;
}
