import { PGlite } from '@electric-sql/pglite';
import { expect } from 'chai';
import { AlopexError } from '../../base/errors.ts';
import type { Datum } from '../../base/values/datum.ts';
import { type CompilationMode, setCompilationMode } from '../../query/exec/batch-expressions.ts';
import { functionContext, MemoryDatabase } from '../../query/exec/test-kit/database.ts';
import { MemoryReader } from '../../query/exec/test-kit/memory-reader.ts';
import { codecOf } from '../../query/types/codec/codec.ts';
import type { SqlType } from '../../query/types/type.ts';
import { generatedQueries, setup } from './exec-queries.ts';

/** The same statements on PostgreSQL (PGlite) and here give the same rows, or the same SQLSTATE. */

async function postgresRows(postgres: PGlite, sql: string): Promise<readonly string[][] | string> {
  try {
    const { rows } = await postgres.query<string[]>(sql, [], { rowMode: 'array', parsers: rawParsers });
    return rows.map((row) => row.map((value) => (value === null ? '∅' : String(value))));
  } catch (error) {
    return (error as { readonly code: string }).code;
  }
}

const rawParsers = Object.fromEntries(
  [16, 20, 21, 23, 25, 700, 701, 1700, 1082, 1114, 1184, 1007, 1009, 1016, 1022, 1231].map((oid) => [
    oid,
    (text: string) => text,
  ]),
);

async function ownRows(database: MemoryDatabase, sql: string): Promise<readonly string[][] | string> {
  try {
    const statement = database.plan(sql);
    const types = statement.columns.map((column) => column.type);
    const rows = await database.rows(statement);
    return rows.map((row) => row.map((value, column) => textOf(value, types[column]!)));
  } catch (error) {
    if (error instanceof AlopexError) return error.code;
    throw error;
  }
}

function textOf(value: Datum, type: SqlType): string {
  return value === null ? '∅' : codecOf(type.oid).format(value, type, functionContext);
}

function comparable(rows: readonly string[][] | string, sql: string): unknown {
  if (typeof rows === 'string') return rows;
  const lines = rows.map((row) => row.join(' | '));
  return /order by/i.test(sql.replace(/\(.*?\)/g, '')) ? lines : lines.sort();
}

describe('exec against PostgreSQL', () => {
  let postgres: PGlite;
  const databases = new Map<CompilationMode, MemoryDatabase>();

  before(async () => {
    postgres = await PGlite.create();
    await postgres.exec(setup.join(';'));
    for (const [mode, reader] of [
      ['closures', new MemoryReader({ batchRows: 7, waits: 3 })],
      ['generated', new MemoryReader({ batchRows: 16 })],
    ] as const) {
      const database = await MemoryDatabase.open(reader);
      await database.run(setup.join(';'));
      databases.set(mode, database);
    }
  });

  after(async () => {
    setCompilationMode('adaptive');
    await postgres.close();
  });

  async function agrees(sql: string): Promise<void> {
    const expected = comparable(await postgresRows(postgres, sql), sql);
    for (const [mode, database] of databases) {
      setCompilationMode(mode);
      expect(comparable(await ownRows(database, sql), sql), `${mode}: ${sql}`).to.deep.equal(expected);
    }
  }

  for (const [group, queries] of Object.entries(generatedQueries(7))) {
    it(`${group}: ${queries.length} queries`, async () => {
      for (const sql of queries) await agrees(sql);
    });
  }

  it('leaves no memory reserved', () => {
    for (const database of databases.values()) expect(database.reserved).to.equal(0);
  });
});
