import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PGlite } from '@electric-sql/pglite';
import { Database, Pool, type PoolClient } from '../../api/index.ts';

/** What a statement answers: its rows, each value as SQL prints it, or the SQLSTATE of its error. */
export type Answer = { readonly rows: readonly string[]; readonly count: number } | { readonly code: string };

/** One statement of a script; one that is marked `-- differs:` must answer otherwise than PostgreSQL. */
export type ScriptStatement = {
  readonly text: string;
  readonly line: number;
  readonly difference: string | null;
};

const asText = { getTypeParser: () => (text: string) => text };
/** PGlite's own parsers, all of built-in types, give way to these. */
const textParsers = Object.fromEntries(
  Array.from({ length: 5_000 }, (_, oid) => [oid, (text: string) => text]),
);

/** A session of the database in process, and its directory. */
export class OwnSession {
  readonly database: Database;
  readonly #directory: string;
  readonly #pool: Pool;
  readonly #client: PoolClient;

  private constructor(directory: string, database: Database, pool: Pool, client: PoolClient) {
    this.#directory = directory;
    this.database = database;
    this.#pool = pool;
    this.#client = client;
  }

  /** Of the database in a directory, by default a new one; closing it removes the directory. */
  static async open(path?: string): Promise<OwnSession> {
    const directory = path ?? (await mkdtemp(join(tmpdir(), 'alopex-differential-')));
    const database = await Database.open({ path: directory });
    const pool = new Pool({ database, types: asText });
    return new OwnSession(directory, database, pool, await pool.connect());
  }

  async answer(text: string): Promise<Answer> {
    try {
      const { rows, rowCount } = await this.#client.query({ text, rowMode: 'array' });
      return { rows: rows.map(lineOf), count: rows.length > 0 ? rows.length : (rowCount ?? 0) };
    } catch (error) {
      return { code: (error as { readonly code: string }).code };
    }
  }

  async close(): Promise<void> {
    this.#client.release();
    await this.#pool.end();
    await this.database.close();
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** PostgreSQL in WASM. `reset` gives an empty database. */
export class PostgresSession {
  readonly #postgres: PGlite;

  private constructor(postgres: PGlite) {
    this.#postgres = postgres;
  }

  static async open(): Promise<PostgresSession> {
    return new PostgresSession(await PGlite.create());
  }

  async reset(): Promise<void> {
    await this.#postgres.exec(
      'ROLLBACK; RESET ALL; DROP SCHEMA public CASCADE; CREATE SCHEMA public; SET timezone = UTC',
    );
  }

  async answer(text: string): Promise<Answer> {
    try {
      const { rows, affectedRows } = await this.#postgres.query<(string | null)[]>(text, [], {
        rowMode: 'array',
        parsers: textParsers,
      });
      return { rows: rows.map(lineOf), count: rows.length > 0 ? rows.length : (affectedRows ?? 0) };
    } catch (error) {
      return { code: (error as { readonly code: string }).code };
    }
  }

  async run(script: string): Promise<void> {
    await this.#postgres.exec(script);
  }

  async copy(statement: string, blob: Blob): Promise<void> {
    await this.#postgres.query(statement, [], { blob });
  }

  close(): Promise<void> {
    return this.#postgres.close();
  }
}

function lineOf(row: readonly (string | null)[]): string {
  return row.map((value) => value ?? '∅').join(' | ');
}

/** Statements end with a semicolon at the end of a line. */
export function statementsOf(script: string): readonly ScriptStatement[] {
  const statements: ScriptStatement[] = [];
  let lines: string[] = [];
  let difference: string | null = null;
  for (const [index, line] of script.split('\n').entries()) {
    if (lines.length === 0 && (line.trim() === '' || line.startsWith('--'))) {
      difference = /^-- differs: (.*)$/.exec(line)?.[1] ?? difference;
      continue;
    }
    lines.push(line);
    if (!line.trimEnd().endsWith(';')) continue;
    statements.push({ text: lines.join('\n'), line: index + 2 - lines.length, difference });
    lines = [];
    difference = null;
  }
  return statements;
}

/** Rows in the order of the statement only where it asks for one. */
export function shown(answer: Answer, text: string): string {
  if ('code' in answer) return `error ${answer.code}`;
  const isOrdered = /order\s+by/i.test(text);
  const rows = isOrdered ? answer.rows : [...answer.rows].sort();
  // Of CREATE TABLE … AS, PGlite does not read the count.
  const count = /^create table/i.test(text) ? 0 : answer.count;
  return `${count} rows: ${rows.join(' ⏎ ')}`;
}
