import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { timestamp } from '../../base/ids.ts';
import type { Datum } from '../../base/values/datum.ts';
import { catalogLookups } from '../../query/catalog/lookups.ts';
import { Script } from '../../query/catalog/test-kit/script.ts';
import { virtualRelation } from '../../query/catalog/virtual-relations.ts';
import type { ExecutionContext } from '../../query/exec/contract.ts';
import { execute } from '../../query/exec/execute.ts';
import { rowsOf } from '../../query/exec/rows.ts';
import { MemoryReader } from '../../query/exec/test-kit/memory-reader.ts';
import { planQuery } from '../../query/plan/planner.ts';
import { bindStatement } from '../../query/sql/bind/statement.ts';
import { type ParsedStatement, parse } from '../../query/sql/parse.ts';
import type { FunctionContext } from '../../query/types/function.ts';

const folder = new URL('psql/', import.meta.url);

const definition = `
  CREATE TABLE t (id serial PRIMARY KEY, name text NOT NULL DEFAULT 'x', c varchar(10) UNIQUE);
  CREATE INDEX ON t (name DESC, c); CREATE SEQUENCE s; COMMENT ON TABLE t IS 'hello'`;

/** The rows of a statement, a line each; `~` is null. */
async function rowsOfStatement({ catalog }: Script, statement: ParsedStatement): Promise<string[]> {
  const functions = {
    catalog: catalogLookups(catalog, ['public']),
    searchPath: ['public'],
    user: 'alopex',
    sessionUser: 'alopex',
    database: 'alopex',
  } as unknown as FunctionContext;
  const reader = new MemoryReader();
  const bound = bindStatement(statement, {
    catalog,
    searchPath: ['public'],
    functionContext: functions,
    parameterTypes: [],
    virtualRelation,
  });
  const view = { at: timestamp(1), pending: null };
  const context: ExecutionContext = {
    reader,
    view,
    catalog,
    functions,
    parameters: [],
    checkCancelled: () => undefined,
    slice: () => null,
    sliceMs: () => 0,
    workMemoryBytes: Number.POSITIVE_INFINITY,
    reserve: () => undefined,
    release: () => undefined,
    spill: null,
    momentAt: () => ({ view, catalog }),
    writer: null,
  };
  const cursor = execute(planQuery(bound.plan, { catalog, reader, functions, readsPast: false }), context);
  const lines: string[] = [];
  for (let batch = await cursor.next(); batch !== null; batch = await cursor.next()) {
    for (const row of rowsOf(batch)) lines.push(row.map(shown).join('|'));
  }
  return lines;
}

function shown(value: Datum): string {
  return value === null ? '~' : String(value);
}

/** What the last statements of a file must answer, where it says more than that there is nothing. */
const answers: Readonly<Record<string, readonly (readonly string[])[]>> = {
  'd.sql': [['public|s|sequence|alopex', 'public|t|table|alopex', 'public|t_id_seq|sequence|alopex']],
  'dt.sql': [['public|t|table|alopex']],
  'ds.sql': [['public|s|sequence|alopex', 'public|t_id_seq|sequence|alopex']],
  'di.sql': [
    ['public|t_c_key|index|alopex|t', 'public|t_name_c_idx|index|alopex|t', 'public|t_pkey|index|alopex|t'],
  ],
  'dn.sql': [['alopex|alopex', 'public|alopex']],
  'l.sql': [['alopex|alopex|UTF8|C.UTF-8|C.UTF-8|~|libc|~']],
  'd-t.sql': [
    ['16384|public|t'],
    ['0|r|true|false|false|false|false|false|false||0||p|d|heap'],
    [
      "id|integer|nextval('t_id_seq'::regclass)|true|~||",
      "name|text|'x'::text|true|~||",
      'c|character varying(10)|~|false|~||',
    ],
    [
      't_pkey|true|true|false|true|CREATE UNIQUE INDEX t_pkey ON public.t USING btree (id)|PRIMARY KEY (id)|p|false|false|false|0',
      't_c_key|false|true|false|true|CREATE UNIQUE INDEX t_c_key ON public.t USING btree (c)|UNIQUE (c)|u|false|false|false|0',
      't_name_c_idx|false|false|false|false|CREATE INDEX t_name_c_idx ON public.t USING btree (name DESC, c)|~|~|~|~|false|0',
    ],
  ],
  'd-t_pkey.sql': [
    ['16387|public|t_pkey'],
    ['0|i|false|false|false|false|false|false|false||0||p|n|btree'],
    ['id|integer|yes|id'],
    ['true|true|false|true|false|false|false|false|btree|t|~'],
  ],
};

describe('statements that psql sends', () => {
  it('the corpus has the oids of the relations', async () => {
    const { catalog } = await Script.open(definition);
    const oids = ['t', 't_pkey', 's'].map((name) => catalog.relation(2200, name)?.id);
    expect(oids).to.deep.equal([16384, 16387, 16393]);
  });

  for (const file of readdirSync(folder).filter((name) => name.endsWith('.sql'))) {
    it(`${file} is answered`, async () => {
      const script = await Script.open(definition);
      const results: string[][] = [];
      for (const statement of parse(readFileSync(new URL(file, folder), 'utf8'))) {
        results.push(await rowsOfStatement(script, statement));
      }
      const expected = answers[file];
      if (expected !== undefined) expect(results.slice(0, expected.length)).to.deep.equal(expected);
      expect(results).to.not.have.length(0);
    });
  }
});
